package org.jvfio.emulator;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;
import org.jvfio.emulator.device.BarKind;
import org.jvfio.emulator.device.DeviceInterrupts;
import org.jvfio.emulator.device.EmulatedDevice;
import org.jvfio.kernel.Errno;
import org.jvfio.uapi.vfio_h;

/**
 * The BARs of a PCI function, and the accesses of a user to them through vfio-pci ({@code vfio_pci_rdwr.c}): the
 * registers of the device, and in one BAR the MSI-X table and its pending bits.
 */
final class PciBars {
    private static final int BARS = 6;
    private static final int MIN_BAR_BYTES = 16;
    private static final int MIN_PORTS = 4;
    private static final int MAX_PORTS = 256;

    private final PciFunction function;
    private final EmulatedDevice device;
    private final DeviceInterrupts hardware;
    private final long[] bytes = new long[BARS];
    private final boolean[] wide = new boolean[BARS];
    private final BarKind[] kinds = new BarKind[BARS];
    /** The I/O ports of additional BARs, which keep what is written. */
    private final @Nullable MemorySegment[] ports = new @Nullable MemorySegment[BARS];

    private final @Nullable BarMemory[] memories = new @Nullable BarMemory[BARS];
    private final boolean hasPorts;
    private final long pageBytes;

    /**
     * The BARs of a device.
     *
     * @param hasPorts whether the bridge has I/O space; without it BARs of I/O ports get no address
     * @param pageBytes the system page size
     * @throws IllegalArgumentException if they are invalid; the message completes "the device has ..."
     */
    PciBars(PciFunction function, EmulatedDevice device, DeviceInterrupts hardware, boolean hasPorts, long pageBytes) {
        this.function = function;
        this.device = device;
        this.hardware = hardware;
        this.hasPorts = hasPorts;
        this.pageBytes = pageBytes;
        takeBars(function.options().barBytes(device.barBytes()));
        requireTableInBar();
    }

    private void takeBars(long[] sizes) {
        if (sizes.length > BARS) {
            throw new IllegalArgumentException("%d BARs: the maximum is 6".formatted(sizes.length));
        }
        System.arraycopy(sizes, 0, bytes, 0, sizes.length);
        for (int bar = 0; bar < BARS; bar++) {
            long size = bytes[bar];
            FunctionOptions.ExtraBar extra = function.options().bars().get(bar);
            wide[bar] = size != 0 && (extra != null ? extra.wide() : device.isWideBar(bar));
            kinds[bar] = BarKind.REGISTERS;
            if (size != 0) {
                kinds[bar] = extra != null ? extra.kind() : device.barKind(bar);
            }
            if (kinds[bar] == BarKind.IO_PORTS) {
                requirePorts(bar);
                if (extra != null) {
                    ports[bar] = MemorySegment.ofArray(new byte[(int) size]);
                }
                continue;
            }
            if (size != 0 && (size < MIN_BAR_BYTES || Long.bitCount(size) != 1)) {
                throw new IllegalArgumentException(
                        "BAR %d of %d bytes: the size is a power of two, at least 16".formatted(bar, size));
            }
            if (!wide[bar] && size > 1L << 30) {
                throw new IllegalArgumentException(
                        "BAR %d of %d bytes: above 1 GiB it must be 64 bits wide".formatted(bar, size));
            }
            requireLower(bar);
            if (kinds[bar] == BarKind.MEMORY) {
                if (size > BarMemory.MAX_BYTES) {
                    throw new IllegalArgumentException(
                            "BAR %d with %d bytes of memory: the maximum is 1 GiB; a larger one has registers"
                                    .formatted(bar, size));
                }
                memories[bar] = new BarMemory(size, pageBytes);
            }
        }
        if (wide[BARS - 1]) {
            throw new IllegalArgumentException("a BAR 5 that is 64 bits wide: there is no BAR 6 for its upper half");
        }
    }

    private void requirePorts(int bar) {
        long size = bytes[bar];
        if (size < MIN_PORTS || size > MAX_PORTS || Long.bitCount(size) != 1) {
            throw new IllegalArgumentException(
                    "BAR %d of %d I/O ports: the size is a power of two, 4 to 256".formatted(bar, size));
        }
        if (wide[bar]) {
            throw new IllegalArgumentException(
                    "BAR %d of I/O ports that is 64 bits wide: only memory has such addresses".formatted(bar));
        }
        requireLower(bar);
    }

    private void requireLower(int bar) {
        if (bar > 0 && wide[bar - 1] && bytes[bar] != 0) {
            throw new IllegalArgumentException(
                    "a BAR %d, which is the upper half of the 64-bit BAR before it".formatted(bar));
        }
    }

