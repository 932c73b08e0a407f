package org.jvfio.driver.nvme;

import java.util.ArrayDeque;
import java.util.Queue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;
import org.jvfio.VfioException;

/**
 * Any number of blocks, in as many commands as that takes, several of them under way at a time. It goes on whenever one of
 * them is done, in the thread that finds that out; no thread holds a lock meanwhile.
 */
final class Transfer extends Awaited {
    private static final int MAX_IN_FLIGHT = 8;

    private final NvmeQueue queue;
    private final NvmeNamespace namespace;
    private final Operation operation;
    private final @Nullable NvmeBuffer buffer;
    private final long first;
    private final long blocks;
    private final int retries;
    private final CompletableFuture<Void> future = new CompletableFuture<>();

    private final Queue<Piece> done = new ConcurrentLinkedQueue<>();
    // Whoever raises it from 0 goes on with the transfer; others leave that to him.
    private final AtomicInteger turns = new AtomicInteger();
    private final ArrayDeque<Piece> idle = new ArrayDeque<>();
    private final ArrayDeque<Piece> ready = new ArrayDeque<>();
    private long prepared;
    private int underWay;
    private @Nullable RuntimeException failure;

    /** A command of it. */
    private static final class Piece {
        private final NvmeRequest request = new NvmeRequest();
        private int attempts;
    }

    private Transfer(
            NvmeQueue queue,
            Operation operation,
            NvmeNamespace namespace,
            long first,
            long blocks,
            @Nullable NvmeBuffer buffer,
            int retries) {
        this.queue = queue;
        this.namespace = namespace;
        this.operation = operation;
        this.first = first;
        this.blocks = blocks;
        this.buffer = buffer;
        this.retries = retries;
        begin();
        long pieces = Math.ceilDiv(blocks, NvmeRequest.mostBlocks(operation, namespace));
        for (int i = 0; i < Math.min(pieces, MAX_IN_FLIGHT); i++) {
            Piece piece = new Piece();
            piece.request.onDone(request -> {
                done.add(piece);
                goOn();
            });
            idle.add(piece);
        }
    }

    /** Begins one; what it covers was checked. */
    static Transfer start(
            NvmeQueue queue,
            Operation operation,
            NvmeNamespace namespace,
            long first,
            long blocks,
            @Nullable NvmeBuffer buffer,
            int retries) {
        Transfer transfer = new Transfer(queue, operation, namespace, first, blocks, buffer, retries);
        transfer.goOn();
        return transfer;
    }

    /** Is completed when the transfer is, with its failure if it has one. */
    CompletableFuture<Void> future() {
        return future;
    }

    /** Throws what it failed with, once it is finished. */
    void requireSuccess() {
        RuntimeException cause = failure;
        if (cause instanceof VfioException e) {
            throw new VfioException(operation.describe(namespace, first, blocks), e.reason(), e.hint());
        }
        if (cause != null) {
            throw cause;
        }
    }

    private void goOn() {
        if (turns.getAndIncrement() != 0) {
            return;
        }
        int seen = 1;
        boolean ended;
        do {
            ended = step();
            seen = turns.addAndGet(-seen);
        } while (seen != 0);
        if (ended && !isFinished()) {
            finish();
            RuntimeException cause = failure;
            if (cause == null) {
                future.complete(null);
            } else {
                future.completeExceptionally(cause);
            }
        }
    }

    /** Whether all is done now that can be. */
    private boolean step() {
        for (Piece piece = done.poll(); piece != null; piece = done.poll()) {
            underWay--;
            take(piece);
        }
        while (failure == null) {
            Piece piece = ready.isEmpty() ? prepare() : ready.peek();
            if (piece == null) {
                break;
            }
            try {
                if (!queue.submit(piece.request)) {
                    if (underWay == 0) {
                        queue.whenRoom(this::goOn);
                    }
                    return false;
                }
                ready.remove();
                underWay++;
            } catch (RuntimeException e) {
                failure = e;
            }
        }
        return underWay == 0;
    }

    private void take(Piece piece) {
        NvmeRequest request = piece.request;
        if (request.isSuccess()) {
            piece.attempts = 0;
            idle.add(piece);
        } else if (failure == null && request.status().isRetryable() && piece.attempts < retries) {
            piece.attempts++;
            ready.add(piece);
        } else if (failure == null) {
            failure = request.failure();
        }
    }

    private @Nullable Piece prepare() {
        Piece piece = prepared < blocks ? idle.poll() : null;
        if (piece == null) {
            return null;
        }
        long count = Math.min(blocks - prepared, NvmeRequest.mostBlocks(operation, namespace));
        NvmeBuffer data = buffer;
        if (data == null) {
            piece.request.prepare(operation, namespace, first + prepared, count);
        } else {
            piece.request.transfer(
                    operation, namespace, first + prepared, count, data, prepared << namespace.blockShift());
        }
        prepared += count;
        ready.add(piece);
        return piece;
    }
}
