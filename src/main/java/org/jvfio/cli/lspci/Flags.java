package org.jvfio.cli.lspci;

/** Bits by their names, each with + if it is set and - if not: {@code Mem+ BusMaster-}. */
final class Flags {
    private Flags() {}

    /**
     * Names the bits of a value.
     *
     * @param namesAndBits names and bit numbers, in turn
     */
    static String of(long value, Object... namesAndBits) {
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < namesAndBits.length; i += 2) {
            text.append(i == 0 ? "" : " ").append(namesAndBits[i]).append(sign(value, (int) namesAndBits[i + 1]));
        }
        return text.toString();
    }

    static char sign(long value, int bit) {
        return (value >>> bit & 1) == 0 ? '-' : '+';
    }

    /** Bits of a value as a number. */
    static int bits(long value, int first, int count) {
        return (int) (value >>> first & (1L << count) - 1);
    }
}