    private void requireTableInBar() {
        long end = Math.max(hardwareTableEnd(), hardware.pendingOffset() + pendingBytes());
        if (hardware.vectors() > 0 && kinds[hardware.tableBar()] == BarKind.IO_PORTS) {
            throw new IllegalArgumentException(
                    "an MSI-X table in BAR %d, which has I/O ports: it is in memory".formatted(hardware.tableBar()));
        }
        if (hardware.vectors() > 0 && end > bytes[hardware.tableBar()]) {
            throw new IllegalArgumentException(
                    "an MSI-X table or pending bits that end at 0x%x in BAR %d, which has 0x%x bytes"
                            .formatted(end, hardware.tableBar(), bytes[hardware.tableBar()]));
        }
    }

    /** The number of BARs, including those that do not exist. */
    int count() {
        return BARS;
    }

    /** The size of a BAR; 0 for one that does not exist, or is the upper half of a 64-bit BAR. */
    long bytes(int bar) {
        return bytes[bar];
    }

    boolean isWide(int bar) {
        return wide[bar];
    }

    boolean hasPorts(int bar) {
        return kinds[bar] == BarKind.IO_PORTS;
    }

    boolean isPrefetchable(int bar) {
        return kinds[bar] == BarKind.MEMORY;
    }

    /** Whether a BAR has an address, without which Linux does not offer it to anybody. */
    boolean isAssigned(int bar) {
        return bytes[bar] != 0 && (hasPorts || !hasPorts(bar));
    }

    /** The alignment of the address that firmware or Linux gives a BAR, in bytes. */
    long alignment(int bar) {
        return kinds[bar] == BarKind.MEMORY && function.alignsToPages() ? Math.max(bytes[bar], pageBytes) : bytes[bar];
    }

    /** The bits of a BAR's register that say what it is. */
    int flags(int bar) {
        if (hasPorts(bar)) {
            return vfio_h.PCI_BASE_ADDRESS_SPACE_IO;
        }
        return (wide[bar] ? vfio_h.PCI_BASE_ADDRESS_MEM_TYPE_64 : 0)
                | (isPrefetchable(bar) ? vfio_h.PCI_BASE_ADDRESS_MEM_PREFETCH : 0);
    }

    /**
     * The memory of a BAR that users can map: one of memory that has pages of its own ({@code
     * vfio_pci_probe_mmaps}); null if this is none.
     */
    @Nullable
    BarMemory mappable(int bar) {
        return bytes[bar] >= pageBytes || function.alignsToPages() ? memories[bar] : null;
    }

    /** The device's own view of a BAR of memory. */
    MemorySegment memory(int bar) {
        BarMemory memory = bar < 0 || bar >= BARS ? null : memories[bar];
        if (memory == null) {
            throw new IllegalArgumentException("BAR %d of %s has no memory".formatted(bar, function.address()));
        }
        return memory.contents();
    }

    boolean isMapped() {
        return Arrays.stream(memories).anyMatch(each -> each != null && each.isMapped());
    }

    /** Shows their contents, or ones, in all mappings. */
    void show(boolean respond) {
        for (BarMemory memory : memories) {
            if (memory != null) {
                memory.show(respond);
            }
        }
    }

    /**
     * Clears the address bits of BARs in a copy of configuration space that cannot be set, so that they show the size.
     *
     * @param showsWide whether Linux shows 64-bit BARs as such
     */
    void showSizes(ByteBuffer copy, boolean showsWide) {
        for (int bar = 0; bar < BARS; bar++) {
            int register = ConfigRegisters.barRegister(bar);
            if (!isAssigned(bar)) {
                copy.putInt(register, 0);
                continue;
            }
            long mask = -bytes[bar];
            boolean shownWide = wide[bar] && showsWide;
            int type = flags(bar) & ~(shownWide ? 0 : vfio_h.PCI_BASE_ADDRESS_MEM_TYPE_64);
            copy.putInt(register, (copy.getInt(register) & (int) mask) | type);
            if (shownWide) {
                register += Integer.BYTES;
                copy.putInt(register, copy.getInt(register) & (int) (mask >>> Integer.SIZE));
                bar++;
            }
        }
    }

    /**
     * Accesses a BAR, in pieces as large as alignment allows.
     *
     * @param widest the size of the largest piece, 4 or 8 bytes
     * @return the number of bytes, or a negated errno
     */
    long access(int bar, MemorySegment buffer, long offset, boolean write, int widest) {
        long end = isAssigned(bar) ? bytes[bar] : 0;
        if (offset >= end) {
            return Errno.EINVAL.negated();
        }
        int limit = hasPorts(bar) ? Integer.BYTES : widest;
        long size = Math.min(buffer.byteSize(), end - offset);
        for (long at = 0; at < size; ) {
            long register = offset + at;
            int width = width(register, size - at, limit);
            if (isTable(bar, register)) {
                // Linux programs the table; a user reads all ones, and writes have no effect.
                if (!write) {
                    set(buffer, at, width, -1);
                }
            } else if (!hasPorts(bar) && !function.decodesMemory()) {
                return Errno.EIO.negated();
            } else if (write) {
                write(bar, register, width, get(buffer, at, width));
            } else {
                set(buffer, at, width, read(bar, register, width));
            }
            at += width;
        }
        return size;
    }

