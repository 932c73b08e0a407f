package org.jvfio.contract;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.jvfio.Container;
import org.jvfio.Device;
import org.jvfio.DmaDirection;
import org.jvfio.DmaMapping;
import org.jvfio.DmaMemory;
import org.jvfio.DmaWindow;
import org.jvfio.PciAddress;
import org.jvfio.contract.host.ContractHost;
import org.jvfio.driver.edu.EduDevice;

/**
 * What the library unmaps is what it says: all of it, or its memory would stay registered for good; and nothing else,
 * or the device would not reach the neighbours. Other projects fill in the struct of MAP_DMA here, and the kernel takes
 * bus address 0 for its start and the start for its size.
 */
@ContractTest
class UnmapTest extends Contract {
    private static final DmaDirection DIRECTION = DmaDirection.BIDIRECTIONAL;
    private static final Duration PATIENCE = Duration.ofSeconds(5);

    UnmapTest(ContractHost host) {
        super(host, host.startWatched());
    }

    @Test
    void unmapRange_partOfMapping_neighboursStayMapped() {
        try (Device device = Device.open(process.kernel(), PciAddress.parse(first.address()))) {
            Container container = device.container();
            long page = container.systemPage().bytes();
            DmaWindow window = container.createWindow(container.systemPage(), GIB, 1);
            DmaMemory gone = container.allocate(page);
            DmaMemory partly = container.allocate(3 * page);
            DmaMapping before = window.map(gone, DIRECTION);
            DmaMapping after = window.map(partly, DIRECTION);
            long locked = process.lockedBytes();

            before.close();
            gone.close();
            assertEquals(locked - page, process.lockedBytes(), "nothing of it was mapped");
            List<DmaMapping> left = after.unmapRange(0, page);

            device.enableBusMastering();
            EduDevice edu = EduDevice.of(device);
            partly.segment().setString(page, "still there");
            edu.readMemory(left.getFirst().iova(), 0, 64, PATIENCE);
            edu.writeMemory(left.getFirst().iova() + page, 0, 64, PATIENCE);
            assertEquals("still there", partly.segment().getString(2 * page));
        }
    }
}
