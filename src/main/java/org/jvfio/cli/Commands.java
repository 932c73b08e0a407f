package org.jvfio.cli;

import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/** All commands, in the order of the help. */
final class Commands {
    static final String ABOUT =
            "Userspace drivers on POWER: VFIO with the SPAPR TCE IOMMU, on Linux and on emulated hosts.";

    /** Commands that serve one purpose. */
    record Section(String title, List<Command> commands) {}

    private static final List<Section> SECTIONS = List.of(
            new Section(
                    "Look at a host",
                    List.of(
                            new DoctorCommand(),
                            new DevicesCommand(),
                            new GroupsCommand(),
                            new DeviceCommand(),
                            new InfoCommand(),
                            new PlanCommand(),
                            new AbiCommand())),
            new Section("Prepare a host", List.of(new BindCommand(), new UnbindCommand(), new SetupCommand())),
            new Section(
                    "Work by hand",
                    Stream.concat(HandCommands.all().stream(), Stream.of(new ShellCommand()))
                            .toList()),
            new Section(
                    "Handle errors", List.of(new EehStatusCommand(), new EehInjectCommand(), new EehRecoverCommand())),
            new Section(
                    "Try it",
                    List.of(
                            new DemoCommand(),
                            new BenchCommand(),
                            new MapCommand(),
                            new NvmeIdentifyCommand(),
                            new NvmeReadCommand(),
                            new NvmeWriteCommand(),
                            new NvmeVerifyCommand(),
                            new NvmeBenchCommand())),
            new Section(
                    "Observe",
                    List.of(new TraceCommand(), new RecordCommand(), new ReplayCommand(), new CheckCommand())),
            new Section("Emulate", List.of(new MachineShowCommand())),
            new Section("Help", List.of(new HelpCommand(), new CompletionCommand())));

    private Commands() {}

    static List<Section> sections() {
        return SECTIONS;
    }

    static List<Command> all() {
        return stream().toList();
    }

    private static Stream<Command> stream() {
        return SECTIONS.stream().flatMap(section -> section.commands().stream());
    }

    /** The commands whose names have two words, of which this is the first. */
    static List<Command> family(String word) {
        return stream().filter(command -> command.name().startsWith(word + " ")).toList();
    }

    /** The command that a command line begins with. */
    static Optional<Command> find(List<String> arguments) {
        return stream()
                .filter(command -> {
                    List<String> words = words(command);
                    return arguments.size() >= words.size()
                            && arguments.subList(0, words.size()).equals(words);
                })
                .findFirst();
    }

    static List<String> words(Command command) {
        return List.of(command.name().split(" ", -1));
    }

    /** The first words of all commands. */
    static List<String> firstWords() {
        return stream().map(command -> words(command).getFirst()).distinct().toList();
    }

    /**
     * Why a command line names no command.
     *
     * @param arguments at least one
     */
    static Failure unknown(List<String> arguments) {
        String first = arguments.getFirst();
        List<Command> family = family(first);
        if (family.isEmpty()) {
            List<String> words = Stream.concat(firstWords().stream(), Stream.of("--help", "--version"))
                    .toList();
            return Failure.usage("there is no %s '%s'%s (see jvfio --help)"
                    .formatted(first.startsWith("-") ? "option" : "command", first, Suggestion.of(first, words)));
        }
        List<String> seconds =
                family.stream().map(command -> words(command).getLast()).toList();
        if (arguments.size() == 1) {
            return Failure.usage("%s what? Use %s (see jvfio %s --help)".formatted(first, Words.oneOf(seconds), first));
        }
        String second = arguments.get(1);
        return Failure.usage("there is no command '%s %s'%s (see jvfio %s --help)"
                .formatted(first, second, Suggestion.of(second, seconds), first));
    }
}
