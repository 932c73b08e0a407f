package org.jvfio.observe;

import java.lang.foreign.MemorySegment;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/**
 * Encodes calls as they begin and end, of all threads in one order, and passes the frames on to a sink. One lock guards
 * the frame, the sink and the names of open files; it is held while a frame is encoded, never during a call.
 */
final class CallLog implements AutoCloseable {
    /** A thread that makes calls. */
    private static final class Caller {
        private final int number;
        private final String name;
        // The chunk that has the thread's name. Guarded by the log's lock.
        private long namedIn = -1;

        private Caller(int number, String name) {
            this.number = number;
            this.name = name;
        }
    }

    /** What a decorator adds to a log besides its calls. Called with the lock held. */
    interface Companion {
        /** Adds frames in front of the beginning or the end of a call: whether there were any. */
        boolean addChanges(CallLog log, long nanos);
    }

    private static final Companion NONE = (log, nanos) -> false;
    // What is named again in each chunk takes at most a quarter of it.
    private static final int MAX_FILES = 1000;
    private static final int MAX_NAME = 200;
    // A char takes at most three bytes in UTF-8.
    private static final int MAX_CHAR = 3;

    private final FrameSink sink;
    private final boolean timesPosted;
    private final ReentrantLock lock = new ReentrantLock();
    private final Frame frame = new Frame();
    private final Frame naming = new Frame();
    private final Map<Integer, String> files = new TreeMap<>();
    private final AtomicInteger threads = new AtomicInteger();
    private final ThreadLocal<Caller> callers = ThreadLocal.withInitial(
            () -> new Caller(threads.getAndIncrement(), Thread.currentThread().getName()));
    private final long start = System.nanoTime();
    private Companion companion = NONE;
    private long chunk;
    private long last;
    private boolean closed;

    /** @param timesPosted whether the ends of posted writes have their time, and not that of the event before */
    CallLog(FrameSink sink, boolean timesPosted) {
        this.sink = sink;
        this.timesPosted = timesPosted;
    }

    void accompany(Companion newCompanion) {
        lock.lock();
        try {
            companion = newCompanion;
        } finally {
            lock.unlock();
        }
    }

    void begin(CallKind kind, long first) {
        lock.lock();
        try {
            append(beginFrame(kind, first, 0));
        } finally {
            lock.unlock();
        }
    }

    void begin(CallKind kind, long first, long second) {
        lock.lock();
        try {
            append(beginFrame(kind, first, 0).signed(second));
        } finally {
            lock.unlock();
        }
    }

    void begin(CallKind kind, long first, long second, long third) {
        lock.lock();
        try {
            append(beginFrame(kind, first, 0).signed(second).signed(third));
        } finally {
            lock.unlock();
        }
    }

    void begin(CallKind kind, long[] numbers) {
        lock.lock();
        try {
            beginFrame(kind, numbers[0], 0);
            for (int each = 1; each < numbers.length; each++) {
                frame.signed(numbers[each]);
            }
            append(frame);
        } finally {
            lock.unlock();
        }
    }

    void begin(CallKind kind, long first, MemorySegment bytes) {
        lock.lock();
        try {
            append(beginFrame(kind, first, bytes.byteSize()).data(bytes, bytes.byteSize()));
        } finally {
            lock.unlock();
        }
    }

    void begin(CallKind kind, long first, long second, MemorySegment bytes) {
        lock.lock();
        try {
            append(beginFrame(kind, first, bytes.byteSize()).signed(second).data(bytes, bytes.byteSize()));
        } finally {
            lock.unlock();
        }
    }

    void begin(CallKind kind, long first, long second, long third, MemorySegment bytes) {
        lock.lock();
        try {
            append(beginFrame(kind, first, bytes.byteSize())
                    .signed(second)
                    .signed(third)
                    .data(bytes, bytes.byteSize()));
        } finally {
            lock.unlock();
        }
    }

    void begin(CallKind kind, long number, String text) {
        lock.lock();
        try {
            append(beginFrame(kind, number, bytes(text)).text(text));
        } finally {
            lock.unlock();
        }
    }

    void begin(CallKind kind, String text) {
        lock.lock();
        try {
            append(header(Frame.BEGIN, kind, bytes(text)).text(text));
        } finally {
            lock.unlock();
        }
    }

    private Frame beginFrame(CallKind kind, long first, long bytes) {
        return header(Frame.BEGIN, kind, bytes).signed(first);
    }

    private static long bytes(String text) {
        return (long) text.length() * MAX_CHAR;
    }

