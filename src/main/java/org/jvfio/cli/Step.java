package org.jvfio.cli;

import java.io.PrintStream;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** A chapter of what a command has to tell: facts that are written for people as lines, and for programs as data. */
final class Step {
    private static final int LABEL_WIDTH = 15;

    private final String name;
    private final String title;
    private final List<Fact> facts = new ArrayList<>();

    /**
     * One fact.
     *
     * @param value data: strings, numbers, booleans, lists and maps of those
     * @param label what the lines are about
     * @param lines the same for people
     */
    private record Fact(String key, Object value, String label, List<String> lines) {}

    /**
     * A chapter without facts yet.
     *
     * @param name its key in the data
     * @param title its headline
     */
    Step(String name, String title) {
        this.name = name;
        this.title = title;
    }

    Step fact(String key, Object value, String label, String... lines) {
        return fact(key, value, label, List.of(lines));
    }

    Step fact(String key, Object value, String label, List<String> lines) {
        facts.add(new Fact(key, value, label, lines));
        return this;
    }

    /** Writes it as data or for people. */
    void print(PrintStream out, boolean asJson) {
        if (asJson) {
            out.println(Json.text(data()));
        } else {
            lines().forEach(out::println);
        }
    }

    String name() {
        return name;
    }

    /** The data of its facts, in their order. */
    Map<String, Object> data() {
        Map<String, Object> data = new LinkedHashMap<>();
        facts.forEach(fact -> data.put(fact.key(), fact.value()));
        return data;
    }

    /** The lines of its facts, under its headline. */
    List<String> lines() {
        List<String> lines = new ArrayList<>();
        lines.add(title);
        for (Fact fact : facts) {
            String label = fact.label();
            for (String line : fact.lines()) {
                lines.add("  " + label + " ".repeat(Math.max(1, LABEL_WIDTH - label.length())) + line);
                label = "";
            }
        }
        return lines;
    }
}
