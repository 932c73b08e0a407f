package org.jvfio.cli.host;

import java.util.ArrayList;
import java.util.List;

/**
 * A BAR, or the expansion ROM, as {@code resource} of a device shows it.
 *
 * @param index 0 to 5, {@link #ROM} for the ROM
 * @param start where it is, 0 if it is not assigned
 * @param size bytes
 * @param io whether it is of I/O space
 * @param wide whether it is 64 bits wide
 */
public record HostBar(int index, long start, long size, boolean io, boolean wide, boolean prefetchable) {
    /** The index of the expansion ROM. */
    public static final int ROM = 6;

    private static final long IO_FLAG = 0x100;
    private static final long MEMORY_FLAG = 0x200;
    private static final long PREFETCH_FLAG = 0x2000;
    private static final long WIDE_FLAG = 0x100000;

    static List<HostBar> parse(List<String> lines) {
        List<HostBar> bars = new ArrayList<>();
        for (int index = 0; index <= ROM && index < lines.size(); index++) {
            String[] numbers = lines.get(index).split(" ", -1);
            if (numbers.length < 3) {
                continue;
            }
            long start = Long.parseUnsignedLong(numbers[0].substring(2), 16);
            long last = Long.parseUnsignedLong(numbers[1].substring(2), 16);
            long flags = Long.parseUnsignedLong(numbers[2].substring(2), 16);
            if ((flags & (IO_FLAG | MEMORY_FLAG)) != 0 && last != 0) {
                bars.add(new HostBar(
                        index,
                        start,
                        last - start + 1,
                        (flags & IO_FLAG) != 0,
                        (flags & WIDE_FLAG) != 0,
                        (flags & PREFETCH_FLAG) != 0));
            }
        }
        return bars;
    }

    /** {@code BAR 0}, or {@code ROM}. */
    public String name() {
        return index == ROM ? "ROM" : "BAR " + index;
    }

    /** {@code 32-bit}, {@code 64-bit} or {@code I/O}, and whether it is prefetchable. */
    public String kind() {
        return (io ? "I/O" : wide ? "64-bit" : "32-bit") + (prefetchable && index != ROM ? " prefetchable" : "");
    }
}
