package org.jvfio.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.junit.jupiter.api.Test;

class ComparisonTest {
    private final Comparison comparison = new Comparison();

    @Test
    void rows_severalMeasurements_bestAndRatio() {
        for (String line : List.of(
                "C\tioctl\t3600.0",
                "WARM\tioctl\t20000.0\t3960.0\t0.0",
                "C\tioctl\t3700.0",
                "WARM\tioctl\t21000.0\t3970.0\t0.0",
                "COLD\tioctl\t4680.0\t3990.0\t0.0")) {
            assertTrue(comparison.take(line), line);
        }
        assertEquals(
                List.of("ioctl", "3,600", "3,960", "1.10", "4,680", "1.30", "0.0"),
                List.of(comparison.rows().get(1).split(" +")));
    }

    @Test
    void rows_javaOnlyName_comparedWithCounterpart() {
        comparison.take("C\tmap-64k\t10000");
        comparison.take("WARM\tmap-64k-unprepared\t20000\t11500\t72");
        assertEquals(
                List.of("map-64k-unprepared", "10,000", "11,500", "1.15", "72.0"),
                List.of(comparison.rows().get(1).split(" +")));
    }

    @Test
    void take_noMeasurement_false() {
        assertFalse(comparison.take("power: powernv8; linux 6.12"));
        assertFalse(comparison.take("C\tioctl"));
    }
}
