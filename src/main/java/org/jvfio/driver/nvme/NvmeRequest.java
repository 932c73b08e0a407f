package org.jvfio.driver.nvme;

import java.time.Duration;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.jvfio.DmaDirection;
import org.jvfio.VfioException;

/**
 * One command, which is prepared once and can be {@linkplain NvmeQueue#submit submitted} again and again. Preparing and
 * submitting it, and its completion, allocate nothing.
 *
 * <pre>{@code
 * NvmeRequest request = new NvmeRequest().read(disk, lba, 8, buffer);
 * queue.submit(request);
 * queue.await(request);
 * request.requireSuccess();
 * }</pre>
 *
 * <p>It is new, under way or done. {@link NvmeQueue#submit} makes it be under way, which only one of several threads that
 * try succeeds in; its completion, or the end of its controller, makes it be done, once. Who has found it not under way
 * prepares it and has its results; while it is under way it is the driver's, and so is its buffer. It can be submitted
 * again as soon as it is done, by its own callback too.
 *
 * <p>It is prepared by one thread at a time. It covers at most {@link NvmeNamespace#maxTransferBlocks} blocks; {@link
 * NvmeNamespace} splits what is larger.
 */
public final class NvmeRequest extends Awaited {
    private static final int MAX_BLOCKS = 1 << 16;
    private static final long BLOCKS_OF_A_RANGE = (1L << 32) - 1;

    private @Nullable Consumer<NvmeRequest> callback;

    private @Nullable String task;
    private @Nullable Operation operation;
    private @Nullable NvmeNamespace namespace;
    private @Nullable NvmeBuffer buffer;
    int opcode;
    int namespaceId;
    long iova;
    int bytes;
    long lba;
    long blocks;
    int dword10;
    int dword11;
    int dword12;

    /** What the driver's queues keep of it while it is under way. */
    int identifier;

    long submittedNanos;
    boolean hasDeadline;
    boolean abortAsked;

    @Nullable
    NvmeRequest next;

    private int statusField;
    private int result;
    private @Nullable String lost;

    /** A request that is to be prepared. */
    public NvmeRequest() {
        // Not under way, and without a task.
    }

    /**
     * Reads blocks into the beginning of a buffer.
     *
     * @param lba the first block
     * @param count 1 to {@link NvmeNamespace#maxTransferBlocks}
     * @throws VfioException if the blocks are not all in the namespace, or the buffer is too small, misaligned or not
     *     writable for the controller
     * @throws IllegalStateException if it is under way
     */
    public NvmeRequest read(NvmeNamespace of, long lba, long count, NvmeBuffer into) {
        return transfer(Operation.READ, of, lba, count, into, 0);
    }

    /**
     * Writes blocks from the beginning of a buffer.
     *
     * @param lba the first block
     * @param count 1 to {@link NvmeNamespace#maxTransferBlocks}
     * @throws VfioException if the blocks are not all in the namespace, or the buffer is too small, misaligned or not
     *     readable for the controller
     * @throws IllegalStateException if it is under way
     */
    public NvmeRequest write(NvmeNamespace to, long lba, long count, NvmeBuffer from) {
        return transfer(Operation.WRITE, to, lba, count, from, 0);
    }

    /**
     * Has the drive write to its medium what it holds in a volatile cache.
     *
     * @throws IllegalStateException if it is under way
     */
    public NvmeRequest flush(NvmeNamespace of) {
        return prepare(Operation.FLUSH, of, 0, 0);
    }

    /**
     * Makes blocks read as zeroes, without sending any.
     *
     * @param lba the first block
     * @param count 1 to 65536
     * @throws VfioException if the controller does not have the command, or the blocks are not all in the namespace
     * @throws IllegalStateException if it is under way
     */
    public NvmeRequest writeZeroes(NvmeNamespace to, long lba, long count) {
        to.requireWriteZeroes();
        return prepare(Operation.WRITE_ZEROES, to, lba, count);
    }

