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
import org.junit.jupiter.params.provider.CsvSource;
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
    @ValueSource(strings = {"bench", "fuzz", "generate-bindings", "package", "power", "test"})
    void script_help_usage(String script) throws IOException, InterruptedException {
        Ended ended = bash("scripts/" + script, "--help");
        assertEquals("", ended.err());
        assertEquals(0, ended.status());
        assertTrue(ended.out().toLowerCase(Locale.ROOT).startsWith("usage: scripts/" + script), ended.out());
        ended.out().lines().forEach(line -> assertTrue(line.length() <= HELP_WIDTH, line));
    }

    /** Records caches as those that were made for a jar at the target, and changes something then. */
    private List<String> javaCommand(String change, String arguments) throws IOException, InterruptedException {
        Files.writeString(target.resolve("jvfio.jar"), "a jar");
        Files.writeString(target.resolve("jvfio-help.aot"), "a cache");
        Files.writeString(target.resolve("jvfio-hosts.aot"), "a cache");
        Files.writeString(target.resolve("jvfio-drives.aot"), "a cache");
        Ended ended = building("""
                JAVA_HOME=$target/jdk; mkdir -p "$JAVA_HOME"; echo 'JAVA_VERSION="25"' >"$JAVA_HOME/release"
                set_aot_identity; printf '%%s\\0' "$aot_identity" >"$target/jvfio.aot.for"
                touch -r "$target/jvfio.jar" "$target/jvfio.aot.for"
                %s
                set_java_command %s; printf '%%s\\n' "${java_command[@]}"
                """.formatted(change, arguments));
        assertEquals("", ended.err());
        return ended.out().lines().toList();
    }

    @ParameterizedTest
    @CsvSource({
        "--help, help",
        "-h, help",
        "help nvme read, help",
        "--version, help",
        "completion bash, help",
        "devices --help, help",
        "'', help",
        "devices, hosts",
        "demo --json, hosts",
        "device --helpful, hosts",
        "helped, hosts",
        "nvme identify, hosts",
        "nvme bench --seconds 1, drives",
        "nvme bench --help, help",
    })
    void setJavaCommand_aCacheOfThisPlaceAndJdk_isPassed(String arguments, String cache)
            throws IOException, InterruptedException {
        String option = "-XX:AOTCache=" + target.resolve("jvfio-" + cache + ".aot");
        assertTrue(javaCommand(":", arguments).contains(option));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "mkdir $target/moved; mv $target/jvfio.* $target/moved/; target=$target/moved",
                "mkdir $target/copy; cp -p $target/jvfio.* $target/copy/; target=$target/copy",
                "touch $target/jvfio.jar",
                "touch -d 2001-01-01 $target/jvfio.jar",
                "echo 'JAVA_VERSION=\"25.0.9\"' >$JAVA_HOME/release",
                "mv $JAVA_HOME $JAVA_HOME-2; JAVA_HOME=$JAVA_HOME-2",
                ": >$target/jvfio-hosts.aot",
                "rm $target/jvfio.aot.for",
            })
    void setJavaCommand_aCacheOfAnotherPlaceJarOrJdk_isNotPassed(String change)
            throws IOException, InterruptedException {
        List<String> command = javaCommand(change, "devices");
        assertTrue(command.stream().noneMatch(word -> word.startsWith("-XX:AOTCache")), command.toString());
        assertTrue(command.contains("--enable-native-access=org.jvfio"), command.toString());
    }

    @Test
    void makeAotCaches_aJvmThatCannot_leavesEmptyOnesThatAreNotTriedAgain() throws IOException, InterruptedException {
        Files.writeString(target.resolve("jvfio.jar"), "a jar");
        Ended ended = building("""
                JAVA_HOME=$target/jdk; mkdir -p "$JAVA_HOME/bin"; echo 'JAVA_VERSION="25"' >"$JAVA_HOME/release"
                printf '#!/bin/sh\\nexit 1\\n' >"$JAVA_HOME/bin/java"; chmod +x "$JAVA_HOME/bin/java"
                make_aot_caches; is_aot_cache_current; ls "$target"
                """);
        assertEquals("", ended.err());
        assertEquals(0, ended.status());
        assertEquals(0, Files.size(target.resolve("jvfio-help.aot")));
        assertEquals(0, Files.size(target.resolve("jvfio-hosts.aot")));
        assertTrue(!ended.out().contains(".new"), ended.out());
    }

    @Test
    void isJdk_aDirectory_isOneOfTheReleaseThatHasACompiler() throws IOException, InterruptedException {
        Ended ended = building("""
                JAVA_HOME=$target/jdk; mkdir -p "$JAVA_HOME/bin"; touch "$JAVA_HOME/bin/javac"; chmod +x "$JAVA_HOME/bin/javac"
                for version in 25 25.0.3 25-ea 250 2.5 24; do
                    printf 'IMPLEMENTOR="X"\\nJAVA_VERSION="%s"\\n' $version >"$JAVA_HOME/release"
                    is_jdk "$JAVA_HOME" 25 && echo $version || true
                done
                ! is_jdk "$target" 25
                """);
        assertEquals("", ended.err());
        assertEquals(List.of("25", "25.0.3", "25-ea"), ended.out().lines().toList());
    }

    @ParameterizedTest
    @CsvSource({
        "':', true",
        "touch $tests/AnotherTest.java, true",
        "touch $tests/AnotherTest.java $tests/Fixture.java, false",
        "touch $project/src/test/resources/data, false",
        "touch $project/scripts/lib/power/Power.java, false",
        "touch $tests/NewTest.java, false",
        "rm $tests/AnotherTest.java, false",
        "touch $target/.built, false",
        "rm $target/.test-sources, false",
    })
    void haveOnlyTestsChanged_aChange_isOneOfTestClassesOnly(String change, boolean only)
            throws IOException, InterruptedException {
        Ended ended = building("""
                project=$target/project; tests=$project/src/test/java/a; power=$project/scripts/lib/power
                mkdir -p "$tests" "$project/src/test/resources" "$power" "$target/test-lib"
                touch "$tests"/{ATest,AnotherTest,Fixture}.java "$project/src/test/resources/data" "$power/Power.java"
                find "$project" "$target/test-lib" -exec touch -d 2001-01-01 {} +
                touch -d 2002-01-01 "$target/.built" "$target/.built-tests"
                touch -d 2003-01-01 "$tests/ATest.java"
                test_sources >"$target/.test-sources"
                %s
                have_only_tests_changed && echo true || echo false
                """.formatted(change));
        assertEquals("", ended.err());
        assertEquals(only + "\n", ended.out());
    }

    @Test
    void script_jvmWarning_notOnStandardOutput() throws IOException, InterruptedException {
        Ended ended = building("set_java_command; \"${java_command[@]}\" -XX:SharedArchiveFile=/nowhere -version");
        assertEquals("", ended.out());
        assertTrue(ended.err().contains("[cds] Not a valid shared archive file (/nowhere)"), ended.err());
    }

    @Test
    void script_twoBuilds_oneWaits() throws IOException, InterruptedException {
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
