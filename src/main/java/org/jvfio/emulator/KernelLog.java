package org.jvfio.emulator;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.LongStream;

/**
 * The kernel log: messages in order, numbered from 0. In a full log a new message overwrites the oldest, as in
 * {@code kernel/printk/printk_ringbuffer.c}.
 */
final class KernelLog {
    /** The number of messages in a log of 128 KiB (CONFIG_LOG_BUF_SHIFT=17), which has a descriptor for each. */
    static final int CAPACITY = 1 << (17 - 5);

    /** One message. */
    record Line(long sequence, long micros, String message) {}

    private final List<Line> ring = new ArrayList<>();
    private final Set<String> warned = new HashSet<>();
    private final long boot = System.nanoTime();
    private long first;
    private long end;

    void add(String message) {
        Line line = new Line(end, micros(), message);
        if (end < CAPACITY) {
            ring.add(line);
        } else {
            ring.set(place(end), line);
        }
        end++;
    }

    /** The time since boot, in microseconds. */
    long micros() {
        return (System.nanoTime() - boot) / 1000;
    }

    /** {@code WARN_ON_ONCE}: a warning that the kernel logs once after boot. */
    void warnOnce(String place) {
        if (warned.add(place)) {
            add("WARNING: " + place);
        }
    }

    private static int place(long sequence) {
        return (int) (sequence % CAPACITY);
    }

    /** Removes the messages from a number on. Messages that they have overwritten stay lost. */
    void rewind(long sequence) {
        first = oldest();
        end = sequence;
        while (ring.size() > end) {
            ring.removeLast();
        }
    }

    /** The number of the oldest message in the log. */
    long oldest() {
        return Math.max(first, end - CAPACITY);
    }

    /** The number of the next message. */
    long end() {
        return end;
    }

    /** A message, from {@link #oldest} to before {@link #end}. */
    Line line(long sequence) {
        return ring.get(place(sequence));
    }

    /** The messages in the log. */
    List<String> messages() {
        return LongStream.range(oldest(), end)
                .mapToObj(sequence -> line(sequence).message())
                .toList();
    }
}
