package org.jvfio.emulator;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.function.Supplier;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.jvfio.emulator.device.DeviceIdentity;
import org.jvfio.emulator.device.DeviceInterrupts;
import org.jvfio.emulator.device.EmulatedDevice;

/** Devices that no host could have are refused, with what is wrong with them. */
class DeviceRulesTest {
    private static void assertRefused(String expected, Executable action) {
        String message = assertThrows(IllegalArgumentException.class, action).getMessage();
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
    void device_nullSupplier_refused() {
        EmulatedMachine.Builder machine = machine();
        Supplier<DmaProbe> none = null;
        assertRefused(
                "the supplier of the device at 0000:01:00.0 is null", () -> machine.device("0000:01:00.0", 0, none));
    }

    @Test
    void boot_supplierReturnsNull_refused() {
        Supplier<DmaProbe> none = () -> null;
        EmulatedMachine machine = machine().device("0000:01:00.0", 0, none).build();
        assertRefused("the supplier of the device at 0000:01:00.0 returned null", () -> EmulatedKernel.boot(machine));
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
}
