package org.jvfio;

/** How this project writes a count of bytes: in the largest binary unit that divides it, as in {@code 64K} or {@code 4288K}. */
public final class ByteSize {
    private static final String UNITS = "KMGTPE";

    private ByteSize() {}

    /**
     * The text of a count of bytes, such as {@code 0}, {@code 4095}, {@code 64K} or {@code 2G}.
     *
     * @param bytes an unsigned count
     */
    public static String format(long bytes) {
        int unit = bytes == 0 ? 0 : Math.min(Long.numberOfTrailingZeros(bytes) / 10, UNITS.length());
        return unit == 0
                ? Long.toUnsignedString(bytes)
                : Long.toUnsignedString(bytes >>> (10 * unit)) + UNITS.charAt(unit - 1);
    }
}
