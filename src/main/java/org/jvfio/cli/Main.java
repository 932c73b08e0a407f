package org.jvfio.cli;

import java.io.PrintStream;
import java.lang.module.ModuleDescriptor;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;
import org.apache.commons.cli.AlreadySelectedException;
import org.apache.commons.cli.CommandLine;
import org.apache.commons.cli.DefaultParser;
import org.apache.commons.cli.MissingArgumentException;
import org.apache.commons.cli.ParseException;
import org.apache.commons.cli.UnrecognizedOptionException;
import org.jvfio.VfioException;
import org.jvfio.emulator.EmulatedKernel;
import org.jvfio.emulator.EmulatedMachine;
import org.jvfio.emulator.HostHazard;
import org.jvfio.kernel.Kernel;

/**
 * The command {@code jvfio}. It ends with status 0 if it did what it was asked, 1 if it could not, 2 if the command
 * line is invalid; what is wrong is one line on standard error. {@link CommandSyntax} says where a command differs.
 */
public final class Main {
    private static final String NAME = "jvfio";
    private static final List<String> HELP_OPTIONS = List.of("--help", "-h");

    private Main() {}

    /** Runs the command line and ends the JVM with its status. */
    public static void main(String[] arguments) {
        int status = run(
                List.of(arguments), StandardOutput.ofProcess(), System.err, Terminal.ofProcess(), EmulatedKernel::boot);
        // System.exit initializes loggers first, which a short command would notice.
        if (status != 0 || !isLastThread()) {
            System.exit(status);
        }
    }

    /** Whether the JVM ends when this thread does. */
    private static boolean isLastThread() {
        Thread[] threads = new Thread[Thread.activeCount() + 1];
        int count = Thread.enumerate(threads);
        for (int i = 0; i < count; i++) {
            if (threads[i] != Thread.currentThread() && !threads[i].isDaemon()) {
                return false;
            }
        }
        return count < threads.length;
    }

    /** Runs a command line whose output is no terminal, and returns its exit status. */
    static int run(List<String> arguments, StandardOutput out, PrintStream err) {
        return run(arguments, out, err, Terminal.NONE, EmulatedKernel::boot);
    }

    /** Runs a command line, and returns its exit status. */
    static int run(
            List<String> arguments,
            StandardOutput out,
            PrintStream err,
            Terminal terminal,
            Function<EmulatedMachine, Kernel> boot) {
        try {
            int status = dispatch(arguments, out, err, terminal, boot);
            out.requireWritten();
            return status;
        } catch (StandardOutput.ReaderGone _) {
            return 0;
        } catch (Failure e) {
            err.println(NAME + ": " + e.getMessage());
            return e.status();
        } catch (VfioException e) {
            err.println(NAME + ": " + e.getMessage());
            return Failure.FAILED;
        } catch (HostHazard e) {
            err.println(NAME + ": the emulated host does not survive this: " + e.getMessage());
            return Failure.FAILED;
        }
    }

    private static int dispatch(
            List<String> arguments,
            StandardOutput out,
            PrintStream err,
            Terminal terminal,
            Function<EmulatedMachine, Kernel> boot)
            throws Failure {
        if (arguments.isEmpty()) {
            throw Failure.usage("there is no command; see " + NAME + " --help");
        }
        String first = arguments.getFirst();
        switch (first) {
            case "-h", "--help" -> out.print(HelpText.of(Commands.sections(), terminal));
            case "-V", "--version" -> out.println(NAME + " " + version());
            default -> {
                return dispatchCommand(arguments, out, err, terminal, boot);
            }
        }
        return 0;
    }

    private static int dispatchCommand(
            List<String> arguments,
            StandardOutput out,
            PrintStream err,
            Terminal terminal,
            Function<EmulatedMachine, Kernel> boot)
            throws Failure {
        Optional<Command> command = Commands.find(arguments);
        if (command.isPresent()) {
            int words = Commands.words(command.get()).size();
            return run(command.get(), arguments.subList(words, arguments.size()), out, err, terminal, boot);
        }
        List<Command> family = Commands.family(arguments.getFirst());
        if (!family.isEmpty() && arguments.size() > 1 && HELP_OPTIONS.contains(arguments.get(1))) {
            out.print(HelpText.of(arguments.getFirst(), family, terminal));
            return 0;
        }
        throw Commands.unknown(arguments);
    }

    private static int run(
            Command command,
            List<String> arguments,
            StandardOutput out,
            PrintStream err,
            Terminal terminal,
            Function<EmulatedMachine, Kernel> boot)
            throws Failure {
        CommandSyntax syntax = command.syntax();
        CommandLine line = parse(syntax, arguments);
        if (line.hasOption("help")) {
            out.print(HelpText.of(syntax, terminal));
            return 0;
        }
        List<String> positional = line.getArgList();
        requireArguments(syntax, positional);
        return command.run(new Invocation(line, List.copyOf(positional), out, err, terminal, boot));
    }

    private static CommandLine parse(CommandSyntax syntax, List<String> arguments) throws Failure {
        String name = syntax.command().name();
        String see = " (see %s %s --help)".formatted(NAME, name);
        try {
            return DefaultParser.builder()
                    .setAllowPartialMatching(false)
                    .get()
                    .parse(syntax.options(), arguments.toArray(String[]::new), syntax.takesCommand());
        } catch (UnrecognizedOptionException e) {
            List<String> words = syntax.list().stream()
                    .map(option -> "--" + option.getLongOpt())
                    .toList();
            throw Failure.usage("%s has no option '%s'%s%s"
                    .formatted(name, e.getOption(), Suggestion.of(e.getOption(), words), see));
        } catch (MissingArgumentException e) {
            throw Failure.usage("%s: --%s needs a value: %s%s"
                    .formatted(name, e.getOption().getLongOpt(), CommandSyntax.usage(e.getOption()), see));
        } catch (AlreadySelectedException e) {
            throw Failure.usage("%s: --%s and --%s exclude each other%s"
                    .formatted(
                            name,
                            e.getOption().getLongOpt(),
                            Optional.ofNullable(e.getOptionGroup().getSelected())
                                    .orElse("the other option"),
                            see));
        } catch (ParseException e) {
            throw Failure.usage("%s: %s%s".formatted(name, e.getMessage(), see));
        }
    }

    private static void requireArguments(CommandSyntax syntax, List<String> positional) throws Failure {
        List<CommandSyntax.Argument> arguments = syntax.arguments();
        String name = syntax.command().name();
        String see = " (see %s %s --help)".formatted(NAME, name);
        long least = arguments.stream().filter(CommandSyntax.Argument::required).count();
        if (positional.size() < least) {
            CommandSyntax.Argument missing = arguments.get(positional.size());
            throw Failure.usage("%s needs %s, %s%s".formatted(name, missing.name(), missing.text(), see));
        }
        boolean repeated = !arguments.isEmpty() && arguments.getLast().repeated();
        if (positional.size() > arguments.size() && !repeated) {
            throw Failure.usage("%s takes no argument '%s'%s".formatted(name, positional.get(arguments.size()), see));
        }
    }

    /** The version of the module, or of the jar where there is no module. */
    private static String version() {
        return Optional.ofNullable(Main.class.getModule().getDescriptor())
                .flatMap(ModuleDescriptor::rawVersion)
                .or(() -> Optional.ofNullable(Main.class.getPackage().getImplementationVersion()))
                .orElse("of an unpacked build");
    }
}
