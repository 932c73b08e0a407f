package org.jvfio.emulator;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.jvfio.kernel.Errno;

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

    /**
     * {@code pci_vpd_size} of Linux 5.16 and newer: the bytes up to the end tag, or to where there is no tag; 0 if
     * there is none at all. Behind the data the function has zeros, which are tags without a meaning.
     */
    private static int validBytes(byte[] data) {
        int at = 0;
        while (at < MAX_BYTES) {
            int tag = at(data, at);
            if (at == 0 && (tag == 0 || tag == 0xff)) {
                return 0;
            }
            boolean large = (tag & LARGE) != 0;
            int header = large ? LARGE_HEADER_BYTES : 1;
            int size = large ? at(data, at + 1) + (at(data, at + 2) << Byte.SIZE) : tag & SMALL_LENGTH;
            if (at + size > MAX_BYTES) {
                return at;
            }
            at += header + size;
            if ((tag & ~SMALL_LENGTH) == END) {
                break;
            }
        }
        return Math.min(at, MAX_BYTES);
    }

    private static int at(byte[] data, int offset) {
        return offset < data.length ? data[offset] & 0xff : 0;
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
        int value = 0;
        for (int each = 0; each < Integer.BYTES && address + each < validBytes; each++) {
            value |= at(data, address + each) << (each * Byte.SIZE);
        }
        return value;
    }

    /** Reads up to the end tag from an offset on ({@code vpd_read}): how many bytes; ENODEV if Linux cannot. */
    long read(MemorySegment buffer, long offset) {
        if (!isReadable()) {
            return Errno.ENODEV.negated();
        }
        long size = Math.clamp(validBytes - offset, 0, buffer.byteSize());
        for (long each = 0; each < size; each++) {
            buffer.set(ValueLayout.JAVA_BYTE, each, (byte) at(data, (int) (offset + each)));
        }
        return size;
    }
}
