package org.jvfio.driver.nvme;

import java.util.concurrent.CompletableFuture;
import org.jspecify.annotations.Nullable;
import org.jvfio.ByteSize;
import org.jvfio.VfioException;
import org.jvfio.VfioException.Kind;

/**
 * A namespace: an array of logical blocks. Operations on any number of blocks are split into commands that the
 * controller can execute. Any number of threads may use a namespace; each uses one of the controller's queues.
 *
 * <p>A future completes in a thread that polls or waits, or in a thread of the driver where there are interrupts. With
 * {@link NvmeCompletion#POLLED} a program has to call {@link NvmeController#poll} meanwhile. Closing the controller
 * completes all futures; a transfer that was not submitted whole fails with {@link IllegalStateException}.
 *
 * <p>A call allocates a future and at most 8 requests, one for each command that is in flight at a time, whatever the
 * number of commands. Submitting an {@link NvmeRequest} allocates nothing.
 */
public final class NvmeNamespace {
    private static final int MAX_BLOCKS = 1 << 16;
    private static final NvmeStatus COMPARE_FAILURE = NvmeStatus.of(0x285);

    private final NvmeController controller;
    private final int id;
    private final NamespaceFormat format;
    private final NamespaceLimits limits;
    private final long maxTransferBlocks;

    NvmeNamespace(NvmeController controller, int id, Namespaces.Description description) {
        this.controller = controller;
        this.id = id;
        format = description.format();
        limits = description.limits();
        maxTransferBlocks = Math.min(MAX_BLOCKS, controller.maxTransferBytes() / format.transferBytes(1));
    }

    /** The namespace identifier (NSID), from 1. */
    public int id() {
        return id;
    }

    /** The controller of the namespace. */
    public NvmeController controller() {
        return controller;
    }

    /** The size in logical blocks (NSZE). */
    public long blocks() {
        return format.blocks();
    }

    /** The maximum number of blocks that can be allocated at a time (NCAP). */
    public long capacityBlocks() {
        return format.capacity();
    }

    /** The number of blocks allocated when the namespace was identified (NUSE). */
    public long usedBlocks() {
        return format.used();
    }

    /** The size of a logical block in bytes, a power of two (LBADS). */
    public int blockBytes() {
        return 1 << format.blockShift();
    }

    /** The metadata of a block in bytes (MS), a multiple of 4; 0 if blocks have none. */
    public int metadataBytes() {
        return format.metadataBytes();
    }

    /**
     * Whether the metadata of a block is transferred after the data of the block, in the same buffer (extended LBA). If
     * not, and blocks have metadata, a transfer needs a buffer for it.
     */
    public boolean isExtended() {
        return format.extended();
    }

    /** The bytes that blocks take in the data buffer of a transfer, with their metadata if that {@link #isExtended}. */
    public long transferBytes(long count) {
        return format.transferBytes(count);
    }

    /** The bytes that blocks take in a buffer of separate metadata; 0 if there is none. */
    long separateBytes(long count) {
        return format.separateBytes(count);
    }

    NamespaceLimits limits() {
        return limits;
    }

    /** The size in bytes, without metadata. */
    public long bytes() {
        return format.blocks() << format.blockShift();
    }

    int blockShift() {
        return format.blockShift();
    }

    /** The maximum number of blocks of one Read, Write or Compare command, 1 to 65536. */
    public long maxTransferBlocks() {
        return maxTransferBlocks;
    }

    /**
     * Reads blocks into the beginning of a buffer and waits for them.
     *
     * @param lba the first logical block
     * @param count the number of blocks, at least 1
     * @throws IndexOutOfBoundsException if the blocks are not all in the namespace
     * @throws IllegalArgumentException if the buffer is too small, is not aligned to 4 bytes, or is mapped for the
     *     other direction only
     * @throws VfioException if the controller returns an error or fails
     * @throws IllegalStateException if the controller is closed
     */
    public void read(long lba, long count, NvmeBuffer into) {
        run(Operation.READ, lba, count, into, null);
    }

    /**
     * As {@link #read(long, long, NvmeBuffer)}, with a buffer for separate metadata.
     *
     * @param metadata at least {@link #metadataBytes} for each block
     */
    public void read(long lba, long count, NvmeBuffer into, NvmeBuffer metadata) {
        run(Operation.READ, lba, count, into, metadata);
    }

    /**
     * Writes blocks from the beginning of a buffer and waits for it. The drive may hold them in its volatile write
     * cache until {@link #flush}.
     *
     * @param lba the first logical block
     * @param count the number of blocks, at least 1
     * @throws IndexOutOfBoundsException if the blocks are not all in the namespace
     * @throws IllegalArgumentException if the buffer is too small, is not aligned to 4 bytes, or is mapped for the
     *     other direction only
     * @throws VfioException if the controller returns an error or fails; blocks may have been written
     * @throws IllegalStateException if the controller is closed
     */
    public void write(long lba, long count, NvmeBuffer from) {
        run(Operation.WRITE, lba, count, from, null);
    }