    /**
     * Tells the drive that the contents of blocks are not needed any more; what they read afterwards is the drive's choice.
     *
     * @param lba the first block
     * @param count 1 to 2<sup>32</sup> - 1
     * @throws VfioException if the controller does not have the command, or the blocks are not all in the namespace
     * @throws IllegalStateException if it is under way
     */
    public NvmeRequest deallocate(NvmeNamespace of, long lba, long count) {
        of.requireDeallocate();
        return prepare(Operation.DEALLOCATE, of, lba, count);
    }

    /** The most blocks that one such command covers. */
    static long mostBlocks(Operation operation, NvmeNamespace of) {
        return switch (operation) {
            case READ, WRITE -> of.maxTransferBlocks();
            case WRITE_ZEROES -> MAX_BLOCKS;
            case DEALLOCATE -> BLOCKS_OF_A_RANGE;
            case FLUSH -> 1;
        };
    }

    NvmeRequest transfer(Operation of, NvmeNamespace on, long first, long count, NvmeBuffer data, long offset) {
        requireIdle();
        long most = on.maxTransferBlocks();
        if (count > most) {
            throw refused(of, on, first, count, "one command transfers up to %d blocks".formatted(most), "use less");
        }
        prepare(of, on, first, count);
        long size = count << on.blockShift();
        if (size > data.size() - offset || offset < 0) {
            throw refused(
                    of,
                    on,
                    first,
                    count,
                    "they are %d bytes, and the buffer has %d from offset %d".formatted(size, data.size(), offset),
                    "use a larger buffer");
        }
        if ((data.iova() + offset & 3) != 0) {
            throw refused(of, on, first, count, "the buffer's bus address is no multiple of 4", "align it");
        }
        if (data.direction() == (of == Operation.READ ? DmaDirection.TO_DEVICE : DmaDirection.FROM_DEVICE)) {
            throw refused(
                    of,
                    on,
                    first,
                    count,
                    "the buffer is mapped " + data.direction() + ", the other way",
                    "map it BIDIRECTIONAL");
        }
        buffer = data;
        iova = data.iova() + offset;
        bytes = (int) size;
        return this;
    }

    NvmeRequest prepare(Operation of, NvmeNamespace on, long first, long count) {
        requireIdle();
        if (of != Operation.FLUSH
                && (count < 1 || count > mostBlocks(of, on) || first < 0 || first > on.blocks() - count)) {
            throw refused(
                    of,
                    on,
                    first,
                    count,
                    "it has %d blocks, and the command covers 1 to %d".formatted(on.blocks(), mostBlocks(of, on)),
                    "stay inside");
        }
        operation = of;
        namespace = on;
        task = null;
        buffer = null;
        bytes = 0;
        opcode = of.opcode();
        namespaceId = on.id();
        lba = first;
        blocks = count;
        hasDeadline = true;
        if (of == Operation.DEALLOCATE) {
            dword10 = 0; // one range, less one
            dword11 = 1 << 2;
            dword12 = 0;
        } else {
            dword10 = (int) first;
            dword11 = (int) (first >>> Integer.SIZE);
            dword12 = of == Operation.FLUSH ? 0 : (int) (count - 1);
        }
        return this;
    }

    private static VfioException refused(
            Operation of, NvmeNamespace on, long first, long count, String reason, String hint) {
        return new VfioException(of.describe(on, first, count), reason, hint);
    }

    /** A command of the admin queue. */
    NvmeRequest admin(String asked, int code, int of, int ten, int eleven) {
        requireIdle();
        task = asked;
        operation = null;
        namespace = null;
        buffer = null;
        bytes = 0;
        opcode = code;
        namespaceId = of;
        dword10 = ten;
        dword11 = eleven;
        dword12 = 0;
        hasDeadline = true;
        return this;
    }

    /** The same with data. */
    NvmeRequest data(NvmeBuffer data) {
        return data(data.iova(), (int) data.size());
    }

    /** The same with data, or a queue, at a bus address. */
    NvmeRequest data(long busAddress, int size) {
        iova = busAddress;
        bytes = size;
        return this;
    }

