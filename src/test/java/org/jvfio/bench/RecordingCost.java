package org.jvfio.bench;

import java.io.IOException;
import java.util.Locale;
import java.util.Set;

/**
 * What recording costs: nanoseconds of processor time of a call that does next to nothing, or of a read of 4 KiB from
 * an emulated NVMe drive at full speed. {@code scripts/bench --observe} runs it in turns with recording and without.
 */
public final class RecordingCost {
    private static final int WARM_UP_ROUNDS = 10;
    private static final int ROUNDS = 20;
    private static final int CALLS = 1_000_000;
    private static final int WARM_UP_READ_ROUNDS = 5;
    private static final int READ_ROUNDS = 10;
    private static final int READS = 200_000;

    private RecordingCost() {}

    /**
     * Measures {@code call FORM} or {@code nvme DEPTH FORM}, whose form is {@code none}, {@code record} or, of a call,
     * {@code jfr}.
     */
    public static void main(String[] arguments) throws IOException {
        String form = arguments.length < 2 ? "" : arguments[arguments.length - 1];
        if (Set.of("none", "record", "jfr").contains(form) && arguments[0].equals("call") && arguments.length == 2) {
            print(call(form));
        } else if (Set.of("none", "record").contains(form) && arguments[0].equals("nvme") && arguments.length == 3) {
            print(read(Integer.parseInt(arguments[1]), form.equals("record")));
        } else {
            System.err.println("usage: RecordingCost call none|record|jfr, or RecordingCost nvme DEPTH none|record");
            System.exit(2);
        }
    }

    private static void print(ThreadCost cost) {
        System.out.printf(Locale.ROOT, "%.2f %.2f%n", cost.nanos(), cost.bytes());
    }

    private static ThreadCost call(String form) throws IOException {
        ObservedCallBenchmark benchmark = new ObservedCallBenchmark(form);
        benchmark.observe();
        try {
            long[] sum = {0};
            ThreadCost cost = ThreadCost.best(WARM_UP_ROUNDS, ROUNDS, CALLS, () -> {
                for (int each = 0; each < CALLS; each++) {
                    sum[0] += benchmark.sysconf();
                }
            });
            if (sum[0] == 0) {
                throw new IllegalStateException("pages of no bytes");
            }
            return cost;
        } finally {
            benchmark.end();
        }
    }

    private static ThreadCost read(int depth, boolean recorded) throws IOException {
        NvmeBenchmark benchmark = new NvmeBenchmark(depth, recorded);
        benchmark.open();
        try {
            return ThreadCost.best(WARM_UP_READ_ROUNDS, READ_ROUNDS, READS, () -> {
                for (int each = 0; each < READS; each++) {
                    benchmark.randomRead();
                }
            });
        } finally {
            benchmark.close();
        }
    }
}
