package org.jvfio.driver.nvme;

/** Exceptions thrown by callbacks of the program, which the driver cannot handle. */
final class Uncaught {
    private static final System.Logger LOGGER = System.getLogger("org.jvfio.driver.nvme");

    private Uncaught() {}

    /** Passes an exception to the uncaught exception handler of this thread; returns whatever the handler does. */
    static void report(Throwable thrown) {
        Thread thread = Thread.currentThread();
        try {
            thread.getUncaughtExceptionHandler().uncaughtException(thread, thrown);
        } catch (Throwable fromHandler) {
            LOGGER.log(
                    System.Logger.Level.WARNING,
                    "the uncaught exception handler of " + thread + " failed",
                    fromHandler);
        }
    }
}
