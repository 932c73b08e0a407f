package org.jvfio.contract;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.time.Duration;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.jvfio.Device;
import org.jvfio.DmaConstraints;
import org.jvfio.DmaDirection;
import org.jvfio.DmaMemory;
import org.jvfio.PciAddress;
import org.jvfio.contract.host.ContractHost;
import org.jvfio.driver.edu.EduDevice;

/** Memory that two drivers of one process share, each with a container of its own, by the public API. */
@ContractTest
class DriverSharedMemoryTest extends Contract {
    private static final long PART = 64 * KIB;
    private static final Duration TIMEOUT = Duration.ofSeconds(10);
    private static final DmaConstraints LIMITS = DmaConstraints.ofMaskBits(28);

    private final Device device = Device.open(process.kernel(), PciAddress.parse(first.address()));
    private final Device other = Device.open(process.kernel(), PciAddress.parse(second.address()));

    DriverSharedMemoryTest(ContractHost host) {
        super(host, host.startWatched());
    }

    @AfterEach
    void closeDevices() {
        other.close();
        device.close();
    }

    private static void copy(Device device, long from, long to) {
        device.enableBusMastering();
        EduDevice edu = EduDevice.of(device);
        edu.readMemory(from, 0, 4096, TIMEOUT);
        edu.writeMemory(to, 0, 4096, TIMEOUT);
    }

    @Test
    void register_memoryOfOtherContainer_devicesExchangeData() {
        DmaMemory memory = device.container().allocate(2 * PART);
        DmaMemory shared = other.container().register(memory.segment().asSlice(PART, PART));
        long whole = device.container()
                .map(memory.range(), DmaDirection.BIDIRECTIONAL, LIMITS)
                .iova();
        long half = other.container()
                .map(shared.range(), DmaDirection.BIDIRECTIONAL, LIMITS)
                .iova();
        memory.segment().setString(0, "from one to the other");
        copy(device, whole, whole + PART);
        copy(other, half, half + 4096);
        assertEquals("from one to the other", memory.segment().getString(PART + 4096));
    }

    @Test
    void close_memoryOfTwoContainers_freedByTheLast() {
        DmaMemory memory = device.container().allocate(PART);
        long locked = device.container().lockedMemory().locked();
        DmaMemory shared = other.container().register(memory.segment());
        assertEquals(locked, device.container().lockedMemory().locked());
        long iova = other.container()
                .map(shared.range(), DmaDirection.BIDIRECTIONAL, LIMITS)
                .iova();
        // The kernel creates the default window with the first mapping.
        locked = device.container().lockedMemory().locked();
        memory.close();
        assertThrows(IllegalStateException.class, memory::segment);
        shared.segment().setString(0, "still there");
        copy(other, iova, iova + 4096);
        assertEquals("still there", shared.segment().getString(4096));
        shared.close();
        assertEquals(locked - PART, device.container().lockedMemory().locked());
    }
}
