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
import org.jvfio.fixture.nvme.Opcodes;

/** Drives of machine files. */
class NvmeModelTest {
    @TempDir
    private Path directory = Path.of("");

    private EmulatedMachine read(String json) throws IOException {
        return EmulatedMachine.read(Files.writeString(directory.resolve("machine.json"), json));
    }

    @Test
    void read_namespaces_inMemoryAndInFiles() throws IOException {
        Path image = Files.write(directory.resolve("drive.img"), new byte[3 * 4096]);
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
                "mdts | 17 | ('mdts'): MDTS: 17 is not in the range 0 to 16",
                "msi  | 3  | ('msi'): MSI messages: 3 is not a power of two",
                "msix | 99 | ('msix'): MSI-X vectors: 99 is not in the range 0 to 65",
                "drive | \"none\" | has 'drive' 'none', which is none of [qemu",
                "queuePairs | 65 | ('queuePairs'): I/O queue pairs: 65 is not in the range 1 to 64",
                "queueEntries | 1 | ('queueEntries'): queue entries: 1 is not in the range 2 to 65536",
                "smallestPage | 5000 | ('smallestPage'): a page of 5000 is not a power of two",
                "largestPage | \"2K\" | ('largestPage'): log2 of the largest page: 11 is not in the range 12 to 27",
                "commandSets | 256 | ('commandSets'): CAP.CSS: 256 is not in the range 0 to 255",
                "doorbellStride | 9 | ('doorbellStride'): CAP.DSTRD: 9 is not in the range 0 to 8",
                "readyTimeoutMillis | 750 | ('readyTimeoutMillis'): timeout of 750 ms: it is a multiple of 500 ms",
                "mediaTimeoutMillis | 32768000 | ('mediaTimeoutMillis'): timeout of 32768000 ms: it is a multiple of 500 ms",
                "readyDelayMicros | -1 | 'readyDelayMicros'",
                "optionalCommands | [\"erase\"] | has 'optionalCommands' erase, which is none of [compare,",
                "pciId | \"1c58\" | has 'pciId' '1c58'; write it like 1c58:0003",
                "pciId | \"ffff:0001\" | ('pciId'): ",
                "oddities | [\"slow\"] | has 'oddities' slow, which is none of [hangs-on-early-ready-check,",
                "latencyMicros | 86400000001 | ('latencyMicros'): a delay from PT24H0.000001S",
                "stuck | [\"reset\"] | has 'stuck' reset, which is none of [enable, disable, shutdown]",
                "capabilityBits | 65 | ('capabilityBits'): cannot flip 65 bits of CAP: it has 64",
                "wrongStatus | {\"bits\": 1} | lacks 'probability'",
                "wrongStatus | {\"bits\": 33, \"probability\": 1} | ('bits'): cannot flip 33 bits of CSTS",
                "wrongStatus | {\"bit\": 1} | has 'bit' in 'wrongStatus'; the options are [bits, probability]",
                "faults | {} | has 'faults' that is not a list",
                "faults | [{\"lost\": true}] | lacks 'queue'",
                "faults | [{\"queue\": \"all\", \"lost\": true}] | has 'queue' all, which is none of [admin, io]",
                "faults | [{\"queue\": \"io\", \"opcode\": 256, \"lost\": true}] | ('opcode'): opcodes are 0 to 255",
                "faults | [{\"queue\": \"io\"}] | has a fault without an effect; the effects are [status,",
                "faults | [{\"queue\": \"io\", \"lost\": false}] | has 'lost' of false; leave it out",
                "faults | [{\"queue\": \"io\", \"lost\": true, \"hung\": true}] | has [lost, hung] in one fault",
                "faults | [{\"queue\": \"io\", \"nth\": 0, \"lost\": true}] | ('nth'): command number 0",
                "faults | [{\"queue\": \"io\", \"probability\": 2, \"lost\": true}] | ('probability'): probabilities are",
                "faults | [{\"queue\": \"io\", \"status\": \"6\"}] | has 'status' '6'; write the status code type",
                "faults | [{\"queue\": \"io\", \"fatal\": true, \"retry\": true}] | has 'retry' in a fault without 'status'",
                "faults | [{\"queue\": \"io\", \"dataBits\": 0}] | ('dataBits'): the number of flipped bits is at least 1",
                "faults | [{\"queue\": \"io\", \"delayMicros\": 2, \"maxDelayMicros\": 1}] | ('maxDelayMicros'): the maximum delay, PT0.000001S, is less than the minimum, PT0.000002S",
                "faults | [{\"queue\": \"io\", \"detached\": 257}] | ('detached'): namespace identifier: 257 is not in the range 1 to 256",
                "faults | [{\"queue\": \"io\", \"attached\": 0}] | ('attached'): namespace identifier: 0 is not in",
                "faults | [{\"queue\": \"io\", \"completionBits\": 129}] | ('completionBits'): cannot flip 129 bits of a completion entry: there are 128",
                "limits | {\"ranges\": 256} | ('ranges'): limit of ranges of Dataset Management: 256 is not in",
                "limits | {\"range\": 1} | has 'range' in 'limits'; the options are [blocks, rangeBlocks, ranges,",
                "controllers | 2 | has 'controllers', and no 'subsystem'",
                "modelNumber | \"\" | ('modelNumber'): model number '': it has 1 to 40 printable ASCII characters",
                "id | 257 | ('id'): namespace identifier: 257 is not in the range 1 to 256",
                "metadata | 4 | ('metadata'): metadata of 4 bytes for a block: the sizes are 0, 8, 16 and 64",
                "protection | 1 | : protection information takes 8 bytes of metadata, and a block has 0",
                "commandSet | \"tape\" | has 'commandSet' tape, which is none of [nvm, key-value, zoned]",
                "copyRanges | 0 | ('copyRanges'): limits of Copy: 128 blocks in a range",
                "namespaces | [{\"id\": 2}, {\"id\": 2}] | ('id'): two namespaces have identifier 2"
            })
    void read_outOfRange_illegalArgumentWithLine(String option, String value, String expected) {
        IllegalArgumentException wrong =
                assertThrows(IllegalArgumentException.class, () -> read("""
                {"like": "power8", "devices": [
                 {"address": "0000:01:00.0", "group": 0, "model": "nvme",
                  "%s": %s}]}
                """.formatted(option, value)));
        String message = String.valueOf(wrong.getMessage());
        assertTrue(message.contains("machine.json, line ") && message.contains(expected), message);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "\"serial\": \"S1\" | 0 | 0 | 1",
                "\"size\": \"1G\" | 0 | 0 | 1",
                "\"size\": \"1G\", \"copyBlocks\": 7 | 0 | 7 | 1",
                "\"namespaces\": [{}] | 128 | 128 | 128"
            })
    void read_namespaceOfQemuDrive_copyLimitsOfTheDriveUnlessListed(
            String option, int rangeBlocks, int blocks, int ranges) throws IOException {
        ControllerHost drive = driveWith("\"drive\": \"qemu\", " + option);
        long data = drive.identify(0, 1);
        assertEquals(rangeBlocks, drive.dword(data + 72) >>> 16, "MSSRL");
        assertEquals(blocks, drive.dword(data + 76), "MCL");
        assertEquals(ranges - 1, drive.dword(data + 80) & 0xff, "MSRC");
    }

    private ControllerHost driveWith(String options) throws IOException {
        return ControllerHost.of(read("""
                {"like": "power8", "devices": [{"address": "0000:01:00.0", "group": 0, "model": "nvme", %s}]}
                """.formatted(options)), 0).enabled();
    }

    @Test
    void read_someLimits_othersOfTheDrive() throws IOException {
        ControllerHost drive = driveWith("\"drive\": \"qemu\", \"limits\": {\"verify\": 3, \"ranges\": 0}");
        long limits = drive.identify(6, 0);
        assertEquals(3, drive.dword(limits), "VSL, WZSL and DMRL");
        assertEquals(0x3fffff, drive.dword(limits + 4), "DMRSL");
        assertEquals(255L * 0x3fffff, drive.qword(limits + 8), "DMSL");
    }

    @Test
    void read_everyOption_ofTheDrive() throws IOException {
        EmulatedMachine machine = read("""
                {"like": "power8", "devices": [
                 {"address": "0000:01:00.0", "group": 0, "model": "nvme", "drive": "qemu", "serial": "S1",
                  "modelNumber": "Drive 5", "queuePairs": 3, "queueEntries": 16, "mdts": 2,
                  "smallestPage": "8K", "largestPage": "16K", "commandSets": 1, "doorbellStride": 1,
                  "readyTimeoutMillis": 1000, "mediaTimeoutMillis": 200000, "readyDelayMicros": 0, "optionalCommands": ["verify", "copy"],
                  "limits": {"verify": 1, "writeZeroes": 2, "ranges": 3, "rangeBlocks": 4, "blocks": "1K"},
                  "subsystem": "nqn.2026-11.org.example:s", "controllerId": 1, "controllers": 3,
                  "namespaces": [
                   {"id": 9, "size": "1M", "lbaSize": 4096, "metadata": 8, "extended": true, "protection": 1,
                    "commandSet": "zoned", "attached": false, "copyRangeBlocks": 5, "copyBlocks": 6, "copyRanges": 7},
                   {"id": 4, "size": "1M"}]}]}
                """);
        ControllerHost drive = ControllerHost.of(machine, 0).withPages(2);
        assertEquals(0x0821_0021_0201_000fL, drive.register64(ControllerHost.CAP));
        assertEquals(400, drive.register(0x68), "CRTO");
        drive.enabled(ControllerHost.ENABLED | 1 << 7);
        long controller = drive.identify(1, 0);
        assertEquals(0x02, drive.dword(controller + 76) & 0xff, "CMIC");
        assertEquals(2, drive.dword(controller + 76) >>> 8 & 0xff, "MDTS");
        assertEquals(1, drive.dword(controller + 76) >>> 16, "CNTLID");
        assertEquals(
                0x750,
                drive.dword(controller + 520) & 0xffff,
                "ONCS: copy, and those of the preset, which does not report Verify");
        long limits = drive.identify(6, 0);
        assertEquals(0x03000201, drive.dword(limits));
        assertEquals(4, drive.dword(limits + 4));
        assertEquals(1024, drive.qword(limits + 8));
        assertEquals(4, drive.dword(drive.identify(2, 0)));
        long namespace = drive.identify(0x11, 9);
        assertEquals((1 << 20) / 4104, drive.qword(namespace));
        assertEquals(0x15, drive.dword(namespace + 24) >>> 16 & 0xff, "FLBAS");
        assertEquals(5, drive.dword(namespace + 72) >>> 16, "MSSRL");
        assertEquals(6, drive.dword(namespace + 76), "MCL");
        assertEquals(6, drive.dword(namespace + 80) & 0xff, "MSRC");
        assertEquals(3, drive.dword(drive.identify(0x13, 0)) & 0xffff, "controllers");
    }

    @Test
    void read_readyDelay_notReadyAtOnce() throws IOException {
        ControllerHost drive = ControllerHost.of(read("""
                {"like": "power8", "devices": [
                 {"address": "0000:01:00.0", "group": 0, "model": "nvme", "readyDelayMicros": 3600000000}]}
                """), 0);
        drive.setAdminQueues();
        drive.register(ControllerHost.CC, ControllerHost.ENABLED);
        assertEquals(0, drive.register(ControllerHost.CSTS));
    }

    @Test
    void read_idsAndOddities_ofTheDrive() throws IOException {
        EmulatedMachine machine = read("""
                {"like": "power8", "devices": [
                 {"address": "0000:01:00.0", "group": 0, "model": "nvme", "pciId": "1D97:2263",
                  "oddities": ["ignores-write-zeroes", "refuses-queues"]}]}
                """);
        ControllerHost drive = ControllerHost.of(machine, 0).enabled();
        assertEquals(0x1d97, drive.dword(drive.identify(1, 0)) & 0xffff);
        ControllerHost.assertStatus(
                0x06, drive.admin(NvmeEntry.of(Opcodes.SET_FEATURES).dword(10, 7)));
    }

    @Test
    void read_faults_ofTheDrive() throws IOException {
        EmulatedMachine machine = read("""
                {"like": "power8", "devices": [
                 {"address": "0000:01:00.0", "group": 0, "model": "nvme", "faultSeed": 5, "faults": [
                  {"queue": "io", "opcode": 0, "nth": 1, "status": "0x281"},
                  {"queue": "io", "opcode": 0, "nth": 2, "status": "0x06", "retry": true},
                  {"queue": "io", "opcode": 0, "nth": 3, "lost": true, "abortable": false},
                  {"queue": "io", "opcode": 0, "nth": 4, "doubled": true},
                  {"queue": "io", "opcode": 2, "probability": 1.0, "delayMicros": 100, "maxDelayMicros": 100},
                  {"queue": "admin", "opcode": 10, "every": 2, "fatal": true}]}]}
                """);
        ControllerHost drive = ControllerHost.of(machine, 0).enabled();
        NvmeHostQueue queue = drive.createQueues(1, 8);
        NvmeEntry flush = NvmeEntry.of(Opcodes.FLUSH).namespace(1);
        assertEquals(0x6281, queue.execute(flush).status(), "More, Do Not Retry");
        assertEquals(0x2006, queue.execute(flush).status(), "More");
        queue.submit(flush);
        assertNull(queue.poll());
        int twice = queue.submit(flush);
        assertEquals(twice, queue.next().command());
        assertEquals(twice, queue.next().command());
        queue.submit(
                NvmeEntry.of(Opcodes.READ).namespace(1).prp(drive.pages(1), 0).blocks(0, 1));
        drive.pass(Duration.ofNanos(99_999));
        assertNull(queue.poll());
        drive.pass(Duration.ofNanos(1));
        ControllerHost.assertSuccess(queue.next());
        NvmeEntry feature = NvmeEntry.of(Opcodes.GET_FEATURES).dword(10, 7);
        ControllerHost.assertSuccess(drive.admin(feature));
        drive.admin().submit(feature);
        assertEquals(2, drive.register(ControllerHost.CSTS) & 2, "CFS");
    }

    @Test
    void read_faultsOfRegisters_ofTheDrive() throws IOException {
        ControllerHost drive = ControllerHost.of(read("""
                {"like": "power8", "devices": [
                 {"address": "0000:01:00.0", "group": 0, "model": "nvme", "stuck": ["enable", "disable"],
                  "capabilityBits": 64, "wrongStatus": {"probability": 1, "bits": 1}}]}
                """), 0);
        assertEquals(1, Integer.bitCount(drive.register(ControllerHost.CSTS)));
        drive.setAdminQueues();
        drive.register(ControllerHost.CC, ControllerHost.ENABLED);
        assertEquals(1, Integer.bitCount(drive.register(ControllerHost.CSTS)), "RDY stays 0");
        ControllerHost sound = ControllerHost.of(read("""
                {"like": "power8", "devices": [{"address": "0000:01:00.0", "group": 0, "model": "nvme"}]}
                """), 0);
        assertTrue(sound.register64(ControllerHost.CAP) != drive.register64(ControllerHost.CAP));
    }

    @Test
    void read_emptyList_noNamespace() throws IOException {
        EmulatedMachine machine = read("""
                {"like": "power8", "devices": [
                 {"address": "0000:01:00.0", "group": 0, "model": "nvme", "namespaces": []}]}
                """);
        ControllerHost drive = ControllerHost.of(machine, 0).enabled();
        assertEquals(0, drive.dword(drive.identify(2, 0)));
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
