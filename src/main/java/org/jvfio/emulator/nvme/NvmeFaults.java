package org.jvfio.emulator.nvme;

import java.time.Duration;
import java.util.List;
import java.util.stream.Stream;
import org.jvfio.emulator.nvme.NvmeFault.Commands;
import org.jvfio.emulator.nvme.NvmeFault.Effect;
import org.jvfio.emulator.nvme.NvmeFault.Occurrence;

/**
 * What goes wrong with an NVMe controller, for tests of drivers. Immutable; what is random in it depends on its seed
 * and on the order of commands only, and that of reads of CSTS. Effects of several faults on one command add up.
 *
 * @param seed of all that is random
 * @param faults of commands
 * @param readyDelay how long the controller takes to get ready
 * @param capabilityBits how many random bits of CAP read wrongly
 * @param stuck the transitions that never come to an end
 * @param wrongStatus how CSTS reads wrongly
 */
public record NvmeFaults(
        long seed,
        List<NvmeFault> faults,
        Duration readyDelay,
        int capabilityBits,
        List<Transition> stuck,
        WrongStatus wrongStatus) {
    /** A controller without faults. */
    public static final NvmeFaults NONE = seeded(0);

    /** What CSTS tells the end of. */
    public enum Transition {
        /** CSTS.RDY becomes 1 after CC.EN was set. */
        ENABLE,
        /** CSTS.RDY becomes 0 after CC.EN was cleared. */
        DISABLE,
        /** CSTS.SHST says that a shutdown is complete. */
        SHUTDOWN
    }

    /**
     * How CSTS reads wrongly.
     *
     * @param probability from 0 to 1, at each read
     * @param bits how many random ones are flipped then, 0 to 32
     */
    public record WrongStatus(double probability, int bits) {
        public WrongStatus {
            NvmeFault.checkProbability(probability);
            if (bits < 0 || bits > Integer.SIZE) {
                throw new IllegalArgumentException("CSTS has 32 bits; " + bits + " of them cannot be wrong");
            }
        }
    }

    public NvmeFaults {
        faults = List.copyOf(faults);
        stuck = List.copyOf(stuck);
        if (readyDelay.isNegative()) {
            throw new IllegalArgumentException("ready after " + readyDelay);
        }
        if (capabilityBits < 0 || capabilityBits > Long.SIZE) {
            throw new IllegalArgumentException("CAP has 64 bits; " + capabilityBits + " of them cannot be wrong");
        }
    }

    /** No faults yet. */
    public static NvmeFaults seeded(long seed) {
        return new NvmeFaults(seed, List.of(), Duration.ZERO, 0, List.of(), new WrongStatus(0, 0));
    }

    /** All this, and one more fault. */
    public NvmeFaults with(Commands commands, Occurrence occurrence, Effect effect) {
        List<NvmeFault> more = Stream.concat(faults.stream(), Stream.of(new NvmeFault(commands, occurrence, effect)))
                .toList();
        return new NvmeFaults(seed, more, readyDelay, capabilityBits, stuck, wrongStatus);
    }

    /** All this, and each I/O command takes its time, drawn between two. */
    public NvmeFaults withLatency(Duration least, Duration most) {
        return with(Commands.anyIo(), Occurrence.always(), new Effect.Delay(least, most));
    }

    /** All this, and the controller takes its time to get ready. */
    public NvmeFaults withReadyDelay(Duration delay) {
        return new NvmeFaults(seed, faults, delay, capabilityBits, stuck, wrongStatus);
    }

    /** All this, and a transition never comes to an end. */
    public NvmeFaults withStuck(Transition transition) {
        List<Transition> more =
                Stream.concat(stuck.stream(), Stream.of(transition)).distinct().toList();
        return new NvmeFaults(seed, faults, readyDelay, capabilityBits, more, wrongStatus);
    }

    /** All this, and random bits of CAP read wrongly, the same ones each time. */
    public NvmeFaults withCapabilityBits(int count) {
        return new NvmeFaults(seed, faults, readyDelay, count, stuck, wrongStatus);
    }

    /** All this, and now and then random bits of CSTS read wrongly, others each time. */
    public NvmeFaults withWrongStatus(double probability, int bits) {
        return new NvmeFaults(seed, faults, readyDelay, capabilityBits, stuck, new WrongStatus(probability, bits));
    }
}
