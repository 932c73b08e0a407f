package org.jvfio.observe.fault;

import java.util.Optional;

/** Looks for a random plan of faults that breaks a program, and shrinks it to the fewest faults. */
public final class FaultSearch {
    private static final int MAX_RUNS = 100;

    private final RandomFaults random;
    private final Scenario scenario;

    /** A program that must survive faults. */
    @FunctionalInterface
    public interface Scenario {
        /**
         * Runs the program with a plan, on a host of its own.
         *
         * @throws Throwable if the program does not do what it must under these faults
         */
        void run(Faults plan) throws Throwable;
    }

    /**
     * A plan that breaks the program.
     *
     * @param seed the seed that drew it
     * @param drawn the plan of the seed
     * @param shrunk the plan with the faults that are needed alone
     * @param again whether the drawn plan broke it a second time: if not, the program depends on the time, too
     * @param failure what the program threw with the shrunk plan
     */
    public record Found(long seed, Faults drawn, Faults shrunk, boolean again, Throwable failure) {
        /** The seed, the plan and the failure, in lines. */
        @Override
        public String toString() {
            return "seed %d fails%s: %s%n%d of its %d faults are enough: %s"
                    .formatted(
                            seed,
                            again ? "" : ", though not every time",
                            failure,
                            shrunk.faults().size(),
                            drawn.faults().size(),
                            shrunk);
        }

        /** An error with the text of {@link #toString}, caused by the failure. */
        public AssertionError error() {
            return new AssertionError(toString(), failure);
        }
    }

    /**
     * A search.
     *
     * @param random what draws the plans
     * @param scenario what is run with each
     */
    public FaultSearch(RandomFaults random, Scenario scenario) {
        this.random = random;
        this.scenario = scenario;
    }

    /**
     * Runs the program with the plans of some seeds, until one breaks it.
     *
     * @param firstSeed the first seed
     * @param count how many seeds follow each other, from 1
     * @return the first that breaks it, if any does
     */
    public Optional<Found> find(long firstSeed, int count) {
        for (int each = 0; each < count; each++) {
            Optional<Found> found = run(firstSeed + each);
            if (found.isPresent()) {
                return found;
            }
        }
        return Optional.empty();
    }

    /**
     * Runs the program with the plan of one seed.
     *
     * @return what breaks it, shrunk
     */
    public Optional<Found> run(long seed) {
        Faults drawn = random.draw(seed);
        return failure(drawn).map(failure -> shrink(seed, drawn, failure));
    }

    private Optional<Throwable> failure(Faults plan) {
        try {
            scenario.run(plan);
            return Optional.empty();
        } catch (OutOfMemoryError fatal) {
            throw fatal;
        } catch (Throwable failure) {
            return Optional.of(failure);
        }
    }

    /** Drops faults one by one while the rest still breaks the program. */
    private Found shrink(long seed, Faults drawn, Throwable first) {
        boolean again = failure(drawn).isPresent();
        Faults shrunk = drawn;
        Throwable failure = first;
        int runs = 0;
        for (int index = shrunk.faults().size() - 1;
                index >= 0 && shrunk.faults().size() > 1;
                index--) {
            Faults fewer = shrunk.without(index);
            Optional<Throwable> still = runs++ < MAX_RUNS ? failure(fewer) : Optional.empty();
            if (still.isPresent()) {
                shrunk = fewer;
                failure = still.get();
            }
        }
        return new Found(seed, drawn, shrunk, again, failure);
    }
}