    private long read(int bar, long register, int width) {
        boolean pendingBits = isPendingBits(bar, register);
        boolean table = isHardwareTable(bar, register);
        if (!pendingBits && !table) {
            requireAnswer(bar, register, width, "pread");
        }
        if (!reaches(bar, register, false)) {
            return -1;
        }
        if (pendingBits) {
            return pendingBits(register, width);
        }
        if (table) {
            return maskedEntry(register, width);
        }
        MemorySegment storage = storage(bar);
        if (storage != null) {
            return get(storage, register, width);
        }
        try {
            return device.read(bar, register, width);
        } catch (RuntimeException | Error failure) {
            function.failed("read", failure);
            throw failure;
        }
    }

    /** Writes 1, 2, 4 or 8 bytes to a register of a BAR. */
    void write(int bar, long register, int width, long value) {
        if (isPendingBits(bar, register) || isHardwareTable(bar, register)) {
            return;
        }
        requireAnswer(bar, register, width, "pwrite");
        if (reaches(bar, register, true)) {
            MemorySegment storage = storage(bar);
            if (storage != null) {
                set(storage, register, width, value);
                return;
            }
            try {
                device.write(bar, register, width, value);
            } catch (RuntimeException | Error failure) {
                function.failed("write", failure);
                throw failure;
            }
        }
    }

    /** The bytes of a BAR whose accesses do not call the device; null if they do. */
    private @Nullable MemorySegment storage(int bar) {
        BarMemory memory = memories[bar];
        return memory != null ? memory.contents() : ports[bar];
    }

    private boolean reaches(int bar, long register, boolean write) {
        return (!hasPorts(bar) || function.decodesPorts()) && function.reachesBar(bar, register, write);
    }

    private void requireAnswer(int bar, long register, int width, String call) {
        if (memories[bar] == null && ports[bar] == null && !device.answers(bar, register, width)) {
            function.machineCheck(() ->
                    "%s of %d bytes at 0x%x of BAR %d of %s".formatted(call, width, register, bar, function.address()));
        }
    }

    /** Whether a register belongs to the MSI-X table, where Linux looks for it. */
    boolean isTable(int bar, long register) {
        return hasTable(bar) && register >= tableStart() && register < tableEnd();
    }

    /** Whether Linux looks for the MSI-X table in a BAR. */
    boolean hasTable(int bar) {
        return function.found().vectors() > 0 && bar == function.found().tableBar();
    }

    /** The offset of the MSI-X table in its BAR, in bytes. */
    long tableStart() {
        return function.found().tableOffset();
    }

    /** The offset of the first byte behind the MSI-X table. */
    long tableEnd() {
        return tableStart() + function.found().vectors() * (long) vfio_h.PCI_MSIX_ENTRY_SIZE;
    }

    /** A part of an entry of the MSI-X table that was never programmed: zeros, and the mask bit of its vector. */
    private long maskedEntry(long register, int width) {
        long control =
                (register - hardware.tableOffset()) % vfio_h.PCI_MSIX_ENTRY_SIZE - vfio_h.PCI_MSIX_ENTRY_VECTOR_CTRL;
        return control <= 0 && control + width > 0
                ? (long) vfio_h.PCI_MSIX_ENTRY_CTRL_MASKBIT << (-control * Byte.SIZE)
                : 0;
    }

    /** Whether a register belongs to the MSI-X table of the device, wherever Linux looks for it. */
    private boolean isHardwareTable(int bar, long register) {
        return bar == hardware.tableBar() && register >= hardware.tableOffset() && register < hardwareTableEnd();
    }

    private long hardwareTableEnd() {
        return hardware.tableOffset() + hardware.vectors() * (long) vfio_h.PCI_MSIX_ENTRY_SIZE;
    }

    private long pendingBytes() {
        return (hardware.vectors() + Long.SIZE - 1) / Long.SIZE * (long) Long.BYTES;
    }

    private boolean isPendingBits(int bar, long register) {
        long offset = register - hardware.pendingOffset();
        return bar == hardware.tableBar() && offset >= 0 && offset < pendingBytes();
    }

    private long pendingBits(long register, int width) {
        long offset = register - hardware.pendingOffset();
        long word = function.interrupts().pendingBits((int) (offset / Long.BYTES));
        return (word >>> (offset % Long.BYTES * Byte.SIZE)) & (-1L >>> (Long.SIZE - width * Byte.SIZE));
    }

    private static int width(long offset, long remaining, int widest) {
        int width = widest;
        while (width > remaining || (offset & (width - 1)) != 0) {
            width >>= 1;
        }
        return width;
    }

    private static long get(MemorySegment buffer, long at, int width) {
        long value = 0;
        for (int each = width - 1; each >= 0; each--) {
            value = (value << Byte.SIZE) | (buffer.get(ValueLayout.JAVA_BYTE, at + each) & 0xff);
        }
        return value;
    }

    private static void set(MemorySegment buffer, long at, int width, long value) {
        for (int each = 0; each < width; each++) {
            buffer.set(ValueLayout.JAVA_BYTE, at + each, (byte) (value >>> (each * Byte.SIZE)));
        }
    }
}
