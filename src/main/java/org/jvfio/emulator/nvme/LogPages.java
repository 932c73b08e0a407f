package org.jvfio.emulator.nvme;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.TreeSet;
import java.util.function.ToLongFunction;

/** The log pages of a controller (NVM Express 1.4, 5.14). */
final class LogPages {
    static final int ERRORS = 0x01;
    static final int HEALTH = 0x02;
    static final int FIRMWARE = 0x03;
    static final int CHANGED_NAMESPACES = 0x04;
    static final int EFFECTS = 0x05;

    /** The temperature bit of the SMART log's critical warnings. */
    static final int WARNING_TEMPERATURE = 1 << 1;

    private static final int SUPPORTED = 1;
    private static final int CHANGES_BLOCKS = 1 << 1;
    private static final int HEALTH_BYTES = 512;
    private static final int FIRMWARE_BYTES = 512;
    private static final int ROOM_TEMPERATURE = 0x143;

    private final IdentifyData identity;
    private final Features features;
    private final ErrorLog errors;
    private final Events events;
    private final TreeSet<Integer> changed = new TreeSet<>();
    private int temperature = ROOM_TEMPERATURE;

    LogPages(IdentifyData identity, Features features, ErrorLog errors, Events events) {
        this.identity = identity;
        this.features = features;
        this.errors = errors;
        this.events = events;
    }

    /** The size of a log page in bytes; 0 if there is no such page. */
    static int bytes(int page) {
        return switch (page) {
            case ERRORS, CHANGED_NAMESPACES, EFFECTS -> IdentifyData.BYTES;
            case HEALTH -> HEALTH_BYTES;
            case FIRMWARE -> FIRMWARE_BYTES;
            default -> 0;
        };
    }

    /**
     * Fills in a page.
     *
     * @param namespace the namespace of the page
     * @param data zeros, as many as the page has bytes
     * @return a status
     */
    int fill(int page, int namespace, MemorySegment data) {
        switch (page) {
            case ERRORS -> errors.copyTo(data);
            case HEALTH -> {
                return fillHealth(namespace, data);
            }
            case FIRMWARE -> {
                data.set(ValueLayout.JAVA_BYTE, 0, (byte) 1); // slot 1 is in use
                IdentifyData.text(data, 8, 8, IdentifyData.FIRMWARE_REVISION);
            }
            case CHANGED_NAMESPACES -> {
                long at = 0;
                for (int each : changed) {
                    data.set(Command.DWORD, at, each);
                    at += Integer.BYTES;
                }
            }
            default -> fillEffects(data);
        }
        return Status.SUCCESS;
    }

    /** Unmasks the events of a page that the host has read, unless it set Retain Asynchronous Event. */
    void read(int page) {
        switch (page) {
            case ERRORS -> events.logRead(Events.TYPE_ERROR);
            case HEALTH -> events.logRead(Events.TYPE_HEALTH);
            case CHANGED_NAMESPACES -> {
                changed.clear();
                events.logRead(Events.TYPE_NOTICE);
            }
            default -> {
                // No event is associated with the others.
            }
        }
    }

    private int fillHealth(int id, MemorySegment data) {
        List<Namespace> about = identity.namespaces();
        if (id != 0 && id != IdentifyData.BROADCAST) {
            Namespace namespace = identity.namespace(id);
            if (namespace == null) {
                return IdentifyData.isValid(id) ? Status.INVALID_FIELD_IN_COMMAND : Status.INVALID_NAMESPACE_OR_FORMAT;
            }
            about = List.of(namespace);
        }
        boolean warns = features.isBeyondThresholds(temperature);
        data.set(ValueLayout.JAVA_BYTE, 0, (byte) (warns ? WARNING_TEMPERATURE : 0));
        data.set(Command.DWORD, 1, temperature);
        data.set(ValueLayout.JAVA_BYTE, 3, (byte) 100); // available spare, in percent
        data.set(ValueLayout.JAVA_BYTE, 4, (byte) 10); // and its threshold
        sum(data, 32, about, Namespace::dataUnitsRead);
        sum(data, 48, about, Namespace::dataUnitsWritten);
        sum(data, 64, about, Namespace::reads);
        sum(data, 80, about, Namespace::writes);
        data.set(Command.QWORD, 112, 1); // power cycles
        sum(data, 160, about, Namespace::mediaErrors);
        data.set(Command.QWORD, 176, errors.count());
        return Status.SUCCESS;
    }

    private static void sum(MemorySegment data, long at, List<Namespace> namespaces, ToLongFunction<Namespace> count) {
        data.set(Command.QWORD, at, namespaces.stream().mapToLong(count).sum());
    }

    private static void fillEffects(MemorySegment data) {
        for (int opcode : AdminCommands.OPCODES) {
            data.set(Command.DWORD, 4L * opcode, SUPPORTED);
        }
        for (int opcode : IoCommands.OPCODES) {
            boolean changes = IoCommands.changesBlocks(opcode);
            data.set(Command.DWORD, 1024 + 4L * opcode, SUPPORTED | (changes ? CHANGES_BLOCKS : 0));
        }
    }

    /** Sets the composite temperature in kelvin. */
    void temperature(int kelvin) {
        temperature = kelvin;
        warnOfTemperature();
    }

    /** Reports an event, if enabled, after the temperature or a threshold has changed. */
    void warnOfTemperature() {
        if (features.isBeyondThresholds(temperature) && features.tellsOfHealth(WARNING_TEMPERATURE)) {
            events.raise(Events.TYPE_HEALTH, Events.TEMPERATURE, HEALTH);
        }
    }

    /** The Identify data of a namespace has changed. */
    void namespaceChanged(int id) {
        changed.add(id);
        if (features.tellsOfNamespaces()) {
            events.raise(Events.TYPE_NOTICE, Events.NAMESPACE_CHANGED, CHANGED_NAMESPACES);
        }
    }
}
