package org.jvfio.driver.nvme;

import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;
import org.jvfio.Device;
import org.jvfio.DeviceCondition;
import org.jvfio.VfioException;
import org.jvfio.VfioException.Kind;

/**
 * The thread that checks a controller periodically: its health, command timeouts, completions whose interrupt was lost,
 * and asynchronous events.
 *
 * <p>Without it no command would time out, so the controller fails when the thread ends early, whatever the cause.
 */
final class Watchdog {
    private static final Duration ABORT_LIMIT = Duration.ofMillis(500);
    private static final long MIN_TICK_MILLIS = 1;
    private static final long MAX_TICK_MILLIS = 50;
    private static final long SLOW_NANOS = TimeUnit.MILLISECONDS.toNanos(500);
    // Between two polls of queues whose interrupts never come.
    private static final long POLL_NANOS = 20_000;
    private static final int NONE = CommandSlots.NONE;

    private final ControllerLifecycle owner;
    private final EventRequests events;
    private final Duration commandTimeout;
    private final Duration adminTimeout;
    private final AtomicInteger aborts = new AtomicInteger();
    private final AtomicReference<@Nullable VfioException> freeze = new AtomicReference<>();
    private final DelayedTasks tasks = new DelayedTasks();
    private final AtomicBoolean isWoken = new AtomicBoolean();
    private volatile boolean isStopped;
    private final Thread thread;
    private final Device device;
    private long checkedNanos = System.nanoTime();

    Watchdog(ControllerLifecycle owner, Device device, EventRequests events, NvmeOptions options) {
        this.owner = owner;
        this.device = device;
        this.events = events;
        commandTimeout = options.commandTimeout();
        adminTimeout = options.adminTimeout();
        thread = Thread.ofPlatform().daemon().name("nvme " + device).unstarted(this::run);
    }

    void start() {
        thread.start();
    }

    /** Ends the thread after the check it is at. */
    void stop() {
        isStopped = true;
        LockSupport.unpark(thread);
    }

    boolean isCurrentThread() {
        return thread.equals(Thread.currentThread());
    }

    /** Waits until the thread has ended; returns at once if it has not started. */
    void join() throws InterruptedException {
        thread.join();
    }

    /** The number of commands it has asked the controller to abort. */
    int aborts() {
        return aborts.get();
    }

    /**
     * Leaves a failure to this thread that another one has met, and that may be the effect of a frozen PE.
     *
     * @return false if the thread does not run
     */
    boolean takes(VfioException frozen) {
        if (!thread.isAlive() || owner.isOver()) {
            return false;
        }
        freeze.compareAndSet(null, frozen);
        wake();
        return true;
    }

    /** Runs an action after a delay, or when the thread ends; false if it has ended. */
    boolean runLater(long delayNanos, Runnable action) {
        boolean isAdded = tasks.add(delayNanos, action);
        wake();
        return isAdded;
    }

    private void wake() {
        isWoken.set(true);
        LockSupport.unpark(thread);
    }

    /** Drops a failure from before a recovery. */
    void forgetFreeze() {
        freeze.set(null);
    }

    private void run() {
        String operation = "watch " + owner;
        try {
            while (owner.state() != NvmeState.FAILED && sleep()) {
                tasks.runDue();
                check();
            }
        } catch (RuntimeException e) {
            owner.fail(operation, e);
        } catch (InterruptedException interrupted) {
            owner.fail(operation, new IllegalStateException("its watchdog thread was interrupted", interrupted));
        } catch (Error e) {
            owner.fail(operation, new IllegalStateException("its watchdog thread has ended: " + e, e));
            throw e;
        } finally {
            tasks.close();
        }
    }

    /**
     * Waits until the next check or action is due, and polls the queues whose interrupts never come meanwhile; false if
     * the thread is to end.
     */
    private boolean sleep() throws InterruptedException {
        long tick = owner.isPollingInstead()
                ? MIN_TICK_MILLIS
                : Math.clamp(commandTimeout.toMillis() / 4, MIN_TICK_MILLIS, MAX_TICK_MILLIS);
        long wait = tasks.nanosToNext(TimeUnit.MILLISECONDS.toNanos(tick));
        long end = System.nanoTime() + wait;
        for (long left = wait; left > 0 && !isStopped; left = end - System.nanoTime()) {
            if (Thread.interrupted()) {
                throw new InterruptedException();
            }
            if (isWoken.getAndSet(false)) {
                break;
            }
            boolean polls =
                    owner.state() == NvmeState.READY && owner.interrupts().pollSilent();
            LockSupport.parkNanos(polls ? Math.min(left, POLL_NANOS) : left);
        }
        return !isStopped;
    }

