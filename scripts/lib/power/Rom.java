package power;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HexFormat;

/** An expansion ROM without code for QEMU's NVMe drive. */
final class Rom {
    private static final int BLOCKS = 3;
    private static final int BLOCK = 512;
    private static final int DATA = 0x1c;

    private Rom() {}

    /**
     * One image of three blocks: its header, with the offset of the PCI data structure, and that structure: vendor,
     * device, offset of vital product data, length, revision, class code, image length, code revision, code type, last
     * image.
     */
    static byte[] image() {
        byte[] image = Arrays.copyOf(new byte[] {0x55, (byte) 0xaa, BLOCKS}, BLOCKS * BLOCK);
        image[0x18] = DATA;
        byte[] signature = "PCIR".getBytes(StandardCharsets.US_ASCII);
        byte[] fields =
                HexFormat.ofDelimiter(" ").parseHex("36 1b 10 00 00 00 18 00 00 02 08 01 03 00 00 00 ff 80 00 00");
        System.arraycopy(signature, 0, image, DATA, signature.length);
        System.arraycopy(fields, 0, image, DATA + signature.length, fields.length);
        return image;
    }
}
