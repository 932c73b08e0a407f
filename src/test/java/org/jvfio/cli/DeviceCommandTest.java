package org.jvfio.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.jvfio.cli.lspci.Capability;
import org.jvfio.cli.lspci.CapabilityWords;
import org.jvfio.cli.lspci.ConfigImage;
import org.jvfio.cli.lspci.HeaderWords;

/** {@code jvfio device}: configuration space in words. */
class DeviceCommandTest {
    private static final Pattern CAPABILITY = Pattern.compile("\tCapabilities: \\[([0-9a-f]+)[^\\]]*\\] (.*)");

    @TempDir
    private Path directory = Path.of("");

    @ParameterizedTest
    @CsvSource({"power8, 0000:01:00.0, edu", "power8, 0002:01:00.0, nvme", "pseries, 0003:00:01.0, nvme-lpar"})
    void device_ofAHost_asBefore(String machine, String address, String name) throws IOException {
        String line = "device " + address + " --machine " + machine + " --pci-ids " + Golden.resource("pci.ids");
        Golden.check("device-" + name + ".txt", Ran.of(line).ok().out());
        Ran json = Ran.of(line + " --json").ok();
        json.json("device");
        Golden.check("device-" + name + ".json", json.out());
    }

    @Test
    void device_thatIsNotThere_isNamed() {
        Ran ran = Ran.of("device 0009:01:00.0 --machine power8");
        assertEquals(1, ran.status());
        assertTrue(ran.err().startsWith("jvfio: cannot use 0009:01:00.0: there is no such PCI device; "), ran.err());
    }

    @Test
    void device_withVitalProductData_itsFields() throws IOException {
        Path machine = Files.writeString(directory.resolve("machine.json"), """
                {"like": "power9",
                 "devices": [{"address": "0000:01:00.0", "group": 0, "model": "edu",
                              "vpd": {"0x0": "82 02 00 48 69 90 08 00 53 4e 05 30 31 32 33 34 78"}}]}
                """);
        String out = Ran.of("device 0000:01:00.0 --machine " + machine).ok().out();
        assertTrue(out.contains("""
                        Vital Product Data
                        \t\tProduct Name: Hi
                        \t\tRead-only fields:
                        \t\t\t[SN] Serial number: 01234
                        \t\tEnd
                        """), out);
    }

    @ParameterizedTest
    @CsvSource({"power9, 0000:01:00.0", "power9, 0002:01:00.0", "pseries, 0003:00:01.0"})
    void dump_ofADevice_isDecodedByLspciInTheSameWords(String machine, String address)
            throws IOException, InterruptedException {
        String of = "device " + address + " --machine " + machine;
        Path dump = Files.writeString(
                directory.resolve("dump"), Ran.of(of + " --xxxx").ok().out());
        Path out = directory.resolve("out");
        Process lspci;
        try {
            lspci = new ProcessBuilder("lspci", "-F", dump.toString(), "-vvv")
                    .redirectOutput(out.toFile())
                    .redirectError(ProcessBuilder.Redirect.DISCARD)
                    .start();
        } catch (IOException missing) {
            lspci = Assumptions.abort("lspci is not installed: " + missing.getMessage());
        }
        assertTrue(lspci.waitFor(60, TimeUnit.SECONDS));
        Map<String, List<String>> theirs = fields(Files.readAllLines(out, StandardCharsets.UTF_8));
        Map<String, List<String>> ours = fields(Ran.of(of).ok().out().lines().toList());
        assertEquals(theirs.keySet(), ours.keySet());
        assertTrue(ours.size() > 1, ours.toString());
        theirs.forEach((block, fields) -> {
            // Fields whose name one of the two does not know are of another release.
            List<String> names = ours.getOrDefault(block, List.of()).stream()
                    .map(DeviceCommandTest::name)
                    .toList();
            List<String> theirNames =
                    fields.stream().map(DeviceCommandTest::name).toList();
            List<String> common = fields.stream()
                    .filter(each -> names.contains(name(each)))
                    .sorted()
                    .toList();
            List<String> own = ours.getOrDefault(block, List.of()).stream()
                    .filter(each -> theirNames.contains(name(each)))
                    .sorted()
                    .toList();
            assertEquals(common, own, block);
            assertTrue(common.size() > 1, block + ": " + common);
        });
    }

