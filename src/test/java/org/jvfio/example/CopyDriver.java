package org.jvfio.example;

import java.time.Duration;
import org.jvfio.Device;
import org.jvfio.DmaDirection;
import org.jvfio.DmaMapping;
import org.jvfio.DmaMemory;
import org.jvfio.DmaWindow;
import org.jvfio.PageSize;
import org.jvfio.PciAddress;
import org.jvfio.driver.edu.EduDevice;
import org.jvfio.kernel.Kernel;

class CopyDriver {
    static String copy(Kernel kernel, PciAddress address, String text) {
        long bytes = 256L << 20;
        try (Device device = Device.open(kernel, address)) {
            DmaWindow window = device.container().createWindow(PageSize.SIZE_64K, bytes, 1);
            DmaMemory memory = device.container().allocate(bytes);
            DmaMapping mapping = window.map(memory, DmaDirection.BIDIRECTIONAL);
            device.enableBusMastering();
            EduDevice edu = EduDevice.of(device);
            memory.segment().setString(0, text);
            edu.readMemory(mapping.iova(), 0, 4096, Duration.ofSeconds(1));
            edu.writeMemory(mapping.iova() + 4096, 0, 4096, Duration.ofSeconds(1));
            return memory.segment().getString(4096);
        }
    }
}
