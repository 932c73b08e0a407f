package org.jvfio.cli.host;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Names from lists with vendors of few devices, and of so many that no other vendor is near. */
class PciIdsTest {
    private static final int FEW = 3;
    private static final int MANY = 3000;

    @TempDir
    private Path directory = Path.of("");

    private PciIds read(String list) throws IOException {
        return PciIds.read(Files.writeString(directory.resolve("pci.ids"), list));
    }

    /** Every 16th vendor has many devices; ids between two others have no name. */
    private static String list() {
        StringBuilder list = new StringBuilder("# a comment\n\n");
        for (int vendor = 2; vendor < 0x100; vendor += 2) {
            list.append("%04x  Vendor %d\n".formatted(vendor, vendor));
            for (int device = 2; device <= 2 * devices(vendor); device += 2) {
                list.append("\t%04x  Device %d of %d\n".formatted(device, device, vendor));
                if (device % 8 == 0) {
                    list.append("# a comment\n\t\t%04x 0001  Board of %d\n".formatted(vendor, device));
                }
            }
        }
        return list + "ffff  Illegal Vendor ID\n\nC 01  Storage\n\t08  Memory\n\t\t02  NVM Express\nC ff  Unassigned\n";
    }

    private static int devices(int vendor) {
        return vendor % 32 == 0 ? MANY : FEW;
    }

    @Test
    void deviceAndVendor_eachIdOfALongList_isFoundAndNoOther() throws IOException {
        PciIds ids = read(list());
        for (int vendor = 1; vendor <= 0x101; vendor++) {
            boolean known = vendor % 2 == 0 && vendor < 0x100;
            assertEquals(known ? Optional.of("Vendor " + vendor) : Optional.empty(), ids.vendor(vendor));
            int last = 2 * devices(vendor);
            for (int device = 0; device <= last + 2; device += device < 8 || device > last - 8 ? 1 : 97) {
                assertEquals(
                        known && device % 2 == 0 && device > 0 && device <= last
                                ? Optional.of("Device %d of %d".formatted(device, vendor))
                                : Optional.empty(),
                        ids.device(vendor, device));
            }
        }
        assertEquals(Optional.of("Illegal Vendor ID"), ids.vendor(0xffff));
        assertEquals(Optional.of("Board of 4000"), ids.subsystem(0x40, 4000, 0x40, 1));
        assertEquals(Optional.empty(), ids.subsystem(0x40, 4002, 0x40, 1));
        assertEquals(Optional.of("Memory"), ids.deviceClass(0x010802));
        assertEquals(Optional.of("NVM Express"), ids.programmingInterface(0x010802));
        assertEquals(Optional.of("Unassigned"), ids.deviceClass(0xff0000));
        assertEquals(Optional.empty(), ids.deviceClass(0x020000));
    }

    @Test
    void device_aShortListInAnyOrder_isFound() throws IOException {
        PciIds ids = read("1234  Technical Corp.\n\t11e8  edu\n\t1111  video");
        assertEquals(Optional.of("video"), ids.device(0x1234, 0x1111));
        assertEquals(Optional.of("edu"), ids.device(0x1234, 0x11e8));
        assertEquals(Optional.empty(), ids.device(0x1234, 0x2222));
    }

    @Test
    void vendor_anEmptyOrForeignFile_hasNoName() throws IOException {
        assertEquals(Optional.empty(), read("").vendor(0x1234));
        assertEquals(Optional.empty(), read("\n\n\n").vendor(0x1234));
        assertEquals(Optional.empty(), read("\u0000\u0001" + "x".repeat(10_000)).device(0x1234, 1));
        assertEquals(Optional.empty(), read("1234").device(0x1234, 1));
        assertEquals(Optional.of(""), read("1234").vendor(0x1234));
    }
}
