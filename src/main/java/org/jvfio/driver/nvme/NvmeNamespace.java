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
    private final NvmeController controller;
    private final int id;
    private final NamespaceFormat format;

    NvmeNamespace(NvmeController controller, int id, NamespaceFormat format) {
        this.controller = controller;
        this.id = id;
        this.format = format;
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

    /** The size in bytes. */
    public long bytes() {
        return format.blocks() << format.blockShift();
    }

    int blockShift() {
        return format.blockShift();
    }

    /** The maximum number of blocks of one Read or Write command, 1 to 65536. */
    public long maxTransferBlocks() {
        return Math.min(1 << 16, controller.maxTransferBytes() >>> format.blockShift());
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
        run(Operation.READ, lba, count, into);
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
        run(Operation.WRITE, lba, count, from);
    }

    /**
     * Commits the volatile write cache to the medium (Flush).
     *
     * @throws VfioException if the controller returns an error or fails
     * @throws IllegalStateException if the controller is closed
     */
    public void flush() {
        run(Operation.FLUSH, 0, 1, null);
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
        run(Operation.WRITE_ZEROES, lba, count, null);
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
        run(Operation.DEALLOCATE, lba, count, null);
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
        return start(Operation.READ, lba, count, into).future();
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
        return start(Operation.WRITE, lba, count, from).future();
    }

    /**
     * Starts a {@link #flush} and does not wait for it.
     *
     * @throws VfioException if the controller has failed
     * @throws IllegalStateException if the controller is closed
     */
    public CompletableFuture<Void> flushAsync() {
        return start(Operation.FLUSH, 0, 1, null).future();
    }

    /** Rejects blocks outside the namespace. */
    void checkRange(Operation operation, long lba, long count) {
        if (count < 1 || lba < 0 || lba > blocks() - count) {
            throw new IndexOutOfBoundsException("cannot %s: it has %d blocks of %d bytes"
                    .formatted(operation.describe(this, lba, count), blocks(), blockBytes()));
        }
    }

    void requireWriteZeroes() {
        if (!controller.identity().canWriteZeroes() || controller.quirks().contains(NvmeQuirk.NO_WRITE_ZEROES)) {
            throw unsupported("write zeroes to " + this);
        }
    }

    void requireDeallocate() {
        if (!controller.identity().canDeallocate()) {
            throw unsupported("deallocate blocks of " + this);
        }
    }

    private static VfioException unsupported(String operation) {
        return new VfioException(
                Kind.UNSUPPORTED,
                operation,
                "the controller does not support the command",
                "write zeroes from a buffer");
    }

    private void run(Operation operation, long lba, long count, @Nullable NvmeBuffer buffer) {
        NvmeQueue queue = controller.queueOfThread();
        Transfer transfer = start(queue, operation, lba, count, buffer);
        transfer.await(queue, controller.lifecycle().isPolled());
        transfer.requireSuccess();
    }

    private Transfer start(Operation operation, long lba, long count, @Nullable NvmeBuffer buffer) {
        return start(controller.queueOfThread(), operation, lba, count, buffer);
    }

    private Transfer start(NvmeQueue queue, Operation operation, long lba, long count, @Nullable NvmeBuffer buffer) {
        if (operation != Operation.FLUSH) {
            checkRange(operation, lba, count);
        }
        if (buffer != null && buffer.size() >>> blockShift() < count) {
            throw new IllegalArgumentException("cannot %s: they take %d bytes, and the buffer has %d"
                    .formatted(operation.describe(this, lba, count), count << blockShift(), buffer.size()));
        }
        controller.lifecycle().requireUsable();
        return Transfer.start(
                queue, operation, this, lba, count, buffer, controller.options());
    }

    /** The namespace identifier and the device. */
    @Override
    public String toString() {
        return "namespace %d of %s".formatted(id, controller);
    }

    /** The size for people, as in {@code 512M in 1048576 blocks of 512 bytes}. */
    public String describeSize() {
        return "%s in %d blocks of %d bytes".formatted(ByteSize.format(bytes()), blocks(), blockBytes());
    }
}
