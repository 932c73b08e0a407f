package org.jvfio.emulator;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import org.jvfio.kernel.Errno;

/**
 * Configuration space as sysfs shows it, to be read: {@code pci_read_config} of {@code drivers/pci/pci-sysfs.c}. The
 * device's own registers, not what vfio-pci shows of them.
 */
final class ConfigFile extends OpenFile {
    private static final Pattern PATH = Pattern.compile("/sys/bus/pci/devices/([^/]+)/config");

    private final PciFunction function;
    private long position;

    private ConfigFile(PciFunction function) {
        this.function = function;
    }

    /** The file of this path, if it is one of these. */
    static @Nullable ConfigFile open(EmulatedHost host, String path) {
        Matcher matcher = PATH.matcher(path);
        PciFunction function = matcher.matches() ? host.functions().get(matcher.group(1)) : null;
        return function == null ? null : new ConfigFile(function);
    }

    @Override
    long read(MemorySegment buffer) {
        long count = pread(buffer, position);
        position += Math.max(0, count);
        return count;
    }

    @Override
    long pread(MemorySegment buffer, long offset) {
        long size = Math.clamp(function.configBytes() - offset, 0, buffer.byteSize());
        for (long at = 0; at < size; at++) {
            long value = function.access().read((int) (offset + at), 1);
            // A device that cannot be reached reads all ones, as the PCI core makes of an error.
            buffer.set(ValueLayout.JAVA_BYTE, at, Errno.isError(value) ? -1 : (byte) value);
        }
        return size;
    }
}
