package org.jvfio.cli.map;

import java.util.List;
import java.util.Optional;
import org.jvfio.ByteSize;
import org.jvfio.DmaDirection;
import org.jvfio.IovaRange;

/** Draws SVG images, in the same style as {@link MapText}. Each rectangle tells its addresses as a tool tip. */
public final class MapSvg {
    private static final double WIDTH = 960;
    private static final double MARGIN = 20;
    private static final double BAR = 22;
    private static final double LINE = 18;
    private static final double LABEL = 190;
    private static final double MIN_WIDTH = 1;
    /** Beyond, mappings are drawn by their share of each column, so that the image stays small. */
    private static final int MAX_RECTANGLES = 2000;

    private static final String FREE = "#eef1f4";
    private static final String FRAME = "#57606a";
    private static final String TO_DEVICE = "#2f81f7";
    private static final String FROM_DEVICE = "#d9822b";
    private static final String BOTH_WAYS = "#3b8e5a";
    private static final String SHARE = "#3b6ea5";
    private static final String UNKNOWN = "#b8c0c8";
    private static final String BYPASS = "#e8b4b8";

    private final SvgWriter svg = new SvgWriter();
    private double y = MARGIN;

    private MapSvg() {}

    /** The windows with their mappings and holes, by address. */
    public static String picture(String title, DmaMoment moment) {
        MapSvg map = new MapSvg();
        map.begin(title);
        IovaRange before = null;
        for (DmaMoment.Window window : moment.windows()) {
            if (before != null) {
                map.line("no window: " + MapWords.between(before, window.range()), MARGIN);
                map.y += LINE / 2;
            }
            map.line(MapWords.window(window), MARGIN);
            map.bar(MARGIN, WIDTH - 2 * MARGIN, window, window.range(), moment.mapsSeen());
            map.scale(window.range());
            Optional<IovaRange> part = window.detail();
            if (part.isPresent()) {
                map.line(
                        "enlarged: %s, %s"
                                .formatted(
                                        part.get(), ByteSize.format(part.get().size())),
                        MARGIN);
                map.bar(MARGIN, WIDTH - 2 * MARGIN, window, part.get(), moment.mapsSeen());
                map.scale(part.get());
            }
            before = window.range();
        }
        if (moment.windows().isEmpty()) {
            map.line("no window", MARGIN);
        }
        return map.finish();
    }

    /** The moments one below the other, each part of the address space on one scale. */
    public static String story(String title, List<DmaMoment> moments) {
        List<IovaRange> parts = MapWords.parts(moments);
        MapSvg map = new MapSvg();
        map.begin(title);
        double x = MARGIN + LABEL;
        double width = WIDTH - MARGIN - x;
        for (int index = 0; index < moments.size(); index++) {
            DmaMoment moment = moments.get(index);
            map.line("%d. %s".formatted(index + 1, moment.title()), MARGIN);
            map.line("owner: " + moment.owner(), x);
            if (moment.bypass().isPresent()) {
                boolean on = moment.bypass().get();
                map.label("64-bit bypass " + (on ? "on" : "off"));
                map.rectangle(x, width, on ? BYPASS : "none", FRAME, on ? "a device reaches all memory" : "off");
                map.y += BAR + LINE / 2;
            }
            for (IovaRange part : parts) {
                map.label("from " + MapWords.hex(part.start()));
                map.rectangle(x, width, "none", FRAME, MapWords.sized(part));
                moment.windows().stream()
                        .filter(window -> part.contains(window.range()))
                        .forEach(window -> map.windowOnScale(window, part, x, width, moment));
                map.y += BAR + LINE / 2;
            }
        }
        map.y += LINE / 2;
        map.line(
                "scale: "
                        + String.join(", ", parts.stream().map(MapWords::sized).toList()),
                MARGIN);
        return map.finish();
    }

    private void begin(String title) {
        svg.words("title", title);
        svg.empty("rect", "width", "100%", "height", "100%", "fill", "#ffffff");
        svg.begin("g", "font-family", "monospace", "font-size", 12L);
        y += LINE / 2;
        svg.words("text", title, "x", MARGIN, "y", y, "font-weight", "bold");
        y += LINE;
    }

