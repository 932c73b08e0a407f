package org.jvfio;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.ref.WeakReference;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.jvfio.VfioException.Kind;
import org.jvfio.kernel.Errno;
import org.jvfio.kernel.Kernel;
import org.jvfio.uapi.pollfd;
import org.jvfio.uapi.vfio_h;

/**
 * The interrupt thread of a device: polls the eventfds and notifies listeners. It is a platform thread, because a poll
 * would pin the carrier of a virtual thread. No other thread polls, so that a wait for an interrupt can be ended by a
 * timeout, by an interrupt of the thread, or by a close.
 *
 * <p>It refers to its listeners weakly: a device that was not closed must stay eligible for garbage collection, which
 * reports it.
 */
final class InterruptDispatcher implements AutoCloseable {
    private static final int WAKE = 0;

    /** The dispatcher whose thread this is. */
    private static final ThreadLocal<InterruptDispatcher> CURRENT = new ThreadLocal<>();

    /** Is called on the interrupt thread, without locks of the dispatcher. */
    interface Listener {
        /**
         * An eventfd was signalled.
         *
         * @param eventfd the index in the listener's eventfds
         * @param count the number of signals since the last call
         */
        void arrived(int eventfd, long count);

        /** No more signals will arrive. */
        void failed(VfioException reason);
    }

    /** A listener and its eventfds. */
    private record Source(WeakReference<Listener> listener, List<Descriptor> eventfds) {}

    private final Kernel kernel;
    private final String device;
    private final Descriptor wake;
    private final Thread thread;
    private final MemorySegment counter = Arena.ofAuto().allocate(ValueLayout.JAVA_LONG);

    // Guarded by this.
    private final List<Source> sources = new ArrayList<>();
    /**
     * The descriptors of the poll that is in flight, or was the last: the wake eventfd, then those of the sources in
     * order.
     */
    private MemorySegment pollfds = MemorySegment.NULL;

    private long changes = 1;
    private long changesPolled;
    private boolean polling;
    private boolean closed;
    private @Nullable VfioException failure;

    private InterruptDispatcher(Kernel kernel, String device, Descriptor wake) {
        this.kernel = kernel;
        this.device = device;
        this.wake = wake;
        this.thread =
                Thread.ofPlatform().daemon().name("interrupts of " + device).unstarted(this::run);
    }

    /**
     * Starts the thread of a device.
     *
     * @param asked what it is started for, as it follows "cannot"
     */
    static InterruptDispatcher start(Kernel kernel, String device, Supplier<String> asked) {
        Descriptor wake = Descriptor.eventfd(kernel, "the eventfd that wakes the dispatcher of " + device, asked);
        InterruptDispatcher dispatcher = new InterruptDispatcher(kernel, device, wake);
        try {
            dispatcher.thread.start();
        } catch (OutOfMemoryError e) {
            wake.close();
            throw e;
        }
        return dispatcher;
    }

    boolean isCurrentThread() {
        return Thread.currentThread() == thread;
    }

    /** Whether this is the interrupt thread of any device. */
    static boolean isInterruptThread() {
        return CURRENT.get() != null;
    }

    /** Polls eventfds from now on, and notifies their listener. */
    synchronized void add(Listener listener, List<Descriptor> eventfds) {
        if (failure != null) {
            throw failure;
        }
        sources.add(new Source(new WeakReference<>(listener), eventfds));
        changes++;
        wake.signal();
    }

    /** Stops polling the eventfds of a listener. When this returns no poll knows them, and they may be closed. */
    synchronized void remove(Listener listener) {
        if (sources.removeIf(source -> source.listener.refersTo(listener))) {
            changes++;
            awaitEndOfPoll();
        }
    }

    /** Ends the thread, without waiting for a listener that is running. */
    @Override
    public synchronized void close() {
        if (closed) {
            return;
        }
        closed = true;
        changes++;
        awaitEndOfPoll();
        wake.close();
    }

