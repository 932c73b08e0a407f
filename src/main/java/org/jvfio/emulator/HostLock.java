package org.jvfio.emulator;

import java.util.Arrays;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.Lock;
import java.util.concurrent.locks.ReentrantLock;

/**
 * The lock of an emulated host, which guards all its state, and below it a lock for the IOMMU of each container.
 * Whoever holds the host's lock holds all of these too, so that calls which only map and unmap in one container can
 * hold that container's alone: they run side by side with those of other containers, and with nothing else.
 */
final class HostLock {
    private final ReentrantLock host = new ReentrantLock();
    private final Condition changed = host.newCondition();
    // Guarded by host. Replaced as a whole.
    private Lock[] iommus = {};

    /** Acquires the lock; reentrant. The caller holds no IOMMU's lock alone. */
    void lock() {
        host.lock();
        if (host.getHoldCount() == 1) {
            lockIommus();
        }
    }

    void unlock() {
        if (host.getHoldCount() == 1) {
            unlockIommus();
        }
        host.unlock();
    }

    /** Whether the calling thread holds the lock. */
    boolean isHeld() {
        return host.isHeldByCurrentThread();
    }

    /** Whether the next {@link #unlock} releases the lock; the caller holds it. */
    boolean isHeldOnce() {
        return host.getHoldCount() == 1;
    }

    private void lockIommus() {
        for (Lock each : iommus) {
            each.lock();
        }
    }

    private void unlockIommus() {
        for (Lock each : iommus) {
            each.unlock();
        }
    }

    /** Adds the lock of an IOMMU; the caller holds this lock, and so from now on that one too. */
    void add(Lock iommu) {
        iommu.lock();
        iommus = Arrays.copyOf(iommus, iommus.length + 1);
        iommus[iommus.length - 1] = iommu;
    }

    /** Removes the lock of an IOMMU that is released; the caller holds this lock. */
    void remove(Lock iommu) {
        iommus = Arrays.stream(iommus).filter(each -> !each.equals(iommu)).toArray(Lock[]::new);
        iommu.unlock();
    }

    /** Releases the lock until a descriptor may have become ready, for a caller that checks in a loop. */
    @SuppressWarnings("WaitNotInLoop")
    void awaitChange() throws InterruptedException {
        unlockIommus();
        try {
            changed.await();
        } finally {
            lockIommus();
        }
    }

    /** As {@link #awaitChange()}, for a time at most: returns what remains of it. */
    @SuppressWarnings("WaitNotInLoop")
    long awaitChange(long nanos) throws InterruptedException {
        unlockIommus();
        try {
            return changed.awaitNanos(nanos);
        } finally {
            lockIommus();
        }
    }

    /** Wakes the threads that wait for a descriptor to become ready. The caller holds this lock. */
    void signalChange() {
        changed.signalAll();
    }
}
