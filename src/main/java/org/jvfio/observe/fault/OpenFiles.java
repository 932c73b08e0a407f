package org.jvfio.observe.fault;

import java.lang.foreign.MemorySegment;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;
import org.jvfio.ioctl.GetDeviceFd;
import org.jvfio.kernel.Errno;

/** What the descriptors of a process refer to, from the calls that returned them. */
final class OpenFiles {
    private static final OpenFile UNKNOWN = new OpenFile(FileKind.OTHER, null);

    private final Map<Integer, OpenFile> files = new ConcurrentHashMap<>();

    /**
     * An open file.
     *
     * @param device the address of the device that it is of; null for other kinds
     */
    record OpenFile(FileKind kind, @Nullable String device) {}

    OpenFile get(int fd) {
        return files.getOrDefault(fd, UNKNOWN);
    }

    void opened(String path, int fd) {
        FileKind kind = FileKind.OTHER;
        if (path.equals("/dev/vfio/vfio")) {
            kind = FileKind.CONTAINER;
        } else if (path.matches("/dev/vfio/[0-9]+")) {
            kind = FileKind.GROUP;
        }
        add(fd, new OpenFile(kind, null));
    }

    void eventfd(int fd) {
        add(fd, new OpenFile(FileKind.EVENTFD, null));
    }

    /** A device was opened by {@code VFIO_GROUP_GET_DEVICE_FD} with this name. */
    void device(MemorySegment name, int fd) {
        add(fd, new OpenFile(FileKind.DEVICE, new GetDeviceFd(name).address()));
    }

    private void add(int fd, OpenFile file) {
        if (!Errno.isError(fd)) {
            files.put(fd, file);
        }
    }

    void closed(int fd) {
        files.remove(fd);
    }
}
