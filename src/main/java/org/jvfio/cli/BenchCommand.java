package org.jvfio.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.EnumSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import org.jvfio.PciFunction;
import org.jvfio.VfioException;
import org.jvfio.kernel.Kernel;

/** {@code jvfio bench}: measures the library's calls on this host, beside the system calls alone. */
final class BenchCommand extends Command {
    private static final long DEFAULT_MILLIS = 1000;
    private static final long MAX_MILLIS = 3_600_000;
    private static final Path PROCESSOR_FILE = Path.of("/proc/cpuinfo");
    private static final Pattern PROCESSOR = Pattern.compile("(?m)^(?:model name|cpu)[ \\t]*:[ \\t]*(.+?)[ \\t]*$");

    BenchCommand() {
        super("bench", "measure the library's calls, and the system calls alone beside them");
    }

    @Override
    void describe(CommandSyntax syntax) {
        Progress.addTo(HostChoice.addTo(DeviceChoice.addTo(syntax, DeviceKind.EDU)))
                .option("millis", "NUMBER", "measure each for about this many milliseconds, twice (default: 1000)")
                .arguments(
                        "OPERATION",
                        "what is measured: %s (default: all)".formatted(Words.oneOf(BenchOperation.words())))
                .about(
                        "Each operation is measured over its first %,d calls, and once it is compiled; only the very first one"
                                        .formatted(BenchTimer.FIRST)
                                + " begins cold. The ratio is that to the bare calls: the same system calls, made with structs"
                                + " that were filled before, or the same load or store. What cannot be done on the host is"
                                + " listed with the reason.")
                .about("Times depend on the machine and on what else it does. 'jvfio nvme bench' measures a drive;"
                        + " scripts/bench --compare of the sources measures beside C, on a clock that other load"
                        + " does not disturb.")
                .json(shape())
                .example("jvfio bench", "measure everything on this POWER host, or on an emulated one elsewhere")
                .example("jvfio bench --json map-64k window", "measure two operations, for a program");
    }

    private static JsonShape shape() {
        JsonShape operation = JsonShape.object("an operation")
                .with("name", JsonShape.word("its name", BenchOperation.words()))
                .with("text", JsonShape.string("what it does"))
                .withOptional("nanos", JsonShape.number("nanoseconds of one, once it is compiled"))
                .withOptional("firstNanos", JsonShape.number("nanoseconds of one over the first calls"))
                .withOptional("bareNanos", JsonShape.number("nanoseconds of the bare calls, once they are compiled"))
                .withOptional("ratio", JsonShape.number("of nanos to bareNanos"))
                .withOptional("reason", JsonShape.string("why it was not measured"));
        return JsonShape.object("what calls cost")
                .with("kernel", JsonShape.string("the kernel that was called"))
                .with(
                        "machine",
                        JsonShape.object("where it was measured")
                                .with("processor", JsonShape.string("the processor's name"))
                                .with("processors", JsonShape.integer("how many the JVM may use"))
                                .with("system", JsonShape.string("operating system, its version and architecture"))
                                .with("java", JsonShape.string("the JVM and its version")))
                .with("operations", JsonShape.list("in the order in which they were measured", operation));
    }

    /** What was measured of an operation. */
    private static final class Row {
        private BenchTimer.@Nullable Times library;
        private BenchTimer.@Nullable Times bare;
        private @Nullable String reason;

        private Optional<Double> ratio() {
            return library == null || bare == null ? Optional.empty() : Optional.of(library.each() / bare.each());
        }
    }

    /** How many of the measurements have begun. */
    private static final class Passes {
        private final Progress progress;
        private final int all;
        private int begun;

        Passes(Progress progress, int all) {
            this.progress = progress;
            this.all = all;
        }

        void step() {
            progress.show("measured", begun, all);
            begun++;
        }
    }

    @Override
    int run(Invocation in) throws Failure {
        HostChoice choice = HostChoice.of(in);
        DeviceChoice device = DeviceChoice.of(in, DeviceKind.EDU);
        BenchTimer timer = new BenchTimer(in.number("millis", DEFAULT_MILLIS, 1, MAX_MILLIS));
        Set<BenchOperation> operations = operations(in.arguments());
        Kernel kernel = choice.open(in);
        PciFunction function = device.find(kernel);
        Map<BenchOperation, Row> rows = new EnumMap<>(BenchOperation.class);
        operations.forEach(operation -> rows.put(operation, new Row()));
        try (Progress progress = Progress.of(in)) {
            Passes passes = new Passes(progress, 2 * rows.size());
            measureBareCalls(kernel, function, rows, timer, passes);
            measureLibrary(kernel, function, rows, timer, passes);
        }
        if (in.json()) {
            in.out().println(Json.text(json(choice.describe(kernel), rows)));
        } else {
            print(in, choice.describe(kernel), rows);
        }
        return 0;
    }

