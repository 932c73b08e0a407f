package org.jvfio.emulator;

import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.util.function.Supplier;
import org.jvfio.kernel.Errno;

/** An open file of sysfs or procfs. */
final class SysfsFile extends OpenFile {
    private final Content content;
    private long position;

    SysfsFile(Content content) {
        this.content = content;
    }

    /**
     * What the file has. Where the emulator does not do what a write does on a real host, it refuses it as a kernel in
     * lockdown does.
     */
    @FunctionalInterface
    interface Content {
        /** Reads as many bytes as there are at an offset, 0 at the end; or returns a negated errno. */
        long read(MemorySegment buffer, long offset);

        /** Writes: the number of bytes, or a negated errno. */
        default long write(MemorySegment buffer, long offset) {
            return Errno.EPERM.negated();
        }

        /** Why it cannot be mapped, as a negated errno. */
        default long mmap() {
            return Errno.ENODEV.negated();
        }

        /** A text, as it is when it is read. */
        static Content ofText(Supplier<String> text) {
            return (buffer, offset) -> readText(text.get(), buffer, offset);
        }
    }

    /** Reads a part of a text like a part of a file. */
    static long readText(String text, MemorySegment buffer, long offset) {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        long size = Math.clamp(bytes.length - offset, 0, buffer.byteSize());
        MemorySegment.copy(MemorySegment.ofArray(bytes), Math.min(offset, bytes.length), buffer, 0, size);
        return size;
    }

    @Override
    long read(MemorySegment buffer) {
        return goOn(pread(buffer, position));
    }

    @Override
    long write(MemorySegment buffer) {
        return goOn(pwrite(buffer, position));
    }

    private long goOn(long answer) {
        position += Math.max(0, answer);
        return answer;
    }

    @Override
    long pread(MemorySegment buffer, long offset) {
        return content.read(buffer, offset);
    }

    @Override
    long pwrite(MemorySegment buffer, long offset) {
        return content.write(buffer, offset);
    }

    @Override
    long mmap(Mm mm, long length, int protection, int flags, long offset) {
        return content.mmap();
    }
}
