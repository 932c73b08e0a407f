package org.jvfio.observe.sanitize;

import java.lang.management.LockInfo;
import java.lang.management.ManagementFactory;
import java.lang.management.MonitorInfo;
import java.lang.management.ThreadInfo;
import java.lang.management.ThreadMXBean;
import java.util.ArrayList;
import java.util.List;

/**
 * The locks that the calling thread holds: monitors, and exclusive locks of {@code java.util.concurrent.locks}. The JVM
 * does not tell who holds a shared lock or a {@code StampedLock}, and nothing about virtual threads.
 */
final class HeldLocks {
    private static final boolean AVAILABLE = isAvailable();

    private HeldLocks() {}

    private static boolean isAvailable() {
        return ModuleLayer.boot().findModule("java.management").isPresent();
    }

    /**
     * Their classes, with the place where each monitor was locked; none where the JVM has no {@code java.management}.
     */
    static List<String> ofThisThread() {
        return AVAILABLE && !Thread.currentThread().isVirtual() ? Inspection.locks() : List.of();
    }

    /** Linked only where the module is there. */
    private static final class Inspection {
        private static final ThreadMXBean THREADS = ManagementFactory.getThreadMXBean();

        private static List<String> locks() {
            boolean monitors = THREADS.isObjectMonitorUsageSupported();
            boolean synchronizers = THREADS.isSynchronizerUsageSupported();
            ThreadInfo info =
                    THREADS.getThreadInfo(new long[] {Thread.currentThread().threadId()}, monitors, synchronizers)[0];
            List<String> locks = new ArrayList<>();
            if (info != null) {
                for (MonitorInfo monitor : info.getLockedMonitors()) {
                    locks.add("the monitor of a %s, locked in %s"
                            .formatted(monitor.getClassName(), monitor.getLockedStackFrame()));
                }
                for (LockInfo lock : info.getLockedSynchronizers()) {
                    locks.add("a " + lock.getClassName());
                }
            }
            return locks;
        }
    }
}
