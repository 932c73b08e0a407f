package org.jvfio.cli.map;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import org.jvfio.ByteSize;
import org.jvfio.DmaDirection;
import org.jvfio.IovaRange;

/** What the pictures say in words, and which addresses they show. */
final class MapWords {
    private MapWords() {}

    static String hex(long address) {
        return "0x" + Long.toHexString(address);
    }

    static String sized(IovaRange range) {
        return range + " (" + ByteSize.format(range.size()) + ")";
    }

    static String direction(DmaDirection direction) {
        return switch (direction) {
            case TO_DEVICE -> "to device";
            case FROM_DEVICE -> "from device";
            case BIDIRECTIONAL -> "both ways";
        };
    }

    private static String count(int count, String thing) {
        return count + " " + thing + (count == 1 ? "" : "s");
    }

    static String window(DmaMoment.Window window) {
        return "window %d, %s: %s in pages of %s, %s mapped in %s, %s"
                .formatted(
                        window.number(),
                        window.range(),
                        ByteSize.format(window.range().size()),
                        window.page(),
                        ByteSize.format(window.mappedBytes()),
                        count(window.mappings().size(), "mapping"),
                        count(window.holes().size(), "hole"));
    }

    static String shortWindow(DmaMoment.Window window, DmaMoment moment) {
        String mapped = moment.mapsSeen()
                ? ", %s mapped in %s"
                        .formatted(
                                ByteSize.format(window.mappedBytes()),
                                count(window.mappings().size(), "mapping"))
                : "";
        return "window %d: %s in pages of %s%s"
                .formatted(window.number(), ByteSize.format(window.range().size()), window.page(), mapped);
    }

    /** The addresses between two windows. */
    static String between(IovaRange before, IovaRange after) {
        long start = before.last() + 1;
        return start == after.start() ? "none between them" : sized(new IovaRange(start, after.start() - start));
    }

    /** The parts of the address space that ever have a window, by address. */
    static List<IovaRange> parts(List<DmaMoment> moments) {
        List<IovaRange> sorted = new ArrayList<>(moments.stream()
                .flatMap(moment -> moment.windows().stream())
                .map(DmaMoment.Window::range)
                .distinct()
                .toList());
        sorted.sort(Comparator.comparing(IovaRange::start, Long::compareUnsigned));
        List<IovaRange> parts = new ArrayList<>();
        for (IovaRange range : sorted) {
            IovaRange last = parts.isEmpty() ? null : parts.getLast();
            if (last == null || !last.overlaps(range)) {
                parts.add(range);
            } else if (!last.contains(range.last())) {
                parts.set(parts.size() - 1, new IovaRange(last.start(), range.last() - last.start() + 1));
            }
        }
        return parts;
    }
}
