package org.jvfio.observe;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.jvfio.kernel.Errno;

/** A call as a record has it. It has no result if the record ends before the call did. */
final class RecordedCall {
    private static final String SEPARATOR = "\n";
    private static final byte[] NONE = {};

    /**
     * The thread that made it.
     *
     * @param number unique in the record
     */
    record Caller(int number, String name) {}

    private final CallKind kind;
    private final Caller caller;
    private final long beginNanos;
    private final long[] numbers;
    private final String text;
    private final byte[] given;
    private final String file;

    private long endNanos = -1;
    private Outcome outcome = Outcome.RETURNED;
    private long result;
    private byte @Nullable [] written;

    /** @param file the name of the file that its descriptor refers to; empty if it is none */
    RecordedCall(
            CallKind kind, Caller caller, long beginNanos, long[] numbers, String text, byte[] given, String file) {
        this.kind = kind;
        this.caller = caller;
        this.beginNanos = beginNanos;
        this.numbers = numbers;
        this.text = text;
        this.given = given;
        this.file = file;
    }

    void ended(long nanos, Outcome newOutcome, long newResult, byte @Nullable [] newWritten) {
        endNanos = nanos;
        outcome = newOutcome;
        result = newResult;
        written = newWritten;
    }

    CallKind kind() {
        return kind;
    }

    Caller caller() {
        return caller;
    }

    /** Nanoseconds since the record began. */
    long beginNanos() {
        return beginNanos;
    }

    boolean hasEnded() {
        return endNanos >= 0;
    }

    /** Nanoseconds since the record began; only if it has ended. */
    long endNanos() {
        return endNanos;
    }

    /** The arguments that are numbers, in the order of {@link CallKind}. */
    long number(int index) {
        return numbers[index];
    }

    long[] numbers() {
        return numbers;
    }

    String text() {
        return text;
    }

    /** The bytes of the argument, as they were when the call began. */
    byte[] given() {
        return given;
    }

    String file() {
        return file;
    }

    FileKind fileKind() {
        return FileKind.of(file);
    }

    /** The request of an ioctl; -1 for other calls. */
    long request() {
        return kind == CallKind.IOCTL || kind == CallKind.IOCTL_VALUE ? numbers[1] : -1;
    }

    /** The descriptor that the call uses; -1 if it uses none. */
    int descriptor() {
        return switch (kind) {
            case CLOSE, IOCTL, IOCTL_VALUE, PREAD, PWRITE, READ, WRITE -> (int) numbers[0];
            case MMAP -> (int) numbers[3];
            default -> -1;
        };
    }

    Outcome outcome() {
        return outcome;
    }

    long result() {
        return result;
    }

    boolean failed() {
        return outcome != Outcome.RETURNED || Errno.isError(result);
    }

    boolean opens() {
        return kind.opens(request()) && hasEnded() && !failed();
    }

    /** What the kernel has written: null if nothing, or, for a struct, if that is the same as before. */
    byte @Nullable [] written() {
        return written;
    }

    /** The bytes of the argument when the call had ended. */
    byte[] after() {
        byte[] bytes = written;
        if (bytes != null) {
            return bytes;
        }
        return kind == CallKind.IOCTL ? given : NONE;
    }

    /** The text that a file's call has returned, or of the exception. */
    String answer() {
        return new String(written == null ? NONE : written, StandardCharsets.UTF_8);
    }

    List<String> names() {
        String all = answer();
        return all.isEmpty() ? List.of() : Arrays.asList(all.split(SEPARATOR, -1));
    }

    static String join(List<?> names) {
        return names.stream().map(Object::toString).collect(Collectors.joining(SEPARATOR));
    }
}
