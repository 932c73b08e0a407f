package org.jvfio.driver.nvme;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.PriorityQueue;

/** Actions that one thread runs at a time each, or all at once when it ends. */
final class DelayedTasks {
    // Times of System.nanoTime are compared by their difference.
    private static final long ORIGIN = System.nanoTime();

    private record Task(long dueNanos, Runnable action) {
        private long order() {
            return dueNanos - ORIGIN;
        }
    }

    /** Guarded by this, as {@link #isClosed}. */
    private final PriorityQueue<Task> tasks = new PriorityQueue<>(Comparator.comparingLong(Task::order));

    private boolean isClosed;

    /** Adds an action; false if nobody will run it. */
    synchronized boolean add(long delayNanos, Runnable action) {
        return !isClosed && tasks.add(new Task(System.nanoTime() + delayNanos, action));
    }

    /** The time until the next action is due, at most a limit; 0 if one is. */
    synchronized long nanosToNext(long limit) {
        Task next = tasks.peek();
        return next == null ? limit : Math.clamp(next.dueNanos - System.nanoTime(), 0, limit);
    }

    /** Runs the actions that are due. */
    void runDue() {
        take(System.nanoTime(), false).forEach(Runnable::run);
    }

    /** Runs all actions, and accepts no more. */
    void close() {
        take(0, true).forEach(Runnable::run);
    }

    private synchronized List<Runnable> take(long now, boolean all) {
        isClosed |= all;
        List<Runnable> due = new ArrayList<>();
        for (Task next = tasks.peek(); next != null && (all || next.dueNanos - now <= 0); next = tasks.peek()) {
            due.add(next.action);
            tasks.remove();
        }
        return due;
    }
}
