package org.jvfio.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;

import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.regex.MatchResult;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.apache.commons.cli.DefaultParser;
import org.apache.commons.cli.ParseException;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.jvfio.emulator.ModelJar;
import org.jvfio.emulator.device.DeviceModel;
import org.jvfio.guide.FirstDriver;
import org.jvfio.guide.Printed;

/** Runs each listing of the README and the guide, or finds the test that does; there is none without one. */
class ListingsTest {
    private static final Path README = Path.of("README.md");
    private static final Path GUIDE = Path.of("src/main");
    private static final Path FIRST_DRIVER = Path.of("first-driver.md");
    private static final Path TESTS = Path.of("src/test/java");
    private static final Pattern BLOCK = Pattern.compile("(?ms)^```(\\w*)\\n(.*?)^```$");
    private static final Pattern FENCE = Pattern.compile("(?m)^\\s*(?:[>*+-]\\s+)*(?:```|~~~)");
    private static final Pattern INDENTED = Pattern.compile("(?m)^\\s*\\n(?: {4}|\\t).*\\S");
    private static final Pattern SNIPPET = Pattern.compile("\\{@snippet\\b([^}]*)}");
    private static final Pattern REGION = Pattern.compile("class=\"([\\w.]+)\" region=\"(\\w+)\"");
    private static final Pattern SCRIPT = Pattern.compile("`(scripts/(?!jvfio)\\w+)([^`]*)`");
    private static final Pattern OPTION = Pattern.compile("--[a-z][a-z-]*");
    private static final Pattern VERSION = Pattern.compile("<([\\w.-]+\\.version)>(.+)</\\1>");
    private static final Pattern COMMAND = Pattern.compile("`(?:source <\\()?(?:scripts/)?jvfio ([^`)]+)\\)?`");
    private static final Pattern MACHINE = Pattern.compile("`(\\{\"like\": [^`]*)`");
    private static final Pattern ADDITION = Pattern.compile("`jvfio (dma fill [^`]*) --then [^`]*`");
    private static final String JAR = "adder.jar";
    private static final Pattern STEPS = Pattern.compile("--then \"([^\"]*)\"");
    /** Drawings and lists of packages, by their first lines. */
    private static final Set<String> PICTURES = Set.of(
            "  processor, memory",
            "  bus address   0x0800_0000_0001_2345             window 0x800000000000000, 64K pages, 1 level",
            "  cli            jvfio");

    @TempDir
    private Path directory = Path.of("");

    /** A listing: what language it is in, or nothing, and its text. */
    record Block(Path file, String language, String text) {
        @Override
        public String toString() {
            return file.getFileName() + ": " + text.lines().findFirst().orElse("");
        }
    }

    /** The README, and all pages of javadoc, wherever they are. */
    private static List<Path> pages() throws IOException {
        try (Stream<Path> guide = Files.walk(GUIDE)) {
            List<Path> pages = new ArrayList<>(guide.filter(page ->
                            page.toString().endsWith(".md") || page.toString().endsWith(".html"))
                    .sorted()
                    .toList());
            pages.addFirst(README);
            return pages;
        }
    }

    @Test
    void listing_each_isABlockThatIsFound() throws IOException {
        for (Path page : pages()) {
            String text = Files.readString(page);
            assertTrue(
                    page.toString().endsWith(".md"), page + ": write it in Markdown, so that its listings are found");
            assertEquals(
                    2 * BLOCK.matcher(text).results().count(),
                    FENCE.matcher(text).results().count(),
                    page + ": a listing that does not begin and end with ``` at the start of a line");
            String prose = BLOCK.matcher(text).replaceAll("");
            assertEquals(List.of(), matches(INDENTED, prose), page + ": a listing without ```");
            assertFalse(prose.contains("<pre"), page + ": a listing without ```");
            assertEquals(
                    SNIPPET.matcher(text).results().count(),
                    Pattern.compile("@snippet").matcher(text).results().count(),
                    page + ": a snippet that is not found");
        }
    }

    private static List<String> matches(Pattern pattern, String text) {
        return pattern.matcher(text).results().map(MatchResult::group).toList();
    }

