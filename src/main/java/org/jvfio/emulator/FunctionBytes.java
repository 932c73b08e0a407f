package org.jvfio.emulator;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import org.jvfio.kernel.Errno;

/** A file of sysfs with bytes of a PCI function, to be read. */
final class FunctionBytes extends OpenFile {
    private static final Pattern PATH = Pattern.compile("/sys/bus/pci/devices/([^/]+)/(config|vpd)");

    private final Content content;
    private long position;

    /** Reads as many bytes as there are at an offset, 0 at the end; or answers a negated errno. */
    @FunctionalInterface
    private interface Content {
        long read(MemorySegment buffer, long offset);
    }

    private FunctionBytes(Content content) {
        this.content = content;
    }

    /**
     * Configuration space: {@code pci_read_config} of {@code drivers/pci/pci-sysfs.c}. The device's own registers, not
     * what vfio-pci shows of them.
     */
    static @Nullable FunctionBytes config(EmulatedHost host, String path) {
        PciFunction function = function(host, path, "config");
        return function == null ? null : new FunctionBytes((buffer, offset) -> readConfig(function, buffer, offset));
    }

    /** Vital product data, which only root may read: {@code vpd_read} of {@code drivers/pci/vpd.c}. */
    static @Nullable FunctionBytes vitalProductData(EmulatedHost host, String path) {
        PciFunction function = function(host, path, "vpd");
        if (function == null || !function.options().vitalProductData().isPresent()) {
            return null;
        }
        VitalProductData data = function.options().vitalProductData();
        return new FunctionBytes(
                (buffer, offset) -> data.isReadable() ? data.read(buffer, offset) : Errno.ENODEV.negated());
    }

    private static @Nullable PciFunction function(EmulatedHost host, String path, String name) {
        Matcher matcher = PATH.matcher(path);
        return matcher.matches() && matcher.group(2).equals(name)
                ? host.functions().get(matcher.group(1))
                : null;
    }

    private static long readConfig(PciFunction function, MemorySegment buffer, long offset) {
        long size = Math.clamp(function.found().configBytes() - offset, 0, buffer.byteSize());
        for (long at = 0; at < size; at++) {
            long value = function.access().read((int) (offset + at), 1);
            // A device that cannot be reached reads all ones, as the PCI core makes of an error.
            buffer.set(ValueLayout.JAVA_BYTE, at, Errno.isError(value) ? -1 : (byte) value);
        }
        return size;
    }

    @Override
    long read(MemorySegment buffer) {
        long count = pread(buffer, position);
        position += Math.max(0, count);
        return count;
    }

    @Override
    long pread(MemorySegment buffer, long offset) {
        return content.read(buffer, offset);
    }
}
