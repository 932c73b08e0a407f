package org.jvfio.emulator;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.jspecify.annotations.Nullable;

/** The third argument of an ioctl: a number, which may be an address, or a struct of the caller. */
final class Argument {
    private final Task task;
    private final long value;
    private final @Nullable MemorySegment struct;

    private Argument(Task task, long value, @Nullable MemorySegment struct) {
        this.task = task;
        this.value = value;
        this.struct = struct;
    }

    static Argument of(Task task, long value) {
        return new Argument(task, value, null);
    }

    static Argument of(Task task, MemorySegment struct) {
        return new Argument(task, struct.address(), struct.address() == 0 ? null : struct);
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
        MemorySegment user = user(offset, bytes);
        if (user == null) {
            return null;
        }
        MemorySegment copy = MemorySegment.ofArray(new long[(int) ((bytes + 7) >> 3)]);
        MemorySegment.copy(user, 0, copy, 0, bytes);
        return copy;
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

    /** {@code strndup_user}: the string without its NUL; null for EFAULT, and longer than {@code most} without one. */
    @Nullable
    String string(int most) {
        StringBuilder text = new StringBuilder();
        while (text.length() <= most) {
            if (struct != null && text.length() >= struct.byteSize()) {
                throw tooShort(text.length() + 1L);
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
        if (struct == null) {
            return mm().addresses().segment(value + offset, bytes);
        }
        if (offset + bytes > struct.byteSize()) {
            throw tooShort(offset + bytes);
        }
        return struct.asSlice(offset, bytes);
    }

    private IllegalArgumentException tooShort(long needed) {
        return new IllegalArgumentException("the kernel would access " + needed + " bytes of an ioctl's segment of "
                + (struct == null ? 0 : struct.byteSize()));
    }
}
