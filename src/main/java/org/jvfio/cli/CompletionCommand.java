package org.jvfio.cli;

import java.util.List;

/** {@code jvfio completion}: prints what a shell completes command lines with. */
final class CompletionCommand extends Command {
    private static final List<String> SHELLS = List.of("bash", "zsh");

    CompletionCommand() {
        super("completion", "print the completion script of a shell");
    }

    @Override
    void describe(CommandSyntax syntax) {
        syntax.argument("SHELL", "bash or zsh")
                .example("source <(jvfio completion bash)", "complete in this bash")
                .example("jvfio completion zsh > ~/.zfunc/_jvfio", "complete in zsh, with ~/.zfunc in fpath");
    }

    @Override
    int run(Invocation in) throws Failure {
        String shell = in.arguments().getFirst();
        switch (shell) {
            case "bash" -> in.out().print(Completion.bash(Commands.all()));
            case "zsh" -> in.out().print(Completion.zsh(Commands.all()));
            default ->
                throw Failure.usage("completion: there is no script for '%s', only for %s%s"
                        .formatted(shell, Words.all(SHELLS), Suggestion.of(shell, SHELLS)));
        }
        return 0;
    }
}
