package power;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The slots of devices, and QEMU's options for them. */
class MachineTest {
    private final List<String> options = new ArrayList<>();

    @Test
    void buses_asManyAsHostBridges_oneEach() {
        assertEquals(List.of("pcie.0", "pcie.1", "pcie.2"), Machine.POWERNV8.buses(3, options));
        assertEquals(6, Machine.POWERNV9.buses(6, options).stream().distinct().count());
        assertEquals(List.of(), options);
    }

    @Test
    void buses_moreThanHostBridges_portsOfASwitchAtTheLast() {
        assertEquals(List.of("pcie.0", "pcie.1", "port2", "port3"), Machine.POWERNV8.buses(4, options));
        assertEquals(
                List.of(
                        "-device", "x3130-upstream,id=switch,bus=pcie.2",
                        "-device", "xio3130-downstream,bus=switch,chassis=1,slot=2,id=port2",
                        "-device", "xio3130-downstream,bus=switch,chassis=1,slot=3,id=port3"),
                options);
    }

    @Test
    void buses_pseries_aHostBridgeForEach() {
        assertEquals(List.of("bridge1.0", "bridge2.0"), Machine.PSERIES.buses(2, options));
        assertEquals(
                List.of(
                        "-device", "spapr-pci-host-bridge,index=1,id=bridge1",
                        "-device", "spapr-pci-host-bridge,index=2,id=bridge2"),
                options);
    }

    @Test
    void options_pseries_memoryCanGrow() {
        assertTrue(Machine.PSERIES.options().contains("4G,slots=1,maxmem=8G"));
    }

    @Test
    void quote_anyArgument_oneWordOfAShell() {
        assertEquals("'a b' '' 'it'\\''s' '$x'", Commands.quote(List.of("a b", "", "it's", "$x")));
    }

    @Test
    void rom_image_hasTheIdsOfTheDriveAtItsDataStructure() {
        byte[] rom = Rom.image();
        assertEquals(1536, rom.length);
        assertEquals(0xaa55, word(rom, 0));
        int data = rom[0x18];
        assertEquals("PCIR", new String(rom, data, 4, java.nio.charset.StandardCharsets.US_ASCII));
        assertEquals(0x1b36, word(rom, data + 4));
        assertEquals(0x0010, word(rom, data + 6));
        assertEquals(rom.length / 512, rom[data + 16]);
    }

    private static int word(byte[] bytes, int offset) {
        return (bytes[offset] & 0xff) | ((bytes[offset + 1] & 0xff) << 8);
    }

    private static Qemu qemu(Optional<Path> disk) {
        return new Qemu(
                List.of("qemu"), Machine.POWERNV8, Path.of("k"), disk, "", List.of(), List.of(), List.of(), "", true);
    }

    @Test
    void command_withAndWithoutImage_driveReadsItOrZeros(@TempDir Path work) throws Exception {
        assertEquals("file=d,if=none,id=disk,format=raw", drive(qemu(Optional.of(Path.of("d"))), work));
        assertEquals("driver=null-co,read-zeroes=on,size=512M,if=none,id=disk", drive(qemu(Optional.empty()), work));
    }

    private static String drive(Qemu qemu, Path work) throws Exception {
        List<String> command = qemu.command(Path.of("i"), work);
        return command.get(command.indexOf("-drive") + 1);
    }

    @Test
    void checkInitrd_moreThanFirmwareTakes_failure() throws Failure {
        Qemu qemu = qemu(Optional.empty());
        qemu.checkInitrd(128L << 20);
        Failure failure = assertThrows(Failure.class, () -> qemu.checkInitrd((128L << 20) + 1));
        assertTrue(failure.text().startsWith("the guest's files take 128 MiB, and firmware of powernv8 takes 128"));
    }
}
