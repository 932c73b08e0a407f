package org.jvfio.emulator;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.LongStream;

/**
 * The kernel's log: messages in order, each numbered from 0. When it is full, a new one overwrites the oldest, as in
 * {@code kernel/printk/printk_ringbuffer.c}.
 */
final class KernelLog {
    /** The descriptors that a log of 128 KiB (CONFIG_LOG_BUF_SHIFT=17) has, one for each message. */
    static final int CAPACITY = 1 << (17 - 5);

    /** One message. */
    record Line(long sequence, long micros, String message) {}

    private final List<Line> ring = new ArrayList<>();
    private final Set<String> warned = new HashSet<>();
    private final long boot = System.nanoTime();
    private long first;
    private long end;

    void add(String message) {
        Line line = new Line(end, (System.nanoTime() - boot) / 1000, message);
        if (end < CAPACITY) {
            ring.add(line);
        } else {
            ring.set(place(end), line);
        }
        end++;
    }

    /** {@code WARN_ON_ONCE}: a warning that the kernel gives once, be it seen or overwritten since. */
    void warnOnce(String place) {
        if (warned.add(place)) {
            add("WARNING: " + place);
        }
    }

    private static int place(long sequence) {
        return (int) (sequence % CAPACITY);
    }

    /** Takes back the messages from a number on. What they have overwritten is not there again. */
    void rewind(long sequence) {
        first = oldest();
        end = sequence;
        while (ring.size() > end) {
            ring.removeLast();
        }
    }

    /** The number of the oldest message that is left. */
    long oldest() {
        return Math.max(first, end - CAPACITY);
    }

    /** The number that the next message will have. */
    long end() {
        return end;
    }

    /** A message from {@link #oldest} on, before {@link #end}. */
    Line line(long sequence) {
        return ring.get(place(sequence));
    }

    /** The messages that are left. */
    List<String> messages() {
        return LongStream.range(oldest(), end)
                .mapToObj(sequence -> line(sequence).message())
                .toList();
    }
}
