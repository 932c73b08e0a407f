package org.jvfio.emulator.nvme;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.FileSystem;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermission;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.jvfio.emulator.EmulatedKernel;
import org.jvfio.emulator.EmulatedMachine;
import org.jvfio.emulator.device.DeviceInterrupts;
import org.jvfio.fixture.nvme.NvmeEntry;
import org.jvfio.fixture.nvme.NvmeHostQueue;

/** How a controller is configured. */
class EmulatedNvmeTest {
    private static void assertRefused(String expected, Consumer<EmulatedNvme.Builder> step) {
        IllegalArgumentException refused =
                assertThrows(IllegalArgumentException.class, () -> step.accept(EmulatedNvme.builder()));
        String message = Objects.requireNonNull(refused.getMessage());
        assertTrue(message.contains(expected), message);
    }

    @Test
    void builder_outOfRange_refused(@TempDir Path directory) throws IOException {
        Path empty = Files.createFile(directory.resolve("empty"));
        assertRefused("serial number", drive -> drive.serial(""));
        assertRefused("serial number", drive -> drive.serial("123456789012345678901"));
        assertRefused("serial number", drive -> drive.serial("tab\t"));
        assertRefused("I/O queue pairs: 0 is not in the range 1 to 64", drive -> drive.queuePairs(0));
        assertRefused("queue entries: 1 is not in the range 2 to 65536", drive -> drive.queueEntries(1));
        assertRefused("MDTS: 17 is not in the range 0 to 16", drive -> drive.mdts(17));
        assertRefused("MSI messages: 64 is not in the range 0 to 32", drive -> drive.msi(64));
        assertRefused("MSI messages: 3 is not a power of two", drive -> drive.msi(3));
        assertRefused("MSI-X vectors: 66 is not in the range 0 to 65", drive -> drive.msix(66));
        assertRefused("a multiple of 500 ms", drive -> drive.readyTimeout(Duration.ofMillis(750)));
        assertRefused("a multiple of 500 ms", drive -> drive.readyTimeout(Duration.ofMillis(-500)));
        assertRefused("up to 32767.5 s", drive -> drive.mediaTimeout(Duration.ofSeconds(32_768)));
        assertRefused("a multiple of 500 ms", drive -> drive.mediaTimeout(Duration.ofMillis(1)));
        assertRefused("up to 127.5 s", drive -> drive.readyTimeout(Duration.ofSeconds(128)));
        assertRefused("is smaller than one block of 512 bytes", drive -> drive.namespace(511));
        assertRefused("its 0 bytes are not whole blocks of 512 bytes", drive -> drive.namespace(empty, 512));
        assertRefused("the sizes are 512 and 4096", drive -> drive.namespace(1 << 20, 1024));
        assertRefused("the maximum is 16T", drive -> drive.namespace((1L << 44) + 1));
        assertRefused("namespaces: 257 is not in the range 1 to 256", drive -> {
            for (int count = 0; count < 257; count++) {
                drive.namespace(512);
            }
        });
    }

    @Test
    void images_ofAHost_theirFiles(@TempDir Path directory) throws IOException {
        Path image = Files.write(directory.resolve("image"), new byte[512]);
        EmulatedNvme.Builder drive = EmulatedNvme.builder().namespace(1 << 20).namespace(image, 512);
        EmulatedMachine machine = EmulatedMachine.power8().toBuilder()
                .device("0003:01:00.0", 3, drive::build)
                .build();
        assertEquals(List.of(image), EmulatedKernel.boot(machine).host().deviceFiles());
    }

    @Test
    @EnabledOnOs(OS.LINUX)
    void ofImage_unusableFile_reasonNamed(@TempDir Path directory) throws IOException {
        assertEquals("the image " + directory + " cannot be used: it is a directory", refusal(directory));
        Path none = directory.resolve("none.img");
        assertEquals("there is no image " + none, refusal(none));
        Path notes = Files.write(directory.resolve("notes.txt"), new byte[1400]);
        assertEquals(
                "the file " + notes + " is no image of a namespace: its 1400 bytes are not whole blocks of 512 bytes",
                refusal(notes));
        Path locked = Files.write(directory.resolve("locked.img"), new byte[512]);
        Files.setPosixFilePermissions(locked, Set.of());
        if (!Files.isReadable(locked)) {
            assertEquals("the image " + locked + " cannot be used: permission denied", refusal(locked));
        }
        Files.setPosixFilePermissions(locked, Set.of(PosixFilePermission.OWNER_READ));
        assertEquals(
                !Files.isWritable(locked),
                NamespaceOptions.ofImage(locked).build().isWriteProtected());
        try (FileSystem other = FileSystems.newFileSystem(directory.resolve("new.zip"), Map.of("create", "true"))) {
            Path zipped = Files.write(other.getPath("drive.img"), new byte[512]);
            assertEquals(
                    "the image drive.img cannot be used: it is not a file of the default file system", refusal(zipped));
        }
    }

