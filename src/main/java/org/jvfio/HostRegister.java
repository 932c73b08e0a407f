package org.jvfio;

import static org.jvfio.uapi.vfio_h.O_RDONLY;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.OptionalInt;
import org.jvfio.kernel.Errno;
import org.jvfio.kernel.Kernel;

/**
 * Reads registers of a device from sysfs, without vfio-pci: the device's own values, not the copies of the kernel. Any
 * user may read the first 64 bytes ({@code pci_read_config}).
 */
final class HostRegister {
    private static final ValueLayout.OfInt LITTLE_INT = ValueLayout.JAVA_INT.withOrder(ByteOrder.LITTLE_ENDIAN);

    private HostRegister() {}

    /** The 4 bytes at an offset; empty if they cannot be read. */
    static OptionalInt readInt(Kernel kernel, PciAddress address, int offset) {
        int file = kernel.open("/sys/bus/pci/devices/" + address + "/config", O_RDONLY);
        if (Errno.isError(file)) {
            return OptionalInt.empty();
        }
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment buffer = arena.allocate(LITTLE_INT);
            long count = kernel.pread(file, buffer, offset);
            return count == Integer.BYTES ? OptionalInt.of(buffer.get(LITTLE_INT, 0)) : OptionalInt.empty();
        } finally {
            kernel.close(file);
        }
    }
}
