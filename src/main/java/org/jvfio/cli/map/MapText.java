package org.jvfio.cli.map;

import java.nio.charset.Charset;
import java.util.ArrayList;
import java.util.List;
import org.jvfio.ByteSize;
import org.jvfio.DmaDirection;
import org.jvfio.IovaRange;

/** Draws with the characters of a terminal: blocks, or ASCII where its character set has none. */
public final class MapText {
    private static final String BLOCKS = "▁▂▃▄▅▆▇█";
    private static final String ASCII = "-+=#";
    private static final int LABEL = 25;
    private static final int MAX_ROWS = 16;
    private static final int MIN_CELLS = 10;

    private final boolean unicode;
    private final int width;

    /**
     * Draws for a terminal.
     *
     * @param charset what it shows
     * @param width its columns, at least 40
     */
    public MapText(Charset charset, int width) {
        this.unicode = charset.newEncoder().canEncode(BLOCKS + "·░▒▕▏");
        this.width = width;
    }

    /**
     * The windows with their mappings and holes, by address.
     *
     * @param all whether every mapping and hole is listed, however many there are
     */
    public List<String> picture(DmaMoment moment, boolean all) {
        List<String> lines = new ArrayList<>();
        IovaRange before = null;
        for (DmaMoment.Window window : moment.windows()) {
            if (before != null) {
                lines.add("");
                lines.add("no window: " + MapWords.between(before, window.range()));
                lines.add("");
            }
            lines.add(MapWords.window(window));
            int cells = cells(window.range(), window, width - 4);
            lines.add("  " + framed(cells(window, window.range(), cells, moment.mapsSeen())));
            lines.add("  " + scale(window.range(), cells + 2));
            window.detail().ifPresent(part -> {
                int inPart = cells(part, window, width - 4);
                lines.add("  enlarged: " + part + ", " + ByteSize.format(part.size()));
                lines.add("  " + framed(cells(window, part, inPart, moment.mapsSeen())));
                lines.add("  " + scale(part, inPart + 2));
            });
            lines.addAll(rows(window, all));
            before = window.range();
        }
        if (moment.windows().isEmpty()) {
            lines.add("no window");
        }
        lines.add("");
        lines.addAll(legend());
        return lines;
    }

    /** One row for each mapping and hole. */
    private static List<String> rows(DmaMoment.Window window, boolean all) {
        List<String> rows = new ArrayList<>();
        long next = window.range().start();
        for (DmaMoment.Mapping mapping : window.mappings()) {
            IovaRange range = mapping.range();
            if (range.start() != next) {
                rows.add(row(new IovaRange(next, range.start() - next), "hole"));
            }
            rows.add(row(range, words(mapping.direction())));
            next = range.last() + 1;
        }
        long left = window.range().size() - (next - window.range().start());
        if (left != 0) {
            rows.add(row(new IovaRange(next, left), "hole"));
        }
        if (!all && rows.size() > MAX_ROWS) {
            int more = rows.size() - MAX_ROWS;
            rows.subList(MAX_ROWS, rows.size()).clear();
            rows.add("    ... and %d more (--all lists them)".formatted(more));
        }
        return rows;
    }

    private static String row(IovaRange range, String what) {
        return "    %-42s %9s  %s".formatted(range, ByteSize.format(range.size()), what);
    }

    private static String words(DmaDirection direction) {
        return "mapped, " + MapWords.direction(direction);
    }

    /** The moments one below the other, each part of the address space on one scale. */
    public List<String> story(List<DmaMoment> moments) {
        List<IovaRange> parts = MapWords.parts(moments);
        int room = Math.max(MIN_CELLS, width - LABEL - 6);
        List<String> lines = new ArrayList<>();
        for (int index = 0; index < moments.size(); index++) {
            DmaMoment moment = moments.get(index);
            lines.add("%d. %s".formatted(index + 1, moment.title()));
            lines.add("  %-23s%s".formatted("owner", moment.owner()));
            moment.bypass()
                    .ifPresent(on -> lines.add("  %-23s%s%s"
                            .formatted("64-bit bypass", framed((on ? bypass() : " ").repeat(room)), on ? "" : " off")));
            for (IovaRange part : parts) {
                lines.add("  %-23s%s".formatted(label(part), framed(strip(moment, part, room))));
                moment.windows().stream()
                        .filter(window -> part.contains(window.range()))
                        .forEach(window -> lines.add(" ".repeat(LABEL) + " " + MapWords.shortWindow(window, moment)));
            }
            lines.add("");
        }
        lines.add("scale: "
                + String.join(", ", parts.stream().map(MapWords::sized).toList()));
        lines.addAll(legend());
        return lines;
    }

    private static String label(IovaRange part) {
        return "from " + MapWords.hex(part.start());
    }

    /** A part of the address space with its windows. */
    private String strip(DmaMoment moment, IovaRange part, int cells) {
        StringBuilder strip = new StringBuilder(" ".repeat(cells));
        for (DmaMoment.Window window : moment.windows()) {
            if (!part.contains(window.range())) {
                continue;
            }
            double bytesPerCell = DmaMoment.unsigned(part.size()) / cells;
            int first = (int) (DmaMoment.unsigned(window.range().start() - part.start()) / bytesPerCell);
            int count =
                    Math.clamp(Math.round(DmaMoment.unsigned(window.range().size()) / bytesPerCell), 1, cells - first);
            strip.replace(first, first + count, cells(window, window.range(), count, moment.mapsSeen()));
        }
        return strip.toString();
    }

    /** No more cells than pages. */
    private static int cells(IovaRange range, DmaMoment.Window window, int room) {
        long pages = Long.divideUnsigned(range.size(), window.page().bytes());
        return Math.clamp(Long.compareUnsigned(pages, room - 2L) < 0 ? pages : room - 2L, 1, room);
    }

    private String cells(DmaMoment.Window window, IovaRange range, int cells, boolean mapsSeen) {
        if (!mapsSeen) {
            return unknown().repeat(cells);
        }
        String levels = unicode ? BLOCKS : ASCII;
        StringBuilder text = new StringBuilder();
        for (double share : window.occupancy(range, cells)) {
            int level = (int) Math.ceil(share * levels.length());
            text.append(level == 0 ? (unicode ? "·" : ".") : levels.substring(level - 1, level));
        }
        return text.toString();
    }

    private String unknown() {
        return unicode ? "░" : ":";
    }

    private String bypass() {
        return unicode ? "▒" : "%";
    }

    private String framed(String cells) {
        return (unicode ? "▕" : "|") + cells + (unicode ? "▏" : "|");
    }

    private static String scale(IovaRange range, int columns) {
        String first = MapWords.hex(range.start());
        String last = MapWords.hex(range.last());
        int gap = columns - first.length() - last.length();
        return gap < 1 ? first + " .. " + last : first + " ".repeat(gap) + last;
    }

    private List<String> legend() {
        return List.of(
                unicode
                        ? "legend: · free   ▁▄█ mapped, by share   ░ mappings of the host, not known   ▒ bypass"
                        : "legend: . free  -+=# mapped, by share  : mappings of the host, not known  % bypass");
    }
}
