package org.jvfio.cli;

/** A command of {@code jvfio}. Making one costs nothing: its syntax is described when it is needed. */
abstract class Command {
    private final String name;
    private final String summary;

    /**
     * A command.
     *
     * @param name one word, or two if the first is common to several
     * @param summary what it does, in one imperative line without a full stop
     */
    Command(String name, String summary) {
        this.name = name;
        this.summary = summary;
    }

    final String name() {
        return name;
    }

    final String summary() {
        return summary;
    }

    /** Describes the arguments, options, examples, exit statuses and JSON output. */
    abstract void describe(CommandSyntax syntax);

    /**
     * Does it.
     *
     * @return the exit status
     * @throws Failure if it cannot
     */
    abstract int run(Invocation in) throws Failure;

    /** The syntax, with what all commands have. */
    final CommandSyntax syntax() {
        CommandSyntax syntax = new CommandSyntax(this);
        describe(syntax);
        syntax.flag("help", "print this help");
        return syntax;
    }
}
