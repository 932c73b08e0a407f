package org.jvfio.emulator;

import java.util.ArrayList;
import java.util.List;

/** The kernel's log: messages in order, each numbered from 0. */
final class KernelLog {
    /** One message. */
    record Line(long sequence, long micros, String message) {}

    private final List<Line> lines = new ArrayList<>();
    private final long boot = System.nanoTime();

    void add(String message) {
        lines.add(new Line(lines.size(), (System.nanoTime() - boot) / 1000, message));
    }

    int size() {
        return lines.size();
    }

    Line line(int number) {
        return lines.get(number);
    }

    List<String> messages() {
        return lines.stream().map(Line::message).toList();
    }
}
