package org.jvfio.emulator.nvme;

import java.nio.charset.StandardCharsets;
import java.util.UUID;

/** A namespace of a controller: its logical blocks, their store, and its counters. */
final class Namespace {
    /** The block sizes as shifts; the index in this list is the LBA format. */
    static final int[] FORMATS = {9, 12};

    /** The unit of the SMART log's data counters, in bytes. */
    private static final long DATA_UNIT = 512 * 1000;

    private static final long EUI64_BASE = 0x5254000000000000L;

    private final int id;
    private final Store store;
    private final int format;
    private final String serial;
    private boolean attached = true;
    private long bytesRead;
    private long bytesWritten;
    private long reads;
    private long writes;
    private long mediaErrors;

    /**
     * An unused namespace.
     *
     * @param blockBytes 512 or 4096
     * @param serial the controller's serial number, from which the namespace's unique identifier is derived
     */
    Namespace(int id, Store store, int blockBytes, String serial) {
        this.id = id;
        this.store = store;
        this.format = blockBytes == 1 << FORMATS[0] ? 0 : 1;
        this.serial = serial;
    }

    int id() {
        return id;
    }

    /** Whether it is attached to the controller. */
    boolean isAttached() {
        return attached;
    }

    void attached(boolean given) {
        attached = given;
    }

    Store store() {
        return store;
    }

    /** Its LBA format: an index of {@link #FORMATS}. */
    int format() {
        return format;
    }

    int blockShift() {
        return FORMATS[format];
    }

    /** The number of blocks. */
    long blocks() {
        return store.bytes() >>> blockShift();
    }

    UUID uuid() {
        return UUID.nameUUIDFromBytes((serial + "/" + id).getBytes(StandardCharsets.UTF_8));
    }

    long eui64() {
        return EUI64_BASE + id;
    }

    /** Whether a range of blocks is inside the namespace. */
    boolean holds(long firstBlock, long count) {
        return firstBlock >= 0 && firstBlock <= blocks() - count;
    }

    void countRead(long bytes) {
        reads++;
        bytesRead += bytes;
    }

    void countWrite(long bytes) {
        writes++;
        bytesWritten += bytes;
    }

    /** Counts media errors. */
    void countStatus(int status) {
        if (status == Status.UNRECOVERED_READ_ERROR || status == Status.WRITE_FAULT) {
            mediaErrors++;
        }
    }

    long dataUnitsRead() {
        return (bytesRead + DATA_UNIT - 1) / DATA_UNIT;
    }

    long dataUnitsWritten() {
        return (bytesWritten + DATA_UNIT - 1) / DATA_UNIT;
    }

    long reads() {
        return reads;
    }

    long writes() {
        return writes;
    }

    long mediaErrors() {
        return mediaErrors;
    }
}
