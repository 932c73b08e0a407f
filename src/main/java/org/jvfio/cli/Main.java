package org.jvfio.cli;

import java.io.IOException;
import java.io.PrintStream;
import java.io.UncheckedIOException;
import java.lang.module.ModuleDescriptor;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.apache.commons.cli.CommandLine;
import org.apache.commons.cli.DefaultParser;
import org.apache.commons.cli.Option;
import org.apache.commons.cli.Options;
import org.apache.commons.cli.ParseException;
import org.apache.commons.cli.UnrecognizedOptionException;
import org.apache.commons.cli.help.HelpFormatter;
import org.apache.commons.cli.help.TextHelpAppendable;
import org.jvfio.VfioException;
import org.jvfio.emulator.HostHazard;

/**
 * The command {@code jvfio}. It ends with status 0 if it did what it was asked, 1 if it could not, 2 if the command line
 * makes no sense; what is wrong is one line on standard error.
 */
public final class Main {
    private static final String NAME = "jvfio";
    private static final List<String> HELP_OPTIONS = List.of("--help", "-h");
    private static final int HELP_WIDTH = 110;
    private static final List<Command> COMMANDS = List.of(
            new DemoCommand(),
            new NvmeIdentifyCommand(),
            new NvmeReadCommand(),
            new NvmeWriteCommand(),
            new NvmeVerifyCommand(),
            new NvmeBenchCommand());
    private static final int NAME_WIDTH =
            COMMANDS.stream().mapToInt(command -> command.name().length()).max().orElse(0) + 1;

    private Main() {}

    /** Runs the command line and ends the JVM with its status. */
    public static void main(String[] arguments) {
        System.exit(run(List.of(arguments), StandardOutput.ofProcess(), System.err));
    }

    /** Runs a command line, and answers its exit status. */
    static int run(List<String> arguments, StandardOutput out, PrintStream err) {
        try {
            dispatch(arguments, out);
            out.requireWritten();
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

    private static void dispatch(List<String> arguments, StandardOutput out) throws Failure {
        if (arguments.isEmpty()) {
            throw new Failure(Failure.USAGE, "there is no command; see " + NAME + " --help");
        }
        String first = arguments.getFirst();
        switch (first) {
            case "-h", "--help" -> out.print(help(COMMANDS));
            case "-V", "--version" -> out.println(NAME + " " + version());
            default -> dispatchCommand(arguments, out);
        }
    }

    /** A command's name has one word, or two, of which the first is common to several. */
    private static void dispatchCommand(List<String> arguments, StandardOutput out) throws Failure {
        for (Command command : COMMANDS) {
            List<String> words = List.of(command.name().split(" ", -1));
            if (arguments.size() >= words.size()
                    && arguments.subList(0, words.size()).equals(words)) {
                run(command, arguments.subList(words.size(), arguments.size()), out);
                return;
            }
        }
        String first = arguments.getFirst();
        List<Command> family = COMMANDS.stream()
                .filter(command -> command.name().startsWith(first + " "))
                .toList();
        if (family.isEmpty()) {
            throw unknown(first);
        }
        List<String> seconds = family.stream()
                .map(command -> command.name().substring(first.length() + 1))
                .toList();
        if (arguments.size() == 1) {
            throw new Failure(
                    Failure.USAGE, "%s what? %s (see %s --help)".formatted(first, String.join(", ", seconds), NAME));
        }
        String second = arguments.get(1);
        if (HELP_OPTIONS.contains(second)) {
            out.print(help(family));
            return;
        }
        throw new Failure(
                Failure.USAGE,
                "there is no command '%s %s'%s (see %s --help)"
                        .formatted(first, second, Suggestion.of(second, seconds), NAME));
    }

    private static Failure unknown(String word) {
        List<String> words = Stream.concat(
                        COMMANDS.stream().map(command -> command.name().replaceFirst(" .*", "")),
                        Stream.of("--help", "--version"))
                .distinct()
                .toList();
        return new Failure(
                Failure.USAGE,
                "there is no %s '%s'%s (see %s --help)"
                        .formatted(
                                word.startsWith("-") ? "option" : "command", word, Suggestion.of(word, words), NAME));
    }

    private static void run(Command command, List<String> arguments, StandardOutput out) throws Failure {
        Options options = command.options()
                .addOption(Option.builder("h")
                        .longOpt("help")
                        .desc("print this help")
                        .get());
        CommandLine line;
        try {
            line = DefaultParser.builder()
                    .setAllowPartialMatching(false)
                    .get()
                    .parse(options, arguments.toArray(String[]::new));
        } catch (UnrecognizedOptionException e) {
            List<String> words = options.getOptions().stream()
                    .map(option -> "--" + option.getLongOpt())
                    .toList();
            throw new Failure(
                    Failure.USAGE,
                    "%s has no option '%s'%s (see %s %s --help)"
                            .formatted(
                                    command.name(),
                                    e.getOption(),
                                    Suggestion.of(e.getOption(), words),
                                    NAME,
                                    command.name()));
        } catch (ParseException e) {
            throw new Failure(
                    Failure.USAGE,
                    "%s: %s (see %s %s --help)".formatted(command.name(), e.getMessage(), NAME, command.name()));
        }
        if (line.hasOption("help")) {
            out.print(help(command, options));
            return;
        }
        if (!line.getArgList().isEmpty()) {
            throw new Failure(
                    Failure.USAGE,
                    "%s takes no argument '%s' (see %s %s --help)"
                            .formatted(command.name(), line.getArgList().getFirst(), NAME, command.name()));
        }
        command.run(line, out);
    }

    private static String help(List<Command> commands) {
        StringBuilder text = new StringBuilder("Userspace drivers on POWER: VFIO with the SPAPR TCE IOMMU.\n\n");
        text.append("usage: ").append(NAME).append(" COMMAND [OPTION]...\n");
        String layout = "  %-" + NAME_WIDTH + "s %s%n";
        commands.forEach(command -> text.append(layout.formatted(command.name(), command.summary())));
        return text.append(layout.formatted("--help", "print this help; COMMAND --help tells a command's options"))
                .append(layout.formatted("--version", "print the version"))
                .toString();
    }

    private static String help(Command command, Options options) {
        StringBuilder text = new StringBuilder();
        TextHelpAppendable layout = new TextHelpAppendable(text);
        layout.setMaxWidth(HELP_WIDTH);
        layout.setLeftPad(0);
        try {
            HelpFormatter.builder()
                    .setShowSince(false)
                    .setHelpAppendable(layout)
                    .get()
                    .printHelp(NAME + " " + command.name(), command.summary(), options, "", true);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return text.toString();
    }

    /** The version of the module, or of the jar where there is no module. */
    private static String version() {
        return Optional.ofNullable(Main.class.getModule().getDescriptor())
                .flatMap(ModuleDescriptor::rawVersion)
                .or(() -> Optional.ofNullable(Main.class.getPackage().getImplementationVersion()))
                .orElse("of an unpacked build");
    }
}
