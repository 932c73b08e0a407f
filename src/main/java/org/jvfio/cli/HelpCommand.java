package org.jvfio.cli;

import java.util.List;
import java.util.Optional;

/** {@code jvfio help}: explains commands. */
final class HelpCommand extends Command {
    HelpCommand() {
        super("help", "explain a command, or print the manual page or a JSON schema");
    }

    @Override
    void describe(CommandSyntax syntax) {
        syntax.arguments("COMMAND", "the command, one word or two (default: list all commands)")
                .flag("man", "print the manual page jvfio(1), for man -l or troff -man")
                .flag("schema", "print the JSON Schema of the command's --json")
                .example("jvfio help nvme read", "explain a command")
                .example("jvfio help --man > jvfio.1 && man -l ./jvfio.1", "read the manual page")
                .example("jvfio help --schema devices", "print what devices --json prints");
    }

    @Override
    int run(Invocation in) throws Failure {
        if (in.has("man")) {
            in.out().print(ManPage.of(Commands.sections()));
            return 0;
        }
        if (in.arguments().isEmpty()) {
            if (in.has("schema")) {
                throw Failure.usage("help --schema: name a command (see jvfio help --help)");
            }
            in.out().print(HelpText.of(Commands.sections(), in.terminal()));
            return 0;
        }
        Optional<Command> command = Commands.find(in.arguments());
        if (command.isPresent()
                && Commands.words(command.get()).size() == in.arguments().size()) {
            explain(in, command.get().syntax());
            return 0;
        }
        List<Command> family = Commands.family(in.arguments().getFirst());
        if (command.isPresent()) {
            throw Failure.usage("%s has no command '%s' (see jvfio help %s)"
                    .formatted(
                            command.get().name(),
                            in.arguments().getLast(),
                            command.get().name()));
        }
        if (family.isEmpty() || in.arguments().size() > 1 || in.has("schema")) {
            throw Commands.unknown(in.arguments());
        }
        in.out().print(HelpText.of(in.arguments().getFirst(), family, in.terminal()));
        return 0;
    }

    private static void explain(Invocation in, CommandSyntax syntax) throws Failure {
        String name = syntax.command().name();
        if (in.has("schema")) {
            JsonShape shape =
                    syntax.json().orElseThrow(() -> Failure.usage("help --schema: " + name + " has no --json"));
            in.out().println(Json.text(shape.schema(name)));
        } else {
            in.out().print(HelpText.of(syntax, in.terminal()));
        }
    }
}
