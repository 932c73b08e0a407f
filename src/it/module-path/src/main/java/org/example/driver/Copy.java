package org.example.driver;

import java.time.Duration;
import org.jvfio.Container;
import org.jvfio.Device;
import org.jvfio.DmaConstraints;
import org.jvfio.DmaDirection;
import org.jvfio.DmaMapping;
import org.jvfio.DmaMemory;
import org.jvfio.PciAddress;
import org.jvfio.driver.edu.EduDevice;
import org.jvfio.emulator.EmulatedKernel;
import org.jvfio.emulator.EmulatedMachine;
import org.jvfio.kernel.Kernel;

/** Copies a text through the edu device of an emulated POWER9 host. */
public final class Copy {
    private Copy() {}

    /** Runs it. */
    public static void main(String[] arguments) {
        System.out.println(copy(EmulatedKernel.boot(EmulatedMachine.power9()), "Hello, POWER"));
    }

    static String copy(Kernel kernel, String text) {
        try (Device device = Device.open(kernel, PciAddress.parse("0000:01:00.0"))) {
            Container container = device.container();
            DmaMemory memory = container.allocate(8192);
            DmaMapping mapping =
                    container.map(memory.range(), DmaDirection.BIDIRECTIONAL, DmaConstraints.ofMaskBits(32));
            device.enableBusMastering();
            EduDevice edu = EduDevice.of(device);
            memory.segment().setString(0, text);
            edu.readMemory(mapping.iova(), 0, 4096, Duration.ofSeconds(1));
            edu.writeMemory(mapping.iova() + 4096, 0, 4096, Duration.ofSeconds(1));
            return memory.segment().getString(4096);
        }
    }
}
