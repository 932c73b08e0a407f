package org.jvfio.cli;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * Something that {@link DoctorCommand} has found.
 *
 * @param id a stable name of the check
 * @param what what was found
 * @param why why it matters; empty if all is well
 * @param fixes commands, or steps in words, that mend it
 */
record Finding(String id, Severity severity, String what, String why, List<String> fixes) {

    enum Severity {
        OK("32"),
        /** Nothing to mend, but worth knowing. */
        NOTE("36"),
        /** A driver runs, with a limitation. */
        WARNING("33"),
        /** A driver cannot run. */
        ERROR("31");

        private final String style;

        Severity(String style) {
            this.style = style;
        }

        @Override
        public String toString() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    Finding {
        fixes = List.copyOf(fixes);
    }

    static Finding ok(String id, String what) {
        return new Finding(id, Severity.OK, what, "", List.of());
    }

    static Finding note(String id, String what, String why, String... fixes) {
        return new Finding(id, Severity.NOTE, what, why, List.of(fixes));
    }

    static Finding warning(String id, String what, String why, String... fixes) {
        return new Finding(id, Severity.WARNING, what, why, List.of(fixes));
    }

    static Finding error(String id, String what, String why, String... fixes) {
        return new Finding(id, Severity.ERROR, what, why, List.of(fixes));
    }

    /** The finding for people: a line, the reason, and the commands. */
    List<String> lines(Terminal terminal) {
        List<String> lines = new ArrayList<>();
        String label = severity.toString();
        lines.add(terminal.styled(severity.style, label) + " ".repeat(9 - label.length()) + id + ": " + what);
        if (!why.isEmpty()) {
            lines.add("         " + why);
        }
        fixes.forEach(fix -> lines.add("         -> " + fix));
        return lines;
    }

    Map<String, Object> data() {
        return Json.object("id", id, "severity", severity.toString(), "what", what, "why", why, "fixes", fixes);
    }

    static JsonShape shape() {
        return JsonShape.object("a finding")
                .with("id", JsonShape.string("stable name of the check"))
                .with("severity", JsonShape.word("how bad it is", List.of("ok", "note", "warning", "error")))
                .with("what", JsonShape.string("what was found"))
                .with("why", JsonShape.string("why it matters; empty if all is well"))
                .with("fixes", JsonShape.strings("commands or steps that mend it"));
    }
}
