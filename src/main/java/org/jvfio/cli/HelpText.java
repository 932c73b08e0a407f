package org.jvfio.cli;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.commons.cli.Option;
import org.apache.commons.cli.help.TextHelpAppendable;

/** The help, made of the syntax of the commands. */
final class HelpText {
    private static final int INDENT = 2;

    private final Terminal terminal;
    private final StringBuilder text = new StringBuilder();

    private HelpText(Terminal terminal) {
        this.terminal = terminal;
    }

    /** The help of the program. */
    static String of(List<Commands.Section> sections, Terminal terminal) {
        HelpText help = new HelpText(terminal);
        help.line("usage: jvfio COMMAND [OPTION]... [ARGUMENT]...");
        help.text.append('\n');
        help.paragraph(Commands.ABOUT);
        int width = sections.stream()
                .flatMap(section -> section.commands().stream())
                .mapToInt(command -> command.name().length())
                .max()
                .orElse(0);
        for (Commands.Section section : sections) {
            help.heading(section.title());
            section.commands().forEach(command -> help.command(command, width));
        }
        help.text.append('\n');
        help.line("'jvfio help COMMAND' explains a command. 'jvfio --version' prints the version.");
        return help.text.toString();
    }

    /** The commands whose names begin with the same word. */
    static String of(String word, List<Command> commands, Terminal terminal) {
        HelpText help = new HelpText(terminal);
        help.line("usage: jvfio " + word + " COMMAND [OPTION]... [ARGUMENT]...");
        help.text.append('\n');
        int width = commands.stream()
                .mapToInt(command -> command.name().length())
                .max()
                .orElse(0);
        commands.forEach(command -> help.command(command, width));
        help.text.append('\n');
        help.line("'jvfio help " + word + " COMMAND' explains a command.");
        return help.text.toString();
    }

    /** The help of a command. */
    static String of(CommandSyntax syntax, Terminal terminal) {
        HelpText help = new HelpText(terminal);
        help.line("usage: " + syntax.usage());
        help.text.append('\n');
        help.paragraph(sentence(syntax.command().summary()));
        syntax.paragraphs().forEach(paragraph -> {
            help.text.append('\n');
            help.paragraph(paragraph);
        });
        Table arguments = new Table(INDENT, List.of());
        syntax.arguments().forEach(argument -> arguments.row(argument.name(), argument.text()));
        help.table("Arguments", arguments);
        Table options = new Table(INDENT, List.of());
        for (Option option : syntax.list()) {
            options.row(CommandSyntax.usage(option), option.getDescription());
        }
        help.table("Options", options);
        if (!syntax.examples().isEmpty()) {
            help.heading("Examples");
            for (CommandSyntax.Example example : syntax.examples()) {
                help.line("  # " + example.text());
                help.line("  " + example.line());
            }
        }
        Table statuses = new Table(INDENT, List.of());
        for (Map.Entry<Integer, String> status : syntax.statuses().entrySet()) {
            statuses.row(status.getKey().toString(), status.getValue());
        }
        help.table("Exit status", statuses);
        if (syntax.json().isPresent()) {
            help.text.append('\n');
            help.paragraph("'jvfio help --schema %s' prints the JSON Schema of --json."
                    .formatted(syntax.command().name()));
        }
        return help.text.toString();
    }

    /** A summary as a sentence. */
    static String sentence(String summary) {
        return Character.toUpperCase(summary.charAt(0)) + summary.substring(1) + ".";
    }

    private void heading(String title) {
        text.append('\n').append(terminal.bold(title)).append('\n');
    }

    private void command(Command command, int width) {
        text.append("  ")
                .append(command.name())
                .append(" ".repeat(width - command.name().length() + INDENT))
                .append(command.summary())
                .append('\n');
    }

    private void table(String title, Table table) {
        if (!table.isEmpty()) {
            heading(title);
            table.lines(terminal.width()).forEach(this::line);
        }
    }

    private void line(String line) {
        text.append(line).append('\n');
    }

    private void paragraph(String paragraph) {
        wrap(paragraph, terminal.width()).forEach(this::line);
    }

    /** The lines of a paragraph. */
    static List<String> wrap(String paragraph, int width) {
        List<String> lines = new ArrayList<>();
        for (String rest = paragraph; !rest.isEmpty(); ) {
            int end = rest.length() <= width ? rest.length() : TextHelpAppendable.indexOfWrap(rest, width, 0);
            lines.add(rest.substring(0, end).stripTrailing());
            rest = rest.substring(end).stripLeading();
        }
        return lines;
    }
}
