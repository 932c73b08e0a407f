package org.jvfio.cli;

import java.io.IOException;
import java.io.PrintStream;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.List;
import org.apache.commons.cli.help.TextHelpAppendable;
import org.apache.commons.cli.help.TextStyle;

/** Rows of cells, aligned in columns: those of Commons CLI's help, whose lines are as long as they need. */
final class Table {
    private static final int GAP = 2;

    private final List<List<String>> rows = new ArrayList<>();
    private final List<String> headers;
    private final int indent;

    /** A table with headers. */
    Table(String... headers) {
        this(0, List.of(headers));
    }

    /**
     * A table.
     *
     * @param headers empty for none
     */
    Table(int indent, List<String> headers) {
        this.indent = indent;
        this.headers = headers;
    }

    Table row(String... cells) {
        rows.add(List.of(cells));
        return this;
    }

    boolean isEmpty() {
        return rows.isEmpty();
    }

    /** Gives access to the columns of Commons CLI. */
    private static final class Columns extends TextHelpAppendable {
        private Columns(Appendable output, int width) {
            super(output);
            setMaxWidth(width);
            setLeftPad(0);
        }

        private void write(List<String> cells, List<TextStyle> styles) throws IOException {
            writeColumnQueues(makeColumnQueues(cells, styles), styles);
        }
    }

    /** Prints it, each row in one line. */
    void print(PrintStream out, Terminal terminal) {
        List<String> lines = lines(Integer.MAX_VALUE);
        for (int line = 0; line < lines.size(); line++) {
            boolean isHeader = line == 0 && !headers.isEmpty();
            out.println(isHeader ? terminal.bold(lines.get(line)) : lines.get(line));
        }
    }

    /**
     * Its lines, in which only the last column may be wrapped.
     *
     * @param width columns of the terminal
     */
    List<String> lines(int width) {
        List<List<String>> all = new ArrayList<>();
        if (!headers.isEmpty()) {
            all.add(headers);
        }
        all.addAll(rows);
        if (all.isEmpty()) {
            return List.of();
        }
        List<TextStyle> styles = styles(all, width);
        StringBuilder text = new StringBuilder();
        Columns columns = new Columns(text, width);
        try {
            for (List<String> row : all) {
                columns.write(row, styles);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return text.toString().lines().map(String::stripTrailing).toList();
    }

    private List<TextStyle> styles(List<List<String>> all, int width) {
        int count = all.getFirst().size();
        List<TextStyle> styles = new ArrayList<>();
        int used = 0;
        for (int column = 0; column < count; column++) {
            int index = column;
            int widest =
                    all.stream().mapToInt(row -> row.get(index).length()).max().orElse(0);
            int pad = column == 0 ? indent : GAP;
            if (column == count - 1) {
                widest = Math.max(1, Math.min(widest, width - used - pad));
            }
            styles.add(TextStyle.builder()
                    .setLeftPad(pad)
                    .setMinWidth(Math.max(1, widest))
                    .setMaxWidth(Math.max(1, widest))
                    .setScalable(false)
                    .get());
            used += widest + pad;
        }
        return styles;
    }
}
