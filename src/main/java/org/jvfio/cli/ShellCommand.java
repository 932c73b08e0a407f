package org.jvfio.cli;

import java.io.File;
import java.io.IOException;
import java.lang.module.ModuleFinder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jvfio.Device;
import org.jvfio.PciAddress;
import org.jvfio.kernel.FileErrors;

/** {@code jvfio shell}: the JDK's JShell, with the library on its class path and a device open. */
final class ShellCommand extends Command {
    private static final String JSHELL = "jdk.jshell";
    private static final String NATIVE_ACCESS = "--enable-native-access=ALL-UNNAMED";
    private static final List<String> PACKAGES = List.of(
            "java.lang.foreign",
            "java.nio.file",
            "java.time",
            "java.util",
            "org.jvfio",
            "org.jvfio.driver.edu",
            "org.jvfio.driver.nvme",
            "org.jvfio.emulator",
            "org.jvfio.kernel",
            "org.jvfio.kernel.linux");

    ShellCommand() {
        super("shell", "work with a device in the JDK's JShell");
    }

    @Override
    void describe(CommandSyntax syntax) {
        HostChoice.addTo(syntax)
                .optionalArgument("DEVICE", "the PCI address of the device that is open as 'device' (default: none)")
                .option("startup", "FILE", "run these snippets before the first prompt; may be repeated")
                .option("program", "FILE", "write what the session begins with as a Java program, and start none")
                .option("session", "FILE", "with --program: add the session that /save FILE has saved; may be repeated")
                .about("The variables kernel, and device if one is named, are there; the packages of the library are"
                        + " imported. Completion, history and editing are those of JShell: /help explains it, /save"
                        + " FILE saves the session. 'java FILE' runs the program that --program writes, with the"
                        + " library on its class path.")
                .example("jvfio shell 0000:01:00.0", "open a device and begin")
                .example("jvfio shell --machine power9 --startup mine.jsh", "run snippets of your own first")
                .example(
                        "jvfio shell 0000:01:00.0 --session mine.jsh --program Mine.java",
                        "make a program of a session that was saved with '/save mine.jsh'");
    }

    @Override
    int run(Invocation in) throws Failure {
        HostChoice choice = HostChoice.of(in);
        choice.requireAvailable();
        Optional<PciAddress> device = in.arguments().isEmpty()
                ? Optional.empty()
                : Optional.of(Devices.address(in.arguments().getFirst()));
        List<String> statements = statements(choice, device);
        Optional<String> program = in.value("program");
        List<String> sessions = in.values("session");
        if (program.isEmpty() && !sessions.isEmpty()) {
            throw Failure.usage("shell: --session needs --program FILE, the program to write");
        }
        for (String file : in.values("startup")) {
            requireReadable(file);
        }
        if (program.isPresent()) {
            List<String> snippets = new ArrayList<>(in.values("startup"));
            snippets.addAll(sessions);
            write(Path.of(program.get()), snippets.isEmpty() ? program(statements) : program(statements, snippets));
            in.out().println("wrote " + program.get());
            return 0;
        }
        if (device.isPresent()) {
            // JShell goes on without a device that it cannot open.
            Device.open(choice.open(in), device.get()).close();
        }
        return start(statements, in.values("startup"));
    }

    /**
     * The command that starts JShell. A runtime without its launcher may have its module; one without the agent that
     * JShell controls another JVM with runs the snippets in its own.
     */
    private static List<String> jshell() throws Failure {
        if (ModuleFinder.ofSystem().find(JSHELL).isEmpty()) {
            throw Failure.failed("cannot start JShell: %s has no module %s; use a JDK"
                    .formatted(System.getProperty("java.home"), JSHELL));
        }
        Path home = Path.of(System.getProperty("java.home"));
        List<String> command = new ArrayList<>(List.of(
                home.resolve("bin").resolve("java").toString(),
                NATIVE_ACCESS,
                "--module",
                JSHELL + "/jdk.internal.jshell.tool.JShellToolProvider"));
        command.addAll(
                Files.exists(home.resolve("lib").resolve(System.mapLibraryName("jdwp")))
                        ? List.of("-R" + NATIVE_ACCESS)
                        : List.of("--execution", "local"));
        return command;
    }

