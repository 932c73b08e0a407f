package org.jvfio.emulator.nvme;

import java.time.Duration;
import java.util.List;
import java.util.stream.Stream;
import org.jvfio.emulator.nvme.NvmeFault.Commands;
import org.jvfio.emulator.nvme.NvmeFault.Effect;
import org.jvfio.emulator.nvme.NvmeFault.Occurrence;

/**
 * The faults of an NVMe controller, for tests of drivers. Immutable. All randomness depends only on the seed, the order
 * of commands, and the order of reads of CSTS. Several faults can affect one command.
 *
 * @param seed the seed of all randomness
 * @param faults the faults that affect commands
 * @param readyDelay the time until CSTS.RDY becomes 1
 * @param capabilityBits the number of random bits of CAP that are flipped
 * @param stuck the transitions that never complete
 * @param wrongStatus how reads of CSTS are corrupted
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

    /** A transition whose completion CSTS reports. */
    public enum Transition {
        /** CSTS.RDY becomes 1 after CC.EN was set. */
        ENABLE,
        /** CSTS.RDY becomes 0 after CC.EN was cleared. */
        DISABLE,
        /** CSTS.SHST reports that the shutdown is complete. */
        SHUTDOWN
    }

    /**
     * How reads of CSTS are corrupted.
     *
     * @param probability from 0 to 1, for each read
     * @param bits the number of random bits that are flipped, 0 to 32
     */
    public record WrongStatus(double probability, int bits) {
        public WrongStatus {
            NvmeFault.checkProbability(probability);
            if (bits < 0 || bits > Integer.SIZE) {
                throw new IllegalArgumentException("cannot flip " + bits + " bits of CSTS: it has 32");
            }
        }
    }

    public NvmeFaults {
        faults = List.copyOf(faults);
        stuck = List.copyOf(stuck);
        if (readyDelay.isNegative()) {
            throw new IllegalArgumentException("the delay of CSTS.RDY is at least 0, not " + readyDelay);
        }
        if (capabilityBits < 0 || capabilityBits > Long.SIZE) {
            throw new IllegalArgumentException("cannot flip " + capabilityBits + " bits of CAP: it has 64");
        }
    }

    /** No faults, with a seed for those that are added. */
    public static NvmeFaults seeded(long seed) {
        return new NvmeFaults(seed, List.of(), Duration.ZERO, 0, List.of(), new WrongStatus(0, 0));
    }

    /** Adds a fault. */
    public NvmeFaults with(Commands commands, Occurrence occurrence, Effect effect) {
        List<NvmeFault> more = Stream.concat(faults.stream(), Stream.of(new NvmeFault(commands, occurrence, effect)))
                .toList();
        return new NvmeFaults(seed, more, readyDelay, capabilityBits, stuck, wrongStatus);
    }

    /** Delays each I/O command by a random time. */
    public NvmeFaults withLatency(Duration minimum, Duration maximum) {
        return with(Commands.anyIo(), Occurrence.always(), new Effect.Delay(minimum, maximum));
    }

    /** Delays CSTS.RDY. */
    public NvmeFaults withReadyDelay(Duration delay) {
        return new NvmeFaults(seed, faults, delay, capabilityBits, stuck, wrongStatus);
    }

    /** Makes a transition never complete. */
    public NvmeFaults withStuck(Transition transition) {
        List<Transition> more =
                Stream.concat(stuck.stream(), Stream.of(transition)).distinct().toList();
        return new NvmeFaults(seed, faults, readyDelay, capabilityBits, more, wrongStatus);
    }

    /** Flips random bits of CAP, the same ones in each read. */
    public NvmeFaults withCapabilityBits(int count) {
        return new NvmeFaults(seed, faults, readyDelay, count, stuck, wrongStatus);
    }

    /** Flips random bits of CSTS in some reads, different ones each time. */
    public NvmeFaults withWrongStatus(double probability, int bits) {
        return new NvmeFaults(seed, faults, readyDelay, capabilityBits, stuck, new WrongStatus(probability, bits));
    }
}
