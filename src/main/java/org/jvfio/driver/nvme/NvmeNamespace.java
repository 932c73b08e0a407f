package org.jvfio.driver.nvme;

import java.util.concurrent.CompletableFuture;
import org.jspecify.annotations.Nullable;
import org.jvfio.ByteSize;
import org.jvfio.VfioException;

/**
 * A namespace: blocks that can be read and written. Any number of blocks is split as the controller needs it, and any
 * number of threads may use it; each takes one of the controller's queues.
 *
 * <p>The methods that give a future end it in a thread that polls or waits, or in one of the driver where there are
 * interrupts. With {@link NvmeCompletion#POLLED}, {@link NvmeController#poll} has to be called meanwhile. Closing the
 * controller ends all, those that were not submitted whole with {@link IllegalStateException}.
 *
 * <p>Each call allocates what keeps it going, whatever the number of its commands: a future, and a request for each of up
 * to 8 commands that are under way at a time. A {@link NvmeRequest} allocates nothing when it is submitted.
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

    /** Its number, from 1. */
    public int id() {
        return id;
    }

    /** The controller that it is reached by. */
    public NvmeController controller() {
        return controller;
    }

    /** Its size in blocks. */
    public long blocks() {
        return format.blocks();
    }

    /** How many of its blocks can be in use at a time. */
    public long capacityBlocks() {
        return format.capacity();
    }

    /** How many of its blocks are in use, as the controller tells. */
    public long usedBlocks() {
        return format.used();
    }

    /** The size of a block in bytes, a power of two. */
    public int blockBytes() {
        return 1 << format.blockShift();
    }

    /** Its size in bytes. */
    public long bytes() {
        return format.blocks() << format.blockShift();
    }

    int blockShift() {
        return format.blockShift();
    }

    /** The most blocks that one command transfers, by the controller's limits and the driver's; 1 to 65536. */
    public long maxTransferBlocks() {
        return Math.min(1 << 16, controller.maxTransferBytes() >>> format.blockShift());
    }

    /**
     * Reads blocks into the beginning of a buffer.
     *
     * @param lba the first block
     * @param count how many, at least 1
     * @throws VfioException if the blocks are not all in the namespace, the buffer does not suit, or the controller fails
     * @throws IllegalStateException if the controller is closed
     */
    public void read(long lba, long count, NvmeBuffer into) {
        run(Operation.READ, lba, count, into);
    }

    /**
     * Writes blocks from the beginning of a buffer. The drive may hold them in a cache until {@link #flush}.
     *
     * @param lba the first block
     * @param count how many, at least 1
     * @throws VfioException if the blocks are not all in the namespace, the buffer does not suit, or the controller fails;
     *     blocks may have been written
     * @throws IllegalStateException if the controller is closed
     */
    public void write(long lba, long count, NvmeBuffer from) {
        run(Operation.WRITE, lba, count, from);
    }

    /**
     * Has the drive write to its medium what it holds in a volatile cache.
     *
     * @throws VfioException if the controller fails
     * @throws IllegalStateException if the controller is closed
     */
    public void flush() {
        run(Operation.FLUSH, 0, 1, null);
    }

    /**
     * Makes blocks read as zeroes, without sending any.
     *
     * @param lba the first block
     * @param count how many, at least 1
     * @throws VfioException if the controller does not have the command, the blocks are not all in the namespace, or the
     *     controller fails
     * @throws IllegalStateException if the controller is closed
     */
    public void writeZeroes(long lba, long count) {
        requireWriteZeroes();
        run(Operation.WRITE_ZEROES, lba, count, null);
    }

    /**
     * Tells the drive that the contents of blocks are not needed any more; what they read afterwards is the drive's choice.
     *
     * @param lba the first block
     * @param count how many, at least 1
     * @throws VfioException if the controller does not have the command, the blocks are not all in the namespace, or the
     *     controller fails
     * @throws IllegalStateException if the controller is closed
     */
    public void deallocate(long lba, long count) {
        requireDeallocate();
        run(Operation.DEALLOCATE, lba, count, null);
    }

    /** {@link #read} that does not wait. */
    public CompletableFuture<Void> readAsync(long lba, long count, NvmeBuffer into) {
        return start(Operation.READ, lba, count, into).future();
    }

    /** {@link #write} that does not wait. */
    public CompletableFuture<Void> writeAsync(long lba, long count, NvmeBuffer from) {
        return start(Operation.WRITE, lba, count, from).future();
    }

    /** {@link #flush} that does not wait. */
    public CompletableFuture<Void> flushAsync() {
        return start(Operation.FLUSH, 0, 1, null).future();
    }

    void requireWriteZeroes() {
        if (!controller.identity().canWriteZeroes()) {
            throw lacks("write zeroes to " + this);
        }
    }

    void requireDeallocate() {
        if (!controller.identity().canDeallocate()) {
            throw lacks("deallocate blocks of " + this);
        }
    }

    private static VfioException lacks(String asked) {
        return new VfioException(asked, "the controller does not have that command", "write zeroes from a buffer");
    }

    private void run(Operation operation, long lba, long count, @Nullable NvmeBuffer buffer) {
        NvmeQueue queue = controller.queueOfThread();
        Transfer transfer = start(queue, operation, lba, count, buffer);
        controller.await(queue, transfer);
        transfer.requireSuccess();
    }

    private Transfer start(Operation operation, long lba, long count, @Nullable NvmeBuffer buffer) {
        return start(controller.queueOfThread(), operation, lba, count, buffer);
    }

    private Transfer start(NvmeQueue queue, Operation operation, long lba, long count, @Nullable NvmeBuffer buffer) {
        if (operation != Operation.FLUSH && (count < 1 || lba < 0 || lba > blocks() - count)) {
            throw new VfioException(
                    operation.describe(this, lba, count),
                    "it has %d blocks of %d bytes".formatted(blocks(), blockBytes()),
                    "use at least 1 block, and stay inside");
        }
        if (buffer != null && buffer.size() >>> blockShift() < count) {
            throw new VfioException(
                    operation.describe(this, lba, count),
                    "they take %d bytes, and the buffer has %d".formatted(count << blockShift(), buffer.size()),
                    "use a larger buffer");
        }
        controller.requireUsable();
        return Transfer.start(
                queue, operation, this, lba, count, buffer, controller.options().retries());
    }

    /** Its number, and whose it is. */
    @Override
    public String toString() {
        return "namespace %d of %s".formatted(id, controller);
    }

    /** Its size for people, as in {@code 512M in 1048576 blocks of 512 bytes}. */
    public String describeSize() {
        return "%s in %d blocks of %d bytes".formatted(ByteSize.format(bytes()), blocks(), blockBytes());
    }
}
