package org.jvfio;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * The walk finds the capabilities that lspci finds. What lspci prints of each dump is recorded in {@code
 * capability-walk.txt}; where pciutils are installed, the record is compared with them.
 */
class CapabilityWalkTest {
    private static final List<Path> PLACES = List.of(Path.of("/usr/bin/lspci"), Path.of("/sbin/lspci"));
    private static final Pattern TITLE = Pattern.compile("\tCapabilities: (?:\\[([0-9a-f]+)[^]]*] )?(.*)");

    /** By the name of the dump: the offsets in the order of the lists, and how the last list ended. */
    private static Map<String, String> recorded() throws IOException {
        Map<String, String> recorded = new LinkedHashMap<>();
        try (InputStream file = CapabilityWalkTest.class.getResourceAsStream("capability-walk.txt")) {
            String text = new String(Objects.requireNonNull(file).readAllBytes(), StandardCharsets.UTF_8);
            text.lines().filter(line -> !line.startsWith("#")).forEach(line -> {
                int end = line.indexOf(':');
                recorded.put(line.substring(0, end), line.substring(end + 1).strip());
            });
        }
        return recorded;
    }

    /** What the walk finds, in the words of the record. */
    private static String walked(ConfigDump dump) {
        CapabilityWalk walk = new CapabilityWalk(dump).standard().extended();
        List<String> words = new ArrayList<>();
        walk.found().forEach(each -> words.add("%02x".formatted(each.offset())));
        walk.defects().stream()
                .map(CapabilityWalkTest::end)
                .filter(end -> !end.isEmpty())
                .forEach(words::add);
        return sorted(words);
    }

    /** lspci prints the end of the first list before the second; the walk keeps all ends together. */
    private static String sorted(List<String> words) {
        List<String> offsets =
                words.stream().filter(each -> !each.startsWith("<")).toList();
        List<String> ends = words.stream().filter(each -> each.startsWith("<")).toList();
        return String.join(" ", offsets) + (offsets.isEmpty() || ends.isEmpty() ? "" : " ") + String.join(" ", ends);
    }

    /** As lspci names the end of a list; it says nothing of an extended list that leads to nothing. */
    private static String end(CapabilityDefect defect) {
        String reason = defect.reason();
        if (reason.contains("leads back")) {
            return "<looped>";
        }
        if (reason.contains("id reads 0xff")) {
            return "<broken>";
        }
        if (reason.contains("behind the configuration space")) {
            return defect.extended() ? "" : "<denied>";
        }
        return reason.contains("outside the list") ? "<outside>" : "";
    }

    @Test
    void walk_eachDump_findsWhatLspciFinds() throws IOException {
        Map<String, String> expected = recorded();
        Map<String, String> found = new LinkedHashMap<>();
        for (ConfigDump dump : ConfigDumps.all()) {
            found.put(dump.name(), walked(dump));
        }
        assertTrue(found.size() >= 40, found.size() + " dumps");
        assertEquals(lines(expected), lines(found));
    }

    @Test
    void record_eachDump_isWhatLspciPrints(@TempDir Path directory) throws Exception {
        Path lspci = PLACES.stream().filter(Files::isExecutable).findFirst().orElse(null);
        assumeTrue(lspci != null, "lspci (pciutils) is not installed at " + PLACES);
        List<ConfigDump> dumps = ConfigDumps.all();
        StringBuilder text = new StringBuilder();
        for (int each = 0; each < dumps.size(); each++) {
            text.append(dumps.get(each).text(address(each)));
        }
        Path file = Files.writeString(directory.resolve("dumps"), text);
        Process process = new ProcessBuilder(String.valueOf(lspci), "-n", "-vv", "-F", file.toString())
                .redirectError(ProcessBuilder.Redirect.DISCARD)
                .start();
        String printed = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertEquals(0, process.waitFor());
        Map<String, String> byAddress = new LinkedHashMap<>();
        for (String device : printed.split("(?m)^(?=[0-9a-f]{2}:)", 0)) {
            byAddress.put(device.substring(0, 7), printed(device));
        }
        Map<String, String> found = new LinkedHashMap<>();
        for (int each = 0; each < dumps.size(); each++) {
            found.put(dumps.get(each).name(), String.valueOf(byAddress.get(address(each))));
        }
        assertEquals(lines(recorded()), lines(found));
    }

    private static String address(int number) {
        return "%02x:%02x.0".formatted(number / 32, number % 32);
    }

    /** What lspci prints of a device, in the words of the record. */
    private static String printed(String device) {
        List<String> words = new ArrayList<>();
        boolean extended = false;
        for (String line : device.split("\n", 0)) {
            Matcher title = TITLE.matcher(line);
            if (!title.matches()) {
                continue;
            }
            String offset = title.group(1);
            String rest = title.group(2);
            extended |= line.contains(" v") && offset != null && offset.length() == 3;
            if (rest.startsWith("<")) {
                words.add(rest.contains("looped") ? "<looped>" : rest.contains("broken") ? "<broken>" : "<denied>");
            } else if (Integer.parseInt(offset, 16) < (extended ? 0x100 : 0x40)) {
                // A register of the header or of another list, printed as if it were a capability.
                words.add("<outside>");
                break;
            } else {
                words.add(offset);
            }
        }
        return sorted(words);
    }

    private static String lines(Map<String, String> all) {
        return all.entrySet().stream()
                .map(each -> (each.getKey() + ": " + each.getValue()).strip())
                .collect(Collectors.joining("\n"));
    }

    private static List<String> defects(String dump) {
        ConfigDump found = ConfigDumps.all().stream()
                .filter(each -> each.name().equals(dump))
                .findFirst()
                .orElseThrow();
        return new CapabilityWalk(found)
                .standard().extended().defects().stream()
                        .map(CapabilityDefect::toString)
                        .toList();
    }

    @Test
    void defects_eachKind_sayWhereAndWhy() {
        assertEquals(List.of(), defects("power-messages"));
        assertEquals(List.of(), defects("unaligned-pointers"));
        assertEquals(List.of(), defects("nulls-last"));
        assertEquals(List.of(), defects("extended-none"));
        assertEquals(List.of(), defects("extended-all-ones"));
        assertEquals(List.of(), defects("extended-version-0"));
        assertEquals(List.of("capability list, 0x71: the pointer leads back to 0x50"), defects("loop-behind-first"));
        assertEquals(
                List.of("capability list, 0xfc: there is no capability: its id reads 0xff"), defects("ends-in-ff"));
        assertEquals(
                List.of("capability list, 0x34: the pointer leads to 0x8, outside the list"),
                defects("begins-in-header"));
        assertEquals(
                List.of("capability list, 0x34: the pointer leads to 0x40, behind the configuration space"),
                defects("header-only"));
        assertEquals(
                List.of("capability list, 0x7c: the registers of the capability with id 0x11 reach behind 0x80"),
                defects("half-with-straddling-capability"));
        assertEquals(
                List.of("extended capability list, 0x200: there is no capability: its header reads zeros"),
                defects("extended-leads-to-zeros"));
        assertEquals(
                List.of("extended capability list, 0x200: there is no capability: its header reads all ones"),
                defects("extended-leads-to-all-ones"));
        assertEquals(
                List.of("extended capability list, 0x100: the pointer leads to 0x40, outside the list"),
                defects("extended-leads-to-standard"));
        assertEquals(
                List.of(
                        "extended capability list, 0x1fc: the registers of the capability with id 0x1 reach behind"
                                + " 0x200",
                        "extended capability list, 0x1fc: the pointer leads to 0x200, behind the configuration"
                                + " space"),
                defects("extended-of-512-bytes"));
    }
}
