package org.jvfio.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeFalse;

import com.fasterxml.jackson.jr.ob.JSON;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.PrintStream;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermission;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.jvfio.emulator.nvme.DrivePreset;

class NvmeCommandsTest {
    @TempDir
    private Path directory = Path.of("");

    private record Ended(int status, ByteArrayOutputStream bytes, String err) {
        byte[] out() {
            return bytes.toByteArray();
        }

        String text() {
            return bytes.toString(StandardCharsets.UTF_8);
        }

        Map<String, Object> data() throws IOException {
            return JSON.std.mapFrom(text());
        }
    }

    private static Ended run(String... arguments) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        ByteArrayOutputStream err = new ByteArrayOutputStream();
        int status = Main.run(
                List.of(arguments),
                new StandardOutput(out, StandardCharsets.UTF_8),
                new PrintStream(err, true, StandardCharsets.UTF_8));
        return new Ended(status, out, err.toString(StandardCharsets.UTF_8));
    }

    /** Runs what has to work; "FILE" stands for the drive's image. */
    private Ended ok(String line, String... more) {
        String[] arguments = Stream.concat(
                        Arrays.stream(line.replace("FILE", image().toString()).split(" ")), Arrays.stream(more))
                .toArray(String[]::new);
        Ended ended = run(arguments);
        assertEquals("", ended.err());
        assertEquals(0, ended.status());
        return ended;
    }

    private Path image() {
        return directory.resolve("drive.img");
    }

    @Test
    void identify_drive_controllerAndNamespaces() throws IOException {
        String text = ok("nvme identify").text();
        assertTrue(text.contains("1: 512M in 1048576 blocks of 512 bytes"), text);
        Map<String, Object> data = ok("nvme identify --json").data();
        assertEquals("0002:01:00.0", data.get("address"));
        assertEquals(Map.of("intx", 1, "msi", 0, "msix", 65), data.get("interrupts"));
        assertTrue(text.contains("interrupts     INTx and MSI-X with 65 vectors"), text);
        assertEquals(
                List.of(Map.of(
                        "id",
                        1,
                        "blocks",
                        1048576,
                        "blockBytes",
                        512,
                        "bytes",
                        536870912,
                        "metadataBytes",
                        0,
                        "extended",
                        false)),
                data.get("namespaces"));
    }

    @ParameterizedTest
    @ValueSource(strings = {"polled", "msix", "intx"})
    void verify_secondRun_findsTheData(String completion) throws IOException {
        Map<String, Object> first = ok("nvme verify --drive FILE --drive-size 16M --size 8M --json --completion "
                        + completion)
                .data();
        assertEquals(8 << 20, first.get("bytes"));
        assertTrue(first.containsKey("written") && first.containsKey("compared"));
        Map<String, Object> second =
                ok("nvme verify --drive FILE --size 8M --read-only --json").data();
        assertTrue(!second.containsKey("written"));
        // Another reader of the file knows the data from the seed alone.
        byte[] image = Files.readAllBytes(image());
        assertEquals(16 << 20, image.length);
        SeededBytes data = new SeededBytes(1);
        assertEquals(-1, data.mismatch(MemorySegment.ofArray(image).asSlice(0, 8 << 20), 0));
        Ended other =
                run("nvme", "verify", "--drive", image().toString(), "--size", "8M", "--read-only", "--seed", "2");
        assertEquals(1, other.status());
        assertTrue(other.err().contains("does not hold what seed 2 gives: byte "), other.err());
    }

    @Test
    void writeAndRead_anyOffset_sameBytes() throws IOException {
        byte[] old = new byte[1 << 20];
        new Random(1).nextBytes(old);
        Files.write(image(), old);
        byte[] bytes = new byte[123_457];
        new Random(2).nextBytes(bytes);
        Path input = Files.write(directory.resolve("in"), bytes);
        String written = ok("nvme write --drive FILE --overwrite --offset 1001 --input", input.toString())
                .text();
        assertTrue(written.contains("bytes          123457"), written);
        byte[] expected = old.clone();
        System.arraycopy(bytes, 0, expected, 1001, bytes.length);
        assertArrayEquals(expected, Files.readAllBytes(image()));
        assertArrayEquals(
                bytes, ok("nvme read --drive FILE --offset 1001 --size 123457").out());
        Path output = directory.resolve("out");
        ok("nvme read --drive FILE --output", output.toString());
        assertArrayEquals(expected, Files.readAllBytes(output));
        ok("nvme write --drive FILE --overwrite --offset 700 --size 3 --input", input.toString());
        System.arraycopy(bytes, 0, expected, 700, 3);
        assertArrayEquals(expected, Files.readAllBytes(image()));
    }

    @Test
    void write_sizeOverInput_inputOnly() throws IOException {
        Files.write(image(), new byte[4096]);
        Path input = Files.writeString(directory.resolve("in"), "hello");
        Map<String, Object> data = ok(
                        "nvme write --drive FILE --overwrite --offset 4091 --size 5M --json --input", input.toString())
                .data();
        assertEquals(5, data.get("bytes"));
        assertEquals("hello", new String(Files.readAllBytes(image()), 4091, 5, StandardCharsets.UTF_8));
        assertAnswer(
                1,
                "cannot write 5B of " + input
                        + " at offset 4092B: namespace 1 of 0002:01:00.0 has 4B there; name a --size",
                run(("nvme write --drive " + image() + " --overwrite --offset 4092 --size 5M --input " + input)
                        .split(" ")));
    }

    @Test
    @EnabledOnOs(OS.LINUX)
    void write_fileWithoutSize_readToItsEnd() throws IOException {
        Files.write(image(), new byte[4096]);
        // It says that it has 0 bytes, and has some.
        Path input = Path.of("/dev/zero");
        Files.write(image(), new byte[] {1, 2, 3, 4}, StandardOpenOption.WRITE);
        assertEquals(
                3,
                ok("nvme write --drive FILE --overwrite --size 3 --json --input", input.toString())
                        .data()
                        .get("bytes"));
        assertArrayEquals(new byte[] {0, 0, 0, 4}, Arrays.copyOf(Files.readAllBytes(image()), 4));
        assertAnswer(
                1,
                "/dev/zero has more than 4K, which were written, and namespace 1 of 0002:01:00.0 ends there",
                run(("nvme write --drive " + image() + " --overwrite --input " + input).split(" ")));
        assertAnswer(
                1,
                "cannot write /dev/zero at offset 4K: namespace 1 of 0002:01:00.0 ends there",
                run(("nvme write --drive " + image() + " --overwrite --offset 4K --input " + input).split(" ")));
    }

    @Test
    void read_ownImageAsOutput_refused() throws IOException {
        byte[] data = new byte[4096];
        new Random(3).nextBytes(data);
        Files.write(image(), data);
        Path link = Files.createLink(directory.resolve("link"), image());
        Path machine = Files.writeString(
                directory.resolve("machine.json"),
                "{\"like\": \"power8\", \"devices\": [{\"address\": \"0000:01:00.0\", \"group\": 0, \"model\": \"nvme\","
                        + " \"file\": \"drive.img\"}]}");
        for (String drive : List.of("--drive " + image(), "--machine " + machine)) {
            for (Path same : List.of(image(), link)) {
                assertAnswer(
                        1,
                        "cannot write to " + same + ": it backs the emulated drive",
                        run(("nvme read " + drive + " --output " + same).split(" ")));
                assertAnswer(
                        1,
                        "cannot write " + same + ": it backs the emulated drive",
                        run(("nvme write " + drive + " --overwrite --offset 512 --size 512 --input " + same)
                                .split(" ")));
            }
        }
        assertArrayEquals(data, Files.readAllBytes(image()));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "verify --namespace 7",
                "verify --completion msi",
                "verify --group 7",
                "verify --offset 2M",
                "verify --size 1000",
                "bench --block 100",
                "read --offset 2M",
                "read --output /nowhere/out",
                "write --input pom.xml --offset 2M",
                "write --input pom.xml --offset 1048575",
            })
    void run_failsBeforeUse_noImageLeft(String command) {
        Ended ended = run(("nvme " + command + " --drive " + image() + " --drive-size 1M").split(" "));
        assertTrue(ended.status() != 0 && !ended.err().isBlank());
        assertTrue(!Files.exists(image()));
        Ended tooLarge = run("nvme", "identify", "--drive", image().toString(), "--drive-size", "7E");
        assertEquals(tooLarge.status() == 0, Files.exists(image()), tooLarge.err());
    }

    @Test
    void run_failsWithExistingImage_imageKept() throws IOException {
        Files.write(image(), new byte[4096]);
        assertEquals(
                1,
                run(("nvme verify --overwrite --namespace 7 --drive-size 1M --drive " + image()).split(" "))
                        .status());
        assertEquals(4096, Files.size(image()));
        Files.delete(image());
        assertEquals(1 << 20, ok("nvme read --drive FILE --drive-size 1M").out().length);
        assertEquals(1 << 20, Files.size(image()));
    }

    @Test
    void bench_fewerQueuesThanAsked_saysSo() throws IOException {
        assertTrue(!ok("nvme identify").text().contains("queues"));
        assertEquals(1, ok("nvme identify --json").data().get("queues"));
        for (String command : List.of("nvme identify", "nvme verify --size 1M")) {
            String all = ok(command + " --queues 1000").text();
            assertTrue(all.contains("queues         64 pairs, all that it has"), all);
            String some = ok(command + " --queues 2").text();
            assertTrue(some.contains("queues         2 pairs" + System.lineSeparator()), some);
        }
    }

    @Test
    void write_standardInput_written() throws IOException {
        Files.write(image(), new byte[4096]);
        InputStream standard = System.in;
        try {
            System.setIn(new ByteArrayInputStream("hello".getBytes(StandardCharsets.UTF_8)));
            assertEquals(
                    5,
                    ok("nvme write --drive FILE --overwrite --offset 4091 --json")
                            .data()
                            .get("bytes"));
            System.setIn(new ByteArrayInputStream("hello".getBytes(StandardCharsets.UTF_8)));
            Ended tooLong = run("nvme", "write", "--drive", image().toString(), "--overwrite", "--offset", "4092");
            assertEquals(1, tooLong.status());
            assertTrue(tooLong.err().contains("more than 4B,"), tooLong.err());
        } finally {
            System.setIn(standard);
        }
        assertEquals("hhell", new String(Files.readAllBytes(image()), 4091, 5, StandardCharsets.UTF_8));
    }

    @ParameterizedTest
    @ValueSource(strings = {"", " --write", " --sequential --block 64K --depth 2", " --queues 2 --completion msix"})
    void bench_oneSecond_countsAndTimes(String load) throws IOException {
        Map<String, Object> data =
                ok("nvme bench --seconds 1 --size 1M --json" + load).data();
        for (String count : List.of("operations", "iops", "bytesPerSecond")) {
            assertTrue(data.get(count) instanceof Number number && number.longValue() > 0, count);
        }
        assertTrue(
                data.get("latencyMicros") instanceof Map<?, ?> latency
                        && List.copyOf(latency.keySet()).equals(List.of("p50", "p90", "p99", "p99.9", "max")),
                data.toString());
    }

    @Test
    void run_machineFile_itsDrive() throws IOException {
        Files.write(image(), new byte[1 << 20]);
        Path machine = Files.writeString(
                directory.resolve("machine.json"),
                "{\"like\": \"pseries\", \"devices\": [{\"address\": \"0001:00:01.0\", \"group\": 1, \"model\": \"nvme\","
                        + " \"file\": \"drive.img\", \"lbaSize\": 4096, \"serial\": \"MINE\"}]}");
        Map<String, Object> data =
                ok("nvme identify --json --machine", machine.toString()).data();
        assertEquals("MINE", data.get("serial"));
        assertEquals("0001:00:01.0", data.get("address"));
        ok("nvme verify --size 1M --machine", machine.toString());
        assertEquals(-1, new SeededBytes(1).mismatch(MemorySegment.ofArray(Files.readAllBytes(image())), 0));
    }

    private String machine(String like, String memlock, String drive) throws IOException {
        return Files.writeString(
                        directory.resolve("machine.json"),
                        ("{\"like\": \"%s\", \"capIpcLock\": false, \"memlock\": \"%s\", \"devices\": [{\"address\":"
                                        + " \"0000:01:00.0\", \"group\": 0, \"model\": \"nvme\", \"drive\": \"%s\"}]}")
                                .formatted(like, memlock, drive))
                .toString();
    }

    /** One round: the figure of the first refusal suffices for the whole command, and no lower one does. */
    @ParameterizedTest
    @ValueSource(strings = {"power8", "power9", "pseries"})
    void run_nothingMayBeLocked_oneFigureThatSuffices(String like) throws IOException {
        for (String command : List.of("nvme verify --size 1M", "nvme bench --seconds 1 --depth 64", "nvme identify")) {
            Ended refused = run((command + " --machine " + machine(like, "0", "qemu")).split(" "));
            assertEquals(1, refused.status());
            Matcher figure = Pattern.compile("LimitMEMLOCK=(\\d+)K").matcher(refused.err());
            assertTrue(figure.find(), refused.err());
            long kilobytes = Long.parseLong(figure.group(1));
            ok(command + " --machine", machine(like, kilobytes + "K", "qemu"));
            Ended less = run((command + " --machine " + machine(like, kilobytes - 1 + "K", "qemu")).split(" "));
            assertTrue(less.err().contains("LimitMEMLOCK=" + kilobytes + "K"), less.err());
        }
    }

    @Test
    void verify_driveWithSilentMsi_saysThatItPolls() throws IOException {
        String text = ok("nvme verify --size 64K --completion msi --machine", machine("power9", "64M", "sandisk-sn530"))
                .text();
        assertTrue(text.contains("completion     polled: no MSI interrupt comes"), text);
    }

    /** Found out by the driver while it transfers, so only known in the end. */
    @ParameterizedTest
    @ValueSource(strings = {"nvme verify --size 4M", "nvme bench --seconds 1"})
    void run_interruptsThatNeverCome_saysThatItPolled(String command) throws IOException {
        String line = command + " --queues 2 --completion msix --machine";
        String machine = machine("power9", "64M", "silent");
        boolean isVerifying = command.contains("verify");
        // Verifying uses one queue alone: that of its thread.
        String expected = isVerifying
                ? "MSI-X, 3 vectors; 1 of 2 queues polled: their interrupts never come"
                : "polled: no MSI-X interrupt comes";
        String text = ok(line, machine).text();
        assertTrue(text.contains(expected), text);
        Map<String, Object> data = ok(line + " " + machine + " --json").data();
        Map<?, ?> load = isVerifying ? data : (Map<?, ?>) Objects.requireNonNull(data.get("load"));
        assertEquals(isVerifying ? "msix" : "polled", load.get("completion"));
        assertEquals(isVerifying ? 1 : 2, load.get("polledQueues"));
    }

    @Test
    void identify_degradedDrive_identityAndHealth() throws IOException {
        String text = ok("nvme identify --machine", machine("power9", "64M", "degraded"))
                .text();
        assertTrue(text.contains("no I/O queues"), text);
        assertTrue(text.contains("spare 100 %"), text);
    }

    @ParameterizedTest
    @EnumSource(
            value = DrivePreset.class,
            names = {"PHISON_E12", "INTEL_P3520", "SANDISK_SN530", "AZURE", "AMAZON_EBS", "SLOW_START", "SILENT"})
    void verify_oddDriveOfMachineFile_works(DrivePreset preset) throws IOException {
        ok("nvme verify --size 64K --completion msix --machine", machine("power9", "64M", preset.label()));
    }

    @Test
    void run_hostHazard_oneLine() throws IOException {
        Path machine =
                Files.writeString(directory.resolve("machine.json"), "{\"like\": \"pseries\", \"kernel\": \"6.4\"}");
        Ended ended = run("nvme", "identify", "--machine", machine.toString());
        assertEquals(1, ended.status());
        assertTrue(ended.err().startsWith("jvfio: the emulated host does not survive this: "), ended.err());
        assertTrue(ended.err().strip().endsWith("[BORROWED_TABLE; LPARs, from 6.4 to 6.10]"), ended.err());
    }

    @Test
    void verify_driveWithMsi_msiUsed() throws IOException {
        Path machine = Files.writeString(
                directory.resolve("machine.json"),
                "{\"like\": \"power8\", \"devices\": [{\"address\": \"0000:01:00.0\", \"group\": 0, \"model\": \"nvme\","
                        + " \"size\": \"16M\", \"mdts\": 0, \"msi\": 2, \"msix\": 0}]}");
        String identified = ok("nvme identify --machine", machine.toString()).text();
        assertTrue(identified.contains("interrupts     INTx and MSI with 2 vectors"), identified);
        assertTrue(identified.contains("transfers      up to 2M in a command, pages of 4K"), identified);
        String verified = ok("nvme verify --size 16M --queues 3 --completion msi --machine", machine.toString())
                .text();
        assertTrue(verified.contains("completion     MSI, 2 vectors"), verified);
        String measured = ok("nvme bench --seconds 1 --block 4M --depth 2 --machine", machine.toString())
                .text();
        assertTrue(measured.contains("Random reads of 4M"), measured);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "nvme | nvme what? Use identify, read, write, verify or bench (see jvfio nvme --help)",
                "nvme verfy | there is no command 'nvme verfy'; did you mean verify? (see jvfio nvme --help)",
                "nvme identify --jso | nvme identify has no option '--jso'; did you mean --json? (see jvfio nvme identify --help)",
                "nvme verify --size 12X | --size: '12X' is not a count of bytes, such as 4096, 64K or 1G",
                "nvme verify --size 99999999999G | --size: '99999999999G' is too large for a count of bytes",
                "nvme verify --size 1000 | --size 1000B: use a multiple of the block size, 512B",
                "nvme verify --size 0 | --size 0: use a multiple of the block size, 512B",
                "nvme verify --offset 1000 | --offset 1000B: use a multiple of the block size, 512B",
                "nvme identify --device xx | --device: 'xx' is not a PCI address such as 0000:01:00.0",
                "nvme verify --kernel linux | nvme verify overwrites data of a real drive; add --overwrite if it may be lost",
                "nvme write --kernel linux | nvme write overwrites data of a real drive; add --overwrite if it may be lost",
                "nvme bench --write --kernel linux | nvme bench --write overwrites data of a real drive; add --overwrite if it may be lost",
                "nvme bench --depth 0 | --depth 0: use a number from 1 to 4096",
                "nvme bench --depth 2048 | --depth 2048: a queue of the drive holds 2047 commands",
                "nvme verify --seed 9223372036854775808 | --seed 9223372036854775808: use a number from 0 to 9223372036854775807",
                "nvme bench --block 100 | --block 100B: use a multiple of 512B, up to 512K",
                "nvme identify --completion mxi | --completion mxi: use polled, msix, msi or intx; did you mean msi?",
                "nvme identify --drive new.img --drive-size 1000 | --drive-size 1000B: use a multiple of the block size, 512B",
                "nvme identify --drive-size 1M | --drive-size is the size of --drive FILE; add --drive FILE",
                "nvme identify --kernel linux --drive x | --drive is for the emulated drive; leave it out, or --kernel linux",
                "nvme read --json | --json needs --output FILE: the drive's bytes go to standard output without it",
                "nvme identify --kernel linux --machine x | --machine is for an emulated host; leave it out, or --kernel linux",
            })
    void run_invalidLine_oneLineAndStatus2(String line, String answer) {
        assertAnswer(2, answer, run(line.split(" ")));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "nvme identify --device 0000:01:00.0 | cannot use 0000:01:00.0: it is 1234:11e8 of class 00ff00, and this drives NVMe, class 010802; there is one at 0002:01:00.0",
                "nvme identify --group 0 | there is no NVMe drive in IOMMU group 0; there is one at 0002:01:00.0",
                "demo --device 0002:01:00.0 | cannot use 0002:01:00.0: it is 1b36:0010 of class 010802, and this drives QEMU's edu, 1234:11e8; there is one at 0000:01:00.0",
                "nvme identify --machine /nowhere/m.json | cannot use the machine /nowhere/m.json: there is no such file",
                "nvme read --offset 1G --size 1 | cannot begin at offset 1G: namespace 1 of 0002:01:00.0 has 512M",
                "nvme read --offset 512M --size 1 | cannot use 1B at offset 512M: namespace 1 of 0002:01:00.0 has 512M",
                "nvme write --input pom.xml --offset 1G | cannot begin at offset 1G: namespace 1 of 0002:01:00.0 has 512M",
                "nvme verify --offset 512M | cannot begin at offset 512M: namespace 1 of 0002:01:00.0 has 512M",
                "nvme bench --offset 512M | cannot begin at offset 512M: namespace 1 of 0002:01:00.0 has 512M",
                "nvme write --input /nowhere/in | cannot read /nowhere/in: there is no such file or directory",
                "nvme verify --completion msi | cannot drive 0002:01:00.0 as NVMe: it has no MSI; it has INTx and MSI-X with 65 vectors; choose one that it has, or poll",
                "nvme verify --namespace 9 | cannot use namespace 9 of 0002:01:00.0: it is not active; use one of [1]",
            })
    void run_failingLine_oneLineAndStatus1(String line, String answer) {
        assertAnswer(1, answer, run(line.split(" ")));
    }

    private static void assertAnswer(int status, String answer, Ended ended) {
        assertEquals("jvfio: " + answer + System.lineSeparator(), ended.err());
        assertEquals(status, ended.status());
        assertEquals("", ended.text());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "demo | there is no edu device on this host; add one to the \"devices\" of the machine file: {\"address\": \"0000:01:00.0\", \"group\": 0, \"model\": \"edu\"}",
                "nvme identify | there is no NVMe drive on this host; add one to the \"devices\" of the machine file: {\"address\": \"0000:01:00.0\", \"group\": 0, \"model\": \"nvme\"}",
                "map | there is no device bound to vfio-pci on this host; bind one in the machine file: \"driver\": \"vfio-pci\"; jvfio doctor checks whether its kernel can",
            })
    void run_machineFileWithoutTheDevice_adviceIsToAddIt(String line, String answer) throws IOException {
        Path machine = Files.writeString(directory.resolve("machine.json"), "{\"like\": \"power9\", \"devices\": []}");
        assertAnswer(1, answer, run((line + " --machine " + machine).split(" ")));
    }

    @Test
    void run_invalidMachineFile_refused() throws IOException {
        Path machine = Files.writeString(directory.resolve("machine.json"), "{\"like\": \"power6\"}");
        Ended ended = run("demo", "--machine", machine.toString());
        assertEquals(1, ended.status());
        assertTrue(
                ended.err().startsWith("jvfio: cannot use the machine: " + machine + ", line 1 has 'like' 'power6'"),
                ended.err());
    }

    @Test
    void identify_missingImage_notCreated() {
        Ended ended = run("nvme", "identify", "--drive", image().toString());
        assertEquals(1, ended.status());
        assertTrue(ended.err().contains("--drive-size BYTES creates one"), ended.err());
        assertTrue(!Files.exists(image()));
    }

    @Test
    void identify_emptyImage_notResized() throws IOException {
        Files.write(image(), new byte[0]);
        Ended ended = run("nvme", "identify", "--drive", image().toString(), "--drive-size", "1M");
        assertEquals(1, ended.status());
        assertEquals(
                "jvfio: cannot use --drive: the file " + image()
                        + " is no image of a namespace: its 0 bytes are not whole blocks of 512 bytes"
                        + System.lineSeparator(),
                ended.err());
    }

    @ParameterizedTest
    @ValueSource(strings = {"verify", "write --input /nowhere", "bench --write --seconds 1"})
    void run_writingToAnExistingFile_refusedWithoutOverwrite(String command) throws IOException {
        byte[] before = "a text that is worth keeping".repeat(1024).getBytes(StandardCharsets.US_ASCII);
        Files.write(image(), before);
        String line = "nvme " + command + " --drive " + image();
        assertAnswer(
                2,
                "nvme %s overwrites data of %s; add --overwrite if it may be lost"
                        .formatted(
                                command.startsWith("bench") ? "bench --write" : command.replaceAll(" .*", ""), image()),
                run(line.split(" ")));
        assertEquals(-1, Arrays.mismatch(before, Files.readAllBytes(image())));
    }

    @Test
    void run_fileThatIsNoImage_refusedAndKept() throws IOException {
        Files.write(image(), new byte[1400]);
        assertAnswer(
                1,
                "cannot use --drive: the file " + image()
                        + " is no image of a namespace: its 1400 bytes are not whole blocks of 512 bytes",
                run("nvme", "verify", "--overwrite", "--drive", image().toString()));
        assertEquals(1400, Files.size(image()));
        assertAnswer(
                1,
                "cannot use --drive: the image " + directory + " cannot be used: it is a directory",
                run("nvme", "verify", "--drive", directory.toString()));
    }

    @Test
    @EnabledOnOs(OS.LINUX)
    void run_readOnlyImage_readButNotWritten() throws IOException {
        Files.write(image(), new byte[1 << 20]);
        Files.setPosixFilePermissions(image(), Set.of(PosixFilePermission.OWNER_READ));
        assumeFalse(Files.isWritable(image()), "root may write it");
        ok("nvme identify --drive FILE");
        assertEquals(1 << 20, ok("nvme read --drive FILE").out().length);
        assertAnswer(
                1,
                "cannot write to the drive's image " + image() + ": it is read-only",
                run("nvme", "verify", "--overwrite", "--drive", image().toString()));
        Files.setPosixFilePermissions(image(), Set.of());
        assertAnswer(
                1,
                "cannot use --drive: the image " + image() + " cannot be used: permission denied",
                run("nvme", "identify", "--drive", image().toString()));
    }

    @Test
    void verify_writeProtectedNamespace_saysSo() throws IOException {
        Path machine = Files.writeString(directory.resolve("machine.json"), """
                {"like": "power9", "devices": [
                 {"address": "0000:01:00.0", "group": 0, "model": "nvme", "size": "1M", "writeProtected": true}]}
                """);
        Ended ended = run("nvme", "verify", "--machine", machine.toString());
        assertEquals(1, ended.status());
        assertTrue(ended.err().contains("Namespace is Write Protected"), ended.err());
        ok("nvme read --machine " + machine);
    }

    @Test
    void identify_namespaceNamed_onlyThatOne() throws IOException {
        Object all = ok("nvme identify --json").data().get("namespaces");
        assertEquals(all, ok("nvme identify --json --namespace 1").data().get("namespaces"));
        Ended none = run("nvme", "identify", "--namespace", "2");
        assertEquals(1, none.status());
        assertTrue(none.err().contains("cannot use namespace 2"), none.err());
    }

    @Test
    void verify_largestSeedAndLongRange_verified() throws IOException {
        Map<String, Object> data =
                ok("nvme verify --size 128M --json --seed 9223372036854775807").data();
        Object pieces = ((Map<?, ?>) Objects.requireNonNull(data.get("compared"))).get("pieces");
        assertTrue(pieces instanceof Integer count && count > 1024, data.toString());
    }

    @Test
    void help_ofNvme_itsCommands() {
        String text = ok("nvme --help").text();
        assertTrue(text.contains("nvme identify") && !text.contains("demo"), text);
        assertTrue(ok("nvme verify --help").text().contains("--read-only"));
    }

    @Test
    void progress_closed_lineErased() throws InterruptedException {
        ByteArrayOutputStream err = new ByteArrayOutputStream();
        try (Progress progress = new Progress(new PrintStream(err, true, StandardCharsets.UTF_8), true)) {
            Thread.sleep(250);
            progress.show("written", 1, 4);
            progress.show("written", 2, 4);
        }
        assertEquals("\r\u001b[Kwritten: 25 %\r\u001b[K", err.toString(StandardCharsets.UTF_8));
        ByteArrayOutputStream silent = new ByteArrayOutputStream();
        try (Progress progress = new Progress(new PrintStream(silent, true, StandardCharsets.UTF_8), false)) {
            progress.show("written", 1, 4);
        }
        assertEquals(0, silent.size());
    }

    @Test
    void percentile_anyTimes_within3Percent() {
        LatencyHistogram histogram = new LatencyHistogram();
        assertEquals(0, histogram.percentile(50));
        for (long nanos = 1; nanos <= 1_000_000; nanos++) {
            histogram.add(nanos);
        }
        histogram.add(-5);
        assertEquals(1_000_001, histogram.count());
        for (double percent : new double[] {0.01, 1, 50, 90, 99, 99.9, 100}) {
            long exact = (long) (percent * 10_000);
            long told = histogram.percentile(percent);
            assertTrue(told >= exact - 1 && told <= exact + exact / 32 + 1, percent + " %: " + told);
        }
        histogram.add(Long.MAX_VALUE);
        assertEquals(Long.MAX_VALUE, histogram.percentile(100));
    }
}
