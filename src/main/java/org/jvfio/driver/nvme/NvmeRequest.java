package org.jvfio.driver.nvme;

import java.time.Duration;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.jvfio.VfioException;
import org.jvfio.VfioException.Kind;

/**
 * One command, prepared once and {@linkplain NvmeQueue#submit submitted} any number of times. Preparing, submitting and
 * completing it allocates nothing.
 *
 * <pre>{@code
 * NvmeRequest request = new NvmeRequest().read(disk, lba, 8, buffer);
 * queue.submit(request);
 * queue.await(request);
 * request.requireSuccess();
 * }</pre>
 *
 * <p>A request is new, in flight or done. {@link NvmeQueue#submit} puts it in flight; of several threads that try at
 * once, one succeeds. Its completion, or the end of its controller, makes it done, exactly once. While it is in flight,
 * the request and its buffer belong to the driver; otherwise a thread that has seen it not in flight may prepare it or
 * read its results. It can be submitted again as soon as it is done, by its own callback too.
 *
 * <p>One thread at a time prepares a request. A request covers at most {@link NvmeNamespace#maxTransferBlocks} blocks;
 * {@link NvmeNamespace} splits larger transfers.
 */
public final class NvmeRequest extends ReusableCompletion {
    private @Nullable Consumer<NvmeRequest> callback;

    private @Nullable String task;
    private @Nullable Operation operation;
    private @Nullable NvmeNamespace namespace;
    private @Nullable NvmeBuffer buffer;
    private @Nullable NvmeBuffer metadataBuffer;
    int opcode;
    int namespaceId;
    long iova;
    int bytes;
    long metadataIova;
    CommandList list = CommandList.NONE;
    long lba;
    long blocks;
    int dword10;
    int dword11;
    int dword12;

    // Guarded by the lock of the queue while the request is in flight.
    int identifier;
    boolean hasDeadline;
    /** Whether {@link #timedSince} is of this submission. */
    boolean isTimed;

    long timedSince;
    boolean abortRequested;
    /** How often it was submitted again since the program submitted it. */
    int repeats;

    /** The next request of a list to be delivered. */
    @Nullable
    NvmeRequest next;

    private int statusField;
    private int result;
    // Set where the driver, not the controller, ended the command.
    private @Nullable String failureReason;
    private Kind failureKind = Kind.DEVICE_ERROR;
    private String failureHint = "";

    /** Creates a request that has to be prepared before it is submitted. */
    public NvmeRequest() {
        // Not in flight and not prepared.
    }

    /**
     * Prepares a Read command: blocks into the beginning of a buffer.
     *
     * @param lba the first logical block
     * @param count the number of blocks, 1 to {@link NvmeNamespace#maxTransferBlocks}
     * @throws IndexOutOfBoundsException if the blocks are not all in the namespace
     * @throws IllegalArgumentException if one command cannot transfer that many blocks, or the buffer is too small, is
     *     not aligned to 4 bytes, or is not mapped for the device to write
     * @throws IllegalStateException if the request is in flight
     */
    public NvmeRequest read(NvmeNamespace of, long lba, long count, NvmeBuffer into) {
        return transfer(Operation.READ, of, lba, count, into, 0, null, 0);
    }

    /**
     * As {@link #read(NvmeNamespace, long, long, NvmeBuffer)}, with a buffer for separate metadata.
     *
     * @param metadata at least {@link NvmeNamespace#metadataBytes} for each block
     */
    public NvmeRequest read(NvmeNamespace of, long lba, long count, NvmeBuffer into, NvmeBuffer metadata) {
        return transfer(Operation.READ, of, lba, count, into, 0, metadata, 0);
    }

    /**
     * Prepares a Write command: blocks from the beginning of a buffer.
     *
     * @param lba the first logical block
     * @param count the number of blocks, 1 to {@link NvmeNamespace#maxTransferBlocks}
     * @throws IndexOutOfBoundsException if the blocks are not all in the namespace
     * @throws IllegalArgumentException if one command cannot transfer that many blocks, or the buffer is too small, is
     *     not aligned to 4 bytes, or is not mapped for the device to read
     * @throws IllegalStateException if the request is in flight
     */
    public NvmeRequest write(NvmeNamespace to, long lba, long count, NvmeBuffer from) {
        return transfer(Operation.WRITE, to, lba, count, from, 0, null, 0);
    }

