import java.awt.Color;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.knowm.xchart.ChartEncoder;
import org.knowm.xchart.XYChart;
import org.knowm.xchart.XYChartBuilder;

/**
 * Makes an SVG plot of each CSV file in a folder: a line with the names of the axes, then a point in each line. Part of
 * {@code scripts/bench --growth}; it is no test, as tests are in the library's module, which does not know AWT.
 */
final class Plots {
    private static final int WIDTH = 640;
    private static final int HEIGHT = 400;
    /** An axis that goes further is logarithmic. */
    private static final int FEW = 10;

    private Plots() {}

    public static void main(String[] arguments) throws IOException {
        if (arguments.length != 1) {
            System.err.println("usage: Plots DIRECTORY");
            System.exit(2);
        }
        List<Path> tables;
        try (Stream<Path> files = Files.list(Path.of(arguments[0]))) {
            tables = files.filter(file -> file.toString().endsWith(".csv")).sorted().toList();
        }
        for (Path table : tables) {
            plot(table);
        }
    }

    private static void plot(Path table) throws IOException {
        List<String[]> rows = Files.readAllLines(table).stream()
                .map(line -> line.split(",(?=\\S)", -1))
                .toList();
        double[] x = column(rows, 0);
        XYChart chart = new XYChartBuilder()
                .width(WIDTH)
                .height(HEIGHT)
                .xAxisTitle(rows.getFirst()[0])
                .yAxisTitle(rows.getFirst()[1])
                .build();
        chart.getStyler().setLegendVisible(false);
        chart.getStyler().setChartBackgroundColor(Color.WHITE);
        chart.getStyler().setXAxisLogarithmic(x[x.length - 1] > FEW);
        chart.getStyler().setYAxisMin(0.0);
        chart.addSeries("measured", x, column(rows, 1));
        String name = table.getFileName().toString().replaceFirst("\\.csv$", ".svg");
        try (OutputStream out = Files.newOutputStream(table.resolveSibling(name))) {
            ChartEncoder.saveChart(chart, out, "svg");
        }
    }

    private static double[] column(List<String[]> rows, int column) {
        return rows.stream().skip(1).mapToDouble(row -> Double.parseDouble(row[column])).toArray();
    }
}
