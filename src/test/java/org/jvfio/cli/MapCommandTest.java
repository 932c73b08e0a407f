package org.jvfio.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.jvfio.emulator.EmulatedKernel;
import org.jvfio.emulator.EmulatedMachine;

/** {@code jvfio map}: pictures of the address space of a driver. */
class MapCommandTest {
    @TempDir
    private Path directory = Path.of("");

    @ParameterizedTest
    @ValueSource(strings = {"power8", "power9", "pseries", "power7"})
    void map_eachPlatform_asBefore(String machine) throws IOException {
        String of = " --machine " + machine;
        Ran picture = Ran.of("map" + of).ok();
        assertEquals("", picture.err());
        Golden.check(
                "map-" + machine + ".txt",
                picture.out() + Ran.of("map --story" + of).ok().out());
        Ran.of("map --json" + of).ok().json("map");
    }

    @ParameterizedTest
    @CsvSource({"map, 1", "map --story, 6"})
    void map_asJson_hasTheMomentsOfThePicture(String line, int moments) {
        List<?> all = (List<?>)
                Objects.requireNonNull(Ran.of(line + " --json").ok().json("map").get("moments"));
        assertEquals(moments, all.size());
        Map<?, ?> first = (Map<?, ?>) all.getFirst();
        assertEquals(moments == 1 ? "this process, by VFIO" : "the host", first.get("owner"));
        Map<?, ?> window = (Map<?, ?>) ((List<?>) Objects.requireNonNull(first.get("windows"))).getFirst();
        assertEquals(moments == 1, window.containsKey("mappings"));
    }

    @ParameterizedTest
    @CsvSource({"map, 24", "map --story, 30"})
    void map_asAnImage_isSvgWithARectangleForEachMapping(String line, int mappings) throws IOException {
        Path file = directory.resolve("map.svg");
        assertEquals(
                "wrote " + file + System.lineSeparator(),
                Ran.of(line + " --svg " + file).ok().out());
        String image = Files.readString(file);
        List<String> elements = elements(image);
        assertEquals("svg", elements.getFirst());
        long drawn = image.lines()
                .filter(each -> each.matches("<title>0x.*(device|both ways)</title>"))
                .count();
        assertEquals(mappings, drawn, image);
        assertEquals(image, Ran.of(line + " --svg -").ok().out());
    }

    /** The names of the elements, each of which must end, and have attributes in quotes. */
    private static List<String> elements(String image) {
        Matcher tag = Pattern.compile("<(/?)([a-z]+)((?: [a-zA-Z-]+=\"[^\"<]*\")*)(/?)>")
                .matcher(image.substring(image.indexOf('\n')));
        List<String> names = new ArrayList<>();
        Deque<String> open = new ArrayDeque<>();
        while (tag.find()) {
            if (tag.group(1).isEmpty()) {
                names.add(tag.group(2));
                open.push(tag.group(2));
            }
            if (!tag.group(1).isEmpty() || !tag.group(4).isEmpty()) {
                assertEquals(tag.group(2), open.pop());
            }
        }
        assertEquals(List.of(), List.copyOf(open));
        assertTrue(!tag.replaceAll("").contains("<"), image);
        return names;
    }

    private static Path record(String name) {
        try {
            return Path.of(Objects.requireNonNull(
                            MapCommandTest.class.getResource("/org/jvfio/observe/" + name + ".rec.gz"), name)
                    .toURI());
        } catch (URISyntaxException e) {
            throw new IllegalStateException(e);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"demo-powernv8", "demo-pseries", "nvme-powernv8", "nvme-pseries", "recovery-powernv8"})
    void map_aRecordOfLinux_asBefore(String name) throws IOException {
        String from = "map --from " + record(name);
        Ran picture = Ran.of(from).ok();
        Golden.check(
                "map-from-" + name + ".txt",
                (picture.out() + Ran.of(from + " --story").ok().out())
                        .replace(record(name).toString(), "FILE")
                        .replaceAll("\\d+\\.\\d{3} s", "TIME"));
        List<?> moments = (List<?>) Objects.requireNonNull(
                Ran.of(from + " --story --json").ok().json("map").get("moments"));
        assertEquals("the host", ((Map<?, ?>) moments.getLast()).get("owner"));
        assertEquals("svg", elements(Ran.of(from + " --svg -").ok().out()).getFirst());
    }

    /** The record has what the driver did, and so the same windows and mappings. */
    @Test
    void map_aRecordOfItself_isTheSamePicture() {
        Path file = directory.resolve("map.rec");
        String drawn =
                Ran.of("record --output " + file + " map --machine power9").ok().out();
        String from = "map --from " + file + " --story --json";
        List<?> story =
                (List<?>) Objects.requireNonNull(Ran.of(from).ok().json("map").get("moments"));
        List<?> played = (List<?>) Objects.requireNonNull(
                Ran.of("map --machine power9 --story --json").ok().json("map").get("moments"));
        Object windows = Objects.requireNonNull(((Map<?, ?>) played.get(3)).get("windows"));
        assertTrue(
                story.stream().anyMatch(moment -> windows.equals(((Map<?, ?>) moment).get("windows"))),
                () -> story + drawn);
    }

    @Test
    void map_aRecordWithoutTheGroup_namesThoseThatItHas() {
        Ran ran = Ran.of("map --group 7 --from " + record("demo-powernv8"));
        assertEquals(1, ran.status());
        assertEquals(
                "jvfio: cannot draw the record: the program takes no group 7, but 0" + System.lineSeparator(),
                ran.err());
    }

    @Test
    void map_theGroup_isReturnedToTheHost() {
        EmulatedKernel process = EmulatedKernel.boot(EmulatedMachine.power9());
        Ran.on(process, "map --kernel emulated --group 1").ok();
        assertTrue(process.host().group(1).ownedByHost());
        Ran.on(process, "map --kernel emulated --group 1").ok();
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "map --svg a.svg --json|2|map: --svg and --json exclude each other",
                "map --svg /nowhere/a.svg|1|cannot write to /nowhere/a.svg: there is no such file or directory",
                "map --from /nowhere/a.rec|1|cannot read the record /nowhere/a.rec: there is no such file or directory",
                "map --from a.rec --machine power9|2|map: --from draws a record, which has its host and devices; leave --machine out",
                "map --group 77|1|cannot use IOMMU group 77: there is no such group; this host has 0, 1, 2",
            })
    void map_anInvalidLine_isOneLine(String line, int status, String answer) {
        Ran ran = Ran.of(line);
        assertEquals("jvfio: " + answer + System.lineSeparator(), ran.err());
        assertEquals(status, ran.status());
    }
}
