package org.jvfio.contract.host;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;

/** Images of expansion ROMs, without code. */
public final class RomImage {
    public static final int BLOCK = 512;
    private static final int STRUCTURE = 0x1c;
    private static final byte NO_CODE = (byte) 0xff;
    private static final int LAST = 0x80;

    private RomImage() {}

    /** The image that {@code scripts/power} gives QEMU's NVMe drive. */
    public static byte[] ofNvme() {
        return of(0x1b36, 0x0010, 0x010802, 3, true);
    }

    /**
     * An image: its header and its PCI data structure.
     *
     * @param blocks its length, in 512 bytes
     * @param last whether there is none behind it
     */
    public static byte[] of(int vendor, int device, int classCode, int blocks, boolean last) {
        ByteBuffer image = ByteBuffer.allocate(blocks * BLOCK).order(ByteOrder.LITTLE_ENDIAN);
        image.putShort(0, (short) 0xaa55).put(2, (byte) blocks).putShort(0x18, (short) STRUCTURE);
        image.position(STRUCTURE).put("PCIR".getBytes(StandardCharsets.US_ASCII));
        image.putShort((short) vendor)
                .putShort((short) device)
                .putShort((short) 0)
                .putShort((short) 0x18);
        image.putInt(classCode << Byte.SIZE).putShort((short) blocks).putShort((short) 0);
        return image.put(NO_CODE).put((byte) (last ? LAST : 0)).array();
    }
}
