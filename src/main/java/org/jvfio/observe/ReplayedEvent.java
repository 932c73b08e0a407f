package org.jvfio.observe;

import org.jvfio.kernel.Errno;
import org.jvfio.uapi.vfio_h;

/**
 * An eventfd of a record. Its counter is kept here and not taken from the record: how often a thread polls it, and how
 * many signals one read takes, depends on time. What the program writes is added when it is written, and what the host
 * signalled when the record has it. Guarded by the lock of the schedule.
 */
final class ReplayedEvent {
    private final boolean semaphore;
    private final boolean blocking;
    private long counter;
    private long signals;
    private long signalsTaken;
    private short polledFor;

    /** @param call that opens it */
    ReplayedEvent(RecordedCall call) {
        counter = Integer.toUnsignedLong((int) call.number(0));
        int flags = (int) call.number(1);
        semaphore = (flags & vfio_h.EFD_SEMAPHORE) != 0;
        blocking = (flags & vfio_h.EFD_NONBLOCK) == 0;
    }

    /** The events that the record polls it for; none if it does not. */
    short polledFor() {
        return polledFor;
    }

    void addPolledFor(short events) {
        polledFor |= events;
    }

    /** Whether a read waits until there is a signal. */
    boolean isBlocking() {
        return blocking;
    }

    /** The program has written a number. */
    void add(long number) {
        counter += number;
    }

    /** The host has signalled. */
    void signal(long count) {
        counter += count;
        signals += count;
    }

    boolean isSignalled() {
        return counter != 0;
    }

    /** How many of the host's signals have been read. */
    long signalsTaken() {
        return signalsTaken;
    }

    /** What a read gives: {@code -EAGAIN} as a negative number if there is nothing. */
    long take() {
        if (counter == 0) {
            return Errno.EAGAIN.negated();
        }
        long taken = semaphore ? 1 : counter;
        counter -= taken;
        signalsTaken += Math.min(taken, signals - signalsTaken);
        return taken;
    }
}