    static List<Block> blocks() throws IOException {
        List<Block> blocks = new ArrayList<>();
        for (Path page : pages()) {
            BLOCK.matcher(Files.readString(page))
                    .results()
                    .forEach(found -> blocks.add(new Block(page, found.group(1), found.group(2))));
        }
        return blocks;
    }

    @ParameterizedTest
    @MethodSource("blocks")
    void block_each_isWhatIsPrinted(Block block) throws Exception {
        String first = block.text().lines().findFirst().orElse("");
        if (block.language().equals("java")) {
            // ReadmeTest runs the class.
            String source = Files.readString(TESTS.resolve("org/jvfio/example/CopyDriver.java"));
            assertTrue(source.endsWith(block.text()));
        } else if (block.language().equals("c")) {
            // scripts/bench compiles and runs the program.
            assertTrue(Files.readString(Path.of("src/test/c/vfio-bench.c")).contains(block.text()));
        } else if (block.language().equals("xml")) {
            String pom = Files.readString(Path.of("pom.xml"));
            block.text()
                    .lines()
                    .filter(line -> line.startsWith("  "))
                    .forEach(line -> assertTrue(pom.contains(line.strip()), line));
        } else if (first.equals("1. The host owns the device")) {
            assertEquals(steady(block.text()), steady(Ran.of("demo").ok().out()));
        } else if (first.equals("1. The host owns the group")) {
            String printed = Ran.of("map --story").ok().out();
            assertTrue(printed.contains(block.text()), printed);
        } else if (block.file().getFileName().equals(FIRST_DRIVER)) {
            String printed = Printed.by(FirstDriver::main);
            assertTrue(printed.contains(block.text()), printed);
        } else if (first.startsWith("Verified namespace 1")) {
            assertEquals(steady(block.text()), steady(Ran.of("nvme verify").ok().out()));
        } else if (first.startsWith("ok       binding")) {
            String printed = Ran.of("doctor 0001:01:00.0").ok().out().replaceAll("Java \\d+", "Java 25");
            assertTrue(printed.endsWith(block.text()), printed);
        } else if (first.startsWith("DMA memory of 64K")) {
            assertEquals(block.text(), addition(Files.readString(block.file())));
        } else if (first.startsWith("Tests run: ")) {
            assertTrue(block.text().matches("Tests run: \\d+, Failures: 0, Errors: 0, Skipped: \\d+\n"), block.text());
        } else if (!PICTURES.contains(first)) {
            fail("no test runs this listing");
        }
    }

    /** What the command on a page prints that has the adder add, on the machine of that page. */
    private String addition(String page) throws IOException, URISyntaxException {
        String prose = page.replaceAll("\\s+", " ");
        Path machine = Files.writeString(directory.resolve("adder.json"), ownName(only(MACHINE, prose)));
        String command = only(ADDITION, prose).replace("FILE", machine.toString());
        assertTrue(command.endsWith(JAR), command);
        Path jar = adderJar().write(directory.resolve(JAR));
        return Ran.of(command.replace(JAR, jar.toString()), "--then", only(STEPS, prose))
                .ok()
                .out();
    }

    /** The example and its model, as a project of a user's has them. */
    private static ModelJar adderJar() throws IOException, URISyntaxException {
        ModelJar jar = new ModelJar()
                .against(Path.of(Nullable.class
                        .getProtectionDomain()
                        .getCodeSource()
                        .getLocation()
                        .toURI()))
                .file("META-INF/services/" + DeviceModel.class.getName(), "org.example.AdderModel\n");
        for (String name : List.of("Adder", "AdderModel")) {
            String source = Files.readString(Path.of("src/test/java/org/jvfio/example", name + ".java"));
            String example = source.replace("package org.jvfio.example;", "package org.example;");
            jar.file("org/example/" + name + ".java", ownName(example));
        }
        return jar;
    }

    /** On the class path the tests have the model of the example as well. */
    private static String ownName(String text) {
        return text.replace("\"adder\"", "\"own-adder\"");
    }

    private static String only(Pattern pattern, String text) {
        Matcher found = pattern.matcher(text);
        assertTrue(found.find(), pattern + " in " + text);
        return found.group(1);
    }

    /** What is the same each time. */
    private static String steady(String text) {
        return text.replaceAll("0x7[0-9a-f]{11}", "ADDRESS")
                .replaceAll("\\d+ (ms|s) before", "TIME before")
                .replaceAll("\\d+\\.\\d+ s", "TIME");
    }

