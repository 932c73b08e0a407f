package org.jvfio.emulator;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.channels.FileChannel.MapMode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import org.jspecify.annotations.Nullable;

/**
 * The bytes of a BAR without side effects: a sparse file without a name, of which each mapping by a user is a shared
 * mapping with a lifetime of its own. Guarded by the host's lock; loads and stores of users are not.
 *
 * <p>A load of a mapping cannot be intercepted. While the BAR does not respond, its mappings are therefore filled with
 * ones, and what a user stores meanwhile is dropped when it responds again. A real host sends SIGBUS where memory
 * decoding is off or the device is in a low power state; the emulator shows ones there, too.
 */
final class BarMemory {
    /** The largest BAR of memory: to fill its mappings with ones takes time and memory in proportion to its size. */
    static final long MAX_BYTES = 1 << 30;

    private static final byte ONES = -1;
    private static final MemorySegment ZEROS = MemorySegment.ofArray(new byte[1 << 16]);

    private final long bytes;
    private final long fileBytes;
    private @Nullable FileChannel file;
    private @Nullable MemorySegment shown;
    private @Nullable MemorySegment kept;
    private int mappings;

    /**
     * Memory of zeros.
     *
     * @param pageBytes the system page size; a mapping of a smaller BAR has the rest of its page, too
     */
    BarMemory(long bytes, long pageBytes) {
        this.bytes = bytes;
        this.fileBytes = (bytes + pageBytes - 1) & -pageBytes;
    }

    /** The bytes of the device, whatever its mappings show at present. */
    MemorySegment contents() {
        MemorySegment hidden = kept;
        return hidden != null ? hidden : shown().asSlice(0, bytes);
    }

    private MemorySegment shown() {
        MemorySegment known = shown;
        if (known == null) {
            known = map(0, fileBytes, MapMode.READ_WRITE, Arena.ofAuto());
            shown = known;
        }
        return known;
    }

    /**
     * A mapping by a user.
     *
     * @param offset from the beginning of the BAR, in bytes
     * @param length bytes, whole pages
     */
    MemorySegment map(long offset, long length, boolean writable, Arena arena) {
        MemorySegment all = shown();
        if (offset + length > all.byteSize()) {
            throw new IllegalArgumentException(
                    "a mapping of 0x%x bytes at 0x%x of 0x%x".formatted(length, offset, all.byteSize()));
        }
        MemorySegment mapped = map(offset, length, writable ? MapMode.READ_WRITE : MapMode.READ_ONLY, arena);
        mappings++;
        return mapped;
    }

    private MemorySegment map(long offset, long length, MapMode mode, Arena arena) {
        try {
            FileChannel known = file;
            if (known == null) {
                known = createFile();
                file = known;
            }
            return map(known, offset, length, mode, arena);
        } catch (IOException failure) {
            throw cannotMap(failure);
        }
    }

    /** Maps without the thread's interrupt, which would close the file for good. */
    private static MemorySegment map(FileChannel from, long offset, long length, MapMode mode, Arena arena)
            throws IOException {
        boolean isInterrupted = Thread.interrupted();
        try {
            return from.map(mode, offset, length, arena);
        } finally {
            if (isInterrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }

    /** Memory of zeros outside of the Java heap and its limits, sparse until it is written. */
    private MemorySegment sparse() {
        try (FileChannel only = createFile()) {
            return map(only, 0, bytes, MapMode.READ_WRITE, Arena.ofAuto());
        } catch (IOException failure) {
            throw cannotMap(failure);
        }
    }

    private UncheckedIOException cannotMap(IOException failure) {
        return new UncheckedIOException("cannot map the memory of a BAR of %d bytes".formatted(bytes), failure);
    }

    /** An empty file, which has no name any more and ends with its last mapping. */
    private static FileChannel createFile() throws IOException {
        Path path = Files.createTempFile("jvfio-bar", null);
        FileChannel created = FileChannel.open(path, StandardOpenOption.READ, StandardOpenOption.WRITE);
        try {
            Files.delete(path);
        } catch (IOException inUse) {
            path.toFile().deleteOnExit();
        }
        return created;
    }

    /** A mapping by a user has ended. */
    void unmapped() {
        mappings--;
        if (mappings == 0) {
            show(true);
        }
    }

    boolean isMapped() {
        return mappings > 0;
    }

    /** Shows the bytes, or ones, in the mappings of users. */
    void show(boolean responds) {
        MemorySegment hidden = kept;
        if (responds && hidden != null) {
            shown().asSlice(0, bytes).copyFrom(hidden);
            kept = null;
        } else if (!responds && hidden == null && isMapped()) {
            MemorySegment all = shown().asSlice(0, bytes);
            MemorySegment copy = sparse();
            copyUsed(all, copy);
            kept = copy;
            all.fill(ONES);
        }
    }

    /** Copies what is not zero, into zeros: parts that nobody has used stay holes in the file. */
    private static void copyUsed(MemorySegment from, MemorySegment into) {
        long part;
        for (long at = 0; at < from.byteSize(); at += part) {
            part = Math.min(ZEROS.byteSize(), from.byteSize() - at);
            MemorySegment bytes = from.asSlice(at, part);
            if (bytes.mismatch(ZEROS.asSlice(0, part)) >= 0) {
                MemorySegment.copy(bytes, 0, into, at, part);
            }
        }
    }
}
