package org.jvfio;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ByteSizeTest {
    @ParameterizedTest
    @CsvSource({
        "0,0",
        "1,1B",
        "1023,1023B",
        "1024,1K",
        "4391936,4289K",
        "8388608,8M",
        "102399K,100M-1K",
        "99999K,99999K",
        "2147479552,2G-4K",
        "2096380K,2G-772K",
        "1179712K,1152M+64K",
        "1234567K,1206M-377K",
        "276955136,264M+128K",
        "1073741825,1G+1B",
        "1234567891,1234567891B",
        "123457,123457B",
        "35184372092928,32T+4K",
        "-1,16E-1B",
        "-1152921504606846976,15E",
    })
    void format_anyBytes_isShortAndExact(String bytes, String text) {
        long count = bytes.endsWith("K")
                ? 1024 * Long.parseLong(bytes.substring(0, bytes.length() - 1))
                : Long.parseLong(bytes);
        assertEquals(text, ByteSize.format(count));
    }

    @Test
    void parse_whatFormatWrites_isTheSameCount() {
        Random random = new Random(1);
        for (int round = 0; round < 10_000; round++) {
            int shift = random.nextInt(63);
            long bytes = random.nextBoolean()
                    ? random.nextLong() >>> (1 + shift)
                    : (1L << shift) + (random.nextBoolean() ? 1L : -1L) * (random.nextInt(5000) << random.nextInt(12));
            if (bytes >= 0) {
                String text = ByteSize.format(bytes);
                assertEquals(bytes, ByteSize.parse(text), text);
                assertTrue(text.length() <= Long.toString(bytes).length() + 3, text);
            }
        }
    }

    @ParameterizedTest
    @CsvSource({"2G-4K,2147479552", "1G+1B,1073741825", "4096,4096", "64K,65536"})
    void parse_aCount_isItsBytes(String text, long bytes) {
        assertEquals(bytes, ByteSize.parse(text));
    }

    @ParameterizedTest
    @CsvSource({"1K-2K", "8191P+8E", "1G-", "1G-4", "-1", "+1K", "1.5G", "1G--1K", "1G+1K+1K", "99999999999999999999"})
    void parse_whatIsNoCount_isRefused(String text) {
        String message = String.valueOf(assertThrows(IllegalArgumentException.class, () -> ByteSize.parse(text))
                .getMessage());
        assertTrue(message.startsWith("'" + text + "' is "), message);
    }

    @ParameterizedTest
    @CsvSource({"-65536,-64K", "65536,64K", "-2147479552,-(2G-4K)", "0,0"})
    void formatSigned_aNegativeCount_hasAMinus(long bytes, String text) {
        assertEquals(text, ByteSize.formatSigned(bytes));
    }
}