    /**
     * Configuration spaces of QEMU's devices under Linux 6.12 on its pseries machine, with what Debian's lspci 3.13
     * said of them there. It does not know the bits of Flit Mode yet.
     */
    @ParameterizedTest
    @ValueSource(strings = {"edu", "nvme", "igb", "e1000e", "xhci", "virtio-net", "ahci"})
    void capabilities_ofADeviceOfQemu_areDecodedInTheWordsOfLspci(String name) throws IOException {
        List<String> recorded = Files.readAllLines(Golden.resource("lspci/" + name + ".txt"));
        List<String> theirs = recorded.stream()
                .filter(line -> line.matches("\t(Control|Status|Capabilities): .*|\t\t.*"))
                .toList();
        List<String> dump =
                recorded.stream().filter(line -> line.matches("[0-9a-f]+: .*")).toList();
        ConfigImage config = image(dump);
        List<String> ours = new ArrayList<>(HeaderWords.control(config));
        for (Capability each :
                CapabilityWords.of(config, true, true, () -> new byte[0]).list()) {
            String place = each.extended()
                    ? "%03x v%d".formatted(each.offset(), each.version())
                    : "%02x".formatted(each.offset());
            ours.add("\tCapabilities: [" + place + "] " + each.lines().getFirst());
            ours.addAll(each.lines().subList(1, each.lines().size()));
        }
        ours.replaceAll(line -> line.replaceAll(",? FltMode(Dis)?-$", ""));
        assertEquals(String.join("\n", theirs), String.join("\n", ours));
    }

    /** In the words of lspci 3.13 for these registers, but for places that only a kernel knows. */
    @Test
    void regions_withoutAnAddressOfTheKernel_areNamedInTheWordsOfLspci() {
        assertEquals(
                List.of(
                        "Region 0: I/O ports at <unassigned> [disabled]",
                        "Region 1: Memory at <unassigned> (64-bit, prefetchable) [disabled]",
                        "Region 3: I/O ports at <ignored> [disabled]",
                        "Region 4: Memory at <unassigned> (32-bit, prefetchable) [disabled]"),
                regions(0, 0, 1, 0xc, 0, 5, 8, 0));
        assertEquals(
                List.of("Region 0: I/O ports at 0000", "Region 1: Memory at <unassigned> (64-bit, non-prefetchable)"),
                regions(0, 3, 1, 4, 0, 0, 0, 0));
        assertEquals(
                List.of("Region 1: Memory at <ignored> (64-bit, non-prefetchable)"),
                regions(1, 2, 0, 0x80000004, 1, 1, 1, 1),
                "the registers of a bridge after its two BARs are others");
    }

    private static List<String> regions(int type, int command, int... bars) {
        ByteBuffer bytes = config(256).putShort(4, (short) command).put(0xe, (byte) type);
        for (int bar = 0; bar < bars.length; bar++) {
            bytes.putInt(0x10 + 4 * bar, bars[bar]);
        }
        byte[] config = new byte[bytes.capacity()];
        bytes.get(0, config);
        return List.copyOf(HeaderWords.regions(new ConfigImage(config)).values());
    }

    /** Lines of a dump; those of zeros may be missing. */
    private static ConfigImage image(List<String> dump) {
        byte[] config = new byte[Integer.parseInt(dump.getLast().replaceFirst(":.*", ""), 16) + 16];
        for (String line : dump) {
            String[] words = line.split(":? ", -1);
            int row = Integer.parseInt(words[0], 16);
            for (int i = 1; i < words.length; i++) {
                config[row + i - 1] = (byte) Integer.parseInt(words[i], 16);
            }
        }
        return new ConfigImage(config);
    }

    /** The fields by the offset of their capability. */
    private static Map<String, List<String>> fields(List<String> lines) {
        Map<String, List<String>> blocks = new TreeMap<>();
        String block = "";
        for (String line : lines) {
            Matcher capability = CAPABILITY.matcher(line);
            String text = line;
            if (capability.matches()) {
                block = capability.group(1);
                text = capability.group(2);
            } else if (line.startsWith("\tControl: ") || line.startsWith("\tStatus: ")) {
                block = "header";
            } else if (!line.startsWith("\t\t")) {
                block = "";
            }
            if (!block.isEmpty()) {
                List<String> fields = blocks.computeIfAbsent(block, key -> new ArrayList<>());
                Arrays.stream(text.strip().split("[\\s,;]+"))
                        .filter(each -> each.matches(".*[-+]|.*=.*|.*GT/s.*|x[0-9]+"))
                        .forEach(fields::add);
            }
        }
        return blocks;
    }

