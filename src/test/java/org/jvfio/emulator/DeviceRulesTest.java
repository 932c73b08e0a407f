package org.jvfio.emulator;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Collections;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Supplier;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.jvfio.Container;
import org.jvfio.Device;
import org.jvfio.DmaConstraints;
import org.jvfio.DmaDirection;
import org.jvfio.DmaMapping;
import org.jvfio.PciAddress;
import org.jvfio.emulator.device.BarKind;
import org.jvfio.emulator.device.DeviceBus;
import org.jvfio.emulator.device.DeviceIdentity;
import org.jvfio.emulator.device.DeviceInterrupts;
import org.jvfio.emulator.device.EmulatedCapability;
import org.jvfio.emulator.device.EmulatedDevice;
import org.jvfio.emulator.device.ForwardingDevice;

/** What devices may be, and do. */
class DeviceRulesTest {
    private static void assertRefused(String expected, Executable action) {
        String message = String.valueOf(
                assertThrows(IllegalArgumentException.class, action).getMessage());
        assertTrue(message.contains(expected), message);
    }

    private static EmulatedMachine.Builder machine() {
        return EmulatedMachine.power8().toBuilder().withoutDevices();
    }

    @ParameterizedTest
    @CsvSource({"0, 0x18", "0x100, 0x100", "0x108, 0x100", "0xf8, 0x100", "0, 0"})
    void deviceInterrupts_tableOverPendingBits_refused(String table, String pending) {
        assertRefused(
                "they overlap", () -> new DeviceInterrupts(false, 0, 65, 0, Long.decode(table), Long.decode(pending)));
    }

    @Test
    void deviceInterrupts_tableBesidePendingBits_accepted() {
        assertEquals(0x410, new DeviceInterrupts(false, 0, 65, 0, 0, 0x410).pendingOffset());
        assertEquals(0x110, new DeviceInterrupts(false, 0, 65, 0, 0x110, 0x100).tableOffset());
    }

    @ParameterizedTest
    @CsvSource({"0xffff, 1", "0xffff, 0xffff", "0, 0", "0, 0xffff"})
    void deviceIdentity_idsOfNoDevice_refused(String vendor, String device) {
        assertRefused(
                "Linux finds no device there",
                () -> new DeviceIdentity(Integer.decode(vendor), Integer.decode(device), 0, 0));
    }

    @Test
    void rom_shorterThanItsHeader_refused() {
        EmulatedMachine.Builder machine = machine().device("0000:01:00.0", 0, DmaProbe::new);
        assertRefused("a ROM of 3 bytes", () -> machine.rom("0000:01:00.0", new byte[3]));
        machine.rom("0000:01:00.0", new byte[26]).rom("0000:01:00.0", new byte[0]);
    }

    @Test
    @SuppressWarnings("NullAway") // what a caller without annotations can pass
    void device_nullSupplier_refused() {
        EmulatedMachine.Builder machine = machine();
        Supplier<DmaProbe> none = null;
        assertRefused(
                "the supplier of the device at 0000:01:00.0 is null", () -> machine.device("0000:01:00.0", 0, none));
    }

    @Test
    @SuppressWarnings("NullAway") // what a supplier without annotations can return
    void boot_supplierReturnsNull_refused() {
        Supplier<DmaProbe> none = () -> null;
        EmulatedMachine machine = machine().device("0000:01:00.0", 0, none).build();
        assertRefused("the supplier of the device at 0000:01:00.0 returned null", () -> EmulatedKernel.boot(machine));
    }

    /** A device of which one property is null. */
    @SuppressWarnings("NullAway") // what an implementation without annotations can return
    private static final class Incomplete extends ForwardingDevice {
        private final String missing;

        Incomplete(String missing) {
            super(new DmaProbe());
            this.missing = missing;
        }

        private <T> T orNull(String property, T value) {
            return property.equals(missing) ? null : value;
        }

        @Override
        public DeviceIdentity identity() {
            return orNull("identity()", super.identity());
        }

        @Override
        public long[] barBytes() {
            return orNull("barBytes()", super.barBytes());
        }

