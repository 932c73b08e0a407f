package org.jvfio;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Optional;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The sizes are those that kernels of POWER8, POWER9 and pseries showed. */
class TceTableTest {
    private static final TceInfo POWERNV = info(true, 5, 12, 16, 21, 24, 28, 30);
    private static final TceInfo PSERIES = info(false, 1, 12, 16, 21, 24);

    private static TceInfo info(boolean powernv, int levels, int... shifts) {
        return new TceInfo(
                Optional.empty(),
                IntStream.of(shifts).mapToObj(PageSize::ofShift).toList(),
                2,
                levels,
                powernv);
    }

    private static TceTable table(TceInfo info, int systemShift, int shift, long bytes, int levels) {
        return TceTable.of(
                "create a window", info, PageSize.ofShift(systemShift), PageSize.ofShift(shift), bytes, levels);
    }

    @ParameterizedTest
    @CsvSource({
        "16, 12, 0x40000000, 1, 4194304, 0x40000000",
        "16, 12, 0x80000000, 1, 8388608, 0x80000000",
        "16, 12, 0x80000000, 2, 8519680, 0x80000000",
        "16, 12, 0x80000000, 3, 8650752, 0x80000000",
        "16, 12, 0x400000000, 2, 67239936, 0x400000000",
        "16, 16, 0x10000000, 1, 131072, 0x20000000",
        "16, 16, 0x10000, 1, 131072, 0x20000000",
        "16, 16, 0x40000000, 1, 262144, 0x40000000",
        "16, 16, 0x10000000000, 2, 268566528, 0x10000000000",
        "16, 21, 0x40000000, 1, 131072, 0x400000000",
        "16, 28, 0x10000000000, 1, 131072, 0x20000000000",
        "16, 30, 0x40000000, 1, 131072, 0x80000000000",
        "12, 12, 0x80000000, 2, 8404992, 0x80000000",
        "12, 12, 0x80000000, 4, 8421376, 0x80000000",
        "12, 12, 0x1000, 1, 8192, 0x200000",
        "12, 21, 0x40000000, 1, 8192, 0x40000000",
        "12, 30, 0x10000000000, 1, 16384, 0x10000000000",
    })
    void of_powernv_wholePagesChargedTwice(
            int systemShift, int shift, String bytes, int levels, long locked, String window) {
        TceTable table = table(POWERNV, systemShift, shift, Long.decode(bytes), levels);
        assertEquals(new TceTable(Long.decode(window), locked), table);
    }

    @Test
    void of_pseries_flatAndChargedOnce() {
        assertEquals(new TceTable(0x40000000, 0x20000), table(PSERIES, 16, 16, 0x40000000, 1));
    }

    @ParameterizedTest
    @CsvSource({
        "16, 14, 0x40000000, 1, no pages of 16K",
        "16, 16, 0x40000000, 6, has 1 to 5 levels",
        "16, 16, 0x40000000, 3, address bits",
        "16, 12, 0x80000000, 4, address bits",
        "16, 30, 0x40000000, 2, address bits",
        "12, 12, 0x80000000, 5, address bits",
        "16, 12, 0x400000000, 1, a level of its table would be 32M",
        "16, 16, 0x10000000000, 1, a level of its table would be 128M",
    })
    void of_impossibleTable_refusedWithReason(int systemShift, int shift, String bytes, int levels, String reason) {
        VfioException e =
                assertThrows(VfioException.class, () -> table(POWERNV, systemShift, shift, Long.decode(bytes), levels));
        assertTrue(e.reason().contains(reason), e.getMessage());
        assertEquals(VfioException.Kind.UNSUPPORTED, e.kind());
        assertEquals(Optional.empty(), e.errno());
        assertEquals(Optional.empty(), e.call());
    }

    @Test
    void of_pseriesTwoLevels_refused() {
        VfioException e = assertThrows(VfioException.class, () -> table(PSERIES, 16, 16, 0x40000000, 2));
        assertTrue(e.reason().contains("1 to 1 levels"), e.getMessage());
    }

    @ParameterizedTest
    @CsvSource({
        "0x30000000, 1, round it up to 1G",
        "0, 1, a window of 0 bytes",
        "-1, 1, a window of -1 bytes",
        "-0x7fffffffffffffff, 1, not a power of two",
        "0x8000, 1, at least one page of 64K",
        "0x40000000, 0, a TCE table of 0 levels",
    })
    void of_argumentsOfNoPlatform_illegalArgument(String bytes, int levels, String message) {
        IllegalArgumentException e =
                assertThrows(IllegalArgumentException.class, () -> table(POWERNV, 16, 16, Long.decode(bytes), levels));
        assertTrue(String.valueOf(e.getMessage()).contains(message), e.getMessage());
    }
}
