package org.jvfio.cli.host;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.jvfio.kernel.Errno;
import org.jvfio.kernel.Kernel;
import org.jvfio.uapi.vfio_h;

/** The files of a host. One that is missing, or may not be read, is empty: a report says what there is. */
public final class HostFiles {
    private final Kernel kernel;

    public HostFiles(Kernel kernel) {
        this.kernel = kernel;
    }

    public Kernel kernel() {
        return kernel;
    }

    /** The text of a file, without white space around it. */
    public Optional<String> read(String path) {
        try {
            return Optional.of(kernel.readFile(path).strip());
        } catch (IOException _) {
            return Optional.empty();
        }
    }

    /** The lines of a file. */
    public List<String> lines(String path) {
        return read(path).map(text -> text.lines().toList()).orElse(List.of());
    }

    /** The number in a file, decimal, or hexadecimal with 0x. */
    public Optional<Long> number(String path) {
        try {
            return read(path).filter(text -> !text.isEmpty()).map(Long::decode);
        } catch (NumberFormatException _) {
            return Optional.empty();
        }
    }

    /** The target of a link. */
    public Optional<String> link(String path) {
        try {
            return Optional.of(kernel.readLink(path));
        } catch (IOException _) {
            return Optional.empty();
        }
    }

    /** The last name in the target of a link. */
    public Optional<String> linkName(String path) {
        return link(path).map(target -> target.substring(target.lastIndexOf('/') + 1));
    }

    /** The names in a directory; none if it does not exist. */
    public List<String> list(String path) {
        try {
            return kernel.list(path);
        } catch (IOException _) {
            return List.of();
        }
    }

    /** Whether a directory exists. */
    public boolean isDirectory(String path) {
        try {
            kernel.list(path);
            return true;
        } catch (IOException _) {
            return false;
        }
    }

    /**
     * The first bytes of a file that is not text.
     *
     * @param most how many at most
     * @return fewer if the file ends, or what is read ends for another reason
     */
    public byte[] bytes(String path, int most) {
        int fd = kernel.open(path, vfio_h.O_RDONLY | vfio_h.O_CLOEXEC);
        if (fd < 0) {
            return new byte[0];
        }
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment buffer = arena.allocate(most);
            int done = 0;
            while (done < most) {
                long count = kernel.pread(fd, buffer.asSlice(done), done);
                if (count <= 0) {
                    break;
                }
                done += (int) count;
            }
            return Arrays.copyOf(buffer.toArray(ValueLayout.JAVA_BYTE), done);
        } finally {
            kernel.close(fd);
        }
    }

    /**
     * Whether a file can be opened to read and write; it is closed at once.
     *
     * @return the error, empty if it can
     */
    public Optional<Errno> openError(String path) {
        int fd = kernel.open(path, vfio_h.O_RDWR | vfio_h.O_CLOEXEC);
        if (fd >= 0) {
            kernel.close(fd);
            return Optional.empty();
        }
        return Errno.of(-fd);
    }

    /**
     * Writes a text to a file of sysfs in one call.
     *
     * @return the error, empty if it is written
     */
    public Optional<Errno> write(String path, String text) {
        int fd = kernel.open(path, vfio_h.O_WRONLY | vfio_h.O_CLOEXEC);
        if (fd < 0) {
            return Errno.of(-fd);
        }
        try (Arena arena = Arena.ofConfined()) {
            byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
            MemorySegment buffer = arena.allocate(bytes.length);
            buffer.copyFrom(MemorySegment.ofArray(bytes));
            long count = kernel.write(fd, buffer);
            if (count == bytes.length) {
                return Optional.empty();
            }
            return count < 0 ? Errno.of((int) -count) : Optional.of(Errno.EIO);
        } finally {
            kernel.close(fd);
        }
    }
}