    /** Waits until no poll is in flight that was begun before the last change. */
    private void awaitEndOfPoll() {
        // Whether or not a poll is in flight: which calls are made must not depend on time, so that they can be
        // replayed.
        wake.signal();
        long wanted = changes;
        boolean interrupted = false;
        while (polling && changesPolled < wanted) {
            try {
                wait();
            } catch (InterruptedException _) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    private void run() {
        CURRENT.set(this);
        try {
            while (beginPoll()) {
                endPoll(kernel.poll(polled(), -1));
                int from = WAKE + 1;
                while (from > 0) {
                    from = takeNext(from);
                }
            }
        } catch (VfioException e) {
            fail(e);
            throw e;
        } catch (RuntimeException | Error e) {
            fail(new VfioException(
                    Kind.GONE,
                    "wait for interrupts of " + device,
                    "the interrupt thread has ended: " + e,
                    "close the device, and open it again"));
            throw e;
        }
    }

    private synchronized boolean beginPoll() {
        if (closed || failure != null) {
            return false;
        }
        if (changesPolled != changes) {
            changesPolled = changes;
            pollfds = newPollfds();
        }
        polling = true;
        return true;
    }

    private MemorySegment newPollfds() {
        List<Descriptor> all = new ArrayList<>();
        all.add(wake);
        sources.forEach(source -> all.addAll(source.eventfds));
        MemorySegment array = Arena.ofAuto().allocate(pollfd.layout(), all.size());
        for (int each = 0; each < all.size(); each++) {
            MemorySegment entry = pollfd.asSlice(array, each);
            pollfd.fd(entry, all.get(each).number());
            pollfd.events(entry, (short) vfio_h.POLLIN);
        }
        return array;
    }

    private synchronized MemorySegment polled() {
        return pollfds;
    }

    private synchronized void endPoll(int answer) {
        polling = false;
        notifyAll();
        if (closed) {
            return;
        }
        if (answer == Errno.EINTR.negated()) {
            // A handler has left the thread interrupted. The next poll finds the signals.
            Thread.interrupted();
            changes++;
        } else if (answer < 0) {
            throw VfioException.failed("wait for interrupts of " + device, "poll", answer, Cause.of(answer, Cause::of));
        } else if (isReady(WAKE)) {
            take(wake);
        }
    }

    private boolean isReady(int entry) {
        return pollfds.get(ValueLayout.JAVA_SHORT, entry * pollfd.sizeof() + pollfd.revents$offset()) != 0;
    }

    /**
     * Takes the signals of the next eventfd that has some, and notifies its listener.
     *
     * @param from the first entry of the poll to check
     * @return the entry to continue with; 0 if there are no more, or the sources have changed since the poll
     */
    private int takeNext(int from) {
        Listener listener;
        int vector;
        long count;
        synchronized (this) {
            if (closed || changes != changesPolled) {
                return 0;
            }
            int first = WAKE + 1;
            int at = 0;
            int entry = from;
            while (at < sources.size()
                    && entry >= first + sources.get(at).eventfds.size()) {
                first += sources.get(at).eventfds.size();
                at++;
            }
            if (at == sources.size()) {
                return 0;
            }
            Source source = sources.get(at);
            vector = entry - first;
            if (!isReady(entry)) {
                return entry + 1;
            }
            listener = source.listener.get();
            if (listener == null) {
                sources.remove(at);
                changes++;
                return 0;
            }
            count = take(source.eventfds.get(vector));
            from = entry + 1;
        }
        if (count != 0) {
            listener.arrived(vector, count);
        }
        return from;
    }

    /** Reads and clears the counter of an eventfd: the number of signals. */
    private long take(Descriptor eventfd) {
        long answer = kernel.read(eventfd.number(), counter);
        if (answer == Errno.EAGAIN.negated()) {
            return 0;
        }
        if (answer != Long.BYTES) {
            throw VfioException.failed(
                    "take an interrupt of " + device, "read(" + eventfd + ")", answer, Cause.of(answer, Cause::of));
        }
        return counter.get(ValueLayout.JAVA_LONG, 0);
    }

    private void fail(VfioException reason) {
        List<Source> failed;
        synchronized (this) {
            failure = reason;
            polling = false;
            notifyAll();
            failed = List.copyOf(sources);
        }
        for (Source source : failed) {
            Listener listener = source.listener.get();
            if (listener != null) {
                listener.failed(reason);
            }
        }
    }
}