    private static Set<BenchOperation> operations(List<String> words) throws Failure {
        Set<BenchOperation> named = EnumSet.noneOf(BenchOperation.class);
        for (String word : words) {
            named.add(BenchOperation.of(word)
                    .orElseThrow(() -> Failure.usage("there is no operation '%s'%s; use %s"
                            .formatted(
                                    word,
                                    Suggestion.of(word, BenchOperation.words()),
                                    Words.oneOf(BenchOperation.words())))));
        }
        return named.isEmpty() ? EnumSet.allOf(BenchOperation.class) : named;
    }

    /** If the kernel refuses these, as version 1 of the IOMMU does, the library is measured alone. */
    private static void measureBareCalls(
            Kernel kernel, PciFunction function, Map<BenchOperation, Row> rows, BenchTimer timer, Passes passes) {
        boolean much = rows.keySet().stream().anyMatch(BenchOperation::needsMuchMemory);
        long memory = much ? LibraryCalls.GIB : LibraryCalls.MANY_PAGES;
        try (BareCalls calls = BareCalls.open(kernel, function, LibraryCalls.WINDOW, memory)) {
            rows.forEach((operation, row) -> {
                passes.step();
                calls.calls(operation).ifPresent(call -> row.bare = timer.measure(call));
            });
        } catch (VfioException refused) {
            rows.forEach((operation, row) -> {
                if (operation == BenchOperation.IOCTL && row.bare == null) {
                    row.reason = refused.getMessage();
                }
            });
        }
    }

    private static void measureLibrary(
            Kernel kernel, PciFunction function, Map<BenchOperation, Row> rows, BenchTimer timer, Passes passes) {
        try (LibraryCalls calls = new LibraryCalls(kernel, function)) {
            rows.forEach((operation, row) -> {
                passes.step();
                try {
                    calls.calls(operation).ifPresent(call -> row.library = timer.measure(call));
                    calls.bareAccesses(operation).ifPresent(access -> row.bare = timer.measure(access));
                } catch (VfioException refused) {
                    row.reason = refused.getMessage();
                }
            });
        }
    }

    private static Map<String, Object> json(String kernel, Map<BenchOperation, Row> rows) {
        List<Object> operations = new ArrayList<>();
        rows.forEach((operation, row) -> {
            Map<String, Object> each = Json.object("name", operation.word(), "text", operation.text());
            if (row.library != null) {
                each.put("nanos", rounded(row.library.each()));
                each.put("firstNanos", rounded(row.library.first()));
            }
            if (row.bare != null) {
                each.put("bareNanos", rounded(row.bare.each()));
            }
            row.ratio().ifPresent(ratio -> each.put("ratio", Math.round(ratio * 100) / 100.0));
            if (row.reason != null) {
                each.put("reason", row.reason);
            }
            operations.add(each);
        });
        return Json.object(
                "kernel",
                kernel,
                "machine",
                Json.object(
                        "processor",
                        processor(),
                        "processors",
                        Runtime.getRuntime().availableProcessors(),
                        "system",
                        system(),
                        "java",
                        java()),
                "operations",
                operations);
    }

    private static double rounded(double nanos) {
        return Math.round(nanos * 10) / 10.0;
    }

    private static void print(Invocation in, String kernel, Map<BenchOperation, Row> rows) {
        Table machine = new Table(0, List.of())
                .row("kernel", kernel)
                .row(
                        "machine",
                        "%s, %s, %s"
                                .formatted(
                                        processor(),
                                        Words.count(Runtime.getRuntime().availableProcessors(), "processor"),
                                        system()))
                .row("java", java());
        machine.print(in.out(), in.terminal());
        Table table = new Table("operation", "each", "first", "bare", "ratio", "what it does");
        List<String> reasons = new ArrayList<>();
        rows.forEach((operation, row) -> {
            table.row(
                    operation.word(),
                    row.library == null ? "-" : time(row.library.each()),
                    row.library == null ? "-" : time(row.library.first()),
                    row.bare == null ? "-" : time(row.bare.each()),
                    row.ratio().map(ratio -> format("%.2f", ratio)).orElse("-"),
                    operation.text());
            if (row.reason != null) {
                reasons.add(operation.word() + ": " + row.reason);
            }
        });
        in.out().println();
        table.print(in.out(), in.terminal());
        if (!reasons.isEmpty()) {
            in.out().println();
            in.out().println("Not measured:");
            reasons.forEach(reason -> in.out().println("  " + reason));
        }
    }

    private static String time(double nanos) {
        if (nanos < 1e4) {
            return format(nanos < 100 ? "%.1f ns" : "%.0f ns", nanos);
        }
        return nanos < 1e7 ? format("%.1f us", nanos / 1e3) : format("%.1f ms", nanos / 1e6);
    }

    private static String format(String format, double value) {
        return String.format(Locale.ROOT, format, value);
    }

    private static String processor() {
        try {
            Matcher matcher = PROCESSOR.matcher(Files.readString(PROCESSOR_FILE));
            return matcher.find() ? matcher.group(1) : "unknown";
        } catch (IOException _) {
            return "unknown";
        }
    }

    private static String system() {
        return "%s %s, %s"
                .formatted(
                        System.getProperty("os.name"), System.getProperty("os.version"), System.getProperty("os.arch"));
    }

    private static String java() {
        return System.getProperty("java.vm.name") + " " + System.getProperty("java.vm.version");
    }
}
