package org.jvfio.contract.host;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.Arena;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import org.jvfio.uapi.vfio_h;

/** The configuration space of a device, whose registers are little-endian. */
public final class RawConfigSpace {
    private static final ValueLayout.OfShort SHORT = VfioProcess.LITTLE_ENDIAN_SHORT;
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT.withOrder(ByteOrder.LITTLE_ENDIAN);

    private final RawDevice device;
    private final long offset;

    public RawConfigSpace(RawDevice device) {
        this.device = device;
        this.offset = device.offset(vfio_h.VFIO_PCI_CONFIG_REGION_INDEX);
    }

    public int readByte(int register) {
        return read(register, 1).get(ValueLayout.JAVA_BYTE, 0) & 0xff;
    }

    public int readShort(int register) {
        return Short.toUnsignedInt(read(register, Short.BYTES).get(SHORT, 0));
    }

    public int readInt(int register) {
        return read(register, Integer.BYTES).get(INT, 0);
    }

    /** So many bytes, read by one call. */
    public MemorySegment read(int register, int bytes) {
        MemorySegment buffer = device.process.struct(
                MemoryLayout.sequenceLayout(bytes, ValueLayout.JAVA_BYTE).withByteAlignment(Long.BYTES));
        assertEquals(bytes, device.pread(buffer, offset + register));
        return buffer;
    }

    public void writeByte(int register, int value) {
        try (Arena arena = Arena.ofConfined()) {
            assertEquals(1, write(register, arena.allocateFrom(ValueLayout.JAVA_BYTE, (byte) value)));
        }
    }

    public void writeShort(int register, int value) {
        try (Arena arena = Arena.ofConfined()) {
            assertEquals(Short.BYTES, write(register, arena.allocateFrom(SHORT, (short) value)));
        }
    }

    public void writeInt(int register, int value) {
        try (Arena arena = Arena.ofConfined()) {
            assertEquals(Integer.BYTES, write(register, arena.allocateFrom(INT, value)));
        }
    }

    /** Writes: the count of bytes, or a negated errno. */
    public long write(int register, MemorySegment bytes) {
        return device.pwrite(bytes, offset + register);
    }

    /** The ids of all capabilities of the first 256 bytes, in the order of their chain. */
    public List<Integer> capabilities() {
        List<Integer> ids = new ArrayList<>();
        for (int place = readByte(vfio_h.PCI_CAPABILITY_LIST); place != 0; place = readByte(place + 1)) {
            ids.add(readByte(place));
            assertTrue(ids.size() < 48, "the chain has an end");
        }
        return ids;
    }

    /** Where a capability is, which must be there. */
    public int capability(int id) {
        int place = readByte(vfio_h.PCI_CAPABILITY_LIST);
        while (place != 0 && readByte(place) != id) {
            place = readByte(place + 1);
        }
        assertTrue(place != 0, "capability 0x%x is there".formatted(id));
        return place;
    }
}
