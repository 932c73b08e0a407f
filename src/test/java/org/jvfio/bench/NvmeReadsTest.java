package org.jvfio.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.List;
import org.junit.jupiter.api.Test;

class NvmeReadsTest {
    @Test
    void row_severalTurns_mediansAndRatio() {
        List<Double> inC = List.of(1000.0, 900.0, 5000.0);
        List<Double> inJava = List.of(2500.0, 2000.0, 3000.0, 100.0);
        assertEquals(
                List.of("depth", "32", "1000", "2250", "2.25", "0.0"),
                List.of(NvmeReads.row("depth 32", inC, inJava, 0.05).split(" +", -1)));
        assertEquals("24.0", NvmeReads.row("depth 1", inC, inJava, 24).split(" +", -1)[5], "bytes of heap");
    }
}
