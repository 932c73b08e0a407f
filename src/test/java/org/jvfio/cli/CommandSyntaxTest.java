package org.jvfio.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.apache.commons.cli.CommandLine;
import org.apache.commons.cli.DefaultParser;
import org.apache.commons.cli.ParseException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What the help, the manual page and the completions are made of. */
class CommandSyntaxTest {
    private static final Pattern IMPERATIVE = Pattern.compile("[a-z]+ .*[^.]");

    @TempDir
    private Path directory = Path.of("");

    static List<Command> commands() {
        return Commands.all();
    }

    @ParameterizedTest
    @MethodSource("commands")
    void syntax_eachCommand_isExplainedInPlainLines(Command command) {
        CommandSyntax syntax = command.syntax();
        assertTrue(IMPERATIVE.matcher(command.summary()).matches(), command.summary());
        assertTrue(command.summary().length() + command.name().length() <= 105, command.summary());
        assertFalse(syntax.examples().isEmpty(), command.name());
        for (var option : syntax.list()) {
            assertTrue(
                    Character.isLowerCase(option.getDescription().charAt(0))
                            && !option.getDescription().endsWith("."),
                    option.getDescription());
        }
        String help = Ran.of("help " + command.name()).ok().out();
        help.lines()
                .filter(line -> !line.startsWith("  jvfio "))
                .forEach(line -> assertTrue(line.length() <= 100, line));
    }

    @ParameterizedTest
    @MethodSource("commands")
    void examples_eachCommand_parse(Command command) throws ParseException {
        for (CommandSyntax.Example example : command.syntax().examples()) {
            String line = example.line().replaceAll(".*?jvfio ", "").replaceAll(" ([|>&<)].*|>.*)|\\)$", "");
            List<String> words = new ArrayList<>(Arrays.asList(line.split(" ")));
            Command found = Commands.find(words).orElseThrow();
            if (found.equals(command)) {
                List<String> rest = words.subList(Commands.words(found).size(), words.size());
                CommandLine parsed = new DefaultParser()
                        .parse(
                                found.syntax().options(),
                                rest.toArray(String[]::new),
                                found.syntax().takesCommand());
                long least = found.syntax().arguments().stream()
                        .filter(CommandSyntax.Argument::required)
                        .count();
                assertTrue(parsed.getArgList().size() >= least, example.line());
            }
        }
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {"''|true|true", "1|true|false", "''|false|false"})
    void terminal_noColor_isObeyed(String noColor, boolean isTerminal, boolean colored) {
        Terminal terminal = Terminal.of(Map.of("NO_COLOR", noColor, "COLUMNS", "72"), isTerminal, false);
        assertEquals(colored, terminal.color());
        assertEquals(72, terminal.width());
        String help = Ran.ofAll(List.of("help", "demo"), terminal).ok().out();
        assertEquals(colored, help.contains("\u001b[1mOptions\u001b[0m"));
        help.replaceAll("\u001b\\[[0-9]*m", "").lines().forEach(line -> assertTrue(line.length() <= 72, line));
    }

    @Test
    void manualPage_allCommands_isTroff() throws IOException, InterruptedException {
        String page = Ran.of("help --man").ok().out();
        assertTrue(page.startsWith(".TH JVFIO 1\n.SH NAME\n"), page);
        for (Command command : Commands.all()) {
            assertTrue(page.contains(".B jvfio " + command.name() + " "), command.name());
        }
        Path file = Files.writeString(directory.resolve("jvfio.1"), page);
        if (isInstalled("mandoc")) {
            assertEquals("", shell("mandoc -T lint -W warning " + file).out());
        } else if (isInstalled("groff")) {
            assertEquals("", shell("groff -man -ww -z " + file).err());
        }
    }

    @ParameterizedTest
    @EnabledOnOs(OS.LINUX)
    @CsvSource(
            delimiter = '|',
            value = {
                "jvfio dem|demo",
                "jvfio nvme v|verify",
                "jvfio nvme verify --re|--read-only",
                "jvfio nvme bench --completion m|msix msi",
                "jvfio demo --kernel l|linux",
                "jvfio help com|completion",
            })
    void bashCompletion_ofALine_offersItsWords(String line, String words) throws IOException, InterruptedException {
        Path script = Files.writeString(
                directory.resolve("completion"), Ran.of("completion bash").ok().out());
        Ran ran = shell("""
                source %s
                COMP_LINE='%s'; COMP_POINT=${#COMP_LINE}
                read -ra COMP_WORDS <<<"$COMP_LINE"; COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
                _jvfio; echo "${COMPREPLY[*]}"
                """.formatted(script, line));
        assertEquals("", ran.err());
        assertEquals(words, ran.out().strip());
    }

    @ParameterizedTest
    @EnabledOnOs(OS.LINUX)
    @ValueSource(strings = {"bash", "zsh"})
    void completion_ofAShell_isValid(String shell) throws IOException, InterruptedException {
        Path script = Files.writeString(
                directory.resolve("_jvfio"), Ran.of("completion " + shell).ok().out());
        if (isInstalled(shell)) {
            assertEquals(new Ran(0, "", ""), shell(shell + " -n " + script));
        }
    }

    private boolean isInstalled(String program) throws IOException, InterruptedException {
        return shell("command -v " + program).status() == 0;
    }

    private Ran shell(String commands) throws IOException, InterruptedException {
        Path out = directory.resolve("out");
        Path err = directory.resolve("err");
        Process process = new ProcessBuilder(Stream.of("bash", "-c", commands).toList())
                .redirectOutput(out.toFile())
                .redirectError(err.toFile())
                .start();
        process.getOutputStream().close();
        return new Ran(process.waitFor(), Files.readString(out), Files.readString(err));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "demo",
                "demo --machine power7",
                "demo --machine pseries",
                "demo --linux 6.4",
                "nvme identify",
                "nvme verify --size 1M",
                "nvme bench --seconds 1 --size 1M",
            })
    void json_ofACommand_isAsItsSchemaSays(String line) {
        assertFalse(
                Ran.of(line + " --json").ok().json(line.replaceAll(" --.*", "")).isEmpty());
    }

    @Test
    void progress_beyondTheWhole_isNotMoreThanAll() throws InterruptedException {
        var err = new ByteArrayOutputStream();
        try (Progress progress = new Progress(new PrintStream(err, true, StandardCharsets.UTF_8), true)) {
            Thread.sleep(250);
            progress.show("measured", 7, 5);
        }
        assertTrue(err.toString(StandardCharsets.UTF_8).contains("measured: 100 %"));
    }
}
