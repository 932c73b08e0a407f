package power;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What scripts/power takes from its command line. */
class OptionsTest {
    @TempDir
    private Path directory = Path.of("");

    private static Options parse(String... words) throws Failure {
        return Options.parse(List.of(words));
    }

    @Test
    void parse_commandAlone_defaults() throws Failure {
        Options options = parse("demo");
        assertEquals(Options.Command.DEMO, options.command());
        assertEquals(Machine.POWERNV8, options.machine());
        assertEquals(Suite.TRIXIE, options.suite());
        assertEquals(64, options.pageKib());
        assertEquals(25, options.java());
        assertEquals(1200, options.timeout());
        assertEquals(Optional.empty(), options.qemu());
        assertTrue(options.isClockCounting());
        assertFalse(options.hasC2());
        assertFalse(options.isUpdate());
        assertFalse(options.hasNullDisk());
        assertEquals(List.of(), options.arguments());
    }

    @Test
    void parse_nullDisk_taken() throws Failure {
        assertTrue(parse("--null-disk", "demo").hasNullDisk());
    }

    @Test
    void parse_valuesAsOwnWordsOrAfterEquals_taken() throws Failure {
        Options options = parse(
                "--machine=pseries",
                "test",
                "--suite",
                "experimental",
                "--pages=4k",
                "--java",
                "27",
                "--qemu=host",
                "--clock=real",
                "--jit=c2",
                "--timeout=30",
                "--part=2/3",
                "--append=a=b c",
                "--nvme=mdts=0,msix_qsize=2",
                "--namespace=nsid=1",
                "--namespace",
                "nsid=5,ms=8,mset=1",
                "--device=igb",
                "--device=edu,dma_mask=1",
                "--seeds=0",
                "--first-seed=7",
                "--steps=9",
                "--update",
                "--mirror=http://mirror.example/archive/",
                "--",
                "--details=tree");
        assertEquals(Machine.PSERIES, options.machine());
        assertEquals(Suite.EXPERIMENTAL, options.suite());
        assertEquals(4, options.pageKib());
        assertEquals(27, options.java());
        assertEquals(Optional.of("host"), options.qemu());
        assertFalse(options.isClockCounting());
        assertTrue(options.hasC2());
        assertEquals(30, options.timeout());
        assertEquals(2, options.part());
        assertEquals(3, options.parts());
        assertEquals("a=b c", options.append());
        assertEquals("mdts=0,msix_qsize=2", options.nvme());
        assertEquals(List.of("nsid=1", "nsid=5,ms=8,mset=1"), options.namespaces());
        assertEquals(List.of("igb", "edu,dma_mask=1"), options.devices());
        assertEquals(0, options.seeds());
        assertEquals(7, options.firstSeed());
        assertEquals(9, options.steps());
        assertTrue(options.isUpdate());
        assertEquals(Optional.of("http://mirror.example/archive"), options.mirror());
        assertEquals(List.of("--details=tree"), options.arguments());
    }

    @Test
    void parse_wordsAfterTwoDashes_areAllArguments() throws Failure {
        Options options = parse("run", "--", "sh", "--help", "--", "--machine");
        assertEquals(List.of("sh", "--help", "--", "--machine"), options.arguments());
    }

    @Test
    void parse_helpAnywhereBeforeTwoDashes_needsNothingElse() throws Failure {
        assertTrue(parse("--machine", "pseries", "--help", "--nonsense").isHelp());
        assertTrue(parse("-h").isHelp());
    }

    @Test
    void parse_powernv11_impliesQemuOfSid() throws Failure {
        assertEquals(Optional.of("sid"), parse("--machine", "powernv11", "demo").qemu());
        assertEquals(
                Optional.of("host"),
                parse("--machine", "powernv11", "--qemu", "host", "demo").qemu());
    }

    @Test
    void parse_shell_hasTheRealClockUnlessOneIsChosen() throws Failure {
        assertFalse(parse("shell").isClockCounting());
        assertTrue(parse("shell", "--clock", "counting").isClockCounting());
    }

