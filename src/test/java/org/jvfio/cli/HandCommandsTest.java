package org.jvfio.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.jvfio.emulator.EmulatedKernel;
import org.jvfio.emulator.EmulatedMachine;
import org.jvfio.emulator.ModelJar;

/** Devices by hand, the files of setup, the interface's numbers and the shell. */
class HandCommandsTest {
    private static final String EDU = "0000:01:00.0";

    @TempDir
    private Path directory = Path.of("");

    private static Ran run(String... arguments) {
        return Ran.ofAll(List.of(arguments), Terminal.NONE);
    }

    @Test
    void peekAndPoke_aRegister_readAndWriteIt() {
        Ran ran = run("poke", EDU, "BAR0+0x4", "0x1234", "--order", "big", "--then", "peek BAR0+4; peek bar0 ;");
        assertEquals("""
                BAR0+0x4:4 <- 0x1234
                BAR0+0x4:4 = 0xffffedcb
                BAR0+0x0:4 = 0x010000ed
                """, ran.ok().out());
        Ran json = run("peek", "0002:01:00.0", "BAR0:8", "BAR0+8", "--json").ok();
        List<?> steps = (List<?>) json.json("peek").getOrDefault("steps", List.of());
        assertEquals(2, steps.size());
        assertEquals(Map.of("step", "peek BAR0+0x8:4", "value", "0x00010400"), steps.get(1));
    }

    @Test
    void config_aRegister_isReadAndWritten() {
        assertEquals(
                """
                config+0x4:2 <- 0x106
                config+0x4:2 = 0x0106
                """,
                run("config", "write", EDU, "0x4:2", "0x106", "--then", "config read 4:2")
                        .ok()
                        .out());
        run("config", "read", EDU, "0:2", "--json").ok().json("config read");
        run("config", "write", EDU, "4:2", "6", "--json").ok().json("config write");
        run("poke", EDU, "BAR0+8", "6", "--json").ok().json("poke");
    }

    @Test
    void dma_copiedByTheDeviceAndBack_isTheSame() {
        String there = "dma fill 0 32 0x5a; poke BAR0+0x80:8 iova; poke BAR0+0x88:8 0x40000; poke BAR0+0x90:8 32;"
                + " poke BAR0+0x98:8 1; sleep 50; dma fill 0 64 0; poke BAR0+0x80:8 0x40000; poke BAR0+0x88:8 iova+0x10;"
                + " poke BAR0+0x90:8 16; poke BAR0+0x98:8 3; sleep 50";
        Ran ran = run("dma", "dump", EDU, "64", "--order", "big", "--json", "--then", there)
                .ok();
        List<?> steps = (List<?>) ran.json("dma dump").getOrDefault("steps", List.of());
        assertEquals("0x1000", ((Map<?, ?>) steps.getFirst()).get("iova"));
        assertEquals(
                List.of(
                        "00000000:" + " 00".repeat(16),
                        "00000010:" + " 5a".repeat(16),
                        "00000020:" + " 00".repeat(16),
                        "00000030:" + " 00".repeat(16)),
                ((Map<?, ?>) steps.getLast()).get("data"));
        assertEquals(
                """
                DMA memory of 64K at IOVA 0x1000..0x10fff, in pages of 4K
                filled 17B at 0x0 with 0x7
                00000010: 07 00 00 00
                """,
                run("dma", "fill", EDU, "17", "7", "--then", "dma dump 16 4")
                        .ok()
                        .out());
        run("dma", "alloc", EDU, "1M", "--json", "--mask", "32").ok().json("dma alloc");
        run("dma", "fill", EDU, "1K", "1", "--json").ok().json("dma fill");
    }

