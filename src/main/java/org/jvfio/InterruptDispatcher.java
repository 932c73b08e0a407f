package org.jvfio;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.ref.WeakReference;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.jvfio.kernel.Errno;
import org.jvfio.kernel.Kernel;
import org.jvfio.uapi.pollfd;
import org.jvfio.uapi.vfio_h;

/**
 * The thread of a device that polls the eventfds of its interrupts, and passes on what comes. It is a platform thread, as
 * a poll holds the carrier of a virtual one; and the only one that polls, so that any thread that waits for an interrupt can
 * be ended by a timeout, by being interrupted, or by closing.
 *
 * <p>It refers to its listeners weakly: a device that is forgotten open must be found by the garbage collector.
 */
final class InterruptDispatcher implements AutoCloseable {
    private static final int WAKE = 0;

    /** Who is told what has come on its eventfds: on the dispatcher's thread, with none of its locks held. */
    interface Listener {
        /**
         * An eventfd was signalled.
         *
         * @param eventfd which of the listener's, from 0
         * @param count how often, since it was told last
         */
        void arrived(int eventfd, long count);

        /** Nothing can come any more. */
        void failed(VfioException reason);
    }

    /** The interrupts of one type: who gets them, and the eventfd of each vector. */
    private record Source(WeakReference<Listener> listener, List<Descriptor> eventfds) {}

    private final Kernel kernel;
    private final String device;
    private final Descriptor wake;
    private final Thread thread;
    private final MemorySegment counter = Arena.ofAuto().allocate(ValueLayout.JAVA_LONG);

    // All below is guarded by this.
    private final List<Source> sources = new ArrayList<>();
    /** The wake eventfd, then those of the sources in their order; what the poll that is under way, or was last, is of. */
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

    /** Starts the thread of a device. */
    static InterruptDispatcher start(Kernel kernel, String device, String asked) {
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

    /** Passes on what comes on these eventfds from now on. */
    synchronized void add(Listener listener, List<Descriptor> eventfds) {
        if (failure != null) {
            throw failure;
        }
        sources.add(new Source(new WeakReference<>(listener), eventfds));
        changes++;
        wake.signal();
    }

    /** No longer polls the eventfds of this listener, which may be closed when this returns. */
    synchronized void remove(Listener listener) {
        if (sources.removeIf(source -> source.listener.refersTo(listener))) {
            changes++;
            awaitEndOfPoll();
        }
    }

    /** Ends the thread; a handler that is running is not waited for. */
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

    /** Waits until no poll is under way that knows less than all changes. */
    private void awaitEndOfPoll() {
        if (polling) {
            wake.signal();
        }
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
        try {
            while (beginPoll()) {
                endPoll(kernel.poll(polled(), -1));
                int from = WAKE + 1;
                while (from > 0) {
                    from = passOn(from);
                }
            }
        } catch (VfioException e) {
            fail(e);
            throw e;
        } catch (RuntimeException | Error e) {
            fail(new VfioException(
                    "wait for interrupts of " + device,
                    "the thread that waits for them has ended: " + e,
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
            pollfds = describe();
        }
        polling = true;
        return true;
    }

    private MemorySegment describe() {
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
            // A handler has left its thread interrupted; what there is is seen at the next poll.
            Thread.interrupted();
            changes++;
        } else if (answer < 0) {
            throw VfioException.failed("wait for interrupts of " + device, "poll", answer, Cause.unknown());
        } else if (isReady(WAKE)) {
            take(wake);
        }
    }

    private boolean isReady(int entry) {
        return pollfds.get(ValueLayout.JAVA_SHORT, entry * pollfd.sizeof() + pollfd.revents$offset()) != 0;
    }

    /**
     * Takes the next interrupts and passes them on.
     *
     * @param from the first entry of the poll to look at
     * @return the entry to go on with; 0 if there are no more, or the poll is no longer of what there is
     */
    private int passOn(int from) {
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

    /** Takes the counter of an eventfd: how often it was signalled since. */
    private long take(Descriptor eventfd) {
        long answer = kernel.read(eventfd.number(), counter);
        if (answer == Errno.EAGAIN.negated()) {
            return 0;
        }
        if (answer != Long.BYTES) {
            throw VfioException.failed(
                    "take an interrupt of " + device, "read(" + eventfd + ")", answer, Cause.unknown());
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
