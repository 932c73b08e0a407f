package org.jvfio;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class PageSizeTest {
    @ParameterizedTest
    @CsvSource({"12,4K", "16,64K", "21,2M", "24,16M", "28,256M", "30,1G", "0,1B", "62,4E"})
    void toString_anySize_itsUnit(int shift, String name) {
        PageSize page = PageSize.ofShift(shift);
        assertEquals(name, page.toString());
        assertEquals(page, PageSize.of(1L << shift));
        assertEquals(1L << shift, page.bytes());
    }

    @ParameterizedTest
    @ValueSource(longs = {0, -1, 3, 65535, Long.MIN_VALUE})
    void of_noPowerOfTwo_illegalArgument(long bytes) {
        assertThrows(IllegalArgumentException.class, () -> PageSize.of(bytes));
    }

    @ParameterizedTest
    @ValueSource(ints = {-1, 63, 64})
    void ofShift_outOfRange_illegalArgument(int shift) {
        assertThrows(IllegalArgumentException.class, () -> PageSize.ofShift(shift));
    }

    @Test
    void isAligned_aboveTheSignBit_unsigned() {
        assertTrue(PageSize.SIZE_64K.isAligned(0xffff_ffff_ffff_0000L));
        assertFalse(PageSize.SIZE_64K.isAligned(0xffff_ffff_ffff_1000L));
    }

    @Test
    void roundUp_anySize_wholePages() {
        assertEquals(0, PageSize.SIZE_64K.roundUp(0));
        assertEquals(65536, PageSize.SIZE_64K.roundUp(1));
        assertEquals(65536, PageSize.SIZE_64K.roundUp(65536));
        assertThrows(IllegalArgumentException.class, () -> PageSize.SIZE_64K.roundUp(Long.MAX_VALUE));
        assertThrows(IllegalArgumentException.class, () -> PageSize.SIZE_64K.roundUp(-1));
    }
}
