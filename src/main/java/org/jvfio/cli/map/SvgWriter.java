package org.jvfio.cli.map;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Locale;

/** Writes the elements of an SVG image. It needs no module beside {@code java.base}. */
final class SvgWriter {
    private static final String DECLARATION = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";

    private final StringBuilder text = new StringBuilder();
    private final Deque<String> open = new ArrayDeque<>();

    /**
     * Begins an element.
     *
     * @param attributes names and values, in turn; a value is a number or a text
     */
    SvgWriter begin(String name, Object... attributes) {
        start(name, attributes).append(">\n");
        open.push(name);
        return this;
    }

    /** Ends the element that began last. */
    SvgWriter end() {
        text.append("</").append(open.pop()).append(">\n");
        return this;
    }

    /** Adds an element without content. */
    SvgWriter empty(String name, Object... attributes) {
        start(name, attributes).append("/>\n");
        return this;
    }

    /** Adds an element that has nothing but text. */
    SvgWriter words(String name, String content, Object... attributes) {
        start(name, attributes)
                .append('>')
                .append(escape(content))
                .append("</")
                .append(name)
                .append(">\n");
        return this;
    }

    private StringBuilder start(String name, Object... attributes) {
        text.append('<').append(name);
        for (int i = 0; i < attributes.length; i += 2) {
            text.append(' ')
                    .append(attributes[i])
                    .append("=\"")
                    .append(value(attributes[i + 1]))
                    .append('"');
        }
        return text;
    }

    private static String value(Object value) {
        return value instanceof Double number
                ? String.format(Locale.ROOT, "%.2f", number)
                : escape(String.valueOf(value));
    }

    private static String escape(String raw) {
        return raw.replace("&", "&amp;")
                .replace("<", "&lt;")
                .replace(">", "&gt;")
                .replace("\"", "&quot;");
    }

    /**
     * The whole image, once all elements are ended.
     *
     * @param width in pixels
     * @param height in pixels
     */
    String image(long width, long height) {
        if (!open.isEmpty()) {
            throw new IllegalStateException("not ended: " + open);
        }
        return DECLARATION
                + "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %1$d %2$d\" width=\"%1$d\" height=\"%2$d\">\n"
                        .formatted(width, height)
                + text + "</svg>\n";
    }
}