    /** The same without a limit of time. */
    NvmeRequest forEver() {
        hasDeadline = false;
        return this;
    }

    boolean needsRange() {
        return operation == Operation.DEALLOCATE;
    }

    /** Refuses a buffer that the controller cannot reach any more. */
    void requireMapped() {
        NvmeBuffer data = buffer;
        if (data != null && !data.isMapped()) {
            throw new VfioException(asked(), "its buffer is not mapped any more", "keep it until the request is done");
        }
    }

    /**
     * Has something called with the request when it is done, by the thread that finds it so: one that polls, waits or
     * closes the controller, or one of the driver. No lock of the driver is held meanwhile. It may submit the request again
     * and close the controller; it must not wait for others. What it throws goes to the {@linkplain
     * Thread#getUncaughtExceptionHandler uncaught exception handler} of that thread, and harms nobody else.
     *
     * @throws IllegalStateException if it is under way
     */
    public NvmeRequest onDone(Consumer<NvmeRequest> action) {
        requireIdle();
        callback = action;
        return this;
    }

    /** Whether it was submitted and is complete, well or not. */
    public boolean isDone() {
        return isFinished();
    }

    /** How it ended, once it is done. */
    public NvmeStatus status() {
        return NvmeStatus.of(statusField);
    }

    /** Whether it did what was asked, once it is done. */
    public boolean isSuccess() {
        return (statusField & 0x7ff) == 0;
    }

    /** Whether the controller has answered that it does not do it, once it is done. */
    boolean isRefused() {
        return lost == null && !isSuccess();
    }

    /** Dword 0 of the completion, once it is done. */
    int result() {
        return result;
    }

    /**
     * Throws what it failed with, if it did.
     *
     * @throws VfioException if it is done, and was not successful
     */
    public void requireSuccess() {
        if (!isSuccess()) {
            throw failure();
        }
    }

    VfioException failure() {
        String why = lost;
        NvmeStatus status = status();
        if (why != null) {
            return new VfioException(asked(), why, status.isRetryable() ? "try again" : "open the controller again");
        }
        String hint = status.isRetryable() ? "try again, or look at the drive's health" : "ask for something else";
        return new VfioException(asked(), "the controller answers: " + status, hint);
    }

    /** It is not done, and nobody waits for it any more. */
    VfioException late(Duration limit) {
        return new VfioException(
                asked(), "the controller did not do it within %d ms".formatted(limit.toMillis()), "reset the device");
    }

    private String asked() {
        Operation known = operation;
        NvmeNamespace on = namespace;
        if (known != null && on != null) {
            return known.describe(on, lba, blocks);
        }
        return task == null ? "use a request that was not prepared" : task;
    }

    private void requireIdle() {
        if (isUnderWay()) {
            throw underWay();
        }
    }

    private IllegalStateException underWay() {
        return new IllegalStateException("the request is under way: " + asked());
    }

    /** It is given to a queue; only one queue has it at a time. */
    void take() {
        if (operation == null && task == null) {
            throw new IllegalStateException("the request was not prepared");
        }
        if (!begin()) {
            throw underWay();
        }
        lost = null;
        abortAsked = false;
    }

    /** The controller has completed it. */
    void complete(int field, int dword0) {
        statusField = field;
        result = dword0;
        if (abortAsked && field != 0) {
            lost = "it was not done in time, and was aborted: " + NvmeStatus.of(field);
        }
    }

    /** The controller will not complete it. */
    void lose(NvmeStatus as, String why) {
        statusField = as.field();
        result = 0;
        lost = why;
    }

    /** Ends it and tells whoever waits for it, with no lock held; it may be submitted again from now on. */
    void deliver() {
        // Read before it is somebody else's.
        Consumer<NvmeRequest> told = callback;
        finish();
        if (told != null) {
            try {
                told.accept(this);
            } catch (Throwable thrown) {
                // Others wait for theirs, and the thread that is here has its own work.
                Uncaught.report(thrown);
            }
        }
    }
}
