package org.jvfio.bench;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import org.jvfio.bench.Growth.Point;
import org.jvfio.bench.Growth.Series;

/**
 * Writes what {@link Growth} measures into a folder: the numbers of each series, of which {@code
 * scripts/plots/Plots.java} makes plots, and {@code report.md} with all of them. {@code scripts/bench --growth} runs
 * both.
 */
public final class GrowthReport {
    private GrowthReport() {}

    /** Measures, and writes into the folder that is named. */
    public static void main(String[] arguments) throws IOException, InterruptedException {
        if (arguments.length != 1) {
            System.err.println("usage: GrowthReport DIRECTORY");
            System.exit(2);
        }
        Path directory = Path.of(arguments[0]);
        write(directory, Growth.measure(1, Growth.ROUNDS));
        System.out.println(directory.resolve("report.md"));
    }

    static void write(Path directory, List<Series> all) throws IOException {
        Files.createDirectories(directory);
        StringBuilder report = new StringBuilder("# What it costs as work grows\n\n");
        report.append("On the emulated kernel; ").append(machine()).append(".\n");
        for (Series series : all) {
            StringBuilder numbers = new StringBuilder(series.x() + "," + series.y() + "\n");
            report.append("\n## ")
                    .append(series.y())
                    .append("\n\n![](")
                    .append(series.name())
                    .append(".svg)\n\n| ")
                    .append(series.x())
                    .append(" | ")
                    .append(series.y())
                    .append(" |\n|---|---|\n");
            for (Point point : series.points()) {
                numbers.append(String.format(Locale.ROOT, "%.0f,%.2f%n", point.x(), point.y()));
                report.append(String.format(Locale.ROOT, "| %,.0f | %,.1f |%n", point.x(), point.y()));
            }
            Files.writeString(directory.resolve(series.name() + ".csv"), numbers);
        }
        Files.writeString(directory.resolve("report.md"), report);
    }

    private static String machine() {
        return "%s processors, %s %s, %s %s"
                .formatted(
                        Runtime.getRuntime().availableProcessors(),
                        System.getProperty("os.name"),
                        System.getProperty("os.version"),
                        System.getProperty("java.vm.name"),
                        System.getProperty("java.vm.version"));
    }
}
