package org.jvfio;

import java.util.Objects;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.jvfio.kernel.Errno;

/**
 * Something asked of VFIO or of a device could not be done. The message is one line: what was asked, what is wrong, the
 * system call with its arguments and its answer if one was made, and what to do.
 *
 * <p>It is unchecked, as a driver can rarely do more than stop. When it is thrown, nothing of what was asked has
 * happened and nothing is left behind.
 */
public final class VfioException extends RuntimeException {
    private static final long serialVersionUID = 1;

    private final String operation;
    private final String reason;
    private final String hint;
    private final @Nullable String call;
    private final @Nullable Errno errno;

    /**
     * A refusal or failure that no system call answered: by a check before the call, or by a driver.
     *
     * @param asked what was to be done, as it follows "cannot"
     * @param reason what is wrong
     * @param hint what to do about it
     */
    public VfioException(String asked, String reason, String hint) {
        this(asked, new Cause(reason, hint), null, null, "");
    }

    private VfioException(String asked, Cause cause, @Nullable String call, @Nullable Errno errno, String answer) {
        super("cannot " + asked + ": " + cause.reason() + (call == null ? "" : " [" + call + " = " + answer + "]")
                + "; " + cause.hint());
        this.operation = asked;
        this.reason = cause.reason();
        this.hint = cause.hint();
        this.call = call;
        this.errno = errno;
    }

    /**
     * A system call that did not answer with success.
     *
     * @param call its name and decoded arguments
     * @param answer what {@link org.jvfio.kernel.Kernel} gave: a negated errno, or a value that is no success either
     */
    static VfioException failed(String asked, String call, long answer, Cause cause) {
        Errno errno = errnoOf(answer).orElse(null);
        String text = errno != null ? errno + ", " + errno.text() : Long.toString(answer);
        return new VfioException(asked, cause, call, errno, text);
    }

    /** The errno in an answer of the kernel, if there is one. */
    static Optional<Errno> errnoOf(long answer) {
        return Errno.isError(answer) ? Errno.of((int) -answer) : Optional.empty();
    }

    /** The whole of it in one line. */
    @Override
    public String getMessage() {
        return Objects.requireNonNull(super.getMessage());
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

    /** The system call that failed, with its arguments; empty if the library or a driver refused without one. */
    public Optional<String> call() {
        return Optional.ofNullable(call);
    }

    /**
     * The error of that call; empty if there was no call, or if it answered with a positive number, as MAP_DMA does for
     * a misaligned IOVA.
     */
    public Optional<Errno> errno() {
        return Optional.ofNullable(errno);
    }
}