    private static String name(String field) {
        return field.replaceFirst("[-+]$|=.*$", "");
    }

    private static ByteBuffer config(int size) {
        return ByteBuffer.allocate(size).order(ByteOrder.LITTLE_ENDIAN).putShort(0, (short) 0x1af4);
    }

    private static CapabilityWords words(ByteBuffer bytes) {
        byte[] config = new byte[bytes.capacity()];
        bytes.get(0, config);
        return CapabilityWords.of(new ConfigImage(config), true, true, () -> new byte[0]);
    }

    @Test
    void capabilities_aChainThatLoops_endsThereWithWhatWasFound() {
        ByteBuffer bytes = config(256).putShort(6, (short) 0x10).put(0x34, (byte) 0x40);
        bytes.put(0x40, (byte) 1).put(0x41, (byte) 0x50).put(0x50, (byte) 0x11).put(0x51, (byte) 0x40);
        CapabilityWords words = words(bytes);
        assertEquals(
                List.of("Power Management version 0", "MSI-X"),
                words.list().stream().map(Capability::name).toList());
        assertEquals(List.of("[40] <chain looped>"), words.defects());
    }

    @Test
    void capabilities_aChainThatIsBroken_endsThereWithWhatWasFound() {
        ByteBuffer bytes = config(256).putShort(6, (short) 0x10).put(0x34, (byte) 0x40);
        bytes.put(0x40, (byte) 5).put(0x41, (byte) 0x60).put(0x60, (byte) 0xff).put(0x61, (byte) 0xff);
        CapabilityWords words = words(bytes);
        assertEquals(1, words.list().size());
        assertEquals(List.of("[60] <chain broken>"), words.defects());
    }

    @Test
    void capabilities_anExtendedChain_endsAtAllOnesAndInALoop() {
        ByteBuffer bytes =
                config(4096).putShort(6, (short) 0x10).put(0x34, (byte) 0x40).put(0x40, (byte) 0x10);
        bytes.putInt(0x100, 0x3 | 1 << 16 | 0x200 << 20).putInt(0x200, -1);
        assertEquals(
                List.of("Express (v0) Endpoint, IntMsgNum 0", "Device Serial Number 00-00-00-00-00-00-00-00"),
                words(bytes).list().stream().map(Capability::name).toList());
        bytes.putInt(0x200, 0xe | 1 << 16 | 0x100 << 20);
        assertEquals(List.of("[100 v1] <chain looped>"), words(bytes).defects());
        bytes.putInt(0x200, 0x1 | 1 << 16 | 0xffc << 20).putInt(0xffc, 0xf | 1 << 16);
        assertEquals(4, words(bytes).list().size());
    }

    @ParameterizedTest
    @CsvSource({"64", "0", "16", "65", "255"})
    void capabilities_ofAShortConfigurationSpace_areThoseThatCanBeRead(int size) {
        ByteBuffer bytes = ByteBuffer.allocate(size);
        if (size >= 64) {
            bytes.put(6, (byte) 0x10).put(0x34, (byte) 0x40);
        }
        ConfigImage config = new ConfigImage(bytes.array());
        CapabilityWords words = CapabilityWords.of(config, false, true, () -> new byte[0]);
        assertTrue(words.list().size() <= 1);
        assertEquals(size >= 64, !HeaderWords.control(config).isEmpty());
        assertEquals((size + 15) / 16, config.dump().size());
    }

    @Test
    void capabilities_ofRandomBytes_areNeverAnError() {
        Random random = new Random(1);
        for (int round = 0; round < 3000; round++) {
            byte[] bytes = new byte[round % 3 == 0 ? 4096 : 256];
            random.nextBytes(bytes);
            bytes[6] |= 0x10;
            if (round % 2 == 0) {
                bytes[0x34] = 0x40;
                bytes[0x40] = (byte) random.nextInt(0x16);
            }
            ConfigImage config = new ConfigImage(bytes);
            CapabilityWords words = CapabilityWords.of(config, random.nextBoolean(), random.nextBoolean(), () -> bytes);
            words.list().forEach(each -> assertTrue(!each.name().isEmpty()));
            assertTrue(!HeaderWords.control(config).isEmpty());
        }
    }
}
