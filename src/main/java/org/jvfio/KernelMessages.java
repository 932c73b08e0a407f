package org.jvfio;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jvfio.VfioException.Kind;
import org.jvfio.kernel.Errno;
import org.jvfio.kernel.Kernel;
import org.jvfio.uapi.vfio_h;

/** An open {@code /dev/kmsg}: the messages of the kernel's log, from the oldest that the kernel has on. */
final class KernelMessages implements AutoCloseable {
    private static final String PATH = "/dev/kmsg";
    private static final String ASKED = "read the kernel's log";
    // CONSOLE_EXT_LOG_MAX of Linux; a read into less than a record fails with EINVAL.
    private static final int MAX_RECORD = 8192;
    /** {@code priority,sequence,microseconds,flags;text}, and lines of a dictionary after it. */
    private static final Pattern RECORD = Pattern.compile("\\d+,(\\d+),(\\d+),[^;]*;(.*)");

    private static final Cause FORBIDDEN = new Cause(
            Kind.PERMISSION, "this user may not read it", "run as root, or set sysctl kernel.dmesg_restrict=0");

    /**
     * One message.
     *
     * @param sequence its number; the kernel numbers messages without a gap
     * @param micros when it was logged, in microseconds since boot
     */
    record Message(long sequence, long micros, String text) {
        /** As {@code dmesg} prints it: {@code [   12.345678] text}. */
        @Override
        public String toString() {
            return "[%5d.%06d] %s".formatted(micros / 1_000_000, micros % 1_000_000, text);
        }
    }

    private final Descriptor descriptor;

    private KernelMessages(Descriptor descriptor) {
        this.descriptor = descriptor;
    }

    /** @throws VfioException if it may not be read */
    static KernelMessages open(Kernel kernel) {
        return new KernelMessages(
                Descriptor.open(kernel, PATH, vfio_h.O_RDONLY | vfio_h.O_NONBLOCK, ASKED, errno -> switch (errno) {
                    case EPERM, EACCES -> FORBIDDEN;
                    default -> Cause.of(errno);
                }));
    }

    /**
     * The messages since the last call, oldest first. Messages that were overwritten before they were read are missing.
     *
     * @throws VfioException if the log cannot be read
     */
    List<Message> read() {
        List<Message> messages = new ArrayList<>();
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
                String record =
                        new String(buffer.asSlice(0, count).toArray(ValueLayout.JAVA_BYTE), StandardCharsets.UTF_8);
                messages.add(message(record));
            }
        }
    }

    private static Message message(String record) {
        Matcher matcher = RECORD.matcher(record);
        if (!matcher.lookingAt()) {
            throw new VfioException(
                    Kind.KERNEL_REFUSED, ASKED, "'%s' is no record of it".formatted(record.strip()), "report this");
        }
        return new Message(Long.parseLong(matcher.group(1)), Long.parseLong(matcher.group(2)), matcher.group(3));
    }

    @Override
    public void close() {
        descriptor.close();
    }
}