    private void check() {
        if (owner.state() != NvmeState.READY) {
            return;
        }
        VfioException met = freeze.getAndSet(null);
        if (met != null) {
            owner.recover(met);
            return;
        }
        Optional<ControllerHealth> health = owner.healthIfReady();
        if (health.isEmpty()) {
            return;
        }
        switch (health.get()) {
            case UNREACHABLE -> resetUnlessFrozen("its registers read all ones");
            case STOPPED -> resetUnlessFrozen("it stopped by itself");
            case RUNNING -> {
                owner.admin().poll();
                if (owner.options().completion() != NvmeCompletion.POLLED) {
                    // An interrupt may have been lost, or none may ever come, and no other thread polls.
                    owner.interrupts().pollAll(device);
                }
                checkTimeouts();
                events.process();
            }
        }
    }

    /** Resets a controller that responds, but does not run: its function was reset, or it stopped by itself. */
    private void resetUnlessFrozen(String reason) {
        if (!isFrozen()) {
            owner.reset(Kind.DEVICE_ERROR, reason);
        }
    }

    /** Checks the PE, whose DMA alone may be frozen, and recovers a controller that does not respond. */
    private boolean isFrozen() {
        DeviceCondition condition = device.condition();
        if (condition.isResponding()) {
            return false;
        }
        owner.recover(condition.failure("use " + owner));
        return true;
    }

    /** Whether a command is in flight for so long that the PE is to be checked: not at each tick, as it costs calls. */
    private boolean isSlow() {
        long now = System.nanoTime();
        if (now - checkedNanos < SLOW_NANOS) {
            return false;
        }
        checkedNanos = now;
        return owner.admin().timedOut(now, SLOW_NANOS) != NONE
                || owner.ioQueues().list().stream().anyMatch(queue -> queue.timedOut(now, SLOW_NANOS) != NONE);
    }

    private boolean hasTimedOut() {
        long now = System.nanoTime();
        return owner.admin().timedOut(now, adminTimeout.toNanos()) != NONE
                || owner.ioQueues().list().stream()
                        .anyMatch(queue -> queue.timedOut(now, commandTimeout.toNanos()) != NONE);
    }

    private void checkTimeouts() {
        if ((isSlow() || hasTimedOut()) && isFrozen()) {
            return;
        }
        if (owner.admin().timedOut(System.nanoTime(), adminTimeout.toNanos()) != NONE) {
            owner.reset(Kind.TIMEOUT, "an admin command timed out");
            return;
        }
        long limit = commandTimeout.toNanos();
        for (NvmeQueue queue : owner.ioQueues().list()) {
            if (queue.timedOut(System.nanoTime(), limit) != NONE) {
                // It may have completed unnoticed, where programs poll.
                queue.poll();
            }
            // Terminates: each iteration ends a command, and commands submitted meanwhile have not timed out.
            int identifier = queue.timedOut(System.nanoTime(), limit);
            while (identifier != NONE) {
                if (!abort(queue, identifier)) {
                    owner.reset(Kind.TIMEOUT, "a command timed out and could not be aborted");
                    return;
                }
                identifier = queue.timedOut(System.nanoTime(), limit);
            }
        }
    }

    /** Aborts a command; true if it is no longer in flight. */
    private boolean abort(NvmeQueue queue, int identifier) {
        if (!queue.markAborted(identifier)) {
            return true;
        }
        aborts.incrementAndGet();
        NvmeRequest abort = AdminQueue.abort(queue, identifier);
        long end = System.nanoTime() + ABORT_LIMIT.toNanos();
        if (!owner.admin().submit(abort)) {
            return false;
        }
        while (System.nanoTime() - end < 0) {
            owner.admin().poll();
            queue.poll();
            if (!queue.isInFlight(identifier)) {
                return true;
            }
            // Bit 0 of dword 0: the command was not aborted.
            if (abort.isDone() && (!abort.isSuccess() || (abort.result() & 1) != 0)) {
                return false;
            }
            ReusableCompletion.pause();
        }
        return !queue.isInFlight(identifier);
    }
}
