package org.jvfio;

import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * How this project writes and reads a count of bytes: in the largest binary unit that divides it, as in {@code 64K},
 * {@code 4288K} or {@code 4095B}.
 */
public final class ByteSize {
    private static final String UNITS = "BKMGTPE";

    private static final Pattern SIZE = Pattern.compile("([0-9]+)([" + UNITS + "]?)");

    private ByteSize() {}

    /**
     * The text of a count of bytes, such as {@code 0}, {@code 1B}, {@code 64K} or {@code 2G}.
     *
     * @param bytes an unsigned count
     */
    public static String format(long bytes) {
        if (bytes == 0) {
            return "0";
        }
        int unit = Math.min(Long.numberOfTrailingZeros(bytes) / 10, UNITS.length() - 1);
        return Long.toUnsignedString(bytes >>> (10 * unit)) + UNITS.charAt(unit);
    }

    /**
     * The text of a count that may be negative, such as {@code -64K}.
     *
     * @param bytes a signed count
     */
    public static String formatSigned(long bytes) {
        return bytes < 0 ? "-" + format(-bytes) : format(bytes);
    }

    /**
     * Reads such a text.
     *
     * @return the count, from 0
     * @throws IllegalArgumentException if it is no whole number with at most one unit behind it, or too large for a
     *     long
     */
    public static long parse(String text) {
        Matcher size = SIZE.matcher(text);
        if (!size.matches()) {
            throw new IllegalArgumentException("'" + text + "' is not a count of bytes, such as 4096, 64K or 1G");
        }
        int shift = size.group(2).isEmpty() ? 0 : 10 * UNITS.indexOf(size.group(2));
        try {
            return Math.multiplyExact(Long.parseLong(size.group(1)), 1L << shift);
        } catch (ArithmeticException | NumberFormatException tooLarge) {
            throw new IllegalArgumentException("'" + text + "' is too large for a count of bytes", tooLarge);
        }
    }
}
