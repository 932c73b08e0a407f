package org.jvfio.observe;

import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/** The forms of a trace. */
public enum TraceForm {
    /** A line for each call, as strace has it. */
    TEXT,
    /** JSON in the Trace Event Format, for Perfetto and Chrome. */
    PERFETTO,
    /** A flight recording, for {@code jfr} and JDK Mission Control. */
    JFR,
    /** A record, as {@code jvfio record} makes it, without memory. */
    RECORD;

    /** The names, in lower case. */
    public static List<String> names() {
        return Arrays.stream(values()).map(TraceForm::toString).toList();
    }

    /** The form of a name in lower case. */
    public static Optional<TraceForm> of(String name) {
        return Arrays.stream(values())
                .filter(form -> form.toString().equals(name))
                .findFirst();
    }

    /** The form that the end of a file's name stands for: {@code .json}, {@code .jfr}, {@code .rec}, or text. */
    public static TraceForm ofFile(String file) {
        if (file.endsWith(".json")) {
            return PERFETTO;
        }
        if (file.endsWith(".jfr")) {
            return JFR;
        }
        return file.endsWith(".rec") ? RECORD : TEXT;
    }

    /** The name in lower case. */
    @Override
    public String toString() {
        return name().toLowerCase(Locale.ROOT);
    }
}