    /**
     * As {@link #write(NvmeNamespace, long, long, NvmeBuffer)}, with a buffer for separate metadata.
     *
     * @param metadata at least {@link NvmeNamespace#metadataBytes} for each block
     */
    public NvmeRequest write(NvmeNamespace to, long lba, long count, NvmeBuffer from, NvmeBuffer metadata) {
        return transfer(Operation.WRITE, to, lba, count, from, 0, metadata, 0);
    }

    /**
     * Prepares a Flush command: commits the volatile write cache to the medium.
     *
     * @throws IllegalStateException if the request is in flight
     */
    public NvmeRequest flush(NvmeNamespace of) {
        return prepare(Operation.FLUSH, of, 0, 0);
    }

    /**
     * Prepares a Write Zeroes command: blocks read as zeroes afterwards, without a data transfer.
     *
     * @param lba the first logical block
     * @param count the number of blocks, 1 to 65536 or the controller's limit (WZSL)
     * @throws IndexOutOfBoundsException if the blocks are not all in the namespace
     * @throws IllegalArgumentException if one command cannot cover that many blocks
     * @throws VfioException if the controller does not support the command
     * @throws IllegalStateException if the request is in flight
     */
    public NvmeRequest writeZeroes(NvmeNamespace to, long lba, long count) {
        to.requireWriteZeroes();
        return prepare(Operation.WRITE_ZEROES, to, lba, count);
    }

    /**
     * Prepares a Dataset Management command that deallocates one range of blocks: their contents are no longer needed,
     * and what they read afterwards is up to the drive.
     *
     * @param lba the first logical block
     * @param count the number of blocks, 1 to 2<sup>32</sup> - 1 or the controller's limit (DMRSL, DMSL)
     * @throws IndexOutOfBoundsException if the blocks are not all in the namespace
     * @throws IllegalArgumentException if one command cannot cover that many blocks
     * @throws VfioException if the controller does not support the command
     * @throws IllegalStateException if the request is in flight
     */
    public NvmeRequest deallocate(NvmeNamespace of, long lba, long count) {
        of.requireDeallocate();
        return prepare(Operation.DEALLOCATE, of, lba, count);
    }

    /**
     * Prepares a Compare command: compares blocks with the beginning of a buffer. If they differ, the status is Compare
     * Failure.
     *
     * @param lba the first logical block
     * @param count the number of blocks, 1 to {@link NvmeNamespace#maxTransferBlocks}
     * @throws IndexOutOfBoundsException if the blocks are not all in the namespace
     * @throws IllegalArgumentException as {@link #write}
     * @throws VfioException if the controller does not support the command
     * @throws IllegalStateException if the request is in flight
     */
    public NvmeRequest compare(NvmeNamespace of, long lba, long count, NvmeBuffer with) {
        of.requireCompare();
        return transfer(Operation.COMPARE, of, lba, count, with, 0, null, 0);
    }

    /**
     * As {@link #compare(NvmeNamespace, long, long, NvmeBuffer)}, with a buffer for separate metadata.
     *
     * @param metadata {@link NvmeNamespace#metadataBytes} for each block
     */
    public NvmeRequest compare(NvmeNamespace of, long lba, long count, NvmeBuffer with, NvmeBuffer metadata) {
        of.requireCompare();
        return transfer(Operation.COMPARE, of, lba, count, with, 0, metadata, 0);
    }

    /**
     * Prepares a Verify command: the drive checks that blocks can be read, without a data transfer.
     *
     * @param lba the first logical block
     * @param count the number of blocks, 1 to 65536 or the controller's limit (VSL)
     * @throws IndexOutOfBoundsException if the blocks are not all in the namespace
     * @throws IllegalArgumentException if one command cannot cover that many blocks
     * @throws VfioException if the controller does not support the command
     * @throws IllegalStateException if the request is in flight
     */
    public NvmeRequest verify(NvmeNamespace of, long lba, long count) {
        of.requireVerify();
        return prepare(Operation.VERIFY, of, lba, count);
    }

