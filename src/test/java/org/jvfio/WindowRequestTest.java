package org.jvfio;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Optional;
import java.util.OptionalInt;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

class WindowRequestTest {
    private static void assertNone(String reason, Executable request) {
        String refusal = assertThrows(IllegalArgumentException.class, request).toString();
        assertTrue(refusal.contains(reason), refusal);
    }

    @Test
    void of_bytes_defaults() {
        WindowRequest request = WindowRequest.of(1);
        assertEquals(
                new WindowRequest(1, Optional.empty(), 64, 0, Optional.empty(), OptionalInt.empty(), false), request);
        assertEquals("1B of memory, for a device with 64 address bits", request.toString());
        assertEquals(-1, request.dmaMask());
    }

    @Test
    void toString_allOptions_inOneSentence() {
        assertEquals(
                "1G of memory in pages of 2M, for a device with 40 address bits, with IOMMU pages of 64K, with 2 levels,"
                        + " beside the default window",
                WindowRequest.of(1 << 30)
                        .memoryPageSize(PageSize.SIZE_2M)
                        .dmaMaskBits(40)
                        .pageSize(PageSize.SIZE_64K)
                        .levels(2)
                        .keepDefaultWindow()
                        .toString());
        assertEquals(0xff_ffff_ffffL, WindowRequest.of(1).dmaMaskBits(40).dmaMask());
    }

    @Test
    void withers_eachOption_othersKept() {
        WindowRequest all = new WindowRequest(
                5, Optional.of(PageSize.SIZE_2M), 40, 3, Optional.of(PageSize.SIZE_64K), OptionalInt.of(2), true);
        assertEquals(
                all,
                WindowRequest.of(5)
                        .keepDefaultWindow()
                        .levels(2)
                        .pageSize(PageSize.SIZE_64K)
                        .registeredBytes(3)
                        .dmaMaskBits(40)
                        .memoryPageSize(PageSize.SIZE_2M));
        assertEquals(all, all.memoryPageSize(PageSize.SIZE_2M).dmaMaskBits(40).registeredBytes(3));
    }

    @Test
    void withers_outOfRange_illegalArgument() {
        assertNone("0 bytes to map: ask for 1 byte to 128T", () -> WindowRequest.of(0));
        assertNone("-1 bytes to map", () -> WindowRequest.of(-1));
        assertNone("bytes to map", () -> WindowRequest.of((1L << 47) + 1));
        assertNone(
                "a DMA mask of 0 bits: a device has 1 to 64",
                () -> WindowRequest.of(1).dmaMaskBits(0));
        assertNone("a DMA mask of 65 bits", () -> WindowRequest.of(1).dmaMaskBits(65));
        assertNone(
                "2 bytes are registered already, of 1 to map",
                () -> WindowRequest.of(1).registeredBytes(2));
        assertNone("-1 bytes are registered already", () -> WindowRequest.of(1).registeredBytes(-1));
    }
}
