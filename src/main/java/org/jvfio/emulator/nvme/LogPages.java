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

    static final String FIRMWARE_REVISION = "1.0";

    private static final int SUPPORTED = 1;
    private static final int DOORBELL_BUFFER_CONFIG = 0x7c;
    private static final int CHANGES_BLOCKS = 1 << 1;
    private static final int CHANGES_NAMESPACES = 1 << 3;
    private static final int CHANGES_CAPABILITY = 1 << 4;
    private static final int OPCODES = 256;
    private static final int HEALTH_BYTES = 512;
    private static final int FIRMWARE_BYTES = 512;
    private static final int ROOM_TEMPERATURE = 0x143;

    private final Configuration configuration;
    private final NamespaceList namespaces;
    private final Features features;
    private final ErrorLog errors;
    private final Events events;
    private final TreeSet<Integer> changed = new TreeSet<>();
    private final boolean readClearsChanged;
    private int temperature = ROOM_TEMPERATURE;

    LogPages(Configuration configuration, NamespaceList namespaces, Features features, ErrorLog errors, Events events) {
        this.configuration = configuration;
        this.namespaces = namespaces;
        this.features = features;
        this.errors = errors;
        this.events = events;
        readClearsChanged = configuration.has(Deviation.READ_CLEARS_CHANGED_NAMESPACES);
    }

    /** The size of a log page in bytes; 0 if there is no such page. */
    int bytes(int page) {
        return switch (page) {
            case ERRORS -> errors.bytes();
            case CHANGED_NAMESPACES, EFFECTS -> IdentifyData.BYTES;
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
                IdentifyController.text(data, 8, 8, FIRMWARE_REVISION);
            }
            case CHANGED_NAMESPACES -> {
                long at = 0;
                for (int each : changed) {
                    data.set(Command.DWORD, at, each);
                    at += Integer.BYTES;
                }
                if (readClearsChanged) {
                    changed.clear();
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
        List<Namespace> about = namespaces.all();
        boolean onlyAttached = configuration.has(Deviation.HEALTH_LOG_OF_ATTACHED_NAMESPACES);
        if (id != NamespaceList.BROADCAST && (id != 0 || onlyAttached)) {
            Namespace namespace = namespaces.attached(id);
            if (namespace == null) {
                return NamespaceList.isValid(id) && !onlyAttached
                        ? Status.INVALID_FIELD_IN_COMMAND
                        : Status.INVALID_NAMESPACE_OR_FORMAT;
            }
            about = List.of(namespace);
        }
        boolean warns = features.isBeyondThresholds(temperature);
        data.set(ValueLayout.JAVA_BYTE, 0, (byte) (warns ? WARNING_TEMPERATURE : 0));
        data.set(Command.DWORD, 1, temperature);
        if (!configuration.has(Deviation.NO_SPARE)) {
            data.set(ValueLayout.JAVA_BYTE, 3, (byte) 100); // available spare, in percent
            data.set(ValueLayout.JAVA_BYTE, 4, (byte) 10); // and its threshold
            data.set(Command.QWORD, 112, 1); // power cycles
        }
        sum(data, 32, about, Namespace::dataUnitsRead);
        sum(data, 48, about, Namespace::dataUnitsWritten);
        sum(data, 64, about, Namespace::reads);
        sum(data, 80, about, Namespace::writes);
        sum(data, 160, about, Namespace::mediaErrors);
        data.set(Command.QWORD, 176, errors.count());
        return Status.SUCCESS;
    }

    private static void sum(MemorySegment data, long at, List<Namespace> namespaces, ToLongFunction<Namespace> count) {
        data.set(Command.QWORD, at, namespaces.stream().mapToLong(count).sum());
    }

    private void fillEffects(MemorySegment data) {
        for (int opcode : AdminCommands.OPCODES) {
            data.set(Command.DWORD, 4L * opcode, SUPPORTED);
        }
        if (configuration.has(Deviation.MORE_COMMANDS)) {
            data.set(
                    Command.DWORD,
                    4L * ManagementCommands.ATTACHMENT,
                    SUPPORTED | CHANGES_NAMESPACES | CHANGES_CAPABILITY);
            data.set(Command.DWORD, 4L * ManagementCommands.FORMAT, SUPPORTED | CHANGES_BLOCKS);
            data.set(Command.DWORD, 4L * DOORBELL_BUFFER_CONFIG, SUPPORTED);
            data.set(Command.DWORD, 4L * ManagementCommands.DIRECTIVE_SEND, SUPPORTED);
            data.set(Command.DWORD, 4L * ManagementCommands.DIRECTIVE_RECEIVE, SUPPORTED);
        }
        for (int opcode = 0; opcode < OPCODES; opcode++) {
            if (IoCommands.isKnown(opcode, configuration)) {
                boolean changes = IoCommands.changesBlocks(opcode);
                data.set(Command.DWORD, 1024 + 4L * opcode, SUPPORTED | (changes ? CHANGES_BLOCKS : 0));
            }
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
        boolean isNew = changed.add(id);
        if (features.tellsOfNamespaces() && (isNew || !readClearsChanged)) {
            events.raise(Events.TYPE_NOTICE, Events.NAMESPACE_CHANGED, CHANGED_NAMESPACES);
        }
    }
}
