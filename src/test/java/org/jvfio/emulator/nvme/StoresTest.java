package org.jvfio.emulator.nvme;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotSame;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.reflect.Proxy;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.jvfio.emulator.device.DeviceBus;

/** Where namespaces keep their blocks, and what happens when there is no room or the file is somebody else's. */
class StoresTest {
    @TempDir
    private Path directory = Path.of("");

    @Test
    void write_javaHeapFull_internalErrorNotCapacity() {
        DeviceBus bus = (DeviceBus) Proxy.newProxyInstance(
                DeviceBus.class.getClassLoader(), new Class<?>[] {DeviceBus.class}, (_, _, _) -> {
                    throw new OutOfMemoryError("Java heap space");
                });
        assertEquals(Status.INTERNAL_ERROR, new MemoryStore(1 << 20).write(0, 4096, bus, 0));
    }

    @Test
    void open_sameImageTwiceInOneProcess_shared() throws IOException {
        Path image = Files.write(directory.resolve("drive.img"), new byte[4096]);
        ImageFile first = ImageFile.open(image, true);
        assertSame(first, ImageFile.open(directory.resolve(".").resolve("drive.img"), true));
        assertNotSame(first, ImageFile.open(Files.write(directory.resolve("other.img"), new byte[4096]), true));
    }

    @Test
    void open_lockLost_lockedAgain() throws IOException {
        Path image = Files.write(directory.resolve("drive.img"), new byte[4096]);
        ImageFile lost = ImageFile.open(image, true);
        lost.lock.release();
        ImageFile opened = ImageFile.open(image, true);
        assertNotSame(lost, opened);
        assertTrue(opened.lock.isValid());
        assertSame(opened, ImageFile.open(image, true));
    }

    @Test
    void open_forReadingOnlyAndThenForWriting_refusedWhileInUse() throws IOException {
        Path image = Files.write(directory.resolve("drive.img"), new byte[4096]);
        ImageFile reading = ImageFile.open(image, false);
        assertSame(reading, ImageFile.open(image, false));
        UncheckedIOException refused = assertThrows(UncheckedIOException.class, () -> ImageFile.open(image, true));
        assertEquals(
                "this process uses it for reading only",
                Objects.requireNonNull(refused.getCause()).getMessage());
        assertThrows(IOException.class, () -> reading.write(0, new byte[1], 1));
        Path written = Files.write(directory.resolve("other.img"), new byte[4096]);
        assertSame(ImageFile.open(written, true), ImageFile.open(written, false));
    }

    @Test
    void open_imageOfAnotherProcess_refusedUntilItEnds() throws IOException, InterruptedException {
        Path image = Files.write(directory.resolve("drive.img"), new byte[4096]);
        Path program = Files.writeString(directory.resolve("Holder.java"), """
                void main(String[] arguments) throws Exception {
                    try (var channel = java.nio.channels.FileChannel.open(
                            java.nio.file.Path.of(arguments[0]), java.nio.file.StandardOpenOption.WRITE)) {
                        channel.lock();
                        System.out.println("locked");
                        System.in.read();
                    }
                }
                """);
        String java = Objects.requireNonNull(ProcessHandle.current()
                .info()
                .command()
                .orElse(Path.of(System.getProperty("java.home"), "bin", "java").toString()));
        Process holder = new ProcessBuilder(java, program.toString(), image.toString())
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
        try (var output = holder.inputReader()) {
            assertEquals("locked", output.readLine());
            UncheckedIOException refused = assertThrows(UncheckedIOException.class, () -> ImageFile.open(image, true));
            assertTrue(Objects.requireNonNull(refused.getMessage()).contains(image.toString()));
            assertEquals(
                    "another process uses it as a drive; end that one, or copy the image",
                    Objects.requireNonNull(refused.getCause()).getMessage());
        } finally {
            holder.getOutputStream().close();
            holder.waitFor();
        }
        ImageFile.open(image, true);
    }
}