    /**
     * As {@link #write(long, long, NvmeBuffer)}, with a buffer for separate metadata.
     *
     * @param metadata at least {@link #metadataBytes} for each block
     */
    public void write(long lba, long count, NvmeBuffer from, NvmeBuffer metadata) {
        run(Operation.WRITE, lba, count, from, metadata);
    }

    /**
     * Compares blocks with the beginning of a buffer, in the drive (Compare).
     *
     * @param lba the first logical block
     * @param count the number of blocks, at least 1
     * @return whether all are equal
     * @throws IndexOutOfBoundsException if the blocks are not all in the namespace
     * @throws IllegalArgumentException as {@link #write(long, long, NvmeBuffer)}
     * @throws VfioException if the controller does not support the command, returns another error or fails
     * @throws IllegalStateException if the controller is closed
     */
    public boolean compare(long lba, long count, NvmeBuffer with) {
        requireCompare();
        return isEqual(lba, count, with, null);
    }

    /**
     * As {@link #compare(long, long, NvmeBuffer)}, with a buffer for separate metadata.
     *
     * @param metadata at least {@link #metadataBytes} for each block
     */
    public boolean compare(long lba, long count, NvmeBuffer with, NvmeBuffer metadata) {
        requireCompare();
        return isEqual(lba, count, with, metadata);
    }

    private boolean isEqual(long lba, long count, NvmeBuffer with, @Nullable NvmeBuffer metadata) {
        Transfer transfer = await(Operation.COMPARE, lba, count, with, metadata);
        if (transfer.hasEndedWith(COMPARE_FAILURE)) {
            return false;
        }
        transfer.requireSuccess();
        return true;
    }

    /**
     * Makes the drive check that blocks can be read, without a data transfer (Verify).
     *
     * @param lba the first logical block
     * @param count the number of blocks, at least 1
     * @throws IndexOutOfBoundsException if the blocks are not all in the namespace
     * @throws VfioException if the controller does not support the command, returns an error, as for a block that
     *     cannot be read, or fails
     * @throws IllegalStateException if the controller is closed
     */
    public void verify(long lba, long count) {
        requireVerify();
        run(Operation.VERIFY, lba, count, null, null);
    }

    /**
     * Copies blocks, with their metadata, to other blocks of the namespace, in the drive (Copy).
     *
     * @param from the first logical block that is read
     * @param count the number of blocks, at least 1
     * @param to the first logical block that is written; none of them may be read, too
     * @throws IndexOutOfBoundsException if the blocks are not all in the namespace
     * @throws IllegalArgumentException if the blocks overlap
     * @throws VfioException if the controller or the namespace does not support the command, or the controller returns
     *     an error or fails; some of the blocks may have been copied
     * @throws IllegalStateException if the controller is closed
     */
    public void copy(long from, long count, long to) {
        requireCopy();
        checkRange(Operation.COPY, from, count);
        CommandChecks.requireApart(this, from, count, to);
        NvmeQueue queue = controller.queueOfThread();
        controller.lifecycle().requireUsable();
        Transfer transfer = Transfer.startCopy(queue, this, from, count, to, controller.options());
        transfer.await(queue);
        transfer.requireSuccess();
    }

    /**
     * Commits the volatile write cache to the medium (Flush).
     *
     * @throws VfioException if the controller returns an error or fails
     * @throws IllegalStateException if the controller is closed
     */
    public void flush() {
        run(Operation.FLUSH, 0, 1, null, null);
    }

    /**
     * Makes blocks read as zeroes without a data transfer (Write Zeroes).
     *
     * @param lba the first logical block
     * @param count the number of blocks, at least 1
     * @throws IndexOutOfBoundsException if the blocks are not all in the namespace
     * @throws VfioException if the controller does not support the command, returns an error or fails; some of the
     *     blocks may be affected
     * @throws IllegalStateException if the controller is closed
     */
    public void writeZeroes(long lba, long count) {
        requireWriteZeroes();
        run(Operation.WRITE_ZEROES, lba, count, null, null);
    }

    /**
     * Deallocates blocks (Dataset Management): their contents are no longer needed, and what they read afterwards is up
     * to the drive.
     *
     * @param lba the first logical block
     * @param count the number of blocks, at least 1
     * @throws IndexOutOfBoundsException if the blocks are not all in the namespace
     * @throws VfioException if the controller does not support the command, returns an error or fails; some of the
     *     blocks may be affected
     * @throws IllegalStateException if the controller is closed
     */
    public void deallocate(long lba, long count) {
        requireDeallocate();
        run(Operation.DEALLOCATE, lba, count, null, null);
    }