    @Test
    void parse_filesThatExist_becomeAbsolute() throws Failure, IOException {
        Path jar = Files.writeString(directory.resolve("my.jar"), "");
        Path lib = Files.createDirectory(directory.resolve("lib"));
        Options options = parse(
                "junit",
                "--jar",
                jar.toString(),
                "--class-path",
                lib + ":" + jar,
                "--class-path",
                jar.toString(),
                "--with",
                lib.toString(),
                "--kernel-log",
                directory.resolve("log").toString());
        assertEquals(List.of(jar), options.jars());
        assertEquals(List.of(lib, jar, jar), options.classPath());
        assertEquals(List.of(lib), options.with());
        assertEquals(Optional.of(directory.resolve("log")), options.kernelLog());
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            ''                              | say what to do: demo, test, junit, diff, run, shell, versions or jmods
            -- x                            | say what to do before --: demo, test, junit or run
            boot                            | unknown command 'boot': demo, test, junit, diff, run, shell, versions or jmods
            demo test                       | 'demo' and 'test': one at a time, and arguments after --
            demo x                          | 'x': arguments of demo come after --
            --fast demo                     | unknown option '--fast'
            --fast=1 demo                   | unknown option '--fast=1'
            demo --machine                  | --machine needs a value
            demo --machine power8           | --machine is one of: powernv8 powernv9 powernv10 powernv11 pseries; not 'power8'
            demo --machine POWERNV8         | --machine is one of: powernv8 powernv9 powernv10 powernv11 pseries; not 'POWERNV8'
            demo --pages 16k                | --pages is one of: 64k 4k; not '16k'
            demo --suite buzz               | --suite is one of: trixie sid experimental backports bookworm; not 'buzz'
            demo --suite bookworm --pages 4k | bookworm's kernel has 64K pages only
            demo --java 21                  | --java is one of: 25 26 27; not '21'
            demo --qemu 11                  | --qemu is one of: host trixie sid; not '11'
            demo --machine powernv11 --qemu trixie | powernv11 needs QEMU 11.1 or newer: --qemu sid
            demo --clock fast               | --clock is one of: counting real; not 'fast'
            demo --jit c3                   | --jit is one of: c1 c2; not 'c3'
            demo --timeout 0                | --timeout is a number of seconds from 1 to 9999999; not '0'
            demo --timeout 12345678         | --timeout is a number of seconds from 1 to 9999999; not '12345678'
            diff --seeds 08                 | --seeds is a number from 0 to 9999999; not '08'
            diff --steps -1                 | --steps is a number from 0 to 9999999; not '-1'
            diff --first-seed 12345678      | --first-seed is a number from 0 to 9999999; not '12345678'
            test --part 3/2                 | --part is one of some, like 1/2; not '3/2'
            test --part 0/2                 | --part is one of some, like 1/2; not '0/2'
            diff --calls /nowhere           | --calls: there is no file '/nowhere' that can be read
            diff --calls /                  | --calls: there is no file '/' that can be read
            demo --disk /                   | '/' is no file in an existing directory
            demo --disk /nowhere/disk       | '/nowhere/disk' is no file in an existing directory
            demo --null-disk --namespace nsid=2 | --null-disk leaves the drive without an image: not beside --disk or --namespace
            demo --disk /tmp/d --null-disk  | --null-disk leaves the drive without an image: not beside --disk or --namespace
            demo --nvme                     | --nvme without properties is for diff; not for demo
            demo --namespace nsid           | --namespace is NAME=VALUE, or more with commas between; not 'nsid'
            demo --namespace zoned=on,ms=8  | --namespace with zoned=on needs the size of a zone, zoned.zone_size=16M; not 'zoned=on,ms=8'
            demo --nvme mdts                | --nvme is NAME=VALUE, or more with commas between; not 'mdts'
            demo --device igb,mac           | --device is MODEL, or MODEL,NAME=VALUE,...; not 'igb,mac'
            demo --device ''                | --device is MODEL, or MODEL,NAME=VALUE,...; not ''
            run --with /nowhere -- ls       | --with: there is no file or folder '/nowhere' that can be read
            run --class-path /etc: -- A     | --class-path: there is no file or folder '' that can be read
            demo --mirror debian.example    | --mirror is a URL; not 'debian.example'
            run                             | run needs a command after --
            run --class-path /etc           | run --class-path needs a main class after --
            run --jar /etc --jar /usr       | run takes one --jar; the others belong to --class-path
            junit                           | junit needs --jar, a jar or folder with tests
            demo --jar /etc                 | --jar and --class-path are for run and junit; not for demo
            test --class-path /etc          | --jar and --class-path are for run and junit; not for test
            diff -- x                       | diff takes options only; not x
            shell -- ls -l                  | shell takes options only; not ls -l
            versions -- x                   | versions takes options only; not x
            """)
    void parse_misuse_saysWhatIsWrong(String line, String message) {
        List<String> words = line.isEmpty()
                ? List.of()
                : List.of(line.split(" ")).stream()
                        .map(word -> word.equals("''") ? "" : word)
                        .toList();
        Failure failure = assertThrows(Failure.class, () -> Options.parse(words));
        assertEquals(message + "; see scripts/power --help", failure.text());
        assertEquals(2, failure.status());
    }

    @Test
    void help_everyOption_isDescribed() throws IOException {
        String help = Files.readString(Path.of("scripts/lib/power/help.txt"));
        Options.names().forEach(name -> assertTrue(help.contains("\n  " + name + " "), name));
        for (Options.Command command : Options.Command.values()) {
            assertTrue(help.contains("[OPTION...] " + command), command.toString());
        }
    }
}
