package org.jvfio;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jvfio.kernel.Errno;
import org.jvfio.kernel.Kernel;
import org.jvfio.observe.TraceProperty;
import org.jvfio.uapi.vfio_h;

/**
 * The kernel's log, {@code /dev/kmsg}. The platform logs there what it does with a group's windows and bypass.
 */
public final class KernelLog implements AutoCloseable {
    private static final String PATH = "/dev/kmsg";
    // CONSOLE_EXT_LOG_MAX of Linux; a read into less than a record fails with EINVAL.
    private static final int MAX_RECORD = 8192;
    private static final String ASKED = "read the kernel's log";

    private final Descriptor descriptor;
    private final OpenSite openSite;

    private KernelLog(Descriptor descriptor) {
        this.descriptor = descriptor;
        this.openSite = new OpenSite("The kernel's log", Map.of());
    }

    /**
     * Opens the log, at its oldest record.
     *
     * @throws VfioException if it may not be read
     */
    public static KernelLog open(Kernel host) {
        Kernel kernel = TraceProperty.observe(host);
        Descriptor descriptor =
                Descriptor.open(kernel, PATH, vfio_h.O_RDONLY | vfio_h.O_NONBLOCK, ASKED, errno -> switch (errno) {
                    case EPERM, EACCES ->
                        new Cause(
                                VfioException.Kind.PERMISSION,
                                "this user may not read it",
                                "run as root, or set sysctl kernel.dmesg_restrict=0");
                    default -> Cause.of(errno);
                });
        KernelLog log = new KernelLog(descriptor);
        log.openSite.watch(log);
        return log;
    }

    /**
     * The messages since the last call, oldest first; at the first call, all that the kernel still has. Messages that
     * were overwritten before they were read are missing.
     *
     * @throws VfioException if the log cannot be read
     */
    public List<String> read() {
        List<String> messages = new ArrayList<>();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment buffer = arena.allocate(MAX_RECORD);
            while (true) {
                long count = descriptor.read(buffer);
                if (count == Errno.EAGAIN.negated()) {
                    return messages;
                }
                if (count == Errno.EPIPE.negated()) {
                    continue; // overwritten meanwhile; the next read returns the oldest message left
                }
                if (count <= 0) {
                    throw VfioException.failed(ASKED, "read(" + PATH + ")", count, Cause.unknown());
                }
                messages.add(message(
                        new String(buffer.asSlice(0, count).toArray(ValueLayout.JAVA_BYTE), StandardCharsets.UTF_8)));
            }
        }
    }

    /** The text in a record "priority,sequence,microseconds,flags;text", without the dictionary that follows it. */
    private static String message(String entry) {
        int start = entry.indexOf(';') + 1;
        int end = entry.indexOf('\n', start);
        return entry.substring(start, end < 0 ? entry.length() : end);
    }

    @Override
    public void close() {
        openSite.closed();
        descriptor.close();
    }
}
