package org.jvfio.emulator.nvme;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.time.Duration;

/** The features whose value is a data structure: timestamp and host behavior support (NVM Express 1.4, 5.21.1). */
final class DataFeatures {
    static final int TIMESTAMP = 0x0e;
    static final int HOST_BEHAVIOR = 0x16;

    private static final int BEHAVIOR_BYTES = 512;
    private static final long MILLIS = (1L << 48) - 1;
    private static final int SET_BY_HOST = 1;
    private static final int ORIGIN_SHIFT = 49;

    private final Prp prp;
    private final Registers registers;
    private final MemorySegment timestamp = MemorySegment.ofArray(new long[1]);
    private final MemorySegment behavior = MemorySegment.ofArray(new long[BEHAVIOR_BYTES / Long.BYTES]);
    private long hostMillis;
    private long setNanos;

    DataFeatures(Prp prp, Registers registers) {
        this.prp = prp;
        this.registers = registers;
    }

    /** A controller reset: its clock starts from 0. */
    void reset() {
        setTimestamp(0);
    }

    private void setTimestamp(long millis) {
        hostMillis = millis;
        setNanos = System.nanoTime();
    }

    /** Whether the host has enabled Command Retry Delays (ACRE). */
    boolean delaysRetries() {
        return behavior.get(ValueLayout.JAVA_BYTE, 0) == 1;
    }

    /** Sends the current value; returns a status. */
    int get(int feature, Command command) {
        if (feature == HOST_BEHAVIOR) {
            return send(command, behavior);
        }
        long now = hostMillis + Duration.ofNanos(System.nanoTime() - setNanos).toMillis();
        long origin = hostMillis == 0 ? 0 : SET_BY_HOST;
        timestamp.set(Command.QWORD, 0, (now & MILLIS) | (origin << ORIGIN_SHIFT));
        return send(command, timestamp);
    }

    private int send(Command command, MemorySegment data) {
        int status = prp.map(command, data.byteSize(), registers.pageBytes());
        return status == Status.SUCCESS ? prp.writeMemory(data, 0, data.byteSize()) : status;
    }

    /** Sets a value; returns a status. */
    int set(int feature, Command command) {
        MemorySegment data = feature == HOST_BEHAVIOR ? behavior : timestamp;
        int status = prp.map(command, data.byteSize(), registers.pageBytes());
        if (status == Status.SUCCESS) {
            status = prp.readMemory(data);
        }
        if (status == Status.SUCCESS && feature == TIMESTAMP) {
            setTimestamp(data.get(Command.QWORD, 0));
        }
        return status;
    }
}
