package org.jvfio.emulator;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.ReentrantLock;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class HostLockTest {
    private final HostLock host = new HostLock();
    private final ReentrantLock iommu = new ReentrantLock();
    private final ExecutorService other = Executors.newSingleThreadExecutor();

    @AfterEach
    void stop() {
        other.shutdownNow();
    }

    private void add() {
        host.lock();
        host.add(iommu);
        host.unlock();
    }

    /** Whether another thread can hold the lock of the IOMMU alone. */
    private boolean isFree() throws Exception {
        return other.submit(() -> {
                    boolean acquired = iommu.tryLock();
                    if (acquired) {
                        iommu.unlock();
                    }
                    return acquired;
                })
                .get();
    }

    @Test
    void lock_iommuAdded_holdsItUntilTheLastUnlock() throws Exception {
        host.lock();
        host.add(iommu);
        host.lock();
        assertTrue(iommu.isHeldByCurrentThread());
        host.unlock();
        assertFalse(isFree());
        host.unlock();
        assertTrue(isFree());
    }

    @Test
    void lock_iommuRemoved_leavesItAlone() throws Exception {
        add();
        host.lock();
        host.remove(iommu);
        assertTrue(isFree());
        host.unlock();
        host.lock();
        assertTrue(isFree());
        host.unlock();
    }

    @Test
    void lock_iommuHeldByACall_waitsForItsEnd() throws Exception {
        add();
        Future<Boolean> locked;
        iommu.lock();
        try {
            locked = other.submit(() -> {
                host.lock();
                boolean held = iommu.isHeldByCurrentThread();
                host.unlock();
                return held;
            });
            while (!iommu.hasQueuedThreads()) {
                Thread.onSpinWait();
            }
            assertFalse(locked.isDone());
        } finally {
            iommu.unlock();
        }
        assertTrue(locked.get());
    }

    @Test
    void awaitChange_iommuAdded_isReleasedMeanwhile() throws Exception {
        add();
        Future<Boolean> waiter = other.submit(() -> {
            host.lock();
            try {
                host.awaitChange();
                return iommu.isHeldByCurrentThread();
            } finally {
                host.unlock();
            }
        });
        for (boolean signalled = false; !waiter.isDone(); signalled = true) {
            // Acquired only while the other thread waits, or before or after it all.
            assertTrue(iommu.tryLock(10, TimeUnit.SECONDS) || signalled);
            iommu.unlock();
            host.lock();
            host.signalChange();
            host.unlock();
        }
        assertTrue(waiter.get());
        host.lock();
        assertEquals(0, Math.max(0, host.awaitChange(1)), "time is over");
        assertTrue(iommu.isHeldByCurrentThread());
        host.unlock();
    }
}
