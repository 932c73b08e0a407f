package org.jvfio.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The scripts, as far as they can be run while they run this. */
@EnabledOnOs(OS.LINUX)
class ScriptsTest {
    private static final int HELP_WIDTH = 120;

    @TempDir
    private Path target = Path.of("");

    private record Ended(int status, String out, String err) {}

    private Ended bash(String... arguments) throws IOException, InterruptedException {
        Path out = target.resolve("out");
        Path err = target.resolve("err");
        ProcessBuilder builder = new ProcessBuilder(
                        Stream.concat(Stream.of("bash"), Stream.of(arguments)).toList())
                .redirectOutput(out.toFile())
                .redirectError(err.toFile());
        builder.environment().put("JAVA_HOME", System.getProperty("java.home"));
        builder.environment().remove("JVFIO_JAVA_OPTIONS");
        Process process = builder.start();
        process.getOutputStream().close();
        return new Ended(process.waitFor(), Files.readString(out), Files.readString(err));
    }

    /** Runs commands with the functions of build.sh, which build in a directory of this test's. */
    private Ended building(String commands) throws IOException, InterruptedException {
        return bash(
                "-c",
                "set -euo pipefail; source scripts/lib/jdk.sh; source scripts/lib/build.sh; target=$1; " + commands,
                "test",
                target.toString());
    }

    @ParameterizedTest
    @ValueSource(strings = {"bench", "generate-bindings", "power", "test"})
    void aScriptTellsHowItIsUsed(String script) throws IOException, InterruptedException {
        Ended ended = bash("scripts/" + script, "--help");
        assertEquals("", ended.err());
        assertEquals(0, ended.status());
        assertTrue(ended.out().toLowerCase(Locale.ROOT).startsWith("usage: scripts/" + script), ended.out());
        ended.out().lines().forEach(line -> assertTrue(line.length() <= HELP_WIDTH, line));
    }

    @Test
    void aCacheThatIsNotOfThisJvmIsIgnoredWithoutAWord() throws IOException, InterruptedException {
        Files.writeString(target.resolve("jvfio.aot"), "of another JDK\n");
        Ended ended = building("set_java_command; \"${java_command[@]}\" --version");
        assertTrue(!ended.err().contains("[aot]"), ended.err());
        assertTrue(ended.out().startsWith("openjdk "), ended.out());
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void onlyACacheThatWasMadeIsUsed(boolean made) throws IOException, InterruptedException {
        Files.writeString(target.resolve("jvfio.aot"), made ? "made" : "");
        Ended ended = building("set_java_command; printf '%s\\n' \"${java_command[@]}\"");
        String option = "-XX:AOTCache=" + target.resolve("jvfio.aot");
        assertEquals(made, ended.out().lines().anyMatch(option::equals), ended.out());
    }

    @Test
    void whatTheJvmWarnsOfIsNotAmongTheData() throws IOException, InterruptedException {
        Ended ended = building("set_java_command; \"${java_command[@]}\" -XX:SharedArchiveFile=/nowhere -version");
        assertEquals("", ended.out());
        assertTrue(ended.err().contains("[cds] Not a valid shared archive file (/nowhere)"), ended.err());
    }

    @Test
    void ofTwoBuildsOneWaits() throws IOException, InterruptedException {
        // The first one goes on when the second has said that it waits.
        Ended ended = building("""
                (lock_build
                    touch "$target/locked"
                    for ((i = 0; i < 600; i++)); do
                        ! grep -q waiting "$target/err" || break
                        sleep 0.1
                    done
                    touch "$target/first") &
                first=$!
                until [[ -e $target/locked ]]; do sleep 0.1; done
                if ! (lock_build; [[ -e $target/first ]]); then
                    kill "$first"
                    exit 1
                fi
                wait "$first"
                """);
        assertEquals(0, ended.status(), ended.err());
        assertEquals(
                List.of("jvfio: waiting for another build ..."),
                ended.err().lines().toList());
    }
}