    @Test
    void snippet_each_isARegionThatATestRuns() throws IOException {
        int found = 0;
        for (Path page : pages()) {
            Matcher snippets = SNIPPET.matcher(Files.readString(page));
            while (snippets.find()) {
                Matcher region = REGION.matcher(snippets.group(1));
                assertTrue(region.find(), page + ": " + snippets.group());
                Path file = TESTS.resolve(region.group(1).replace('.', '/') + ".java");
                assertTrue(
                        Files.readString(file).contains("@start region=\"%s\"".formatted(region.group(2))),
                        page + ": " + snippets.group());
                assertTrue(isRun(file), file + " is used by no test");
                found++;
            }
        }
        assertNotEquals(0, found);
    }

    /** Whether a class is a test, or one beside it makes use of it. */
    private static boolean isRun(Path file) throws IOException {
        String name = file.getFileName().toString().replace(".java", "");
        if (name.endsWith("Test")) {
            return isEnabled(Files.readString(file));
        }
        try (Stream<Path> all = Files.list(file.getParent())) {
            List<Path> tests =
                    all.filter(each -> each.toString().endsWith("Test.java")).toList();
            for (Path test : tests) {
                String source = Files.readString(test);
                if (isEnabled(source) && source.matches("(?s).*\\b" + name + "\\b.*")) {
                    return true;
                }
            }
        }
        return false;
    }

    private static boolean isEnabled(String test) {
        return test.contains("@Test") && !test.contains("@Disabled");
    }

    @Test
    void script_eachInTheText_existsAndHasTheOptions() throws IOException {
        int found = 0;
        for (Path page : pages()) {
            Matcher scripts = SCRIPT.matcher(Files.readString(page));
            while (scripts.find()) {
                Path script = Path.of(scripts.group(1));
                assertTrue(Files.isExecutable(script), page + ": " + scripts.group());
                Path help = Path.of("scripts/lib", script.getFileName().toString(), "help.txt");
                List<String> options = matches(OPTION, Files.readString(Files.exists(help) ? help : script));
                for (String option : matches(OPTION, scripts.group(2).replaceAll(" -- .*", ""))) {
                    assertTrue(options.contains(option), page + ": " + scripts.group());
                    found++;
                }
            }
        }
        assertNotEquals(0, found);
    }

    /** They are copied as they are, by people who begin a driver, so they have versions and no places for them. */
    @ParameterizedTest
    @CsvSource({"junit, 6", "class-path, 5", "module-path, 5"})
    void sampleProject_versions_areThoseOfTheProject(String project, int count) throws IOException {
        String pom = Files.readString(Path.of("pom.xml"));
        Matcher versions = VERSION.matcher(Files.readString(Path.of("src/it", project, "pom.xml")));
        int found = 0;
        while (versions.find()) {
            String line = versions.group(1).equals("jvfio.version")
                    ? "<version>%s</version>".formatted(versions.group(2))
                    : versions.group();
            assertTrue(pom.contains("\n    " + line) || pom.contains("\n  " + line), line);
            found++;
        }
        assertEquals(count, found);
    }

    @Test
    void command_eachInTheText_parses() throws IOException, ParseException {
        int found = 0;
        for (Path page : pages()) {
            Matcher commands = COMMAND.matcher(Files.readString(page));
            while (commands.find()) {
                List<String> words = List.of(commands.group(1)
                        .replaceAll("[\\[\\]]", "")
                        .replaceAll(",.*", "")
                        .split("\\s+"));
                if (words.getFirst().startsWith("-")) {
                    continue;
                }
                Optional<Command> command = Commands.find(words);
                if (command.isEmpty()) {
                    // The first word of a family, or of several that are listed.
                    assertFalse(Commands.family(words.getFirst()).isEmpty(), page + ": " + commands.group());
                    continue;
                }
                CommandSyntax syntax = command.get().syntax();
                List<String> rest = words.subList(Commands.words(command.get()).size(), words.size());
                new DefaultParser().parse(syntax.options(), rest.toArray(String[]::new), syntax.takesCommand());
                found++;
            }
        }
        assertTrue(found > 20, Integer.toString(found));
    }
}
