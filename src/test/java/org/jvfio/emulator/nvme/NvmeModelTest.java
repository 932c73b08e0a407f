package org.jvfio.emulator.nvme;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.jvfio.emulator.EmulatedMachine;

/** Drives of machine files. */
class NvmeModelTest {
    @TempDir
    private Path directory = Path.of("");

    private EmulatedMachine read(String json) throws IOException {
        return EmulatedMachine.read(Files.writeString(directory.resolve("machine.json"), json));
    }

    @Test
    void aDriveHasNamespacesInMemoryAndInFilesNextToTheMachinesFile() throws IOException {
        Path image = Files.write(directory.resolve("drive.img"), new byte[3 * 4096 + 100]);
        EmulatedMachine machine = read("""
                {"like": "power8", "devices": [
                 {"address": "0000:01:00.0", "group": 0, "model": "nvme", "serial": "S1",
                  "namespaces": [{"size": "1M", "lbaSize": 512}, {"file": "drive.img", "lbaSize": "4K"}, {}]},
                 {"address": "0001:01:00.0", "group": 1, "model": "nvme", "file": "drive.img"}]}
                """);
        NvmeHost drive = NvmeHost.of(machine, 0).enabled();
        assertEquals(2048, drive.qword(drive.identify(0, 1)));
        assertEquals(3, drive.qword(drive.identify(0, 2)));
        assertEquals(1 << 20, drive.qword(drive.identify(0, 3)));
        NvmeHost other = NvmeHost.of(machine, 1).enabled();
        assertEquals(Files.size(image) / 512, other.qword(other.identify(0, 1)));
    }

    @Test
    void aDriveTakesTheTimeThatTheFileSays() throws IOException {
        EmulatedMachine machine = read("""
                {"like": "power8", "devices": [{"address": "0000:01:00.0", "group": 0, "model": "nvme",
                 "latencyMicros": 250}]}
                """);
        NvmeHost drive = NvmeHost.of(machine, 0).enabled();
        NvmeHostQueue queue = drive.createQueues(1, 4);
        queue.submit(NvmeEntry.of(0).namespace(1));
        drive.pass(Duration.ofNanos(249_999));
        assertNull(queue.poll());
        drive.pass(Duration.ofNanos(1));
        NvmeHost.assertSuccess(queue.next());
    }
}
