package org.jvfio.contract.host;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.jvfio.kernel.Errno;
import org.jvfio.kernel.Kernel;
import org.jvfio.uapi.vfio_h;

/** The kernel's log from the moment on when this is made, by way of {@code /dev/kmsg}. */
public final class HostLog {
    private static final String PATH = "/dev/kmsg";
    private static final int FLAGS = vfio_h.O_RDONLY | vfio_h.O_NONBLOCK;
    private static final int MAX_RECORD = 8192;

    private final Kernel kernel;
    private final int descriptor;

    public HostLog(VfioProcess process) {
        this(process.kernel(), process.open(PATH, FLAGS));
    }

    /** The log by way of a descriptor that stays open. */
    public HostLog(Kernel kernel) {
        this(kernel, kernel.open(PATH, FLAGS));
    }

    private HostLog(Kernel kernel, int descriptor) {
        this.kernel = kernel;
        this.descriptor = descriptor;
        assertTrue(descriptor >= 0, () -> "/dev/kmsg: " + descriptor);
        var _ = newMessages();
    }

    /** What was logged since this was asked the last time. */
    public List<String> newMessages() {
        List<String> messages = new ArrayList<>();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment record = arena.allocate(MAX_RECORD);
            long answer = kernel.read(descriptor, record);
            while (answer != Errno.EAGAIN.negated()) {
                // EPIPE: the kernel has overwritten what was not yet read, and goes on with what it has.
                if (answer != Errno.EPIPE.negated()) {
                    assertTrue(answer > 0, "read of /dev/kmsg: " + answer);
                    messages.add(message(record.asSlice(0, answer)));
                }
                answer = kernel.read(descriptor, record);
            }
        }
        return messages;
    }

    /** A record is {@code priority,sequence,micros,flags;message}, and may go on with lines of properties. */
    private static String message(MemorySegment record) {
        String text = StandardCharsets.UTF_8.decode(record.asByteBuffer()).toString();
        return text.lines().findFirst().orElseThrow().replaceFirst("^[^;]*;", "");
    }
}
