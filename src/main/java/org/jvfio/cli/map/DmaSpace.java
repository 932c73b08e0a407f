package org.jvfio.cli.map;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import org.jvfio.DmaDirection;
import org.jvfio.IovaRange;
import org.jvfio.PageSize;

/** The DMA address space of a group, as the {@linkplain DmaEvent events} make it. */
public final class DmaSpace {
    private final Map<Integer, State> windows = new TreeMap<>();
    private String owner = "";
    private boolean mapsSeen;
    private Optional<Boolean> bypass = Optional.empty();
    private long mappedBytes;

    /** A window and what is mapped in it, by address. */
    private record State(IovaRange range, PageSize page, TreeMap<Long, DmaMoment.Mapping> mappings) {}

    /**
     * Takes an event.
     *
     * @throws IllegalArgumentException if it cannot happen: a window with a number that is in use, or over another one;
     *     the end of a window that is not there; a mapping outside of all windows, or where something is mapped
     */
    public void take(DmaEvent event) {
        switch (event) {
            case DmaEvent.Owner(String name, boolean seen) -> {
                owner = name;
                mapsSeen = seen;
            }
            case DmaEvent.Bypass(boolean on) -> bypass = Optional.of(on);
            case DmaEvent.WindowCreated created -> create(created);
            case DmaEvent.WindowRemoved(int number) -> {
                State removed = windows.remove(number);
                if (removed == null) {
                    throw new IllegalArgumentException("window " + number + " is removed, and there is none");
                }
                removed.mappings()
                        .values()
                        .forEach(mapping -> mappedBytes -= mapping.range().size());
            }
            case DmaEvent.Mapped(IovaRange range, var direction) -> map(new DmaMoment.Mapping(range, direction));
            case DmaEvent.Unmapped(IovaRange range) -> windows.values().forEach(window -> unmap(window, range));
        }
    }

    private void create(DmaEvent.WindowCreated created) {
        for (Map.Entry<Integer, State> window : windows.entrySet()) {
            if (window.getKey() == created.number()) {
                throw new IllegalArgumentException("window " + created.number() + " is created twice");
            }
            if (window.getValue().range().overlaps(created.range())) {
                throw new IllegalArgumentException("window %d at %s is created over window %d at %s"
                        .formatted(
                                created.number(),
                                created.range(),
                                window.getKey(),
                                window.getValue().range()));
            }
        }
        windows.put(created.number(), new State(created.range(), created.page(), new TreeMap<>(Long::compareUnsigned)));
    }

    private void map(DmaMoment.Mapping mapping) {
        State window = windows.values().stream()
                .filter(each -> each.range().contains(mapping.range()))
                .findFirst()
                .orElseThrow(() -> new IllegalArgumentException(mapping.range() + " is mapped outside of all windows"));
        Map.Entry<Long, DmaMoment.Mapping> before =
                window.mappings().floorEntry(mapping.range().last());
        if (before != null && before.getValue().range().overlaps(mapping.range())) {
            throw new IllegalArgumentException("%s is mapped over %s"
                    .formatted(mapping.range(), before.getValue().range()));
        }
        add(window, mapping.range(), mapping.direction());
    }

    private void add(State window, IovaRange range, DmaDirection direction) {
        window.mappings().put(range.start(), new DmaMoment.Mapping(range, direction));
        mappedBytes += range.size();
    }

    private void unmap(State window, IovaRange range) {
        while (true) {
            Map.Entry<Long, DmaMoment.Mapping> entry = window.mappings().floorEntry(range.last());
            if (entry == null || !entry.getValue().range().overlaps(range)) {
                return;
            }
            DmaMoment.Mapping mapping = entry.getValue();
            window.mappings().remove(entry.getKey());
            mappedBytes -= mapping.range().size();
            IovaRange whole = mapping.range();
            if (!range.contains(whole.last())) {
                long start = range.last() + 1;
                add(window, new IovaRange(start, whole.last() - range.last()), mapping.direction());
            }
            if (!range.contains(whole.start())) {
                add(window, new IovaRange(whole.start(), range.start() - whole.start()), mapping.direction());
                return;
            }
        }
    }

    /** Bytes that are mapped now. */
    public long mappedBytes() {
        return mappedBytes;
    }

    /**
     * What it is now.
     *
     * @param title what has happened, in one line
     */
    public DmaMoment moment(String title) {
        List<DmaMoment.Window> all = new ArrayList<>();
        windows.forEach((number, window) -> all.add(new DmaMoment.Window(
                number,
                window.range(),
                window.page(),
                List.copyOf(window.mappings().values()))));
        all.sort(Comparator.comparing(window -> window.range().start(), Long::compareUnsigned));
        return new DmaMoment(title, owner, mapsSeen, bypass, all);
    }
}
