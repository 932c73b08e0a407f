package org.jvfio.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;

class TrainingTest {
    /** Commands that read files of the host, and open no device. */
    private static final Set<String> READERS = Set.of("devices", "groups", "device", "doctor", "help", "completion");

    @Test
    void lines_thatOpenADevice_useAnEmulatedHost() {
        List<String> opening = Training.LINES.values().stream()
                .flatMap(Collection::stream)
                .filter(line -> !line.startsWith("-") && !line.contains("--dry-run") && !line.equals("nope"))
                .filter(line -> !READERS.contains(line.split(" ", 2)[0]) && !line.contains(" -h"))
                .toList();
        assertTrue(opening.size() > 5, opening.toString());
        List<String> real = new ArrayList<>(opening);
        real.removeIf(line -> line.endsWith(" --machine power8"));
        assertEquals(List.of(), real, "they would take devices of the host where a package is installed");
    }

    @Test
    void run_lastLines_succeed() {
        for (List<String> lines : Training.LINES.values()) {
            Ran.of(lines.getLast()).ok();
        }
    }
}
