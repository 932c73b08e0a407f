package org.jvfio.emulator;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.jspecify.annotations.Nullable;

/**
 * The third argument of an ioctl: a number, which may be an address, or a struct of the caller. A process reuses one
 * instance for all its calls, which the host's lock serializes; do not keep a reference to it.
 */
final class Argument {
    private final Task task;
    private long value;
    private @Nullable MemorySegment struct;

    Argument(Task task) {
        this.task = task;
    }

    /** Sets the argument of the next call to a number. */
    Argument set(long number) {
        value = number;
        struct = null;
        return this;
    }

    /** Sets the argument of the next call to the address of a struct. The call may access nothing else. */
    Argument set(MemorySegment segment) {
        value = segment.address();
        struct = value == 0 ? null : segment;
        return this;
    }

    /** The memory of the calling process. */
    Mm mm() {
        return task.mm();
    }

    /** The calling process. */
    Task task() {
        return task;
    }

    long value() {
        return value;
    }

    int intValue() {
        return (int) value;
    }

    /** {@code copy_from_user}: a copy of the first bytes, aligned for any struct; null for EFAULT. */
    @Nullable
    MemorySegment copyIn(long bytes) {
        return copyIn(0, bytes);
    }

    /** {@code copy_from_user} at an offset. */
    @Nullable
    MemorySegment copyIn(long offset, long bytes) {
        MemorySegment copy = MemorySegment.ofArray(new long[(int) ((bytes + 7) >> 3)]);
        return copyIn(offset, copy, bytes) ? copy : null;
    }

    /** {@code copy_from_user} of the first bytes into an existing struct; false for EFAULT. */
    boolean copyIn(MemorySegment into, long bytes) {
        return copyIn(0, into, bytes);
    }

    /** Copies the first bytes of a struct of the caller. */
    static void copy(MemorySegment struct, MemorySegment into, long bytes) {
        copy(struct, 0, into, bytes);
    }

    private static void copy(MemorySegment struct, long offset, MemorySegment into, long bytes) {
        requireRoom(struct, offset + bytes);
        // No slice: it would allocate an object for every MAP_DMA.
        MemorySegment.copy(struct, offset, into, 0, bytes);
    }

    private boolean copyIn(long offset, MemorySegment into, long bytes) {
        MemorySegment known = struct;
        if (known != null) {
            copy(known, offset, into, bytes);
            return true;
        }
        MemorySegment user = mm().addresses().segment(value + offset, bytes);
        if (user != null) {
            MemorySegment.copy(user, 0, into, 0, bytes);
        }
        return user != null;
    }

    /** {@code copy_to_user} of the first bytes; false for EFAULT. */
    boolean copyOut(MemorySegment from, long bytes) {
        return copyOut(0, from, bytes);
    }

    /** {@code copy_to_user} at an offset. */
    boolean copyOut(long offset, MemorySegment from, long bytes) {
        MemorySegment user = user(offset, bytes);
        if (user == null || user.isReadOnly()) {
            return false;
        }
        MemorySegment.copy(from, 0, user, 0, bytes);
        return true;
    }

    /**
     * {@code strndup_user}: the string without its NUL; null for EFAULT; {@code maxLength} characters if there is no
     * NUL among them.
     */
    @Nullable
    String string(int maxLength) {
        StringBuilder text = new StringBuilder();
        while (text.length() < maxLength) {
            if (struct != null && text.length() >= struct.byteSize()) {
                throw tooShort(struct, text.length() + 1L);
            }
            MemorySegment user = user(text.length(), 1);
            if (user == null) {
                return null;
            }
            byte next = user.get(ValueLayout.JAVA_BYTE, 0);
            if (next == 0) {
                break;
            }
            text.append((char) (next & 0xff));
        }
        return text.toString();
    }

    private @Nullable MemorySegment user(long offset, long bytes) {
        MemorySegment known = struct;
        if (known == null) {
            return mm().addresses().segment(value + offset, bytes);
        }
        requireRoom(known, offset + bytes);
        return known.asSlice(offset, bytes);
    }

    private static void requireRoom(MemorySegment known, long bytes) {
        if (bytes > known.byteSize()) {
            throw tooShort(known, bytes);
        }
    }

    private static IllegalArgumentException tooShort(MemorySegment known, long needed) {
        return new IllegalArgumentException(
                "the kernel would access " + needed + " bytes of an ioctl's segment of " + known.byteSize());
    }
}
