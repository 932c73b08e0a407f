package org.jvfio;

import static org.openjdk.jcstress.annotations.Expect.ACCEPTABLE;
import static org.openjdk.jcstress.annotations.Expect.ACCEPTABLE_INTERESTING;
import static org.openjdk.jcstress.annotations.Expect.FORBIDDEN;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.concurrent.atomic.AtomicInteger;
import org.jvfio.emulator.EmulatedKernel;
import org.jvfio.emulator.EmulatedMachine;
import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.II_Result;

/**
 * Two threads that access registers of a mapped BAR and memory: the order that {@link Region} promises. In a batch
 * there is none without a fence, which shows that these tests would see it if it was missing. The BAR is that of an
 * emulated device, memory that the processor may reorder accesses of as it does those of a device on POWER.
 */
public final class RegisterOrderStress {
    private static final PciAddress ADDRESS = PciAddress.parse("0004:01:00.0");
    private static final long BAR_BYTES = 1 << 22;
    /** Each state has registers in cache lines of their own. */
    private static final long STATE_BYTES = 256;

    private static final long SECOND = STATE_BYTES / 2;
    private static final AtomicInteger STATES = new AtomicInteger();
    private static final Region BAR = Device.open(
                    EmulatedKernel.boot(EmulatedMachine.power9().toBuilder()
                            .device(ADDRESS.toString(), 9, () -> new MemoryDevice(BAR_BYTES, -1))
                            .build()),
                    ADDRESS)
            .bar(MemoryDevice.MEMORY);

    private RegisterOrderStress() {}

    private static long nextState() {
        long first = STATES.getAndIncrement() * STATE_BYTES & (BAR_BYTES - 1);
        BAR.writeInt(first, 0);
        BAR.writeInt(first + SECOND, 0);
        return first;
    }

    /** Each thread writes a register and reads the other one. */
    @JCStressTest
    @Outcome(
            id = {"0, 1", "1, 0", "1, 1"},
            expect = ACCEPTABLE,
            desc = "in program order")
    @Outcome(id = "0, 0", expect = FORBIDDEN, desc = "a read overtook the write before it")
    @State
    public static class WriteAndRead {
        private final long first = nextState();

        /** Writes the first register. */
        @Actor
        public void one(II_Result result) {
            BAR.writeInt(first, 1);
            result.r1 = BAR.readInt(first + SECOND);
        }

        /** Writes the second one. */
        @Actor
        public void other(II_Result result) {
            BAR.writeInt(first + SECOND, 1);
            result.r2 = BAR.readInt(first);
        }
    }

    /** The same in batches, with a fence. */
    @JCStressTest
    @Outcome(
            id = {"0, 1", "1, 0", "1, 1"},
            expect = ACCEPTABLE,
            desc = "in program order")
    @Outcome(id = "0, 0", expect = FORBIDDEN, desc = "a read overtook the write before it")
    @State
    public static class WriteAndReadInFencedBatch {
        private final long first = nextState();

        /** Writes the first register. */
        @Actor
        public void one(II_Result result) {
            result.r1 = (int) BAR.batch(registers -> {
                registers.writeInt(first, 1);
                registers.fence();
                return registers.readInt(first + SECOND);
            });
        }

        /** Writes the second one. */
        @Actor
        public void other(II_Result result) {
            result.r2 = (int) BAR.batch(registers -> {
                registers.writeInt(first + SECOND, 1);
                registers.fence();
                return registers.readInt(first);
            });
        }
    }

    /** The same in batches without one: the order is lost. */
    @JCStressTest
    @Outcome(
            id = {"0, 1", "1, 0", "1, 1"},
            expect = ACCEPTABLE,
            desc = "in program order")
    @Outcome(id = "0, 0", expect = ACCEPTABLE_INTERESTING, desc = "found: a read overtook the write before it")
    @State
    public static class WriteAndReadInBatch {
        private final long first = nextState();

        /** Writes the first register. */
        @Actor
        public void one(II_Result result) {
            result.r1 = (int) BAR.batch(registers -> {
                registers.writeInt(first, 1);
                return registers.readInt(first + SECOND);
            });
        }

        /** Writes the second one. */
        @Actor
        public void other(II_Result result) {
            result.r2 = (int) BAR.batch(registers -> {
                registers.writeInt(first + SECOND, 1);
                return registers.readInt(first);
            });
        }
    }

    /** One thread fills memory and rings a doorbell; the other one reads both, as a device does. */
    @JCStressTest
    @Outcome(
            id = {"0, 0", "0, 1", "1, 1"},
            expect = ACCEPTABLE,
            desc = "the memory before the doorbell")
    @Outcome(id = "1, 0", expect = FORBIDDEN, desc = "the doorbell without the memory")
    @State
    public static class Doorbell {
        private final long doorbell = nextState();
        private final MemorySegment memory = MemorySegment.ofArray(new long[1]);

        /** Submits. */
        @Actor
        public void driver() {
            memory.set(ValueLayout.JAVA_LONG, 0, 1);
            BAR.writeInt(doorbell, 1);
        }

        /** Fetches. */
        @Actor
        public void device(II_Result result) {
            result.r1 = BAR.readInt(doorbell);
            result.r2 = (int) memory.get(ValueLayout.JAVA_LONG, 0);
        }
    }

    /** The order that POWER may give the device's reads without fences: the memory first. */
    @JCStressTest
    @Outcome(
            id = {"0, 0", "0, 1", "1, 1"},
            expect = ACCEPTABLE,
            desc = "the memory before the doorbell")
    @Outcome(id = "1, 0", expect = ACCEPTABLE_INTERESTING, desc = "found: the doorbell without the memory")
    @State
    public static class MemoryBeforeDoorbell {
        private final long doorbell = nextState();
        private final MemorySegment memory = MemorySegment.ofArray(new long[1]);

        /** Submits. */
        @Actor
        public void driver() {
            memory.set(ValueLayout.JAVA_LONG, 0, 1);
            BAR.writeInt(doorbell, 1);
        }

        /** Fetches. */
        @Actor
        public void device(II_Result result) {
            result.r2 = (int) memory.get(ValueLayout.JAVA_LONG, 0);
            result.r1 = BAR.readInt(doorbell);
        }
    }
}
