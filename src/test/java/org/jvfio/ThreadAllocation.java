package org.jvfio;

import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;

/** What the current thread has allocated on the heap. */
public final class ThreadAllocation {
    private static final Object THREADS;
    private static final Method ALLOCATED;

    static {
        try {
            // The library does not require the modules of these classes.
            THREADS = Class.forName("java.lang.management.ManagementFactory")
                    .getMethod("getThreadMXBean")
                    .invoke(null);
            ALLOCATED = Class.forName("com.sun.management.ThreadMXBean").getMethod("getCurrentThreadAllocatedBytes");
        } catch (ClassNotFoundException
                | NoSuchMethodException
                | IllegalAccessException
                | InvocationTargetException e) {
            throw new ExceptionInInitializerError(e);
        }
    }

    private ThreadAllocation() {}

    /** Bytes since the thread began, with a few for each call of this. */
    public static long bytes() {
        try {
            return (long) ALLOCATED.invoke(THREADS);
        } catch (IllegalAccessException | InvocationTargetException e) {
            throw new IllegalStateException("this JVM does not count what threads allocate", e);
        }
    }
}