    /**
     * Starts a {@link #read} and does not wait for it.
     *
     * @throws IndexOutOfBoundsException if the blocks are not all in the namespace
     * @throws IllegalArgumentException if the buffer does not suit
     * @throws VfioException if the controller has failed
     * @throws IllegalStateException if the controller is closed
     */
    public CompletableFuture<Void> readAsync(long lba, long count, NvmeBuffer into) {
        return start(Operation.READ, lba, count, into, null).future();
    }

    /**
     * Starts a {@link #write} and does not wait for it.
     *
     * @throws IndexOutOfBoundsException if the blocks are not all in the namespace
     * @throws IllegalArgumentException if the buffer does not suit
     * @throws VfioException if the controller has failed
     * @throws IllegalStateException if the controller is closed
     */
    public CompletableFuture<Void> writeAsync(long lba, long count, NvmeBuffer from) {
        return start(Operation.WRITE, lba, count, from, null).future();
    }

    /**
     * Starts a {@link #flush} and does not wait for it.
     *
     * @throws VfioException if the controller has failed
     * @throws IllegalStateException if the controller is closed
     */
    public CompletableFuture<Void> flushAsync() {
        return start(Operation.FLUSH, 0, 1, null, null).future();
    }

    /** Rejects blocks outside the namespace. */
    void checkRange(Operation operation, long lba, long count) {
        if (count < 1 || lba < 0 || lba > blocks() - count) {
            throw new IndexOutOfBoundsException("cannot %s: it has %d blocks of %d bytes"
                    .formatted(operation.describe(this, lba, count), blocks(), blockBytes()));
        }
    }

    void requireWriteZeroes() {
        require(
                controller.identity().canWriteZeroes() && !controller.quirks().contains(NvmeQuirk.NO_WRITE_ZEROES),
                "write zeroes to " + this,
                "Write Zeroes",
                "write zeroes from a buffer");
    }

    void requireDeallocate() {
        require(
                controller.identity().canDeallocate(),
                "deallocate blocks of " + this,
                "Dataset Management",
                "write zeroes");
    }

    void requireCompare() {
        require(controller.identity().canCompare(), "compare blocks of " + this, "Compare", "read and compare");
    }

    void requireVerify() {
        require(controller.identity().canVerify(), "verify blocks of " + this, "Verify", "read the blocks");
    }

    void requireCopy() {
        String operation = "copy blocks of " + this;
        require(controller.identity().canCopy(), operation, "Copy", "read and write");
        if (limits.copyBlocks() == 0) {
            throw new VfioException(
                    Kind.UNSUPPORTED,
                    operation,
                    "the namespace allows no blocks in a Copy command (MSSRL or MCL is 0)",
                    "read and write");
        }
    }

    private static void require(boolean isSupported, String operation, String command, String instead) {
        if (!isSupported) {
            throw new VfioException(
                    Kind.UNSUPPORTED, operation, "the controller does not support the command " + command, instead);
        }
    }

    private void run(
            Operation operation, long lba, long count, @Nullable NvmeBuffer buffer, @Nullable NvmeBuffer metadata) {
        await(operation, lba, count, buffer, metadata).requireSuccess();
    }

    private Transfer await(
            Operation operation, long lba, long count, @Nullable NvmeBuffer buffer, @Nullable NvmeBuffer metadata) {
        NvmeQueue queue = controller.queueOfThread();
        Transfer transfer = start(queue, operation, lba, count, buffer, metadata);
        transfer.await(queue);
        return transfer;
    }

    private Transfer start(
            Operation operation, long lba, long count, @Nullable NvmeBuffer buffer, @Nullable NvmeBuffer metadata) {
        return start(controller.queueOfThread(), operation, lba, count, buffer, metadata);
    }

    private Transfer start(
            NvmeQueue queue,
            Operation operation,
            long lba,
            long count,
            @Nullable NvmeBuffer buffer,
            @Nullable NvmeBuffer metadata) {
        if (operation != Operation.FLUSH) {
            checkRange(operation, lba, count);
        }
        if (buffer != null) {
            CommandChecks.requireBuffers(operation, this, lba, count, buffer, 0, metadata, 0);
        }
        controller.lifecycle().requireUsable();
        return Transfer.start(queue, operation, this, lba, count, buffer, metadata, controller.options());
    }

    /** The namespace identifier and the device. */
    @Override
    public String toString() {
        return "namespace %d of %s".formatted(id, controller);
    }

    /** The size for people, as in {@code 512M in 1048576 blocks of 512 bytes}. */
    public String describeSize() {
        String metadata = metadataBytes() == 0
                ? ""
                : " and %d bytes of %s metadata".formatted(metadataBytes(), isExtended() ? "extended" : "separate");
        return "%s in %d blocks of %d bytes%s".formatted(ByteSize.format(bytes()), blocks(), blockBytes(), metadata);
    }
}
