package org.jvfio.driver.nvme;

import static org.openjdk.jcstress.annotations.Expect.ACCEPTABLE;
import static org.openjdk.jcstress.annotations.Expect.ACCEPTABLE_INTERESTING;
import static org.openjdk.jcstress.annotations.Expect.FORBIDDEN;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.III_Result;
import org.openjdk.jcstress.infra.results.II_Result;

/**
 * What a controller writes and the driver polls, and what one thread completes and another one polls: whoever sees that
 * a command is complete sees its completion and its data. Beside each rule a variant that breaks it, whose forbidden
 * outcome must be found.
 */
public final class CompletionStress {
    private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final int ENTRIES = 4;
    private static final int PHASE = 1 << 16;

    private CompletionStress() {}

    /** A controller that has one command, whose data is 1 and whose result is 7. */
    private static final class Memory {
        final MemorySegment ring = MemorySegment.ofArray(new long[2 * ENTRIES]);
        final MemorySegment data = MemorySegment.ofArray(new long[1]);

        /** The data first, the half of an entry with the phase tag last. */
        void complete(int entry) {
            long at = (long) entry * QueueLayout.COMPLETION_BYTES;
            data.set(LONG, 0, entry + 1L);
            VarHandle.releaseFence();
            ring.set(LONG, at, 7);
            VarHandle.releaseFence();
            ring.set(LONG, at + Long.BYTES, (long) PHASE << Integer.SIZE);
        }
    }

    /** The driver's completion queue. */
    @JCStressTest
    @Outcome(id = "0, 0, 0", expect = ACCEPTABLE, desc = "not complete yet")
    @Outcome(id = "1, 7, 1", expect = ACCEPTABLE, desc = "complete")
    @Outcome(expect = FORBIDDEN, desc = "read before the phase tag")
    @State
    public static class Entry {
        private final Memory memory = new Memory();
        private final CompletionQueue queue = new CompletionQueue(index -> {}, 0, ENTRIES, memory.ring, 0);

        /** Writes the entry. */
        @Actor
        public void controller() {
            memory.complete(0);
        }

        /** Polls once. */
        @Actor
        public void driver(III_Result result) {
            if (queue.next()) {
                result.r1 = 1;
                result.r2 = queue.result();
                result.r3 = (int) memory.data.get(LONG, 0);
            }
        }
    }

    /** Two entries, which one fence orders if both are found at once. */
    @JCStressTest
    @Outcome(
            id = {"0, 0, 0", "1, 7, 1", "1, 7, 2"},
            expect = ACCEPTABLE,
            desc = "the first, or none")
    @Outcome(id = "2, 7, 2", expect = ACCEPTABLE, desc = "both")
    @Outcome(expect = FORBIDDEN, desc = "read before the phase tag")
    @State
    public static class TwoEntries {
        private final Memory memory = new Memory();
        private final CompletionQueue queue = new CompletionQueue(index -> {}, 0, ENTRIES, memory.ring, 0);

        /** Writes both. */
        @Actor
        public void controller() {
            memory.complete(0);
            memory.complete(1);
        }

        /** Polls until there is none: how many there were, and what the last one has. */
        @Actor
        public void driver(III_Result result) {
            while (queue.next()) {
                result.r1++;
                result.r2 = queue.result();
                result.r3 = (int) memory.data.get(LONG, 0);
                queue.advance();
            }
        }
    }

    /** The order that POWER may give plain reads, and a compiler too: the phase tag last. */
    @JCStressTest
    @Outcome(id = "0, 0, 0", expect = ACCEPTABLE, desc = "not complete yet")
    @Outcome(id = "1, 7, 1", expect = ACCEPTABLE, desc = "complete")
    @Outcome(expect = ACCEPTABLE_INTERESTING, desc = "found: read before the phase tag")
    @State
    public static class EntryBeforePhase {
        private final Memory memory = new Memory();

        /** Writes the entry. */
        @Actor
        public void controller() {
            memory.complete(0);
        }

        /** Polls once. */
        @Actor
        public void driver(III_Result result) {
            int data = (int) memory.data.get(LONG, 0);
            int first = memory.ring.get(INT, 0);
            VarHandle.fullFence();
            if ((memory.ring.get(INT, 12) & PHASE) != 0) {
                result.r1 = 1;
                result.r2 = first;
                result.r3 = data;
            }
        }
    }

    /** A request that the thread completes that polls the queue, without waking, and another thread checks. */
    @JCStressTest
    @Outcome(id = "0, 0", expect = ACCEPTABLE, desc = "not done yet")
    @Outcome(id = "1, 1", expect = ACCEPTABLE, desc = "done")
    @Outcome(expect = FORBIDDEN, desc = "done, without its data")
    @State
    public static class Delivery {
        private final MemorySegment data = MemorySegment.ofArray(new long[1]);
        private final NvmeRequest request = new NvmeRequest().admin("stress", 0, 0, 0, 0);

        /** Puts it in flight. */
        public Delivery() {
            request.acquire();
        }

        /** Completes it. */
        @Actor
        public void poller() {
            data.set(LONG, 0, 1);
            request.deliver(false);
        }

        /** Checks it. */
        @Actor
        public void other(II_Result result) {
            if (request.isDone()) {
                result.r1 = 1;
                result.r2 = (int) data.get(LONG, 0);
            }
        }
    }

    /** The order that a plain flag may have: the data is read first. */
    @JCStressTest
    @Outcome(id = "0, 0", expect = ACCEPTABLE, desc = "not done yet")
    @Outcome(id = "1, 1", expect = ACCEPTABLE, desc = "done")
    @Outcome(expect = ACCEPTABLE_INTERESTING, desc = "found: done, without its data")
    @State
    public static class DataBeforeDelivery {
        private final MemorySegment data = MemorySegment.ofArray(new long[1]);
        private final NvmeRequest request = new NvmeRequest().admin("stress", 0, 0, 0, 0);

        /** Puts it in flight. */
        public DataBeforeDelivery() {
            request.acquire();
        }

        /** Completes it. */
        @Actor
        public void poller() {
            data.set(LONG, 0, 1);
            request.deliver(false);
        }

        /** Checks it. */
        @Actor
        public void other(II_Result result) {
            int read = (int) data.get(LONG, 0);
            VarHandle.fullFence();
            if (request.isDone()) {
                result.r1 = 1;
                result.r2 = read;
            }
        }
    }
}