    private static int start(List<String> statements, List<String> more) throws Failure {
        List<String> command = jshell();
        command.addAll(List.of("--class-path", classPath(), "--startup", "DEFAULT"));
        Path startup;
        try {
            startup = Files.createTempFile("jvfio", ".jsh");
        } catch (IOException e) {
            throw Failure.failed("cannot create a file for the start of the session: " + FileErrors.reason(e));
        }
        try {
            write(startup, imports() + String.join("\n", statements) + "\n");
            command.addAll(List.of("--startup", startup.toString()));
            for (String file : more) {
                command.addAll(List.of("--startup", file));
            }
            return new ProcessBuilder(command).inheritIO().start().waitFor();
        } catch (IOException e) {
            throw Failure.failed("cannot start JShell: " + FileErrors.reason(e));
        } catch (InterruptedException _) {
            Thread.currentThread().interrupt();
            throw Failure.failed("interrupted");
        } finally {
            startup.toFile().delete();
        }
    }

    private static void requireReadable(String file) throws Failure {
        if (!Files.isReadable(Path.of(file)) || Files.isDirectory(Path.of(file))) {
            throw Failure.failed("cannot read " + file + ": there is no such file, or permission is denied");
        }
    }

    /** The program of a session that was saved: made by a JVM that has the module of JShell. */
    private static String program(List<String> statements, List<String> sessions) throws Failure {
        List<String> command = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Xshare:auto",
                "--class-path",
                classPath(),
                SessionProgram.class.getName()));
        Path start = null;
        try {
            start = Files.createTempFile("jvfio", ".jsh");
            write(start, imports() + String.join("\n", statements) + "\n");
            command.add(start.toString());
            for (String session : sessions) {
                requireReadable(session);
                command.add(session);
            }
            Process process = new ProcessBuilder(command).start();
            process.getOutputStream().close();
            String text = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
            String reason = new String(process.getErrorStream().readAllBytes(), StandardCharsets.UTF_8).strip();
            if (process.waitFor() != 0) {
                throw Failure.failed("cannot make a program of %s: %s".formatted(Words.all(sessions), reason));
            }
            return text;
        } catch (IOException e) {
            throw Failure.failed("cannot make a program of the session: " + FileErrors.reason(e));
        } catch (InterruptedException _) {
            Thread.currentThread().interrupt();
            throw Failure.failed("interrupted");
        } finally {
            if (start != null) {
                start.toFile().delete();
            }
        }
    }

    private static void write(Path file, String text) throws Failure {
        try {
            Files.writeString(file, text);
        } catch (IOException e) {
            throw Failure.failed("cannot write " + file + ": " + FileErrors.reason(e));
        }
    }

    /** The jars and classes that this command runs with. */
    private static String classPath() throws Failure {
        List<String> elements = new ArrayList<>();
        for (String path :
                List.of(System.getProperty("jdk.module.path", ""), System.getProperty("java.class.path", ""))) {
            for (String element : path.split(Pattern.quote(File.pathSeparator), -1)) {
                if (!element.isEmpty()) {
                    elements.addAll(jars(Path.of(element)));
                }
            }
        }
        return String.join(File.pathSeparator, elements);
    }

    /** A directory of the module path may be one of jars. */
    private static List<String> jars(Path element) throws Failure {
        if (!Files.isDirectory(element)) {
            return List.of(element.toString());
        }
        try (Stream<Path> files = Files.list(element)) {
            List<String> jars = files.map(Path::toString)
                    .filter(file -> file.endsWith(".jar"))
                    .sorted()
                    .collect(Collectors.toCollection(ArrayList::new));
            if (jars.isEmpty()) {
                jars.add(element.toString());
            }
            return jars;
        } catch (IOException e) {
            throw Failure.failed("cannot list " + element + ": " + FileErrors.reason(e));
        }
    }

    private static String imports() {
        return PACKAGES.stream().map(name -> "import " + name + ".*;\n").collect(Collectors.joining());
    }

    private static List<String> statements(HostChoice choice, Optional<PciAddress> device) {
        List<String> statements = new ArrayList<>();
        statements.add("Kernel kernel = " + choice.source() + ";");
        device.ifPresent(address ->
                statements.add("Device device = Device.open(kernel, PciAddress.parse(\"%s\"));".formatted(address)));
        return statements;
    }

    /** The same as a source file that {@code java} runs. */
    private static String program(List<String> statements) {
        return imports() + "\nvoid main() throws Exception {\n"
                + statements.stream()
                        .map(statement -> "    " + statement + "\n")
                        .collect(Collectors.joining())
                + "    // ...\n}\n";
    }
}
