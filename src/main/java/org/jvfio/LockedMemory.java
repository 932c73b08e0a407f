package org.jvfio;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.OptionalLong;
import java.util.function.Supplier;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jvfio.VfioException.Kind;
import org.jvfio.kernel.Kernel;
import org.jvfio.observe.TraceProperty;
import org.jvfio.uapi.rlimit;
import org.jvfio.uapi.vfio_h;

/**
 * The locked memory of this process and its limit. Registered memory counts, and so do the TCE tables of windows
 * ({@link DmaWindow#tableBytes}).
 *
 * @param locked bytes that are locked now, {@code VmLck} of {@code /proc/self/status}
 * @param limit bytes that may be locked, {@code RLIMIT_MEMLOCK}; empty if there is no limit
 * @param privileged whether the process has {@code CAP_IPC_LOCK}, which overrides the limit
 */
public record LockedMemory(long locked, OptionalLong limit, boolean privileged) {
    private static final String STATUS = "/proc/self/status";
    private static final Pattern VM_LCK = Pattern.compile("^VmLck:\\s+(\\d+) kB$", Pattern.MULTILINE);
    private static final Pattern CAP_EFF = Pattern.compile("^CapEff:\\s+([0-9a-f]+)$", Pattern.MULTILINE);
    private static final int CAP_IPC_LOCK = 14;

    /**
     * Reads both from the kernel.
     *
     * @throws VfioException if it cannot be read
     */
    public static LockedMemory of(Kernel host) {
        Kernel kernel = TraceProperty.observe(host);
        String status = Sysfs.read(kernel, STATUS);
        Matcher locked = VM_LCK.matcher(status);
        Matcher capabilities = CAP_EFF.matcher(status);
        boolean privileged =
                capabilities.find() && (Long.parseUnsignedLong(capabilities.group(1), 16) >>> CAP_IPC_LOCK & 1) == 1;
        // A process without locked pages may have no such line.
        return new LockedMemory(locked.find() ? Long.parseLong(locked.group(1)) * 1024 : 0, limit(kernel), privileged);
    }

    private static OptionalLong limit(Kernel kernel) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment struct = rlimit.allocate(arena);
            int answer = kernel.getrlimit(vfio_h.RLIMIT_MEMLOCK, struct);
            if (answer != 0) {
                throw VfioException.failed(
                        "read the limit of locked memory", "getrlimit(RLIMIT_MEMLOCK)", answer, Cause.unknown());
            }
            long soft = rlimit.rlim_cur(struct);
            return soft == vfio_h.RLIM_INFINITY ? OptionalLong.empty() : OptionalLong.of(soft);
        }
    }

    /** Bytes that may still be locked; empty if nothing limits them. */
    public OptionalLong remaining() {
        return privileged || limit.isEmpty()
                ? OptionalLong.empty()
                : OptionalLong.of(Math.max(0, limit.getAsLong() - locked));
    }

    /** Whether that many more bytes may be locked. */
    boolean allows(long bytes) {
        return remaining().isEmpty() || remaining().getAsLong() >= bytes;
    }

    /**
     * Checks that this process may lock that many bytes more.
     *
     * @throws VfioException with {@code LOCK_LIMIT}
     */
    void require(Supplier<String> operation, long bytes) {
        if (!allows(bytes)) {
            throw new VfioException(operation.get(), shortage(bytes));
        }
    }

    /** Why a call that locks that many bytes failed with ENOMEM: the limit, or no memory. */
    Cause noMemory(long bytes) {
        return allows(bytes)
                ? new Cause(
                        Kind.OUT_OF_MEMORY,
                        "the kernel has no memory for it",
                        "free some memory, or ask for less at a time")
                : shortage(bytes);
    }

    /** Why that many bytes cannot be locked, and the limit that would allow it. */
    Cause shortage(long bytes) {
        long kilobytes = Math.ceilDiv(locked + bytes, 1024);
        return new Cause(
                Kind.LOCK_LIMIT,
                "it needs %s of locked memory: %s, %s remaining"
                        .formatted(
                                ByteSize.format(bytes),
                                this,
                                ByteSize.format(remaining().orElse(0))),
                "allow more: ulimit -l %d, or LimitMEMLOCK=%dK in its systemd unit".formatted(kilobytes, kilobytes));
    }

    /** As in {@code 8M locked of 64M}. */
    @Override
    public String toString() {
        String of = limit.isEmpty() ? "without limit" : "of " + ByteSize.format(limit.getAsLong());
        return ByteSize.format(locked) + " locked " + of + (privileged ? ", not limited (CAP_IPC_LOCK)" : "");
    }
}
