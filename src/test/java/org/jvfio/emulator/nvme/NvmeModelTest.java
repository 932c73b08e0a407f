package org.jvfio.emulator.nvme;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.jvfio.emulator.EmulatedMachine;
import org.jvfio.fixture.nvme.NvmeEntry;
import org.jvfio.fixture.nvme.NvmeHostQueue;

/** Drives of machine files. */
class NvmeModelTest {
    @TempDir
    private Path directory = Path.of("");

    private EmulatedMachine read(String json) throws IOException {
        return EmulatedMachine.read(Files.writeString(directory.resolve("machine.json"), json));
    }

    @Test
    void read_namespaces_inMemoryAndInFiles() throws IOException {
        Path image = Files.write(directory.resolve("drive.img"), new byte[3 * 4096 + 100]);
        EmulatedMachine machine = read("""
                {"like": "power8", "devices": [
                 {"address": "0000:01:00.0", "group": 0, "model": "nvme", "serial": "S1",
                  "namespaces": [{"size": "1M", "lbaSize": 512}, {"file": "drive.img", "lbaSize": "4K"}, {}]},
                 {"address": "0001:01:00.0", "group": 1, "model": "nvme", "file": "drive.img"}]}
                """);
        ControllerHost drive = ControllerHost.of(machine, 0).enabled();
        assertEquals(2048, drive.qword(drive.identify(0, 1)));
        assertEquals(3, drive.qword(drive.identify(0, 2)));
        assertEquals(1 << 20, drive.qword(drive.identify(0, 3)));
        ControllerHost other = ControllerHost.of(machine, 1).enabled();
        assertEquals(Files.size(image) / 512, other.qword(other.identify(0, 1)));
    }

    @Test
    void read_limitsAndInterrupts_ofTheDrive() throws IOException {
        EmulatedMachine machine = read("""
                {"like": "power8", "devices": [
                 {"address": "0000:01:00.0", "group": 0, "model": "nvme", "mdts": 0, "msi": 2, "msix": 0}]}
                """);
        ControllerHost drive = ControllerHost.of(machine, 0).withMsi().enabled();
        assertEquals(0, drive.dword(drive.identify(1, 0) + 77) & 0xff);
        drive.createQueues(1, 4, 1, true);
        NvmeEntry beyond = NvmeEntry.createCompletionQueue(2, 4, drive.pages(1), 2, 3);
        ControllerHost.assertStatus(1 << 8 | 0x08, drive.admin(beyond));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "mdts | 17 | MDTS: 17 is not in the range 0 to 16",
                "msi  | 3  | MSI messages: 3 is not a power of two",
                "msix | 99 | MSI-X vectors: 99 is not in the range 0 to 65"
            })
    void read_outOfRange_illegalArgumentWithFile(String option, int value, String expected) {
        IllegalArgumentException wrong =
                assertThrows(IllegalArgumentException.class, () -> read("""
                {"like": "power8", "devices": [
                 {"address": "0000:01:00.0", "group": 0, "model": "nvme", "%s": %d}]}
                """.formatted(option, value)));
        String message = String.valueOf(wrong.getMessage());
        assertTrue(message.contains("machine.json") && message.contains(expected), message);
    }

    @Test
    void read_latency_ofTheDrive() throws IOException {
        EmulatedMachine machine = read("""
                {"like": "power8", "devices": [{"address": "0000:01:00.0", "group": 0, "model": "nvme",
                 "latencyMicros": 250}]}
                """);
        ControllerHost drive = ControllerHost.of(machine, 0).enabled();
        NvmeHostQueue queue = drive.createQueues(1, 4);
        queue.submit(NvmeEntry.of(0).namespace(1));
        drive.pass(Duration.ofNanos(249_999));
        assertNull(queue.poll());
        drive.pass(Duration.ofNanos(1));
        ControllerHost.assertSuccess(queue.next());
    }
}
