package org.jvfio.driver.nvme;

import java.time.Duration;

/** Something that waits, for methods that cannot be interrupted. */
interface Waiting {
    /** Waits once. */
    void run() throws InterruptedException;

    /** Waits until the end, and keeps the thread's interrupt status. */
    static void uninterruptibly(Waiting wait) {
        boolean interrupted = false;
        while (true) {
            try {
                wait.run();
                break;
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    /** Sleeps for all of a time, also in a thread that is interrupted or has a permit of LockSupport. */
    static void sleep(Duration time) {
        long end = System.nanoTime() + time.toNanos();
        uninterruptibly(() -> Thread.sleep(Duration.ofNanos(end - System.nanoTime())));
    }
}
