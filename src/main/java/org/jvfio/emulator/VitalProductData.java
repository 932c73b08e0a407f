package org.jvfio.emulator;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** The vital product data of a PCI function, as Linux reads them: {@code drivers/pci/vpd.c}. Immutable. */
final class VitalProductData {
    static final int MAX_BYTES = 1 << 15;
    private static final int LARGE = 0x80;
    private static final int LARGE_HEADER_BYTES = 3;
    private static final int END = 0x78;
    private static final int SMALL_LENGTH = 0x07;

    private final byte[] data;
    private final int validBytes;

    VitalProductData(byte[] data) {
        if (data.length > MAX_BYTES) {
            throw new IllegalArgumentException(
                    "vital product data of %d bytes: the maximum is %d".formatted(data.length, MAX_BYTES));
        }
        this.data = data.clone();
        this.validBytes = validBytes(this.data);
    }

    /** {@code pci_vpd_size}: the bytes up to the end tag; 0 if there is none, or a tag before it is invalid. */
    private static int validBytes(byte[] data) {
        int at = 0;
        while (at < data.length) {
            int tag = data[at] & 0xff;
            if (at == 0 && (tag == 0 || tag == 0xff)) {
                return 0;
            }
            if ((tag & LARGE) != 0) {
                if (at + LARGE_HEADER_BYTES > data.length) {
                    return 0;
                }
                at += LARGE_HEADER_BYTES + (data[at + 1] & 0xff) + ((data[at + 2] & 0xff) << Byte.SIZE);
            } else {
                at += 1 + (tag & SMALL_LENGTH);
                if ((tag & ~SMALL_LENGTH) == END) {
                    return Math.min(at, data.length);
                }
            }
        }
        return 0;
    }

    boolean isPresent() {
        return data.length > 0;
    }

    /** Whether Linux can read them. */
    boolean isReadable() {
        return validBytes > 0;
    }

    /** The 4 bytes at an address, the lowest first, with zeros behind the end tag. */
    int read(int address) {
        ByteBuffer bytes = ByteBuffer.allocate(Integer.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        for (int each = 0; each < Integer.BYTES && address + each < validBytes; each++) {
            bytes.put(each, data[address + each]);
        }
        return bytes.getInt(0);
    }
}
