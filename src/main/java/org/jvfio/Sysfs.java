package org.jvfio;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.file.NoSuchFileException;
import java.util.List;
import java.util.Optional;
import org.jvfio.VfioException.Kind;
import org.jvfio.kernel.FileErrors;
import org.jvfio.kernel.Kernel;
import org.jvfio.uapi.vfio_h;

/**
 * Reads of sysfs and procfs in which a missing file is an empty result, and any other error a {@link VfioException}.
 */
final class Sysfs {
    private Sysfs() {}

    @FunctionalInterface
    private interface Read<T> {
        T read(String path) throws IOException;
    }

    /** The text of a file, if it exists. */
    static Optional<String> find(Kernel kernel, String path) {
        return find(kernel::readFile, path);
    }

    /** The text of a file that always exists, without its last newline. */
    static String read(Kernel kernel, String path) {
        return find(kernel, path)
                .orElseThrow(() -> new VfioException(
                        Kind.HOST_SETUP,
                        "read " + path,
                        "there is no such file",
                        "mount /sys and /proc in this container or chroot"))
                .stripTrailing();
    }

    /** The last name in the target of a link, as the driver's in {@code .../driver}. */
    static Optional<String> linkName(Kernel kernel, String path) {
        return link(kernel, path).map(target -> target.substring(target.lastIndexOf('/') + 1));
    }

    /** The target of a link. */
    static Optional<String> link(Kernel kernel, String path) {
        return find(kernel::readLink, path);
    }

    /** The names in a directory, sorted. */
    static Optional<List<String>> list(Kernel kernel, String path) {
        return find(kernel::list, path);
    }

    /**
     * 4 bytes of a binary file, little-endian, as of {@code config} of a device.
     *
     * @throws VfioException if it cannot be read
     */
    static int readInt(Kernel kernel, String path, long offset) {
        try (Descriptor file = Descriptor.open(kernel, path, vfio_h.O_RDONLY, "read " + path, Cause::of);
                Arena arena = Arena.ofConfined()) {
            MemorySegment value = arena.allocate(ValueLayout.JAVA_INT);
            long count = file.pread(value, offset);
            if (count != Integer.BYTES) {
                throw VfioException.failed(
                        "read " + path, "pread(4 bytes at 0x%x)".formatted(offset), count, Cause.of(count, Cause::of));
            }
            return value.get(ValueLayout.JAVA_INT.withOrder(ByteOrder.LITTLE_ENDIAN), 0);
        }
    }

    private static <T> Optional<T> find(Read<T> read, String path) {
        try {
            return Optional.of(read.read(path));
        } catch (NoSuchFileException _) {
            return Optional.empty();
        } catch (IOException e) {
            throw new VfioException(Kind.PERMISSION, "read " + path, FileErrors.reason(e), "check its permissions");
        }
    }
}
