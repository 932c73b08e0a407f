package org.jvfio.observe;

import java.util.Arrays;
import java.util.Map;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** The calls of {@link org.jvfio.kernel.Kernel}, and what a record keeps of the arguments of each. */
enum CallKind {
    /** Flags; the path. */
    OPEN(1, "open", 1, true, false),
    /** Descriptor. */
    CLOSE(2, "close", 1, false, false),
    /** Descriptor, request, argument. */
    IOCTL_VALUE(3, "ioctl", 3, false, false),
    /** Descriptor, request; the struct. */
    IOCTL(4, "ioctl", 2, false, true),
    /** Length, protection, flags, descriptor, offset. */
    MMAP(5, "mmap", 5, false, false),
    /** Address, length. */
    MUNMAP(6, "munmap", 2, false, false),
    /** Address, length. */
    ADOPT(7, "adopt", 2, false, false),
    /** Address, length. */
    DISOWN(8, "disown", 2, false, false),
    /** Descriptor, length, offset. */
    PREAD(9, "pread", 3, false, false),
    /** Descriptor, length, offset; the bytes. */
    PWRITE(10, "pwrite", 3, false, true),
    /** Descriptor, length. */
    READ(11, "read", 2, false, false),
    /** Descriptor, length; the bytes. */
    WRITE(12, "write", 2, false, true),
    /** Initial value, flags. */
    EVENTFD(13, "eventfd", 2, false, false),
    /** Timeout; the array of {@code struct pollfd}. */
    POLL(14, "poll", 1, false, true),
    /** Resource. */
    GETRLIMIT(15, "getrlimit", 1, false, false),
    /** Resource; the limits. */
    SETRLIMIT(16, "setrlimit", 1, false, true),
    /** Name. */
    SYSCONF(17, "sysconf", 1, false, false),
    /** The path. */
    READ_FILE(18, "readFile", 0, true, false),
    /** The path. */
    READ_LINK(19, "readLink", 0, true, false),
    /** The path. */
    LIST(20, "list", 0, true, false);

    private static final Map<Integer, CallKind> BY_NUMBER =
            Arrays.stream(values()).collect(Collectors.toMap(CallKind::number, kind -> kind));

    private final int number;
    private final String call;
    private final int numbers;
    private final boolean text;
    private final boolean bytes;

    CallKind(int number, String call, int numbers, boolean text, boolean bytes) {
        this.number = number;
        this.call = call;
        this.numbers = numbers;
        this.text = text;
        this.bytes = bytes;
    }

    /** The kind of a number in a record; null if there is none. */
    static @Nullable CallKind of(int number) {
        return BY_NUMBER.get(number);
    }

    /** What stands for it in a record. */
    int number() {
        return number;
    }

    /** The name of the method. */
    String call() {
        return call;
    }

    int numbers() {
        return numbers;
    }

    boolean hasText() {
        return text;
    }

    boolean hasBytes() {
        return bytes;
    }

    /** Whether the result of a success is a descriptor. */
    boolean opens(long request) {
        return this == OPEN || this == EVENTFD || (this == IOCTL && request == Requests.GET_DEVICE_FD);
    }
}
