package org.jvfio.emulator;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import org.jvfio.kernel.Errno;
import org.jvfio.uapi.vfio_h;

/**
 * The files in the directory of a PCI function that are no text: configuration space, vital product data, the ROM and
 * the BARs. {@code drivers/pci/pci-sysfs.c} and {@code vpd.c}.
 */
final class BinaryAttributes {
    private static final Pattern RESOURCE = Pattern.compile("resource([0-5])(_wc)?");
    private static final String WRITE_COMBINED = "_wc";
    private static final int READ_BY_ALL = 0644;
    private static final int ROOT_ONLY = 0600;

    private BinaryAttributes() {}

    /** Their names. */
    static Set<String> names(PciFunction function) {
        Set<String> names = new TreeSet<>();
        names.add("config");
        if (hasProductData(function)) {
            names.add("vpd");
        }
        if (function.romBytes() > 0) {
            names.add("rom");
        }
        PciBars bars = function.bars();
        for (int bar = 0; bar < bars.count(); bar++) {
            if (bars.isAssigned(bar)) {
                names.add("resource" + bar);
                if (bars.isPrefetchable(bar)) {
                    names.add("resource" + bar + WRITE_COMBINED);
                }
            }
        }
        return names;
    }

    /**
     * One of them; null if it is none.
     *
     * @param root whether it is read with the capabilities of root
     */
    static @Nullable HostFile find(PciFunction function, String name, boolean root) {
        return switch (name) {
            case "config" -> HostFile.of(READ_BY_ALL, (buffer, offset) -> readConfig(function, root, buffer, offset));
            case "vpd" ->
                hasProductData(function)
                        ? HostFile.of(ROOT_ONLY, function.options().vitalProductData()::read)
                        : null;
            case "rom" -> function.romBytes() > 0 ? HostFile.of(ROOT_ONLY, new Rom(function)) : null;
            default -> resource(function, name);
        };
    }

    private static @Nullable HostFile resource(PciFunction function, String name) {
        Matcher matcher = RESOURCE.matcher(name);
        if (!matcher.matches()) {
            return null;
        }
        int bar = Integer.parseInt(matcher.group(1));
        boolean combined = matcher.group(2) != null;
        if (!function.bars().isAssigned(bar) || (combined && !function.bars().isPrefetchable(bar))) {
            return null;
        }
        return HostFile.of(
                ROOT_ONLY, function.bars().hasPorts(bar) ? new Ports(function, bar) : new Memory(function, bar));
    }

    /** Whether Linux can read them shows when they are read: {@code vpd_attr_is_visible}. */
    private static boolean hasProductData(PciFunction function) {
        return function.found().offset(vfio_h.PCI_CAP_ID_VPD) != 0;
    }

    /**
     * {@code pci_read_config}: the device's own registers, not what vfio-pci shows of them. Users without privileges
     * get the header only.
     */
    private static long readConfig(PciFunction function, boolean root, MemorySegment buffer, long offset) {
        int end = root ? function.found().configBytes() : vfio_h.PCI_STD_HEADER_SIZEOF;
        long size = Math.clamp(end - offset, 0, buffer.byteSize());
        for (long at = 0; at < size; at++) {
            long value = function.access().read((int) (offset + at), 1);
            // A device that cannot be reached reads all ones, as the PCI core makes of an error.
            buffer.set(ValueLayout.JAVA_BYTE, at, Errno.isError(value) ? -1 : (byte) value);
        }
        return size;
    }

    /** {@code pci_read_rom} and {@code pci_write_rom}: it can be read after anything but 0 was written to it. */
    private record Rom(PciFunction function) implements SysfsFile.Content {
        @Override
        public long read(MemorySegment buffer, long offset) {
            if (buffer.byteSize() == 0 || offset >= function.romBytes()) {
                return 0;
            }
            return function.readRomImage(buffer, offset);
        }

        @Override
        public long write(MemorySegment buffer, long offset) {
            long size = buffer.byteSize();
            boolean disables = offset == 0 && size == 2 && buffer.get(ValueLayout.JAVA_BYTE, 0) == '0';
            function.allowRomReads(!disables);
            return size;
        }
    }

    /** A BAR of memory, which {@code read} and {@code write} cannot access. */
    private record Memory(PciFunction function, int bar) implements SysfsFile.Content {
        @Override
        public long read(MemorySegment buffer, long offset) {
            return buffer.byteSize() == 0 || offset >= function.bars().bytes(bar) ? 0 : Errno.EIO.negated();
        }

        @Override
        public long write(MemorySegment buffer, long offset) {
            return offset >= function.bars().bytes(bar) ? Errno.EFBIG.negated() : Errno.EIO.negated();
        }

        @Override
        public long mmap() {
            return Errno.EPERM.negated();
        }
    }

    /** A BAR of I/O ports: {@code pci_read_resource_io}. */
    private record Ports(PciFunction function, int bar) implements SysfsFile.Content {
        @Override
        public long read(MemorySegment buffer, long offset) {
            long size = Math.clamp(function.bars().bytes(bar) - offset, 0, buffer.byteSize());
            if (size == 0) {
                return 0;
            }
            boolean whole = size == Byte.BYTES || size == Short.BYTES || size == Integer.BYTES;
            return whole ? function.accessBar(bar, buffer.asSlice(0, size), offset, false) : Errno.EINVAL.negated();
        }

        @Override
        public long mmap() {
            return Errno.EPERM.negated();
        }
    }
}
