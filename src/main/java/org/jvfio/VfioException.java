package org.jvfio;

import java.util.Objects;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.jvfio.ioctl.Ioctl;
import org.jvfio.kernel.Errno;

/**
 * The kernel, the platform or a device did not do what was asked. Wrong arguments are {@link IllegalArgumentException},
 * {@link IndexOutOfBoundsException} or {@link NullPointerException} instead, and calls on closed objects {@link
 * IllegalStateException}.
 *
 * <p>The message is one line: the operation, the reason, the system call with its arguments and result if one failed,
 * and what to do. {@link #kind} is for programs that decide by it.
 *
 * <p>A method that throws it has released what it acquired and left the state of the library as it was, with these
 * exceptions: a method that closes or releases has made all other steps, and can be called again; one that says so in
 * its own documentation; and the hardware, as a device may have done a part of what it was told before it failed. What
 * failed while acquired things were released is a {@linkplain #getSuppressed suppressed exception}.
 */
public final class VfioException extends RuntimeException {
    private static final long serialVersionUID = 1;

    /** What stands in the way, in classes that a program may treat differently. */
    public enum Kind {
        /** Another process, driver or operation is using it. It may succeed later. */
        BUSY,
        /** The user or the process lacks a right. */
        PERMISSION,
        /** {@code RLIMIT_MEMLOCK}: too little memory may be locked. See {@link LockedMemory}. */
        LOCK_LIMIT,
        /** The kernel has no memory, or no huge pages. */
        OUT_OF_MEMORY,
        /** No free bus addresses, windows, vectors or file descriptors are left. */
        EXHAUSTED,
        /** A limit of time has passed. What was begun may still happen. */
        TIMEOUT,
        /** The thread was interrupted while it waited. What was begun may still happen. */
        INTERRUPTED,
        /** The device does not respond: its PE is frozen or in reset, or its memory is disabled. See {@link Eeh}. */
        FROZEN,
        /** The device or the memory was removed, or has failed for good. */
        GONE,
        /** There is no such device, group, file or capability. */
        NOT_FOUND,
        /** The host is not set up for it: a driver to bind, a module to load, a file system to mount. */
        HOST_SETUP,
        /** Something of this program stands in the way: a mapping, a window, a registration, another group. */
        CONFLICT,
        /** The kernel, the platform or the device cannot do this, however often it is asked. */
        UNSUPPORTED,
        /** The device reported an error, or broke its specification. */
        DEVICE_ERROR,
        /** The kernel returned an error that is none of the others. See {@link VfioException#errno}. */
        KERNEL_REFUSED;

        /** What an errno means where nothing more is known of the call. */
        static Kind of(Errno errno) {
            return switch (errno) {
                case EBUSY, EAGAIN, EEXIST -> BUSY;
                case EPERM, EACCES -> PERMISSION;
                case ENOMEM -> OUT_OF_MEMORY;
                case ENOSPC, EMFILE, ENFILE -> EXHAUSTED;
                case ETIMEDOUT -> TIMEOUT;
                case ENODEV -> GONE;
                case ENOENT, ENXIO -> NOT_FOUND;
                case ENOTTY, ENOSYS, EOPNOTSUPP -> UNSUPPORTED;
                default -> KERNEL_REFUSED;
            };
        }
    }

    private final Kind kind;
    private final String operation;
    private final String reason;
    private final String hint;
    private final @Nullable String call;
    private final @Nullable Errno errno;
    private final String result;

    /**
     * A failure that no system call returned: found by a check before the call, or by a driver.
     *
     * @param operation what was to be done, as it follows "cannot"
     * @param reason what is wrong
     * @param hint what to do about it
     */
    public VfioException(Kind kind, String operation, String reason, String hint) {
        this(operation, new Cause(kind, reason, hint));
    }

    /** A failure that was found by a check before the system call. */
    VfioException(String operation, Cause cause) {
        this(operation, cause, null, null, "");
    }

    private VfioException(String operation, Cause cause, @Nullable String call, @Nullable Errno errno, String result) {
        super("cannot " + operation + ": " + cause.reason() + (call == null ? "" : " [" + call + " = " + result + "]")
                + "; " + cause.hint());
        this.kind = cause.kind();
        this.operation = operation;
        this.reason = cause.reason();
        this.hint = cause.hint();
        this.call = call;
        this.errno = errno;
        this.result = result;
    }

    /**
     * A system call that did not succeed.
     *
     * @param call its name and decoded arguments
     * @param result what {@link org.jvfio.kernel.Kernel} returned: a negated errno, or a value that is no success
     *     either
     */
    static VfioException failed(String operation, String call, long result, Cause cause) {
        Errno errno = errnoOf(result).orElse(null);
        String text = errno != null ? errno + ", " + errno.text() : Long.toString(result);
        return new VfioException(operation, cause, call, errno, text);
    }

    /** An ioctl that did not succeed. */
    static VfioException failed(String operation, Ioctl call, long result, Cause cause) {
        return failed(operation, call.toString(), result, cause);
    }

    /** This failure with a consequence that its reason did not tell; it keeps what this one suppresses. */
    VfioException with(String consequence) {
        VfioException e =
                new VfioException(operation, new Cause(kind, reason + "; " + consequence, hint), call, errno, result);
        e.setStackTrace(getStackTrace());
        for (Throwable each : getSuppressed()) {
            e.addSuppressed(each);
        }
        return e;
    }

    /** The errno of a result, if there is one. */
    static Optional<Errno> errnoOf(long result) {
        return Errno.isError(result) ? Errno.of((int) -result) : Optional.empty();
    }

    /** The whole of it in one line. */
    @Override
    public String getMessage() {
        return Objects.requireNonNull(super.getMessage());
    }

    /** What stands in the way. */
    public Kind kind() {
        return kind;
    }

    /** What was to be done, as it follows "cannot". */
    public String operation() {
        return operation;
    }

    /** What is wrong. */
    public String reason() {
        return reason;
    }

    /** What to do about it. */
    public String hint() {
        return hint;
    }

    /** The system call that failed, with its arguments; empty if none was made. */
    public Optional<String> call() {
        return Optional.ofNullable(call);
    }

    /**
     * The error of that call; empty if there was no call, or if it returned a positive number, as MAP_DMA does for a
     * misaligned IOVA.
     */
    public Optional<Errno> errno() {
        return Optional.ofNullable(errno);
    }
}