    private static String refusal(Path image) {
        return String.valueOf(assertThrows(
                        IllegalArgumentException.class,
                        () -> EmulatedNvme.builder().namespace(image, 512))
                .getMessage());
    }

    @Test
    void build_missingImage_refused(@TempDir Path directory) throws IOException {
        Path image = Files.write(directory.resolve("image"), new byte[512]);
        EmulatedNvme.Builder drive = EmulatedNvme.builder().namespace(image, 512);
        Files.delete(image);
        UncheckedIOException gone = assertThrows(UncheckedIOException.class, drive::build);
        assertTrue(Objects.requireNonNull(gone.getMessage()).contains(image.toString()));
    }

    @Test
    void builder_limits_reportedByTheController() {
        ControllerHost host = new ControllerHost(EmulatedNvme.builder()
                        .queuePairs(3)
                        .queueEntries(32)
                        .mdts(2)
                        .readyTimeout(Duration.ofMillis(127_500))
                        .namespace(1 << 20))
                .enabled();
        assertEquals(31, host.register(ControllerHost.CAP) & 0xffff);
        assertEquals(255, host.register(ControllerHost.CAP) >>> 24, "the most that CAP.TO can say");
        assertEquals(2, host.dword(host.identify(1, 0) + 77) & 0xff);
        assertEquals(2 << 16 | 2, host.admin(NvmeEntry.of(0x0a).dword(10, 7)).result());
        NvmeHostQueue queue = host.createQueues(3, 32);
        long data = host.pages(5);
        long list = host.pages(1);
        for (int page = 0; page < 4; page++) {
            host.qword(list + 8L * page, data + (page + 1L) * ControllerHost.PAGE);
        }
        NvmeEntry most = NvmeEntry.of(0x02).namespace(1).blocks(0, 32).prp(data, list);
        ControllerHost.assertSuccess(queue.execute(most));
        ControllerHost.assertStatus(0x02, queue.execute(most.blocks(0, 33)));
    }

    @Test
    void interrupts_defaultAndBuilder_asQemuOrAsSet() {
        DeviceInterrupts usual = EmulatedNvme.builder().build().interrupts();
        assertTrue(usual.line());
        assertEquals(0, usual.messages());
        assertEquals(65, usual.vectors());
        DeviceInterrupts other = EmulatedNvme.builder().msi(8).msix(0).build().interrupts();
        assertEquals(8, other.messages());
        assertEquals(0, other.vectors());
    }

    @Test
    void read_noMdts_upTo65536Blocks() {
        ControllerHost host = new ControllerHost(EmulatedNvme.builder().mdts(0).namespace(1L << 30)).enabled();
        assertEquals(0, host.dword(host.identify(1, 0) + 77) & 0xff);
        NvmeHostQueue queue = host.createQueues(1, 4);
        int pages = (65536 * 512) / ControllerHost.PAGE;
        long data = host.pages(1);
        long list = host.pages((pages + 510) / 511);
        long at = list;
        for (int page = 1; page < pages; page++) {
            boolean last = at % ControllerHost.PAGE == ControllerHost.PAGE - 8;
            if (last && page < pages - 1) {
                host.qword(at, at + 8);
                at += 8;
            }
            host.qword(at, data);
            at += 8;
        }
        ControllerHost.assertSuccess(
                queue.execute(NvmeEntry.of(0x02).namespace(1).blocks(1, 65536).prp(data, list)));
    }

    @Test
    void build_twice_separateControllers() {
        EmulatedNvme.Builder drive = EmulatedNvme.builder().namespace(1 << 20);
        ControllerHost first = new ControllerHost(drive).enabled();
        ControllerHost second = new ControllerHost(drive.namespace(1 << 20)).enabled();
        assertEquals(1, first.qword(first.identify(2, 0)));
        assertEquals(1L | 2L << 32, second.qword(second.identify(2, 0)));
        long data = first.pages(1);
        first.pattern(data, 512, 1);
        NvmeEntry write = NvmeEntry.of(0x01).namespace(1).blocks(0, 1).prp(data, 0);
        ControllerHost.assertSuccess(first.createQueues(1, 4).execute(write));
        long other = second.pages(1);
        ControllerHost.assertSuccess(second.createQueues(1, 4)
                .execute(NvmeEntry.of(0x02).namespace(1).blocks(0, 1).prp(other, 0)));
        second.assertZeros(other, 512);
    }

    @Test
    void anyCall_notPluggedIn_illegalState() {
        EmulatedNvme drive = EmulatedNvme.builder().build();
        assertThrows(IllegalStateException.class, drive::reset);
        assertThrows(IllegalStateException.class, () -> drive.read(0, 0, 4));
    }
}
