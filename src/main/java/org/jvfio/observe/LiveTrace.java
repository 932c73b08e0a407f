package org.jvfio.observe;

import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.Queue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;

/**
 * A sink whose frames a thread decodes and passes on to a listener, soon after the calls. Where it cannot keep up,
 * calls wait for it.
 */
final class LiveTrace implements FrameSink {
    private static final int CHUNK = 64 << 10;
    private static final int MAX_WAITING = 128;
    private static final long MAX_DELAY_NANOS = TimeUnit.MILLISECONDS.toNanos(20);

    /** Frames of a chunk; its first ones come with the base of all times in it. */
    private static final class Part {
        private final byte[] bytes;
        private final int length;
        private final boolean first;
        private final long time;

        private Part(byte[] bytes, int length, boolean first, long time) {
            this.bytes = bytes;
            this.length = length;
            this.first = first;
            this.time = time;
        }
    }

    private final CallDecoder decoder;
    private final AtomicReference<@Nullable Throwable> failure = new AtomicReference<>();
    private final Thread thread;
    // Guarded by this. The log's lock is held around it.
    private final Queue<Part> waiting = new ArrayDeque<>();
    private byte[] current = new byte[CHUNK];
    private int used;
    private long time;
    private boolean begun;
    private boolean first;
    private boolean ended;

    LiveTrace(CallDecoder.Listener listener) {
        decoder = new CallDecoder(listener);
        thread = Thread.ofPlatform().daemon().name("jvfio trace").unstarted(this::run);
        thread.start();
    }

    @Override
    public synchronized boolean prepare(int bytes, long nanos) {
        if (begun && used + bytes <= current.length) {
            return false;
        }
        handOver(current);
        boolean interrupted = false;
        while (waiting.size() >= MAX_WAITING && failure.get() == null) {
            try {
                wait();
            } catch (InterruptedException _) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
        current = new byte[Math.max(CHUNK, bytes)];
        time = nanos;
        begun = true;
        first = true;
        return true;
    }

    @Override
    public synchronized void append(byte[] frame, int length) {
        int needed = used + length + Integer.BYTES + 1;
        if (needed > current.length) {
            current = Arrays.copyOf(current, Math.max(needed, 2 * current.length));
        }
        int left = length;
        while ((left & ~0x7f) != 0) {
            current[used++] = (byte) (left | 0x80);
            left >>>= 7;
        }
        current[used++] = (byte) left;
        System.arraycopy(frame, 0, current, used, length);
        used += length;
    }

    /** Passes on what the current chunk has, if anything. More of it may follow. */
    private void handOver(byte[] frames) {
        if (used > 0) {
            if (failure.get() == null) {
                waiting.add(new Part(frames, used, first, time));
            }
            notifyAll();
        }
        used = 0;
        first = false;
    }

    private synchronized @Nullable Part next() throws InterruptedException {
        long end = System.nanoTime() + MAX_DELAY_NANOS;
        for (long left = MAX_DELAY_NANOS; waiting.isEmpty() && !ended && left > 0; left = end - System.nanoTime()) {
            TimeUnit.NANOSECONDS.timedWait(this, left);
        }
        if (waiting.isEmpty()) {
            handOver(Arrays.copyOf(current, used));
        }
        Part part = waiting.poll();
        notifyAll();
        return part;
    }

    private synchronized boolean isOver() {
        return ended && waiting.isEmpty() && used == 0;
    }

    private void run() {
        try {
            while (!isOver()) {
                Part part = next();
                if (part != null) {
                    if (part.first) {
                        decoder.chunk(part.time, false);
                    }
                    FrameReader frames = new FrameReader("the trace", part.bytes, 0, part.length);
                    while (frames.hasMore()) {
                        decoder.frame(frames.frame());
                    }
                }
            }
        } catch (InterruptedException | RecordException | RuntimeException | Error e) {
            failure.set(e);
            synchronized (this) {
                waiting.clear();
                notifyAll();
            }
        }
    }

    /** Why the listener got no more calls; null if it has got all. */
    @Nullable
    Throwable failure() {
        return failure.get();
    }

    /** Waits until the listener has all calls. */
    @Override
    public void close() {
        synchronized (this) {
            ended = true;
            notifyAll();
        }
        boolean interrupted = false;
        while (thread.isAlive()) {
            try {
                thread.join();
            } catch (InterruptedException _) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }
}