    /**
     * Prepares a Copy command: copies blocks, with their metadata, to other blocks of the namespace.
     *
     * @param from the first logical block that is read
     * @param count the number of blocks, 1 to the namespace's limit (MSSRL, MCL)
     * @param to the first logical block that is written; none of them may be read, too
     * @throws IndexOutOfBoundsException if the blocks are not all in the namespace
     * @throws IllegalArgumentException if one command cannot cover that many blocks, or they overlap
     * @throws VfioException if the controller or the namespace does not support the command
     * @throws IllegalStateException if the request is in flight
     */
    public NvmeRequest copy(NvmeNamespace of, long from, long count, long to) {
        of.requireCopy();
        requireIdle();
        CommandChecks.requireBlocks(Operation.COPY, of, from, count);
        CommandChecks.requireApart(of, from, count, to);
        fill(Operation.COPY, of, from, count);
        dword10 = (int) to;
        dword11 = (int) (to >>> Integer.SIZE);
        dword12 = 0; // one source range, a field that is zero-based, of format 0
        return this;
    }

    /**
     * Prepares a transfer.
     *
     * @param offset in the data buffer
     * @param metadata the buffer of separate metadata; null for none
     */
    NvmeRequest transfer(
            Operation of,
            NvmeNamespace on,
            long first,
            long count,
            NvmeBuffer data,
            long offset,
            @Nullable NvmeBuffer metadata,
            long metadataOffset) {
        requireIdle();
        CommandChecks.requireBlocks(of, on, first, count);
        CommandChecks.requireBuffers(of, on, first, count, data, offset, metadata, metadataOffset);
        fill(of, on, first, count);
        buffer = data;
        iova = data.iova() + offset;
        bytes = (int) on.transferBytes(count);
        metadataBuffer = metadata;
        metadataIova = metadata == null ? 0 : metadata.iova() + metadataOffset;
        return this;
    }

    NvmeRequest prepare(Operation of, NvmeNamespace on, long first, long count) {
        requireIdle();
        CommandChecks.requireBlocks(of, on, first, count);
        fill(of, on, first, count);
        return this;
    }

    private void fill(Operation of, NvmeNamespace on, long first, long count) {
        operation = of;
        namespace = on;
        task = null;
        buffer = null;
        metadataBuffer = null;
        metadataIova = 0;
        list = CommandList.NONE;
        bytes = 0;
        opcode = of.opcode();
        namespaceId = on.id();
        lba = first;
        blocks = count;
        hasDeadline = true;
        if (of == Operation.COPY) {
            list = CommandList.SOURCE;
        }
        if (of == Operation.DEALLOCATE) {
            list = CommandList.RANGE;
            dword10 = 0; // one range; the field is zero-based
            dword11 = 1 << 2; // AD, Deallocate
            dword12 = 0;
        } else {
            dword10 = (int) first;
            dword11 = (int) (first >>> Integer.SIZE);
            dword12 = of == Operation.FLUSH ? 0 : (int) (count - 1);
        }
    }

    /** Prepares an admin command. */
    NvmeRequest admin(String operation, int opcode, int namespaceId, int dword10, int dword11) {
        requireIdle();
        task = operation;
        this.operation = null;
        namespace = null;
        buffer = null;
        metadataBuffer = null;
        metadataIova = 0;
        list = CommandList.NONE;
        bytes = 0;
        this.opcode = opcode;
        this.namespaceId = namespaceId;
        this.dword10 = dword10;
        this.dword11 = dword11;
        dword12 = 0;
        hasDeadline = true;
        return this;
    }

    /** Adds a data buffer to an admin command. */
    NvmeRequest data(NvmeBuffer data) {
        return data(data.iova(), (int) data.size());
    }

    /** Adds a data pointer to an admin command. */
    NvmeRequest data(long busAddress, int size) {
        iova = busAddress;
        bytes = size;
        return this;
    }

    /** Exempts an admin command from the timeout. */
    NvmeRequest withoutDeadline() {
        hasDeadline = false;
        return this;
    }

    /**
     * Whether the command has the same effect if it is executed twice, as each {@link Operation} has, and its buffer
     * can still be reached.
     */
    boolean isRepeatable() {
        return operation != null && !abortRequested && isMapped();
    }

    private boolean isMapped() {
        NvmeBuffer data = buffer;
        NvmeBuffer metadata = metadataBuffer;
        return (data == null || data.isMapped()) && (metadata == null || metadata.isMapped());
    }

    /** Rejects a buffer that the controller can no longer reach. */
    void requireMapped() {
        if (!isMapped()) {
            throw new IllegalStateException("cannot " + description() + ": its buffer is no longer mapped");
        }
    }

