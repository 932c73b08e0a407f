package org.jvfio;

import java.io.IOException;
import java.nio.file.NoSuchFileException;
import java.util.List;
import java.util.Optional;
import org.jvfio.VfioException.Kind;
import org.jvfio.kernel.Kernel;

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

    private static <T> Optional<T> find(Read<T> read, String path) {
        try {
            return Optional.of(read.read(path));
        } catch (NoSuchFileException _) {
            return Optional.empty();
        } catch (IOException e) {
            throw new VfioException(
                    Kind.PERMISSION, "read " + path, String.valueOf(e.getMessage()), "check its permissions");
        }
    }
}
