package org.jvfio.driver.nvme;

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
}