    private String finish() {
        y += LINE / 2;
        double x = MARGIN;
        String[][] legend = {
            {FREE, "free"},
            {TO_DEVICE, "to device"},
            {FROM_DEVICE, "from device"},
            {BOTH_WAYS, "both ways"},
            {UNKNOWN, "of the host"},
            {BYPASS, "bypass"},
        };
        for (String[] entry : legend) {
            svg.empty("rect", "x", x, "y", y - 10, "width", 12L, "height", 12L, "fill", entry[0], "stroke", FRAME);
            svg.words("text", entry[1], "x", x + LINE, "y", y, "fill", FRAME);
            x += 120;
        }
        svg.end();
        return svg.image((long) WIDTH, (long) Math.ceil(y + MARGIN));
    }

    private void line(String text, double x) {
        svg.words("text", text, "x", x, "y", y + 10);
        y += LINE;
    }

    private void label(String text) {
        svg.words("text", text, "x", MARGIN + 10, "y", y + BAR * 0.7);
    }

    private void scale(IovaRange range) {
        svg.words("text", MapWords.hex(range.start()), "x", MARGIN, "y", y + 13, "fill", FRAME);
        svg.words(
                "text",
                MapWords.hex(range.last()),
                "x",
                WIDTH - MARGIN,
                "y",
                y + 13,
                "fill",
                FRAME,
                "text-anchor",
                "end");
        y += 1.5 * LINE;
    }

    /** A rectangle at the present height, with a tool tip. */
    private void rectangle(double x, double width, String fill, String stroke, String tip) {
        svg.begin(
                "rect",
                "x",
                x,
                "y",
                y,
                "width",
                Math.max(MIN_WIDTH, width),
                "height",
                BAR,
                "fill",
                fill,
                "stroke",
                stroke);
        svg.words("title", tip);
        svg.end();
    }

    private void bar(double x, double width, DmaMoment.Window window, IovaRange part, boolean mapsSeen) {
        rectangle(x, width, mapsSeen ? FREE : UNKNOWN, FRAME, MapWords.sized(part));
        if (mapsSeen) {
            drawMappings(x, width, window, part);
        }
        y += BAR;
    }

    private void windowOnScale(DmaMoment.Window window, IovaRange part, double x, double width, DmaMoment moment) {
        double scale = width / DmaMoment.unsigned(part.size());
        double start = x + DmaMoment.unsigned(window.range().start() - part.start()) * scale;
        double wide = DmaMoment.unsigned(window.range().size()) * scale;
        String tip = window.range() + ", " + MapWords.shortWindow(window, moment);
        rectangle(start, wide, moment.mapsSeen() ? FREE : UNKNOWN, FRAME, tip);
        if (moment.mapsSeen()) {
            drawMappings(start, wide, window, window.range());
        }
    }

    private void drawMappings(double x, double width, DmaMoment.Window window, IovaRange part) {
        if (window.mappings().size() > MAX_RECTANGLES) {
            drawShares(x, width, window, part);
            return;
        }
        double scale = width / DmaMoment.unsigned(part.size());
        for (DmaMoment.Mapping mapping : window.mappings()) {
            IovaRange range = mapping.range();
            if (part.contains(range)) {
                rectangle(
                        x + DmaMoment.unsigned(range.start() - part.start()) * scale,
                        DmaMoment.unsigned(range.size()) * scale,
                        color(mapping.direction()),
                        "none",
                        MapWords.sized(range) + ", " + MapWords.direction(mapping.direction()));
            }
        }
    }

    private void drawShares(double x, double width, DmaMoment.Window window, IovaRange part) {
        int columns = Math.max(1, (int) width);
        double[] shares = window.occupancy(part, columns);
        for (int column = 0; column < columns; column++) {
            if (shares[column] > 0) {
                svg.empty(
                        "rect",
                        "x",
                        x + column * width / columns,
                        "y",
                        y,
                        "width",
                        width / columns,
                        "height",
                        BAR,
                        "fill",
                        SHARE,
                        "fill-opacity",
                        Math.max(0.15, shares[column]));
            }
        }
    }

    private static String color(DmaDirection direction) {
        return switch (direction) {
            case TO_DEVICE -> TO_DEVICE;
            case FROM_DEVICE -> FROM_DEVICE;
            case BIDIRECTIONAL -> BOTH_WAYS;
        };
    }
}