    /**
     * Sets a callback that runs when the request is done, in the thread that finds the completion: one that polls,
     * waits or closes the controller, or a thread of the driver. No lock of the driver is held. The callback may submit
     * the request again and may close the controller; it must not wait for other requests. An exception that it throws
     * goes to the {@linkplain Thread#getUncaughtExceptionHandler uncaught exception handler} of the thread and affects
     * no other request.
     *
     * @throws IllegalStateException if the request is in flight
     */
    public NvmeRequest onDone(Consumer<NvmeRequest> action) {
        requireIdle();
        callback = action;
        return this;
    }

    /** Whether the request was submitted and has completed, successfully or not. */
    public boolean isDone() {
        return isFinished();
    }

    /** The status of the completion; valid once the request is done. */
    public NvmeStatus status() {
        return NvmeStatus.of(statusField);
    }

    /** Whether the command succeeded; valid once the request is done. */
    public boolean isSuccess() {
        return (statusField & 0x7ff) == 0;
    }

    /** Whether the controller returned an error status; valid once the request is done. */
    boolean isRejected() {
        return failureReason == null && !isSuccess();
    }

    /** CRD: which delay of the controller applies before the command is submitted again, 0 for none. */
    int retryDelaySelector() {
        return failureReason == null ? statusField >>> 11 & 0x3 : 0;
    }

    /** Dword 0 of the completion; valid once the request is done. */
    int result() {
        return result;
    }

    /**
     * Throws the failure of the command.
     *
     * @throws VfioException if the request is done and did not succeed
     */
    public void requireSuccess() {
        if (!isSuccess()) {
            throw failure();
        }
    }

    VfioException failure() {
        String reason = failureReason;
        NvmeStatus status = status();
        if (reason != null) {
            return new VfioException(failureKind, description(), reason, failureHint);
        }
        String hint = status.isRetryable() ? "try again, or check the drive's health" : "change the request";
        return new VfioException(status.kind(), description(), "the controller returned " + status, hint);
    }

    /** The failure of a command that is given up while it is in flight. */
    VfioException timeout(Duration limit) {
        return new VfioException(
                Kind.TIMEOUT,
                description(),
                "the controller did not complete the command within %d ms".formatted(limit.toMillis()),
                "reset the device");
    }

    /** Whether a recovery from a freeze ended the command; valid once the request is done. */
    boolean isEndedByFreeze() {
        return failureReason != null && failureKind == Kind.FROZEN && status().isRetryable();
    }

    String description() {
        Operation known = operation;
        NvmeNamespace on = namespace;
        if (known != null && on != null) {
            return known.describe(on, lba, blocks);
        }
        return task == null ? "use a request that was not prepared" : task;
    }

    private void requireIdle() {
        if (isInFlight()) {
            throw inFlight();
        }
    }

    private IllegalStateException inFlight() {
        return new IllegalStateException("the request is in flight: " + description());
    }

    /** Puts the request in flight for one queue. */
    void acquire() {
        if (operation == null && task == null) {
            throw new IllegalStateException("the request was not prepared");
        }
        if (!begin()) {
            throw inFlight();
        }
        failureReason = null;
        abortRequested = false;
        repeats = 0;
    }

    /** Records the completion that the controller wrote. */
    void complete(int field, int dword0) {
        statusField = field;
        result = dword0;
        if (abortRequested && field != 0) {
            failureKind = Kind.TIMEOUT;
            failureReason = "the command timed out and was aborted: " + NvmeStatus.of(field);
            failureHint = "try again";
        }
    }

    /** Records that the controller will not complete the command. */
    void fail(CommandFailure why) {
        statusField = why.status().field();
        result = 0;
        failureKind = why.kind();
        failureReason = why.reason();
        failureHint = why.hint();
    }

    /**
     * Makes the request done and runs its callback. No lock may be held; the request may be in flight again at once.
     *
     * @param wakes as of {@link #finish}
     */
    void deliver(boolean wakes) {
        // Read first: after finish() the request may belong to another thread.
        Consumer<NvmeRequest> action = callback;
        finish(wakes);
        if (action != null) {
            try {
                action.accept(this);
            } catch (Throwable thrown) {
                // Other requests must complete and this thread must go on.
                Uncaught.report(thrown);
            }
        }
    }
}
