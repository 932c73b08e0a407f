package org.jvfio.bench;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Supplier;
import org.jvfio.ThreadAllocation;

/**
 * Operations by name, whose time is measured. Prints a line for each, separated by tabs: name; nanoseconds per
 * operation over the first 20,000 from a cold start; once it is compiled; and bytes of heap per operation, once
 * compiled. A cold start is one for the first measurement of a JVM only.
 */
final class Measurements {
    /** How many operations are the first ones. */
    static final int COLD = 20_000;

    private static final int ROUNDS = 3;
    private static final long SETTLED_NANOS = 700_000_000;
    private static final double IMPROVEMENT = 0.99;

    /** An operation, made several times in one call, so that the loop is compiled with it. */
    @FunctionalInterface
    interface Repeated {
        void run(int count);
    }

    /** What one measurement does, how often after warming up, and how many operations a call of it counts for. */
    record Measurement(int count, int operations, Repeated repeated) {
        static Measurement of(int count, Repeated repeated) {
            return new Measurement(count, 1, repeated);
        }
    }

    private final Map<String, Supplier<Measurement>> byName = new LinkedHashMap<>();

    /** Adds one; it is prepared when its turn comes. */
    void add(String name, Supplier<Measurement> measurement) {
        byName.put(name, measurement);
    }

    /** Measures what is named, or all; ends the JVM with status 2 if a name is unknown. */
    void run(List<String> names) {
        Set<String> unknown = new TreeSet<>(names);
        unknown.removeAll(byName.keySet());
        if (!unknown.isEmpty()) {
            System.err.println("unknown: " + unknown + "; known: " + byName.keySet());
            System.exit(2);
        }
        byName.forEach((name, measurement) -> {
            if (names.isEmpty() || names.contains(name)) {
                measure(name, measurement.get());
            }
        });
    }

    private static void measure(String name, Measurement measurement) {
        int count = measurement.count();
        double cold = time(measurement, Math.min(count, COLD));
        double warm = warm(measurement, count);
        long before = ThreadAllocation.bytes();
        measurement.repeated().run(count);
        double bytes = (double) (ThreadAllocation.bytes() - before) / count / measurement.operations();
        System.out.println(
                String.format(Locale.ROOT, "%s\t%.1f\t%.1f\t%.1f", name, cold, warm, bytes < 0.1 ? 0 : bytes));
    }

    /**
     * The best time of a round, once none has been better for a while: C2 compiles in the background, and takes the
     * processor while it does.
     */
    private static double warm(Measurement measurement, int count) {
        double best = Double.MAX_VALUE;
        long improved = System.nanoTime();
        for (int since = 0; since < ROUNDS || System.nanoTime() - improved < SETTLED_NANOS; since++) {
            double each = time(measurement, count);
            if (each < best * IMPROVEMENT) {
                improved = System.nanoTime();
                since = 0;
            }
            best = Math.min(best, each);
        }
        return best;
    }

    private static double time(Measurement measurement, int count) {
        long begin = System.nanoTime();
        measurement.repeated().run(count);
        return (double) (System.nanoTime() - begin) / count / measurement.operations();
    }
}
