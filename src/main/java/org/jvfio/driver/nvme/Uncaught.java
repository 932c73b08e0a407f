package org.jvfio.driver.nvme;

/** What the callbacks of a program throw, which nobody of the driver can do anything about. */
final class Uncaught {
    private static final System.Logger LOGGER = System.getLogger("org.jvfio.driver.nvme");

    private Uncaught() {}

    /** Hands it to the uncaught exception handler of this thread, and returns whatever that does. */
    static void report(Throwable thrown) {
        Thread thread = Thread.currentThread();
        try {
            thread.getUncaughtExceptionHandler().uncaughtException(thread, thrown);
        } catch (Throwable ofHandler) {
            LOGGER.log(
                    System.Logger.Level.WARNING, "the uncaught exception handler of " + thread + " failed", ofHandler);
        }
    }
}