        @Override
        public BarKind barKind(int bar) {
            return orNull("barKind(0)", super.barKind(bar));
        }

        @Override
        public DeviceInterrupts interrupts() {
            return orNull("interrupts()", super.interrupts());
        }

        @Override
        public List<EmulatedCapability> capabilities() {
            EmulatedCapability one = orNull("capabilities(), in the list", EmulatedCapability.serialNumber(1));
            return orNull("capabilities()", Collections.singletonList(one));
        }

        @Override
        public byte[] rom() {
            return orNull("rom()", super.rom());
        }

        @Override
        public List<Path> files() {
            return orNull("files()", super.files());
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "identity()",
                "barBytes()",
                "barKind(0)",
                "interrupts()",
                "capabilities()",
                "capabilities(), in the list",
                "rom()",
                "files()"
            })
    void boot_deviceWithANullProperty_refusedWithDeviceAndMethod(String property) {
        EmulatedMachine machine = machine()
                .device("0000:01:00.0", 0, () -> new Incomplete(property))
                .build();
        assertRefused(
                "the device at 0000:01:00.0, of %s, returns null from %s"
                        .formatted(Incomplete.class.getName(), property),
                () -> EmulatedKernel.boot(machine));
    }

    @Test
    void bus_invalidLengthPartOrDelay_refused() {
        AtomicReference<DeviceBus> plugged = new AtomicReference<>();
        EmulatedKernel.boot(machine()
                .device("0000:01:00.0", 0, () -> new ForwardingDevice(new DmaProbe()) {
                    @Override
                    protected DeviceBus bus(DeviceBus hostBus) {
                        plugged.set(hostBus);
                        return hostBus;
                    }
                })
                .build());
        DeviceBus bus = Objects.requireNonNull(plugged.get());
        MemorySegment data = MemorySegment.ofArray(new byte[8]);
        assertRefused("0000:01:00.0: DMA of -1 bytes at 0x1000", () -> bus.readMemory(0x1000, data, 0, -1));
        assertRefused("0000:01:00.0: DMA of -1 bytes at 0x1000", () -> bus.writeMemory(0x1000, data, 0, -1));
        assertThrows(IndexOutOfBoundsException.class, () -> bus.readMemory(0x1000, data, 4, 5));
        assertThrows(IndexOutOfBoundsException.class, () -> bus.writeMemory(0x1000, data, -1, 4));
        assertRefused("0000:01:00.0: a delay of PT-5S", () -> bus.after(Duration.ofSeconds(-5), () -> {}));
    }

    @Test
    void boot_oneDeviceInTwoSlots_refused() {
        EmulatedDevice same = new DmaProbe();
        EmulatedMachine machine = machine()
                .device("0000:01:00.0", 0, () -> same)
                .device("0001:01:00.0", 1, () -> same)
                .build();
        assertRefused("the device at 0001:01:00.0 is the one at 0000:01:00.0", () -> EmulatedKernel.boot(machine));
    }

    @Test
    @Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
    void write_ofADeviceThatMapsMemoryMeanwhile_mapsIt() {
        AtomicReference<Runnable> called = new AtomicReference<>(() -> {});
        PciAddress address = PciAddress.parse("0000:01:00.0");
        EmulatedKernel kernel = EmulatedKernel.boot(machine()
                .device(
                        address.toString(),
                        0,
                        () -> new DmaProbe(() -> called.get().run()))
                .build());
        try (Device device = Device.open(kernel, address)) {
            Container container = device.container();
            DmaMapping mapping =
                    container.map(container.allocate(1 << 16).range(), DmaDirection.BIDIRECTIONAL, DmaConstraints.NONE);
            mapping.unmap();
            called.set(mapping::map);
            device.bar(0).writeLong(DmaProbe.COMMAND, DmaProbe.CALL);
            assertTrue(mapping.isMapped());
            called.set(mapping::unmap);
            device.bar(0).writeLong(DmaProbe.COMMAND, DmaProbe.CALL);
            assertFalse(mapping.isMapped());
        }
    }
}
