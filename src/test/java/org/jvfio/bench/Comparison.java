package org.jvfio.bench;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * The table that {@code scripts/bench --compare} prints, from what C and Java measured. Each of its input lines names
 * who measured, then what that program printed, separated by tabs: {@code C NAME NANOS}, or {@code COLD} or {@code
 * WARM} with {@code NAME COLD-NANOS NANOS BYTES}. Other lines, such as the description of the machine, are printed as
 * they are.
 */
public final class Comparison {
    /** Rows of Java that C measures by another name. */
    private static final Map<String, String> COUNTERPARTS = Map.of(
            "map-64k-unprepared", "map-64k",
            "read-mapped-batch", "read-mapped",
            "read-mapped-segment", "read-mapped");

    private static final int NAME = 1;
    private static final int COLD = 2;
    private static final int WARM = 3;
    private static final int BYTES = 4;

    private final Map<String, Double> c = new LinkedHashMap<>();
    private final Map<String, Double> cold = new TreeMap<>();
    private final Map<String, Double> warm = new LinkedHashMap<>();
    private final Map<String, Double> bytes = new TreeMap<>();

    /** Prints the table for what standard input has. The status is 1 if one of the two measured nothing. */
    public static void main(String[] arguments) throws IOException {
        Comparison comparison = new Comparison();
        BufferedReader input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = input.readLine(); line != null; line = input.readLine()) {
            if (!comparison.take(line)) {
                System.out.println(line);
            }
        }
        comparison.rows().forEach(System.out::println);
        System.exit(comparison.c.isEmpty() || comparison.warm.isEmpty() ? 1 : 0);
    }

    /** Takes a line; false if it is no measurement. The best of several measurements counts. */
    boolean take(String line) {
        String[] words = line.split("\t", -1);
        switch (words[0] + " " + words.length) {
            case "C 3" -> c.merge(words[NAME], Double.valueOf(words[2]), Math::min);
            case "COLD 5" -> cold.merge(words[NAME], Double.valueOf(words[COLD]), Math::min);
            case "WARM 5" -> {
                warm.merge(words[NAME], Double.valueOf(words[WARM]), Math::min);
                bytes.merge(words[NAME], Double.valueOf(words[BYTES]), Math::min);
            }
            default -> {
                return false;
            }
        }
        return true;
    }

    /** The table, a line for each row. */
    List<String> rows() {
        List<String> rows = new ArrayList<>();
        rows.add(row("operation", "C, ns", "Java, ns", "ratio", "first 20,000, ns", "ratio", "bytes"));
        warm.forEach((name, nanos) -> {
            Double inC = c.get(COUNTERPARTS.getOrDefault(name, name));
            Double started = cold.get(name);
            rows.add(row(
                    name,
                    number(inC),
                    number(nanos),
                    ratio(nanos, inC),
                    number(started),
                    ratio(started, inC),
                    number(bytes.get(name))));
        });
        return rows;
    }

    private static String row(String... cells) {
        return String.format(Locale.ROOT, "%-20s %12s %12s %6s %17s %6s %7s", (Object[]) cells);
    }

    private static String number(@Nullable Double value) {
        return value == null ? "" : String.format(Locale.ROOT, value < 100 ? "%.1f" : "%,.0f", value);
    }

    private static String ratio(@Nullable Double nanos, @Nullable Double inC) {
        return nanos == null || inC == null ? "" : String.format(Locale.ROOT, "%.2f", nanos / inC);
    }
}
