package org.jvfio.driver.nvme;

import java.util.ArrayDeque;
import java.util.Queue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;
import org.jvfio.VfioException;

/**
 * An operation on any number of blocks, split into commands of which several are in flight. The thread that finds the
 * completion of one submits the next; it holds no lock.
 */
final class Transfer extends ReusableCompletion {
    private static final int MAX_IN_FLIGHT = 8;

    private final NvmeQueue queue;
    private final NvmeNamespace namespace;
    private final Operation operation;
    private final @Nullable NvmeBuffer buffer;
    private final @Nullable NvmeBuffer metadata;
    private final long first;
    private final long blocks;
    /** The first block that a copy writes. */
    private final long target;

    private final CompletableFuture<Void> future = new CompletableFuture<>();

    private final Queue<Piece> completed = new ConcurrentLinkedQueue<>();
    /** Those whose delay before the next try is over. */
    private final Queue<Piece> due = new ConcurrentLinkedQueue<>();

    /**
     * Events not processed yet. The thread that raises it from 0 owns the fields below until it is 0 again; others only
     * increment it.
     */
    private final AtomicInteger events = new AtomicInteger();

    private final ArrayDeque<Piece> idle = new ArrayDeque<>();
    private final ArrayDeque<Piece> ready = new ArrayDeque<>();
    private long prepared;
    private int inFlight;
    private int delayed;
    private @Nullable RuntimeException failure;
    private NvmeStatus failureStatus = NvmeStatus.SUCCESS;

    /** One of its commands. */
    private record Piece(NvmeRequest request, Attempts attempts) {}

    private Transfer(
            NvmeQueue queue,
            Operation operation,
            NvmeNamespace namespace,
            long first,
            long blocks,
            long target,
            @Nullable NvmeBuffer buffer,
            @Nullable NvmeBuffer metadata,
            NvmeOptions options) {
        this.queue = queue;
        this.namespace = namespace;
        this.operation = operation;
        this.first = first;
        this.blocks = blocks;
        this.target = target;
        this.buffer = buffer;
        this.metadata = metadata;
        begin();
        long pieces = Math.ceilDiv(blocks, CommandChecks.maxBlocks(operation, namespace));
        for (int i = 0; i < Math.min(pieces, MAX_IN_FLIGHT); i++) {
            Piece piece = new Piece(new NvmeRequest(), new Attempts(options));
            piece.request.onDone(request -> {
                completed.add(piece);
                advance();
            });
            idle.add(piece);
        }
    }

    /** Starts a transfer; the caller has checked the blocks and the size of the buffer. */
    static Transfer start(
            NvmeQueue queue,
            Operation operation,
            NvmeNamespace namespace,
            long first,
            long blocks,
            @Nullable NvmeBuffer buffer,
            @Nullable NvmeBuffer metadata,
            NvmeOptions options) {
        Transfer transfer = new Transfer(queue, operation, namespace, first, blocks, 0, buffer, metadata, options);
        transfer.advance();
        return transfer;
    }

    /** Starts a copy; the caller has checked the blocks, none of which is both read and written. */
    static Transfer startCopy(
            NvmeQueue queue, NvmeNamespace namespace, long first, long blocks, long target, NvmeOptions options) {
        Transfer transfer = new Transfer(queue, Operation.COPY, namespace, first, blocks, target, null, null, options);
        transfer.advance();
        return transfer;
    }

    /** Completes with the transfer, exceptionally if it fails. */
    CompletableFuture<Void> future() {
        return future;
    }

    /** Whether a finished transfer has failed because the controller returned a status to a command. */
    boolean hasEndedWith(NvmeStatus status) {
        return failureStatus.hasCodeOf(status);
    }

    /** Throws the failure of a finished transfer. */
    void requireSuccess() {
        RuntimeException cause = failure;
        if (cause instanceof VfioException e) {
            throw new VfioException(e.kind(), operation.describe(namespace, first, blocks), e.reason(), e.hint());
        }
        if (cause != null) {
            throw cause;
        }
    }

    private void advance() {
        if (events.getAndIncrement() != 0) {
            return;
        }
        int seen = 1;
        boolean ended;
        do {
            ended = step();
            seen = events.addAndGet(-seen);
        } while (seen != 0);
        if (ended && !isFinished()) {
            finish(true);
            RuntimeException cause = failure;
            if (cause == null) {
                future.complete(null);
            } else {
                future.completeExceptionally(cause);
            }
        }
    }

    /** Processes completions and submits as many commands as it can; true if the transfer has ended. */
    private boolean step() {
        for (Piece piece = completed.poll(); piece != null; piece = completed.poll()) {
            inFlight--;
            process(piece);
        }
        for (Piece piece = due.poll(); piece != null; piece = due.poll()) {
            delayed--;
            ready.add(piece);
        }
        while (failure == null) {
            Piece piece = ready.isEmpty() ? prepare() : ready.peek();
            if (piece == null) {
                break;
            }
            try {
                if (!queue.submit(piece.request)) {
                    if (inFlight == 0) {
                        queue.whenSlotFree(this::advance);
                    }
                    return false;
                }
                ready.remove();
                inFlight++;
            } catch (RuntimeException e) {
                failure = e;
            }
        }
        return inFlight == 0 && (delayed == 0 || failure != null);
    }

    private void process(Piece piece) {
        NvmeRequest request = piece.request;
        if (request.isSuccess()) {
            piece.attempts.reset();
            idle.add(piece);
        } else if (failure == null && piece.attempts.mayRetry(request.status())) {
            retry(piece, piece.attempts.delayNanos(request, queue.owner().retryDelays()));
        } else if (failure == null) {
            failure = request.failure();
            failureStatus = request.status();
        }
    }

    private void retry(Piece piece, long delayNanos) {
        if (delayNanos == 0) {
            ready.add(piece);
            return;
        }
        delayed++;
        queue.owner().runLater(delayNanos, () -> {
            due.add(piece);
            advance();
        });
    }

    private @Nullable Piece prepare() {
        Piece piece = prepared < blocks ? idle.poll() : null;
        if (piece == null) {
            return null;
        }
        long count = Math.min(blocks - prepared, CommandChecks.maxBlocks(operation, namespace));
        NvmeBuffer data = buffer;
        if (operation == Operation.COPY) {
            piece.request.copy(namespace, first + prepared, count, target + prepared);
        } else if (data == null) {
            piece.request.prepare(operation, namespace, first + prepared, count);
        } else {
            piece.request.transfer(
                    operation,
                    namespace,
                    first + prepared,
                    count,
                    data,
                    namespace.transferBytes(prepared),
                    metadata,
                    namespace.separateBytes(prepared));
        }
        prepared += count;
        ready.add(piece);
        return piece;
    }
}
