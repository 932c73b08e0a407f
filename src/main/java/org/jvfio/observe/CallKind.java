package org.jvfio.observe;

import org.jspecify.annotations.Nullable;

/** The calls of {@link org.jvfio.kernel.Kernel}, and what a record keeps of the arguments of each. */
enum CallKind {
    /** Flags; the path. */
    OPEN("open", 1, true, false),
    /** Descriptor. */
    CLOSE("close", 1, false, false),
    /** Descriptor, request, argument. */
    IOCTL_VALUE("ioctl", 3, false, false),
    /** Descriptor, request; the struct. */
    IOCTL("ioctl", 2, false, true),
    /** Length, protection, flags, descriptor, offset. */
    MMAP("mmap", 5, false, false),
    /** Address, length. */
    MUNMAP("munmap", 2, false, false),
    /** Address, length. */
    ADOPT("adopt", 2, false, false),
    /** Address, length. */
    DISOWN("disown", 2, false, false),
    /** Descriptor, length, offset. */
    PREAD("pread", 3, false, false),
    /** Descriptor, length, offset; the bytes. */
    PWRITE("pwrite", 3, false, true),
    /** Descriptor, length. */
    READ("read", 2, false, false),
    /** Descriptor, length; the bytes. */
    WRITE("write", 2, false, true),
    /** Initial value, flags. */
    EVENTFD("eventfd", 2, false, false),
    /** Timeout; the array of {@code struct pollfd}. */
    POLL("poll", 1, false, true),
    /** Resource. */
    GETRLIMIT("getrlimit", 1, false, false),
    /** Resource; the limits. */
    SETRLIMIT("setrlimit", 1, false, true),
    /** Name. */
    SYSCONF("sysconf", 1, false, false),
    /** The path. */
    READ_FILE("readFile", 0, true, false),
    /** The path. */
    READ_LINK("readLink", 0, true, false),
    /** The path. */
    LIST("list", 0, true, false);

    private static final CallKind[] ALL = values();

    private final String call;
    private final int numbers;
    private final boolean text;
    private final boolean bytes;

    CallKind(String call, int numbers, boolean text, boolean bytes) {
        this.call = call;
        this.numbers = numbers;
        this.text = text;
        this.bytes = bytes;
    }

    /** The kind of a number in a record; null if there is none. */
    static @Nullable CallKind of(int number) {
        return number >= 0 && number < ALL.length ? ALL[number] : null;
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
