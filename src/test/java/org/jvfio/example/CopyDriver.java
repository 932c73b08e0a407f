package org.jvfio.example;

import java.time.Duration;
import org.jvfio.Container;
import org.jvfio.Device;
import org.jvfio.DmaDirection;
import org.jvfio.DmaMapping;
import org.jvfio.DmaMemory;
import org.jvfio.PciAddress;
import org.jvfio.WindowPlan;
import org.jvfio.WindowRequest;
import org.jvfio.driver.edu.EduDevice;
import org.jvfio.kernel.Kernel;

/** A whole driver: it has an edu device copy a text from one place of its memory to another. */
public final class CopyDriver {
    private CopyDriver() {}

    public static String copy(Kernel kernel, PciAddress address, String text) {
        long bytes = 256L << 20;
        try (Device device = Device.open(kernel, address)) {
            Container container = device.container();
            WindowPlan plan = container.planWindow(WindowRequest.of(bytes).dmaMaskBits(64));
            DmaMemory memory = container.allocate(bytes);
            DmaMapping mapping = container.apply(plan).map(memory, DmaDirection.BIDIRECTIONAL);
            device.enableBusMastering();
            EduDevice edu = EduDevice.of(device);
            memory.segment().setString(0, text);
            edu.readMemory(mapping.iova(), 0, 4096, Duration.ofSeconds(1));
            edu.writeMemory(mapping.iova() + 4096, 0, 4096, Duration.ofSeconds(1));
            return memory.segment().getString(4096);
        }
    }
}
