package org.jvfio.contract;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.jvfio.Device;
import org.jvfio.Eeh;
import org.jvfio.PciAddress;
import org.jvfio.PciCommand;
import org.jvfio.Region;
import org.jvfio.VfioException;
import org.jvfio.contract.host.ContractHost;
import org.jvfio.driver.edu.EduDevice;

/** BARs as a driver has them, by the public API: whatever path an access takes, it does the same. */
@ContractTest
class DriverRegionsTest extends Contract {
    private static final int ID = 0;
    private static final int LIVENESS = 4;
    /** So often that a method is compiled. */
    private static final int OFTEN = 3_000;

    private final Device device = Device.open(process.kernel(), PciAddress.parse(first.address()));
    private final Region mapped = device.bar(0).withOrder(EduDevice.of(device).order());
    private final Region unmapped = mapped.viaSyscalls();

    DriverRegionsTest(ContractHost host) {
        super(host, host.startWatched());
    }

    @AfterEach
    void closeDevice() {
        device.close();
    }

    @Test
    void access_mappedAndViaSyscalls_sameRegisters() {
        assertEquals(!mapped.mappableAreas().isEmpty(), mapped.isMapped());
        assertEquals(unmapped.readInt(ID), mapped.readInt(ID));
        mapped.writeInt(LIVENESS, 0x12345678);
        assertEquals(~0x12345678, unmapped.readInt(LIVENESS));
        unmapped.writeInt(LIVENESS, 0x76543210);
        assertEquals(~0x76543210, mapped.readInt(LIVENESS));
        mapped.writeLong(0x80, 0x0102030405060708L);
        assertEquals(0x0102030405060708L, unmapped.readLong(0x80));
        assertEquals(0x0102030405060708L, mapped.readLong(0x80));
    }

    @Test
    void unsafeSegment_mappedRegion_sameValue() {
        assertThrows(VfioException.class, () -> unmapped.unsafeSegment(ID, Integer.BYTES));
        assertThrows(IndexOutOfBoundsException.class, () -> mapped.unsafeSegment(mapped.size(), 1));
        if (mapped.isMapped()) {
            assertEquals(
                    mapped.readInt(ID),
                    mapped.unsafeSegment(ID, Integer.BYTES).get(ValueLayout.JAVA_INT.withOrder(mapped.order()), 0));
        }
    }

    private void accessOften() {
        for (int each = 0; each < OFTEN; each++) {
            mapped.writeInt(LIVENESS, each);
            assertEquals(~each, mapped.readInt(LIVENESS));
        }
    }

    /** Every access fails, there and then, and says why. None gets to the device, which would not take all widths. */
    private void assertDead(String reason) {
        for (Region region : new Region[] {mapped, unmapped}) {
            List<Runnable> accesses = List.of(
                    () -> region.readByte(LIVENESS),
                    () -> region.readShort(LIVENESS),
                    () -> region.readInt(LIVENESS),
                    () -> region.readLong(0),
                    () -> region.writeByte(LIVENESS, (byte) 1),
                    () -> region.writeShort(LIVENESS, (short) 1),
                    () -> region.writeInt(LIVENESS, 1),
                    () -> region.writeLong(0, 1));
            for (int round = 0; round < 10; round++) {
                for (Runnable access : accesses) {
                    VfioException e = assertThrows(VfioException.class, access::run);
                    assertTrue(e.reason().contains(reason), e.getMessage());
                }
            }
        }
    }

    private void assertAlive() {
        for (Region region : new Region[] {mapped, unmapped}) {
            assertEquals(0x010000ed, region.readInt(ID));
        }
    }

    @Test
    @Scenario({"J10", "J11"})
    void access_memoryDisabled_failsAtOnce() {
        for (int round = 0; round < 3; round++) {
            device.configSpace().disable(PciCommand.MEMORY);
            assertDead("memory is disabled");
            device.enableMemory();
            assertAlive();
            accessOften();
        }
    }

    @Test
    void access_afterEehReset_worksWhenEnabled() {
        assumeTrue(host.resetsReliably(), "the firmware fails resets after a while");
        accessOften();
        Optional<Eeh> eeh = device.container().eeh();
        assertEquals(host.hasEeh(), eeh.isPresent());
        eeh.ifPresent(pe -> {
            pe.hotReset();
            pe.endReset();
            pe.configure();
        });
        if (!device.configSpace().command().contains(PciCommand.MEMORY)) {
            assertDead("memory is disabled");
        }
        device.enableMemory();
        assertAlive();
    }

    @Test
    void reset_mappedRegion_mappingStillWorks() {
        if (device.isResettable()) {
            assumeTrue(host.resetsReliably(), "the firmware fails resets after a while");
            device.reset();
        } else {
            assertThrows(VfioException.class, device::reset);
        }
        assertAlive();
    }

    @Test
    void access_deviceClosed_illegalState() {
        accessOften();
        device.close();
        for (Region region : new Region[] {mapped, unmapped}) {
            IllegalStateException e = assertThrows(IllegalStateException.class, () -> region.readInt(ID));
            assertEquals(device + " is closed", e.getMessage());
            assertThrows(IllegalStateException.class, () -> region.writeInt(LIVENESS, 0));
        }
        assertThrows(IllegalStateException.class, () -> mapped.unsafeSegment(0, 4));
    }
}
