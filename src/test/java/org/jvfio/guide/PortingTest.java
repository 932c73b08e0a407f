package org.jvfio.guide;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.Test;
import org.jvfio.Container;
import org.jvfio.Device;
import org.jvfio.DmaDirection;
import org.jvfio.DmaMapping;
import org.jvfio.DmaMemory;
import org.jvfio.DmaWindow;
import org.jvfio.PageSize;
import org.jvfio.PciAddress;
import org.jvfio.emulator.EmulatedKernel;
import org.jvfio.emulator.EmulatedMachine;

/** The listing of the page "From C to JVFIO". */
class PortingTest {
    @Test
    void callByCall_memory_isMapped() {
        EmulatedKernel kernel = EmulatedKernel.boot(EmulatedMachine.power8());
        PciAddress address = PciAddress.parse("0000:01:00.0");
        // @start region="windows"
        try (Container container = Container.open(kernel);
                Device device = container.attach(address).openDevice(address)) {
            DmaWindow window = container.createWindow(PageSize.SIZE_64K, 1L << 30, 1); // TCE_CREATE
            DmaMemory memory = container.allocate(1 << 20); // mmap, REGISTER_MEMORY
            DmaMapping mapping = window.map(memory, DmaDirection.TO_DEVICE); // MAP_DMA
            device.enableBusMastering(); // the command register
            System.out.printf("0x%x%n", mapping.iova());
        }
        // @end
        assertEquals(0, kernel.openDescriptors());
    }
}
