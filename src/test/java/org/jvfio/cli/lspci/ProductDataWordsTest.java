package org.jvfio.cli.lspci;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Vital product data as lspci 3.13 prints them: the lines expected are what it printed of a file {@code vpd} with these
 * bytes, but where a test says otherwise.
 */
class ProductDataWordsTest {
    private static final int NAME = 0x82;
    private static final int READ_ONLY = 0x90;
    private static final int READ_WRITE = 0x91;
    private static final byte[] END = {0x78};

    private static byte[] join(byte[]... parts) {
        ByteArrayOutputStream all = new ByteArrayOutputStream();
        for (byte[] part : parts) {
            all.writeBytes(part);
        }
        return all.toByteArray();
    }

    private static byte[] large(int tag, byte[]... parts) {
        byte[] content = join(parts);
        return join(new byte[] {(byte) tag, (byte) content.length, (byte) (content.length >> 8)}, content);
    }

    private static byte[] field(String key, String value) {
        byte[] bytes = value.getBytes(StandardCharsets.ISO_8859_1);
        return join(key.getBytes(StandardCharsets.US_ASCII), new byte[] {(byte) bytes.length}, bytes);
    }

    private static List<String> words(byte[]... parts) {
        return ProductDataWords.of(join(parts));
    }

    /** A name and read-only fields, with a checksum that is as wrong as {@code error}. */
    private static byte[] summed(int error) {
        byte[] data = join(
                large(NAME, "My NIC".getBytes(StandardCharsets.US_ASCII)),
                large(READ_ONLY, field("PN", "AB-12"), field("RV", "\0\0\0\0")));
        int sum = error;
        for (byte each : data) {
            sum -= each;
        }
        data[data.length - 4] = (byte) sum;
        return data;
    }

    @Test
    void of_nameAndFields_everyKeyHasItsName() {
        byte[] fields = large(
                READ_ONLY,
                field("SN", "0123"),
                field("V0", "x"),
                field("YA", "tag"),
                field("EC", "e"),
                field("MN", "1014"),
                field("CP", "\1\2\3\4"),
                field("ZZ", "q"),
                field("NA", "n"),
                field("FC", "f"),
                field("CC", "57B4"),
                field("FN", "01FT690"),
                field("RM", "1.2"),
                field("FG", "f"),
                field("PN", ""),
                field("Y1", "\n\"\\\33[0m"));
        byte[] writable = large(READ_WRITE, field("V1", "rw"), field("RW", "\0".repeat(20)));
        assertEquals(
                """
                \t\tProduct Name: Card
                \t\tRead-only fields:
                \t\t\t[SN] Serial number: 0123
                \t\t\t[V0] Vendor specific: x
                \t\t\t[YA] Asset tag: tag
                \t\t\t[EC] Engineering changes: e
                \t\t\t[MN] Manufacture ID: 1014
                \t\t\t[CP] Extended capability: 01 02 03 04
                \t\t\t[ZZ] Product specific: q
                \t\t\t[NA] Network address: n
                \t\t\t[FC] Feature code: f
                \t\t\t[CC] CCIN: 57B4
                \t\t\t[FN] FRU: 01FT690
                \t\t\t[RM] Firmware version: 1.2
                \t\t\t[FG] Unknown: 66
                \t\t\t[PN] Part number:\s
                \t\t\t[Y1] System specific: \\x0a"\\\\\\x1b[0m
                \t\tRead/write fields:
                \t\t\t[V1] Vendor specific: rw
                \t\t\t[RW] Read-write area: 20 byte(s) free
                \t\tEnd""",
                String.join(
                        "\n", words(large(NAME, "Card".getBytes(StandardCharsets.US_ASCII)), fields, writable, END)));
    }

    @ParameterizedTest
    @CsvSource({"0, good", "1, bad"})
    void of_checksum_isAdded(int error, String result) {
        assertEquals(
                List.of(
                        "\t\tProduct Name: My NIC",
                        "\t\tRead-only fields:",
                        "\t\t\t[PN] Part number: AB-12",
                        "\t\t\t[RV] Reserved: checksum " + result + ", 3 byte(s) reserved",
                        "\t\tEnd"),
                words(summed(error), END));
    }

    /** lspci adds up what follows the field, and counts -1 reserved bytes. */
    @Test
    void of_emptyChecksumField_hasNone() {
        assertEquals(
                "\t\t\t[RV] Reserved: no checksum",
                words(large(READ_ONLY, field("RV", "")), END).get(1));
    }

    /** lspci prints bytes from 0x80 on as they are. */
    @Test
    void of_nameThatIsNotAscii_isEscaped() {
        byte[] name = large(NAME, new byte[] {'a', (byte) 0x9b, (byte) 0xe9});
        assertEquals("\t\tProduct Name: a\\x9b\\xe9", words(name, END).getFirst());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "empty || Not readable",
                "half a header | 82 05 | Not readable",
                "no end | 82 02 00 61 62 | Product Name: ab; No end tag found",
                "small zero | 00 00 00 | Unknown small resource type 00, will not decode more.",
                "other small tag | 22 61 62 78 | Unknown small resource type 04, will not decode more.",
                "other large tag | 85 01 00 61 78 | Unknown large resource type 05, will not decode more.",
                "beyond all | 82 ff 7f 61 61 | No end tag found",
                "field too large | 90 06 00 50 4e 20 61 62 63 78 | Read-only fields:; End",
                "half a field | 90 01 00 50 78 | Read-only fields:; End",
                "data end in fields | 90 20 00 50 4e 01 41 | Read-only fields:; \t[PN] Part number: A; No end tag found",
                "no fields | 90 00 00 91 00 00 78 | Read-only fields:; Read/write fields:; End"
            })
    void of_oddData_endsWhereItIsOdd(String kind, @Nullable String hex, String expected) {
        byte[] data = HexFormat.ofDelimiter(" ").parseHex(Objects.requireNonNullElse(hex, ""));
        assertEquals("\t\t" + expected.replace("; ", "\n\t\t"), String.join("\n", words(data)), kind);
    }

    @Test
    void of_randomData_isNeverAnError() {
        Random random = new Random(1);
        int[] tags = {NAME, READ_ONLY, READ_WRITE, 0x78, 0x85};
        for (int round = 0; round < 3000; round++) {
            byte[] data = new byte[random.nextInt(64)];
            random.nextBytes(data);
            for (int at = 0; at + 2 < data.length; at += 1 + random.nextInt(16)) {
                data[at] = (byte) tags[random.nextInt(tags.length)];
                data[at + 2] = 0;
            }
            assertTrue(words(data).stream().allMatch(line -> line.startsWith("\t\t")));
        }
    }
}
