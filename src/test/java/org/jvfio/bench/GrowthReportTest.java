package org.jvfio.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.jvfio.bench.Growth.Point;
import org.jvfio.bench.Growth.Series;

class GrowthReportTest {
    @Test
    void write_series_numbersAndReport(@TempDir Path directory) throws IOException {
        Series series = new Series(
                "devices", "devices of the host", "ns to open one", List.of(new Point(1, 2.5), new Point(1_000, 3)));
        GrowthReport.write(directory.resolve("new"), List.of(series));
        Path made = directory.resolve("new");
        assertEquals("devices of the host,ns to open one\n1,2.50\n1000,3.00\n", read(made, "devices.csv"));
        String report = read(made, "report.md");
        assertTrue(report.contains("![](devices.svg)"), report);
        assertTrue(report.contains("| 1,000 | 3.0 |"), report);
    }

    @Test
    void measure_smallMaximums_seriesOfEachKind() throws InterruptedException {
        List<Series> all = Growth.measure(0.001, 1);
        assertEquals(
                List.of(
                        "mappings-time",
                        "mappings-heap",
                        "mappings-more",
                        "windows",
                        "threads",
                        "threads-gain",
                        "threads-apart",
                        "devices"),
                all.stream().map(Series::name).toList());
        for (Series series : all) {
            assertTrue(series.points().stream().allMatch(point -> point.y() > 0), series.toString());
        }
    }

    private static String read(Path directory, String name) throws IOException {
        return Files.readString(directory.resolve(name));
    }
}
