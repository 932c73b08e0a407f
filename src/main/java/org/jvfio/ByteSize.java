package org.jvfio;

import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * How this project writes and reads a count of bytes: in the largest binary unit that divides it, as in {@code 64K},
 * {@code 4288K} or {@code 4095B}; where that has six digits or more, as the nearest count of a larger unit with what
 * is above or below it, as in {@code 2G-4K} or {@code 2G-772K}. With a rest that is not of whole {@code K}, only a
 * power of two is written so. It is always exact.
 */
public final class ByteSize {
    private static final String UNITS = "BKMGTPE";

    private static final Pattern SIZE =
            Pattern.compile("([0-9]+)([" + UNITS + "]?)(?:([-+])([0-9]+)([" + UNITS + "]))?");
    private static final int SHIFT = 10;
    private static final long TOO_LONG = 100_000;

    private ByteSize() {}

    /**
     * The text of a count of bytes, such as {@code 0}, {@code 1B}, {@code 64K}, {@code 2G} or {@code 2G-4K}.
     *
     * @param bytes an unsigned count
     */
    public static String format(long bytes) {
        String exact = inLargestUnit(bytes);
        if (isShort(bytes)) {
            return exact;
        }
        return sum(bytes, true)
                .or(() -> largestUnit(bytes) == 0 ? Optional.empty() : sum(bytes, false))
                .orElse(exact);
    }

    /**
     * The nearest count of the largest unit that leaves a short rest.
     *
     * @param isPower whether the rest is to be a power of two
     */
    private static Optional<String> sum(long bytes, boolean isPower) {
        for (int unit = UNITS.length() - 1; unit > 0; unit--) {
            long one = 1L << (SHIFT * unit);
            long below = bytes >>> (SHIFT * unit);
            long above = bytes & (one - 1);
            boolean up = above > one / 2;
            long count = up ? below + 1 : below;
            long rest = up ? one - above : above;
            if (count != 0 && count < TOO_LONG && (isPower ? Long.bitCount(rest) == 1 : isShort(rest))) {
                return Optional.of(count + UNITS.substring(unit, unit + 1) + (up ? "-" : "+") + inLargestUnit(rest));
            }
        }
        return Optional.empty();
    }

    private static int largestUnit(long bytes) {
        return Math.min(Long.numberOfTrailingZeros(bytes) / SHIFT, UNITS.length() - 1);
    }

    private static boolean isShort(long bytes) {
        return bytes == 0 || Long.compareUnsigned(bytes >>> (SHIFT * largestUnit(bytes)), TOO_LONG) < 0;
    }

    private static String inLargestUnit(long bytes) {
        int unit = largestUnit(bytes);
        return bytes == 0 ? "0" : Long.toUnsignedString(bytes >>> (SHIFT * unit)) + UNITS.charAt(unit);
    }

    /**
     * The text of a count that may be negative, such as {@code -64K} or {@code -(2G-4K)}.
     *
     * @param bytes a signed count
     */
    public static String formatSigned(long bytes) {
        if (bytes >= 0) {
            return format(bytes);
        }
        return isShort(-bytes) ? "-" + format(-bytes) : "-(" + format(-bytes) + ")";
    }

    /**
     * Reads such a text.
     *
     * @return the count, from 0
     * @throws IllegalArgumentException if it is neither a whole number with at most one unit behind it nor a sum or
     *     difference of two that {@link #format} writes, or is too large for a long
     */
    public static long parse(String text) {
        Matcher size = SIZE.matcher(text);
        if (!size.matches()) {
            throw new IllegalArgumentException("'" + text + "' is not a count of bytes, such as 4096, 64K or 1G");
        }
        try {
            long count = bytes(size.group(1), size.group(2));
            if (size.group(3) == null) {
                return count;
            }
            long rest = bytes(size.group(4), size.group(5));
            if (size.group(3).equals("-") && rest > count) {
                throw new IllegalArgumentException("'" + text + "' is less than 0");
            }
            return size.group(3).equals("-") ? count - rest : Math.addExact(count, rest);
        } catch (ArithmeticException | NumberFormatException tooLarge) {
            throw new IllegalArgumentException("'" + text + "' is too large for a count of bytes", tooLarge);
        }
    }

    private static long bytes(String number, String unit) {
        int shift = unit.isEmpty() ? 0 : SHIFT * UNITS.indexOf(unit);
        return Math.multiplyExact(Long.parseLong(number), 1L << shift);
    }
}
