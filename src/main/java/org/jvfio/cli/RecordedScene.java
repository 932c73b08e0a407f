package org.jvfio.cli;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;
import org.jvfio.DmaDirection;
import org.jvfio.IovaRange;
import org.jvfio.PageSize;
import org.jvfio.cli.map.DmaEvent;
import org.jvfio.cli.map.DmaMoment;
import org.jvfio.cli.map.DmaSpace;
import org.jvfio.observe.DmaCall;
import org.jvfio.observe.HostFacts;
import org.jvfio.observe.Recording;

/** The address space of a recorded program, which {@link MapCommand} draws: that of one container, call by call. */
final class RecordedScene {
    /** With more turns of mapping and unmapping between two changes of windows, only two of their moments are kept. */
    private static final int MAX_TURNS = 6;

    private static final double NANOS = 1e9;
    private static final int ENTRY = 8;

    /** Calls of one kind that follow each other lead to one moment. */
    private enum Kind {
        TAKE,
        WINDOWS,
        MAP,
        UNMAP,
        RELEASE;

        private boolean isOfMappings() {
            return this == MAP || this == UNMAP;
        }
    }

    private final DmaSpace space = new DmaSpace();
    /** The numbers of the windows that there are, by their start. */
    private final Map<Long, Integer> windows = new HashMap<>();

    private final List<DmaMoment> moments = new ArrayList<>();
    private final List<Integer> groups = new ArrayList<>();
    private Optional<DmaMoment> fullest = Optional.empty();
    private long most = -1;

    private Optional<Kind> kind = Optional.empty();
    private int calls;
    private long nanos;

    /** Turns of mapping and unmapping since the last change of windows: the first of them, and the fullest. */
    private final List<DmaMoment> turns = new ArrayList<>();

    private int turnCount;
    private int turnCalls;
    private Optional<DmaMoment> fullestTurn = Optional.empty();
    private long mostOfTurns = -1;

    /** The fewest entries of a table: on powernv it has at least one page of the host, and the window is as large. */
    private final long minEntries;

    private RecordedScene(HostFacts facts) {
        boolean isPowernv = facts.value("platform").equals(Optional.of("PowerNV"));
        String page = facts.value("pageBytes")
                .filter(text -> text.matches("[0-9]{4,9}"))
                .orElse("0");
        this.minEntries = isPowernv ? Long.parseLong(page) / ENTRY : 0;
    }

    /** The first group of the container. */
    int group() {
        return groups.getFirst();
    }

    /** The moments in their order. */
    List<DmaMoment> moments() {
        return List.copyOf(moments);
    }

    /** The moment with the most mapped bytes; the last one if nothing was mapped. */
    DmaMoment fullest() {
        return fullest.orElseGet(moments::getLast);
    }

    /**
     * Plays a record.
     *
     * @param group of the container to draw; empty for the container with the most calls
     * @throws Failure if the program took no such group, or the record cannot be understood
     */
    static RecordedScene play(Recording recording, Optional<Integer> group) throws Failure {
        List<DmaCall> all = recording.dmaCalls();
        Map<Integer, Long> counts =
                all.stream().collect(Collectors.groupingBy(DmaCall::container, Collectors.counting()));
        Optional<Integer> chosen = all.stream()
                .filter(call -> call instanceof DmaCall.Attached attached
                        && (group.isEmpty() || group.get().equals(attached.group())))
                .map(DmaCall::container)
                .max(Comparator.comparing(container -> counts.getOrDefault(container, 0L)));
        if (chosen.isEmpty()) {
            throw none(recording, all, group);
        }
        RecordedScene scene = new RecordedScene(recording.facts());
        try {
            all.stream().filter(call -> chosen.get().equals(call.container())).forEach(scene::take);
        } catch (IllegalArgumentException contradiction) {
            throw Failure.failed(
                    "cannot draw the record: its calls contradict each other: " + contradiction.getMessage());
        }
        scene.endTurns();
        return scene;
    }

    private static Failure none(Recording recording, List<DmaCall> all, Optional<Integer> group) {
        List<String> taken = new ArrayList<>();
        for (DmaCall call : all) {
            if (call instanceof DmaCall.Attached attached) {
                taken.add(Integer.toString(attached.group()));
            }
        }
        String reason =
                group.map(number -> "the program takes no group " + number).orElse("the program takes no group");
        if (!taken.isEmpty()) {
            reason += ", but " + Words.all(taken.stream().distinct().toList());
        } else if (!recording.isWhole()) {
            reason += " in what it has; earlier calls were overwritten: record again, with a larger --size";
        }
        return Failure.failed("cannot draw the record: " + reason);
    }

