package org.jvfio.cli;

import java.util.List;
import java.util.Map;
import org.apache.commons.cli.Option;

/** The manual page jvfio(1), in the language of troff's man macros. */
final class ManPage {
    private final StringBuilder text = new StringBuilder();

    private ManPage() {}

    static String of(List<Commands.Section> sections) {
        ManPage page = new ManPage();
        page.macro(".TH JVFIO 1");
        page.section("NAME");
        page.line("jvfio \\- userspace drivers on POWER");
        page.section("SYNOPSIS");
        page.macro(".B jvfio");
        page.macro(".I COMMAND");
        page.line("[OPTION]... [ARGUMENT]...");
        page.section("DESCRIPTION");
        page.line(Commands.ABOUT);
        page.paragraph("Results are written to standard output, everything else to standard error. Sizes are written"
                + " in the largest binary unit that divides them (4096 is 4K) and read as 4096, 0x1000, 4K, 2M, 1G or"
                + " 1T. Bus addresses and offsets are hexadecimal. PCI addresses have their domain: 0000:01:00.0.");
        page.section("COMMANDS");
        for (Commands.Section section : sections) {
            page.macro(".SS \"" + escape(section.title()) + "\"");
            section.commands().forEach(command -> page.command(command.syntax()));
        }
        page.section("EXIT STATUS");
        page.line("0 if the command did its work, 1 if it could not, 2 if the command line is invalid. A command"
                + " that uses a status otherwise says so above. A closed pipe is no error.");
        page.section("ENVIRONMENT");
        page.tagged("NO_COLOR", "print no colours, whatever the terminal");
        page.tagged("COLUMNS", "columns of the terminal (default: 100)");
        page.tagged("JVFIO_JAVA_OPTIONS", "more options for the JVM, for example -Xmx4g");
        page.tagged("JAVA_HOME", "the JDK 25 to use");
        return page.text.toString();
    }

    private void command(CommandSyntax syntax) {
        macro(".TP");
        macro(".B " + escape(syntax.usage()));
        line(HelpText.sentence(syntax.command().summary()));
        macro(".RS");
        syntax.paragraphs().forEach(this::paragraph);
        syntax.arguments().forEach(argument -> tagged(argument.name(), argument.text()));
        for (Option option : syntax.list()) {
            tagged(CommandSyntax.usage(option), option.getDescription());
        }
        for (Map.Entry<Integer, String> status : syntax.statuses().entrySet()) {
            if (status.getKey() > 0 && !status.getValue().equals(usual(status.getKey()))) {
                tagged("Status " + status.getKey(), status.getValue());
            }
        }
        for (CommandSyntax.Example example : syntax.examples()) {
            paragraph("To " + example.text() + ":");
            macro(".nf");
            line("    " + example.line());
            macro(".fi");
        }
        macro(".RE");
    }

    private static String usual(int status) {
        return new CommandSyntax(new HelpCommand()).statuses().getOrDefault(status, "");
    }

    private void section(String title) {
        macro(".SH " + title);
    }

    private void tagged(String tag, String meaning) {
        macro(".TP");
        macro(".B " + escape(tag));
        line(meaning);
    }

    private void paragraph(String paragraph) {
        macro(".PP");
        line(paragraph);
    }

    private void macro(String line) {
        text.append(line).append('\n');
    }

    private void line(String line) {
        String escaped = escape(line);
        // A line that begins with a dot or an apostrophe would be a request.
        text.append(escaped.startsWith(".") || escaped.startsWith("'") ? "\\&" : "")
                .append(escaped)
                .append('\n');
    }

    private static String escape(String line) {
        return line.replace("\\", "\\e").replace("-", "\\-").replace("\\e\\-", "\\-");
    }
}
