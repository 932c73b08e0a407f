package org.jvfio;

import static org.jvfio.uapi.vfio_h.PCI_BASE_ADDRESS_0;
import static org.jvfio.uapi.vfio_h.PCI_BASE_ADDRESS_MEM_PREFETCH;
import static org.jvfio.uapi.vfio_h.PCI_BASE_ADDRESS_MEM_TYPE_64;
import static org.jvfio.uapi.vfio_h.PCI_BASE_ADDRESS_MEM_TYPE_MASK;
import static org.jvfio.uapi.vfio_h.PCI_BASE_ADDRESS_SPACE;
import static org.jvfio.uapi.vfio_h.PCI_BASE_ADDRESS_SPACE_IO;

import java.util.ArrayList;
import java.util.List;

/**
 * Finds the sizes of BARs: writes all ones to each register, reads which address bits can be set, and restores it. The
 * registers are the kernel's copy, so the device decodes its BARs meanwhile. The caller holds the container's lock.
 */
final class BarSizing {
    private static final int BARS = 6;
    private static final int IO_FLAGS = 0x3;
    private static final int MEMORY_FLAGS = 0xf;

    private final Region config;

    BarSizing(Region config) {
        this.config = config;
    }

    List<Bar> bars() {
        List<Bar> bars = new ArrayList<>();
        for (int index = 0; index < BARS; index++) {
            int register = PCI_BASE_ADDRESS_0 + index * Integer.BYTES;
            int low = config.readInt(register);
            int lowMask = mask(register, low);
            boolean io = (lowMask & PCI_BASE_ADDRESS_SPACE) == PCI_BASE_ADDRESS_SPACE_IO;
            boolean wide = !io && (lowMask & PCI_BASE_ADDRESS_MEM_TYPE_MASK) == PCI_BASE_ADDRESS_MEM_TYPE_64;
            int flags = io ? IO_FLAGS : MEMORY_FLAGS;
            long address = Integer.toUnsignedLong(low & ~flags);
            long mask = (lowMask & ~flags) | -1L << Integer.SIZE;
            if (wide && index + 1 < BARS) {
                int high = config.readInt(register + Integer.BYTES);
                mask = (long) mask(register + Integer.BYTES, high) << Integer.SIZE
                        | Integer.toUnsignedLong(lowMask & ~flags);
                address |= (long) high << Integer.SIZE;
            } else if ((lowMask & ~flags) == 0) {
                continue;
            }
            if (mask != 0) {
                bars.add(new Bar(
                        index,
                        io ? Bar.Kind.IO : wide ? Bar.Kind.MEMORY_64 : Bar.Kind.MEMORY_32,
                        !io && (lowMask & PCI_BASE_ADDRESS_MEM_PREFETCH) != 0,
                        address,
                        -mask));
            }
            index += wide ? 1 : 0;
        }
        return bars;
    }

    private int mask(int register, int value) {
        config.writeInt(register, -1);
        try {
            return config.readInt(register);
        } finally {
            config.writeInt(register, value);
        }
    }
}