    private void take(DmaCall call) {
        Kind next = kindOf(call);
        if (kind.isPresent() && kind.get() != next) {
            endChapter(kind.get());
        }
        if (kind.isEmpty() && !next.isOfMappings()) {
            endTurns();
        }
        kind = Optional.of(next);
        calls++;
        nanos = call.nanos();
        switch (call) {
            case DmaCall.Attached attached -> {
                groups.add(attached.group());
                space.take(new DmaEvent.Owner("the program, by VFIO", true));
            }
            case DmaCall.Released _ -> {
                windows.values().forEach(number -> space.take(new DmaEvent.WindowRemoved(number)));
                windows.clear();
                space.take(new DmaEvent.Owner("the host", false));
            }
            case DmaCall.WindowCreated window -> create(window);
            case DmaCall.WindowRemoved removed ->
                Optional.ofNullable(windows.remove(removed.start()))
                        .ifPresent(number -> space.take(new DmaEvent.WindowRemoved(number)));
            case DmaCall.Mapped mapped -> {
                IovaRange range = new IovaRange(mapped.iova(), mapped.size());
                // Linux lets a mapping replace another one.
                space.take(new DmaEvent.Unmapped(range));
                space.take(new DmaEvent.Mapped(range, direction(mapped)));
            }
            case DmaCall.Unmapped unmapped -> {
                if (unmapped.size() != 0) {
                    space.take(new DmaEvent.Unmapped(new IovaRange(unmapped.iova(), unmapped.size())));
                }
            }
        }
    }

    private static Kind kindOf(DmaCall call) {
        return switch (call) {
            case DmaCall.Attached _ -> Kind.TAKE;
            case DmaCall.Released _ -> Kind.RELEASE;
            case DmaCall.WindowCreated _, DmaCall.WindowRemoved _ -> Kind.WINDOWS;
            case DmaCall.Mapped _ -> Kind.MAP;
            case DmaCall.Unmapped _ -> Kind.UNMAP;
        };
    }

    private void create(DmaCall.WindowCreated window) {
        int number = 0;
        while (windows.containsValue(number)) {
            number++;
        }
        PageSize page = PageSize.ofShift(window.pageShift());
        long size = Math.max(window.size(), minEntries * page.bytes());
        space.take(new DmaEvent.WindowCreated(number, new IovaRange(window.start(), size), page));
        windows.put(window.start(), number);
    }

    private static DmaDirection direction(DmaCall.Mapped mapped) {
        return !mapped.writes()
                ? DmaDirection.TO_DEVICE
                : mapped.reads() ? DmaDirection.BIDIRECTIONAL : DmaDirection.FROM_DEVICE;
    }

    private void endChapter(Kind ended) {
        int count = calls;
        calls = 0;
        kind = Optional.empty();
        if (!ended.isOfMappings()) {
            moments.add(moment(title(ended, count)));
            return;
        }
        turnCount++;
        turnCalls += count;
        boolean isFullest = space.mappedBytes() > mostOfTurns;
        if (turns.size() < MAX_TURNS || isFullest) {
            DmaMoment now = moment(title(ended, count));
            if (turns.size() < MAX_TURNS) {
                turns.add(now);
            }
            if (isFullest) {
                mostOfTurns = space.mappedBytes();
                fullestTurn = Optional.of(now);
            }
        }
    }

    /** Ends what has begun, and makes moments of the turns of mapping and unmapping. */
    private void endTurns() {
        kind.ifPresent(this::endChapter);
        if (mostOfTurns > most) {
            most = mostOfTurns;
            fullest = fullestTurn;
        }
        if (turnCount <= MAX_TURNS) {
            moments.addAll(turns);
        } else {
            String title = "It maps and unmaps, " + Words.count(turnCalls, "call") + ": ";
            fullestTurn.ifPresent(full -> moments.add(new DmaMoment(
                    title + "the most that is mapped at a time",
                    full.owner(),
                    full.mapsSeen(),
                    full.bypass(),
                    full.windows())));
            moments.add(moment(title + "after the last"));
        }
        turns.clear();
        turnCount = 0;
        turnCalls = 0;
        fullestTurn = Optional.empty();
        mostOfTurns = -1;
    }

    private DmaMoment moment(String title) {
        return space.moment("%s (%.3f s)".formatted(title, nanos / NANOS));
    }

    private String title(Kind ended, int count) {
        return switch (ended) {
            case TAKE -> "The program takes " + groupsInWords();
            case WINDOWS -> "Its windows change: " + Words.count(count, "call");
            case MAP -> "It maps memory: " + Words.count(count, "call");
            case UNMAP -> "It unmaps: " + Words.count(count, "call");
            case RELEASE -> "It returns " + groupsInWords() + " to the host";
        };
    }

    private String groupsInWords() {
        List<String> numbers = groups.stream()
                .distinct()
                .map(number -> Integer.toString(number))
                .toList();
        return (numbers.size() == 1 ? "group " : "groups ") + Words.all(numbers);
    }
}