    @ParameterizedTest
    @CsvSource({"msi, MSI", "intx, INTx"})
    void irqWait_anInterrupt_isReported(String type, String name) {
        Ran ran = run("irq", "wait", EDU, "--type", type, "--order", "big", "--then", "poke BAR0+0x60 1");
        assertEquals(
                "%s enabled, 1 vector\nBAR0+0x60:4 <- 0x1\ninterrupt of vector 0\n".formatted(name),
                ran.ok().out());
        Ran none = run("irq", "wait", EDU, "--timeout", "0", "--json");
        assertEquals(1, none.status());
        none.json("irq wait");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "peek 0000:01:00.0 BAR6|'BAR6' is not a register such as BAR0+0x10 or BAR0+0x10:8 (1, 2, 4 or 8 bytes)",
                "peek 0000:01:00.0 0x10|'0x10' is not a register such as BAR0+0x10 or BAR0+0x10:8 (1, 2, 4 or 8 bytes)",
                "peek 0000:01:00.0 BAR0+1:3|'BAR0+1:3' is not a register such as BAR0+0x10 or BAR0+0x10:8 (1, 2, 4 or 8 bytes)",
                "config read 0000:01:00.0 4:8|'4:8' is not an offset such as 0x4 or 0x4:2 (1, 2 or 4 bytes)",
                "poke 0000:01:00.0 BAR0+4 iova|cannot use iova: there is no DMA memory; begin with dma alloc SIZE",
                "poke 0000:01:00.0 BAR0+4 x|'x' is not a number such as 16 or 0x10",
                "poke 0000:01:00.0 BAR0+4 0x100000000|0x100000000 has more than 4 bytes, the width of BAR0+0x4:4",
                "poke 0000:01:00.0 BAR0+4:8 99999999999999999999|'99999999999999999999' is too large for 8 bytes",
                "poke 0000:01:00.0 BAR0+4:8 19999999999999999999|'19999999999999999999' is too large for 8 bytes",
                "peek 0000:01:00.0 BAR0+0xffffffffffffffff|'BAR0+0xffffffffffffffff' is not a register such as BAR0+0x10 or BAR0+0x10:8 (1, 2, 4 or 8 bytes)",
                "config write 0000:01:00.0 0x4:2 0x10000|0x10000 has more than 2 bytes, the width of config+0x4:2",
                "dma fill 0000:01:00.0 4K zz|'zz' is not a number such as 16 or 0x10",
                "dma dump 0000:01:00.0 0|DMA memory has at least 1 byte",
                "dma fill 0000:01:00.0 4K 256|dma fill: a byte is from 0 to 0xff",
                "dma alloc 0000:01:00.0 0|DMA memory has at least 1 byte",
                "irq wait 0000:01:00.0 --type mxi|--type mxi: use msix, msi or intx; did you mean msi?",
            })
    void handCommands_anInvalidLine_isAnsweredWithStatus2(String line, String answer) {
        assertEquals(new Ran(2, "", "jvfio: " + answer + System.lineSeparator()), Ran.of(line));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "dma dump 0 1|cannot dump 1B at 0x0: there is no DMA memory; begin with dma alloc SIZE",
                "dma alloc 4K; dma alloc 4K|dma alloc: there is DMA memory already; a session has one piece",
                "dma alloc 4K; dma dump 0x10000 1|cannot dump 1B at 0x10000: the DMA memory has 64K",
                "dma alloc 4K; dma dump 0 2M|dma dump: at most 1M",
                "irq wait 1|irq wait: no interrupts are enabled; begin with irq enable TYPE",
                "irq enable line|irq: 'line' is not msix, msi or intx",
                "sleep x|sleep x: use a number from 0 to 3600000",
            })
    void then_aStepThatIsInvalid_isAnsweredWithStatus2AndNothingIsPrinted(String steps, String answer) {
        EmulatedKernel process = EmulatedKernel.boot(EmulatedMachine.power8());
        Ran ran = Ran.ofOn(process, List.of("peek", EDU, "BAR0", "--kernel", "emulated", "--then", steps));
        assertEquals(new Ran(2, "", "jvfio: " + answer + System.lineSeparator()), ran);
        assertTrue(process.host().group(0).ownedByHost());
    }

    @Test
    void then_anUnknownStep_isAnsweredWithTheSteps() {
        Ran ran = run("peek", EDU, "BAR0", "--then", "pek BAR0");
        assertEquals(2, ran.status());
        assertEquals(
                "jvfio: there is no step 'pek BAR0'; the steps are: " + DeviceSession.STEPS + System.lineSeparator(),
                ran.err());
    }

    @Test
    void then_aStepThatFails_isAnsweredWithStatus1() {
        Ran ran = run("peek", EDU, "BAR0", "--then", "peek BAR0+0x100000");
        assertEquals(1, ran.status());
        assertTrue(
                ran.err()
                        .startsWith(
                                "jvfio: cannot do this with 0000:01:00.0: BAR 0 of 0000:01:00.0: 0x4 bytes at offset 0x100000; "),
                ran.err());
        assertEquals(
                "reset " + EDU,
                run("peek", EDU, "BAR0", "--then", "reset")
                        .ok()
                        .out()
                        .lines()
                        .toList()
                        .getLast());
        assertEquals(1, run("irq", "wait", EDU, "--type", "msix").status());
    }

    @Test
    void abi_allRequests_haveTheNumbersOfBothArchitectures() throws IOException {
        Golden.check("abi.txt", Ran.of("abi").ok().out());
        Ran.of("abi --json").ok().json("abi");
    }

    @Test
    void setup_aUser_getsFilesThatAreWrittenAndChecked() throws IOException {
        Golden.check(
                "setup.txt", Ran.of("setup --user alice --memlock 64M").ok().out());
        String root = " --user alice --memlock 64M --root " + directory;
        Ran missing = Ran.of("setup --check" + root);
        assertEquals(1, missing.status());
        assertEquals(
                4,
                missing.out().lines().filter(line -> line.endsWith("missing")).count(),
                missing.out());
        Ran.of("setup --apply --json" + root).ok().json("setup");
        Ran.of("setup --check" + root).ok();
        Path limits = directory.resolve("etc/security/limits.d/70-jvfio.conf");
        Files.writeString(limits, "alice hard memlock 1\n");
        Ran drift = Ran.of("setup --check" + root);
        assertEquals(1, drift.status());
        assertTrue(drift.out().contains("/etc/security/limits.d/70-jvfio.conf  different"), drift.out());
        Ran again = Ran.of("setup --apply" + root).ok();
        assertEquals(
                1, again.out().lines().filter(line -> line.endsWith("written")).count(), again.out());
        assertTrue(Files.readString(limits).contains("alice hard memlock 65536"));
        Ran.of("setup --user alice --json").ok().json("setup");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "setup|setup needs --user NAME",
                "setup --user a/b|--user: 'a/b' is not a user name",
                "setup --user a --apply --check|setup: --apply and --check exclude each other",
                "setup --user a --memlock 1|--memlock 1B: use at least 1K",
                "setup --user a --apply|an emulated host keeps no files in /etc: add --root DIRECTORY",
                "shell x|'x' is not a PCI address such as 0000:01:00.0",
                "shell --session a.jsh|shell: --session needs --program FILE, the program to write",
            })
    void setupAndShell_anInvalidLine_isAnsweredWithStatus2(String line, String answer) {
        assertEquals(new Ran(2, "", "jvfio: " + answer + System.lineSeparator()), Ran.of(line));
    }

    @Test
    void setup_aDirectoryThatCannotBeWritten_isAnsweredWithStatus1() throws IOException {
        Path file = Files.createFile(directory.resolve("file"));
        Ran ran = Ran.of("setup --user a --apply --root " + file);
        assertEquals(1, ran.status());
        assertTrue(ran.err().startsWith("jvfio: cannot write " + file), ran.err());
    }

    @Test
    void shell_asAProgram_isRunByJava() throws IOException, InterruptedException {
        Path program = directory.resolve("Mine.java");
        Ran.of("shell " + EDU + " --machine power9 --linux 6.4 --program " + program)
                .ok();
        String source = Files.readString(program)
                .replace("// ...", "System.out.println(EduDevice.of(device).isAlive()); device.close();");
        assertTrue(source.contains("import org.jvfio.*;"), source);
        Files.writeString(program, source);
        assertEquals("true", runJava(program).getLast());
    }

    @Test
    void shell_aSavedSession_isAProgramThatRuns() throws IOException, InterruptedException {
        Path session = Files.writeString(directory.resolve("mine.jsh"), """
                var edu = EduDevice.of(device)
                int[] numbers = {3, 4}
                long factorial(int of) {
                    return device == null ? -1 : of < 2 ? 1 : of * factorial(of - 1);
                }
                record Pair(int left, String right) {}
                Object edu2 = edu;
                1 + 2
                "a = b".length()
                /vars
                for (int number : numbers) {
                    System.out.println(number + " -> " + factorial(number));
                }
                int count = 1
                count += 2
                count > 2
                new Pair(count, "x")
                device.close()
                """);
        Path program = directory.resolve("Mine.java");
        Ran.of("shell " + EDU + " --machine power9 --session " + session + " --program " + program)
                .ok();
        List<String> printed = runJava(program);
        assertEquals(
                List.of("3", "5", "3 -> 6", "4 -> 24", "3", "true", "Pair[left=3, right=x]"),
                printed.subList(printed.size() - 7, printed.size()));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "int x = ;|not valid Java: int x = ;",
                "foo(|not valid Java: foo(",
                "twice(21)|'twice(21)' uses what no snippet before it declares, or is not valid Java; --startup adds snippets",
                "int y = $3 + 1|'int y = $3 + 1;' uses $3, a variable that JShell has named: give it a name of yours",
            })
    void shell_aSessionThatIsNoProgram_isAnsweredWithStatus1(String snippet, String reason) throws IOException {
        Path session = Files.writeString(directory.resolve("bad.jsh"), snippet + "\n");
        Path program = directory.resolve("Bad.java");
        Ran ran = Ran.of("shell --machine power9 --session " + session + " --program " + program);
        assertEquals("jvfio: cannot make a program of " + session + ": " + reason + System.lineSeparator(), ran.err());
        assertEquals(1, ran.status());
        assertTrue(!Files.exists(program));
    }

    @Test
    void shell_aSessionThatUsesStartupSnippets_isAProgramWithThem() throws IOException, InterruptedException {
        Path startup = Files.writeString(directory.resolve("start.jsh"), "int twice(int n) { return 2 * n; }\n");
        Path session = Files.writeString(directory.resolve("mine.jsh"), "twice(21)\n");
        Path program = directory.resolve("Mine.java");
        Ran.of("shell --machine power9 --startup " + startup + " --session " + session + " --program " + program)
                .ok();
        assertEquals("42", runJava(program).getLast());
    }

    private List<String> runJava(Path program) throws IOException, InterruptedException {
        Path out = directory.resolve("out");
        String java = ProcessHandle.current().info().command().orElseThrow();
        String path = System.getProperty("jdk.module.path", "")
                + File.pathSeparator
                + System.getProperty("java.class.path", "");
        Process process = new ProcessBuilder(java, "-cp", path, program.toString())
                .redirectErrorStream(true)
                .redirectOutput(out.toFile())
                .start();
        assertTrue(process.waitFor(2, TimeUnit.MINUTES));
        return Files.readString(out).strip().lines().toList();
    }

    @Test
    void shell_aScriptAsStandardInput_worksWithTheDeviceAndEndsWithItsStatus() throws IOException {
        Path startup = Files.writeString(directory.resolve("start.jsh"), "int twice(int n) { return 2 * n; }\n");
        Ran ran = CommandLines.shell(
                EDU + " --machine power9 --startup " + startup, """
                var edu = EduDevice.of(device)
                System.out.println("factorial of 6: " + edu.factorial(twice(3), Duration.ofSeconds(9)))
                System.out.println(device.address() + " " + kernel.getClass().getSimpleName())
                device.close()
                /exit 3
                """, "-XX:+UseSerialGC -XX:TieredStopAtLevel=1");
        assertTrue(ran.out().contains("factorial of 6: 720"), ran::out);
        assertTrue(ran.out().contains(EDU + " EmulatedKernel"), ran::out);
        assertEquals(3, ran.status(), ran::out);
    }

    @Test
    void shell_aStartupFileThatIsMissing_isAnsweredWithStatus1() {
        Ran ran = Ran.of("shell --machine power9 --startup /nowhere/x.jsh");
        assertEquals(1, ran.status());
        assertTrue(ran.err().startsWith("jvfio: cannot read /nowhere/x.jsh: "), ran.err());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "shell 0009:01:00.0 --machine power9|there is no such PCI device",
                "shell 0004:01:00.0 --machine {}|it is bound to host, not to vfio-pci; bind it",
            })
    void shell_aDeviceThatCannotBeOpened_isAnsweredWithStatus1(String line, String reason) throws IOException {
        Ran ran = Ran.of(line.replace(
                "{}", Golden.resource("machines/in-use-by-host.json").toString()));
        assertEquals(1, ran.status());
        assertTrue(ran.err().contains(reason), ran.err());
        assertEquals("", ran.out());
    }

    @Test
    void shell_aMachineWithDeviceModelsOfJars_hasThemInItsProgram() throws IOException {
        Path machine = Files.writeString(directory.resolve("m.json"), "{\"like\": \"power9\"}");
        Path models = new ModelJar().model("one", "first").service("one").write(directory.resolve("one.jar"));
        Path program = directory.resolve("Models.java");
        Ran.of("shell --machine " + machine + " --device-models " + models + " --program " + program)
                .ok();
        String text = Files.readString(program);
        assertTrue(
                text.contains(
                        "EmulatedMachine.read(Path.of(\"%s\"), DeviceModels.installed().withJars(List.of(Path.of(\"%s\"))))"
                                .formatted(machine, models)),
                text);
    }
}
