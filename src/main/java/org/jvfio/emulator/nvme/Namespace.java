package org.jvfio.emulator.nvme;

import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.UUID;
import org.jvfio.emulator.nvme.NamespaceOptions.CopyLimits;

/** A namespace of a controller: its logical blocks, their store, and its counters. */
final class Namespace {
    /** The unit of the SMART log's data counters, in bytes. */
    private static final long DATA_UNIT = 512 * 1000;

    private static final long EUI64_BASE = 0x5254000000000000L;

    private final int id;
    private final NamespaceOptions options;
    private final Store store;
    private final List<BlockFormat> formats;
    private final String subsystem;
    private BlockFormat format;
    private int blockShift;
    private long blocks;
    private boolean extended;
    private boolean attached;
    private boolean enabled = true;
    private long bytesRead;
    private long bytesWritten;
    private long reads;
    private long writes;
    private long mediaErrors;

    /**
     * An unused namespace.
     *
     * @param formats the formats that it can have, its own among them
     * @param subsystem the serial number or name from which its unique identifier is derived
     */
    Namespace(int id, NamespaceOptions options, List<BlockFormat> formats, String subsystem) {
        this.id = id;
        this.options = options;
        this.store = options.open();
        this.formats = formats;
        this.subsystem = subsystem;
        this.attached = options.isAttached();
        this.format = options.format();
        format(options.format(), options.isExtended());
    }

    int id() {
        return id;
    }

    CommandSet commandSet() {
        return options.commandSet();
    }

    /** The type of protection information; 0 for none. */
    int protection() {
        return options.protection();
    }

    CopyLimits copyLimits() {
        return options.copyLimits();
    }

    /** Whether the host may only read it. */
    boolean isWriteProtected() {
        return options.isWriteProtected();
    }

    /** Whether it is attached to the controller. */
    boolean isAttached() {
        return attached;
    }

    /** Whether the host has selected its command set when it enabled the controller. */
    boolean isEnabled() {
        return enabled;
    }

    /** The host has selected all command sets, or only that of NVM. */
    void enable(boolean allCommandSets) {
        enabled = allCommandSets || commandSet() == CommandSet.NVM;
    }

    /** Attaches or detaches it as it was configured. */
    void reattach() {
        attached = options.isAttached();
    }

    void attached(boolean given) {
        attached = given;
    }

    Store store() {
        return store;
    }

    /** The formats that it can have. */
    List<BlockFormat> formats() {
        return formats;
    }

    /** Its format. */
    BlockFormat format() {
        return format;
    }

    /** Changes the format; the data is no longer meaningful. */
    void format(BlockFormat given, boolean isExtended) {
        format = given;
        blockShift = given.shift();
        blocks = given.blocks(store.bytes());
        extended = isExtended && given.metadataBytes() > 0;
    }

    int blockShift() {
        return blockShift;
    }

    /** The bytes of metadata of a block. */
    int metadataBytes() {
        return format.metadataBytes();
    }

    /** Whether the metadata of a block is transferred after its data. */
    boolean isExtended() {
        return extended;
    }

    /** The bytes that transferring blocks through the data pointer takes. */
    long transferBytes(long count) {
        return (count << blockShift) + (extended ? count * format.metadataBytes() : 0);
    }

    /** Where the metadata of a block is in the store: after all data. */
    long metadataOffset(long block) {
        return (blocks << blockShift) + block * format.metadataBytes();
    }

    /** The number of blocks. */
    long blocks() {
        return blocks;
    }

    UUID uuid() {
        return UUID.nameUUIDFromBytes((subsystem + "/" + id).getBytes(StandardCharsets.UTF_8));
    }

    long eui64() {
        return EUI64_BASE + id;
    }

    /** Whether a range of blocks is inside the namespace. */
    boolean holds(long firstBlock, long count) {
        return firstBlock >= 0 && firstBlock <= blocks - count;
    }

    /** Deallocates blocks inside the namespace, data and metadata. */
    void deallocate(long firstBlock, long count) {
        store.deallocate(firstBlock << blockShift, count << blockShift);
        store.deallocate(metadataOffset(firstBlock), count * format.metadataBytes());
    }

    /** Makes all data durable. */
    int flush() {
        int status = store.flush();
        countStatus(status);
        return status;
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