    /** Ends the call of this thread with a result, and the bytes that it has written, if any. */
    void end(long result, @Nullable MemorySegment written, long bytes) {
        lock.lock();
        try {
            header(Frame.END, null, bytes).octet(Outcome.RETURNED.number()).signed(result);
            if (written != null) {
                frame.octet(1).data(written, bytes);
            } else {
                frame.octet(0);
            }
            append(frame);
        } finally {
            lock.unlock();
        }
    }

    void end(long result) {
        end(result, null, 0);
    }

    /**
     * Ends a write of a register, which is posted: how long it took says nothing, and reading the clock takes a good
     * part of the time that logging takes.
     */
    void endPosted(long result) {
        if (timesPosted) {
            end(result);
            return;
        }
        lock.lock();
        try {
            append(header(Frame.END, null, 0, last)
                    .octet(Outcome.RETURNED.number())
                    .signed(result)
                    .octet(0));
        } finally {
            lock.unlock();
        }
    }

    /** Ends a call that opened a file, or failed to. */
    void endOpening(int descriptor, String name) {
        lock.lock();
        try {
            end(descriptor);
            if (descriptor >= 0) {
                files.put(descriptor, name);
                prepare(Frame.MAX_OTHER + MAX_NAME * MAX_CHAR, last);
                append(naming(Frame.FILE, descriptor, name));
            }
        } finally {
            lock.unlock();
        }
    }

    /** Ends a call that closed a file. */
    void endClosing(int descriptor, int result) {
        lock.lock();
        try {
            end(result);
            files.remove(descriptor);
        } finally {
            lock.unlock();
        }
    }

    /** Ends a call that returned a text or threw an exception. */
    void end(Outcome outcome, String text) {
        lock.lock();
        try {
            append(header(Frame.END, null, bytes(text))
                    .octet(outcome.number())
                    .signed(0)
                    .octet(1)
                    .text(text));
        } finally {
            lock.unlock();
        }
    }

    /** Has the companion add what it has now, during a call: whether there was something. */
    boolean addChanges() {
        lock.lock();
        try {
            return !closed && companion.addChanges(this, System.nanoTime() - start);
        } finally {
            lock.unlock();
        }
    }

    /**
     * Adds a change of memory. Called by the companion, with the lock held.
     *
     * @param bytes at most {@link Frame#MAX_DATA}
     */
    void memory(long address, MemorySegment bytes, long nanos) {
        prepare(Frame.MAX_OTHER + (int) bytes.byteSize(), nanos);
        append(naming.start(Frame.MEMORY).unsigned(address).data(bytes, bytes.byteSize()));
    }

    /** Begins the frame of an event of this thread, with what has to be in front of it in the sink. */
    private Frame header(byte type, @Nullable CallKind kind, long bytes) {
        return header(type, kind, bytes, System.nanoTime() - start);
    }

    private Frame header(byte type, @Nullable CallKind kind, long bytes, long nanos) {
        Caller caller = callers.get();
        companion.addChanges(this, nanos);
        prepare(Frame.MAX_OTHER + (int) Math.min(bytes, Frame.MAX_DATA), nanos);
        if (caller.namedIn != chunk) {
            prepare(2 * Frame.MAX_OTHER + MAX_NAME * MAX_CHAR + (int) Math.min(bytes, Frame.MAX_DATA), nanos);
            caller.namedIn = chunk;
            append(naming(Frame.THREAD, caller.number, caller.name));
        }
        frame.start(type);
        if (kind != null) {
            frame.octet(kind.number());
        }
        frame.unsigned(caller.number).signed(nanos - last);
        last = nanos;
        return frame;
    }

    private void prepare(int bytes, long nanos) {
        if (!closed && sink.prepare(bytes + Integer.BYTES, nanos)) {
            chunk++;
            last = nanos;
            files.entrySet().stream()
                    .limit(MAX_FILES)
                    .forEach(file -> append(naming(Frame.FILE, file.getKey(), file.getValue())));
        }
    }

    private Frame naming(byte type, int number, String name) {
        return naming.start(type).unsigned(number).text(name.substring(0, Math.min(name.length(), MAX_NAME)));
    }

    private void append(Frame complete) {
        if (!closed) {
            sink.append(complete.bytes(), complete.length());
        }
    }

    /** Ends the log; later calls are not in it. */
    @Override
    public void close() {
        lock.lock();
        try {
            if (!closed) {
                closed = true;
                sink.close();
            }
        } finally {
            lock.unlock();
        }
    }
}
