package org.jvfio.emulator.nvme;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.jvfio.emulator.nvme.NvmeFault.Effect;
import org.jvfio.emulator.nvme.NvmeFault.Occurrence;

/** Draws the faults of each command of a controller. */
final class FaultPlan {
    private final NvmeFaults faults;
    private final long[] counts;
    private final SplittableRandom random;
    // A generator of its own, so that the faults of commands do not depend on how often the host polls.
    private final SplittableRandom randomOfStatus;
    private final long wrongCapabilities;

    FaultPlan(NvmeFaults faults) {
        this.faults = faults;
        counts = new long[faults.faults().size()];
        random = new SplittableRandom(faults.seed());
        randomOfStatus = new SplittableRandom(faults.seed());
        wrongCapabilities = bits(random, faults.capabilityBits(), Long.SIZE);
    }

    /** A mask with a number of random bits, among the lowest ones. */
    private static long bits(SplittableRandom random, int count, int among) {
        long mask = 0;
        while (Long.bitCount(mask) < count) {
            mask |= 1L << random.nextInt(among);
        }
        return mask;
    }

    /** The bits of CSTS that are flipped in this read. */
    int wrongStatus() {
        NvmeFaults.WrongStatus wrong = faults.wrongStatus();
        boolean occurs = wrong.bits() > 0 && randomOfStatus.nextDouble() < wrong.probability();
        return occurs ? (int) bits(randomOfStatus, wrong.bits(), Integer.SIZE) : 0;
    }

    /** The bits of CAP that are flipped in every read. */
    long wrongCapabilities() {
        return wrongCapabilities;
    }

    Duration readyDelay() {
        return faults.readyDelay();
    }

    boolean isStuck(NvmeFaults.Transition transition) {
        return faults.stuck().contains(transition);
    }

    /** Whether there are faults for commands. */
    boolean hasFaults() {
        return counts.length > 0;
    }

    /** The effects of all faults that apply to a command that is about to start. */
    List<Effect> effects(Command command) {
        List<NvmeFault> all = faults.faults();
        List<Effect> effects = new ArrayList<>();
        for (int index = 0; index < counts.length; index++) {
            NvmeFault fault = all.get(index);
            if (fault.commands().include(command) && occurs(fault.occurrence(), ++counts[index])) {
                effects.add(fault.effect());
            }
        }
        return effects;
    }

    private boolean occurs(Occurrence occurrence, long count) {
        return switch (occurrence) {
            case Occurrence.Nth nth -> count == nth.number();
            case Occurrence.Every every -> count % every.number() == 0;
            case Occurrence.Randomly randomly -> random.nextDouble() < randomly.probability();
        };
    }

    /** A random time within a delay. */
    Duration draw(Effect.Delay delay) {
        long range = delay.maximum().minus(delay.minimum()).toNanos();
        return delay.minimum().plusNanos(range == 0 ? 0 : random.nextLong(range + 1));
    }

    /** A random number. */
    long any() {
        return random.nextLong();
    }

    /** A random number from 0 to below a bound. */
    long below(long bound) {
        return random.nextLong(bound);
    }
}
