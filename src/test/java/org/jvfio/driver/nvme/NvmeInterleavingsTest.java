package org.jvfio.driver.nvme;

import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.concurrent.locks.ReentrantLock;
import org.jetbrains.lincheck.LincheckAssertionError;
import org.jetbrains.lincheck.datastructures.ModelCheckingOptions;
import org.jetbrains.lincheck.datastructures.Operation;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.jvfio.fixture.Interleavings;

/**
 * All interleavings of a few calls, by Lincheck's model checker: the results must be those of some order of the calls.
 * For each check, a variant that breaks its rule must fail. It knows nothing of memory segments.
 */
@Tag("interleavings")
@Timeout(120)
class NvmeInterleavingsTest {
    private static ModelCheckingOptions options() {
        return Interleavings.options(400);
    }

    /** Threads that try to submit one request; one that succeeds owns it until it delivers it. */
    public static final class OneRequest {
        private final NvmeRequest request = new NvmeRequest().admin("test", 0, 0, 0, 0);
        private int owners;

        /** Whether no other thread owned the request while this one did. */
        @Operation
        public boolean use() {
            try {
                request.acquire();
            } catch (IllegalStateException inFlight) {
                return true;
            }
            owners++;
            boolean isAlone = owners == 1;
            owners--;
            request.deliver(true);
            return isAlone;
        }
    }

    /** What a request would be that checks its state, and then changes it. */
    public static final class UncheckedRequest {
        private volatile boolean inFlight;
        private int owners;

        /** As {@link OneRequest#use}. */
        @Operation
        public boolean use() {
            if (inFlight) {
                return true;
            }
            inFlight = true;
            owners++;
            boolean isAlone = owners == 1;
            owners--;
            inFlight = false;
            return isAlone;
        }
    }

    /** Commands in the two slots of a queue, guarded as by {@link NvmeQueue}. */
    public static final class GuardedSlots {
        private final ReentrantLock lock = new ReentrantLock();
        private final CommandSlots slots = new CommandSlots(2);

        /** Submits a command: its identifier, -1 if there is no slot. */
        @Operation
        public int submit() {
            lock.lock();
            try {
                return allocate(slots);
            } finally {
                lock.unlock();
            }
        }

        /** Completes the command that has the first identifier: whether it was in flight. */
        @Operation
        public boolean complete() {
            lock.lock();
            try {
                return release(slots);
            } finally {
                lock.unlock();
            }
        }
    }

    /** The same without the lock. */
    public static final class UnguardedSlots {
        private final CommandSlots slots = new CommandSlots(2);

        /** As {@link GuardedSlots#submit}. */
        @Operation
        public int submit() {
            return allocate(slots);
        }

        /** As {@link GuardedSlots#complete}. */
        @Operation
        public boolean complete() {
            return release(slots);
        }
    }

    private static int allocate(CommandSlots slots) {
        if (slots.isFull()) {
            return -1;
        }
        NvmeRequest request = new NvmeRequest();
        slots.allocate(request);
        return request.identifier;
    }

    private static boolean release(CommandSlots slots) {
        boolean isInFlight = slots.get(0) != null;
        if (isInFlight) {
            slots.release(0);
        }
        return isInFlight;
    }

    @Test
    void submit_guardedSlots_eachCommandHasItsOwn() {
        options().check(GuardedSlots.class);
    }

    @Test
    void submit_unguardedSlots_lincheckFindsTheRace() {
        assertThrows(LincheckAssertionError.class, () -> options().check(UnguardedSlots.class));
    }

    @Test
    void acquire_requestOfTwoThreads_oneOwnsIt() {
        options().check(OneRequest.class);
    }

    @Test
    void acquire_requestThatChecksBeforeItChanges_lincheckFindsTheRace() {
        assertThrows(LincheckAssertionError.class, () -> options().check(UncheckedRequest.class));
    }
}
