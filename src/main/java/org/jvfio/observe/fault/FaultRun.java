package org.jvfio.observe.fault;

import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.function.Consumer;
import org.jvfio.observe.fault.Fault.Effect;
import org.jvfio.observe.fault.Fault.Occurrence;

/** The progress of a plan: how often each fault's events have been seen, and what has happened. */
final class FaultRun {
    /** A run that repeats one fault for ever must not fill the heap. */
    private static final int MAX_KEPT = 1000;

    private final List<Fault> faults;
    private final long[] counts;
    private final SplittableRandom random;
    private final Consumer<String> listener;
    private final List<String> happened = new ArrayList<>();
    private long unkept;
    private boolean ended;
    private boolean refusedRelease;

    FaultRun(Faults plan, Consumer<String> listener) {
        this.listener = listener;
        faults = plan.faults();
        counts = new long[faults.size()];
        random = new SplittableRandom(plan.seed());
    }

    /** The effects of all faults that happen to an event. Called in any thread, also with the host's lock held. */
    synchronized List<Effect> effects(FaultEvent event) {
        List<Effect> effects = List.of();
        if (ended) {
            return effects;
        }
        for (int index = 0; index < counts.length; index++) {
            Fault fault = faults.get(index);
            if (fault.point().matches(event) && occurs(fault.occurrence(), ++counts[index])) {
                effects = effects.isEmpty() ? new ArrayList<>() : effects;
                effects.add(fault.effect());
                refusedRelease |= event.isRelease()
                        && (fault.effect() instanceof Effect.Refusal || fault.effect() instanceof Effect.ShortTransfer);
                keep("%s, the %d. that matches: %s".formatted(event, counts[index], fault));
            }
        }
        return effects;
    }

    synchronized void end() {
        ended = true;
    }

    private void keep(String text) {
        listener.accept(text);
        if (happened.size() < MAX_KEPT) {
            happened.add(text);
        } else {
            unkept++;
        }
    }

    private boolean occurs(Occurrence occurrence, long count) {
        return switch (occurrence) {
            case Occurrence.Nth nth -> count == nth.number();
            case Occurrence.Every every -> count % every.number() == 0;
            case Occurrence.Randomly randomly -> random.nextDouble() < randomly.probability();
        };
    }

    /** Whether a call failed that would have given something back. */
    synchronized boolean refusedRelease() {
        return refusedRelease;
    }

    /** A random number from 0 to below a bound. */
    synchronized long below(long bound) {
        return random.nextLong(bound);
    }

    /** What has happened, the oldest first. */
    synchronized List<String> happened() {
        List<String> all = new ArrayList<>(happened);
        if (unkept > 0) {
            all.add("and " + unkept + " more");
        }
        return List.copyOf(all);
    }
}
