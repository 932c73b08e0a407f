package org.jvfio.emulator;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * The expansion ROM of a PCI function: consecutive images, each with a header that begins with 0x55, 0xaa and has the
 * offset of a PCI data structure, which has the image's length (PCI Firmware Specification).
 */
final class ExpansionRom {
    private static final int MIN_BYTES = 2 << 10;
    private static final int MAX_BYTES = 16 << 20;
    private static final short SIGNATURE = (short) 0xaa55;
    private static final int STRUCTURE_PLACE = 0x18;
    private static final int HEADER_BYTES = STRUCTURE_PLACE + Short.BYTES;
    /** "PCIR". */
    private static final int STRUCTURE_SIGNATURE = 0x52494350;

    private static final int IMAGE_LENGTH = 16;
    private static final int IMAGE_UNIT = 512;
    private static final int INDICATOR = 21;
    private static final int LAST_IMAGE = 0x80;

    private final ByteBuffer contents;

    /**
     * A ROM with these contents.
     *
     * @param contents 26 bytes, the header of an image, to 16 MiB, the largest BAR; empty for no ROM
     */
    ExpansionRom(byte[] contents) {
        if (contents.length > MAX_BYTES) {
            throw new IllegalArgumentException("a ROM of %d bytes: the maximum is 16 MiB".formatted(contents.length));
        }
        if (contents.length > 0 && contents.length < HEADER_BYTES) {
            throw new IllegalArgumentException(
                    "a ROM of %d bytes: the header of an image alone has %d".formatted(contents.length, HEADER_BYTES));
        }
        this.contents = ByteBuffer.wrap(contents.clone()).order(ByteOrder.LITTLE_ENDIAN);
    }

    /** The size of its BAR, a power of two; 0 if there is none. */
    int barBytes() {
        int bytes = contents.capacity();
        return bytes == 0 ? 0 : Math.max(MIN_BYTES, Integer.highestOneBit(bytes * 2 - 1));
    }

    /** The size of its images as Linux computes it ({@code pci_get_rom_size}); 0 if it finds none. */
    int imageBytes() {
        int image = 0;
        boolean last = false;
        while (!last && image < barBytes() && shortAt(image) == SIGNATURE) {
            int structure = image + Short.toUnsignedInt(shortAt(image + STRUCTURE_PLACE));
            if (shortAt(structure) != (short) STRUCTURE_SIGNATURE
                    || shortAt(structure + Short.BYTES) != STRUCTURE_SIGNATURE >>> Short.SIZE) {
                break;
            }
            int length = Short.toUnsignedInt(shortAt(structure + IMAGE_LENGTH)) * IMAGE_UNIT;
            last = length == 0 || (shortAt(structure + INDICATOR) & LAST_IMAGE) != 0;
            image += length;
        }
        return Math.min(image, barBytes());
    }

    /** A byte; all ones past the end. */
    byte byteAt(int offset) {
        return offset < contents.capacity() ? contents.get(offset) : -1;
    }

    private short shortAt(int offset) {
        return (short) ((byteAt(offset) & 0xff) | (byteAt(offset + 1) << Byte.SIZE));
    }
}
