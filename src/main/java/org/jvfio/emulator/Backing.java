package org.jvfio.emulator;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;
import org.jspecify.annotations.Nullable;

/**
 * Pages of memory behind one mapping of a process, at one physical address. They live while a process maps them or they
 * are pinned. Pages that are only pinned are moved to memory that the process cannot access: a later access by the
 * process fails, a later DMA does not.
 */
final class Backing {
    private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG_UNALIGNED;
    /** The size of entries that devices write for hosts that poll. */
    private static final int ORDERED_BYTES = 2 * Long.BYTES;

    private static final MemorySegment ZEROS =
            MemorySegment.ofArray(new long[(1 << 16) / Long.BYTES]).asReadOnly();

    private final @Nullable PhysicalMemory memory;
    private final Runnable freed;
    private final long physical;
    private final int pageShift;
    private final long size;
    private final boolean adopted;
    private @Nullable Arena arena;
    private MemorySegment segment;
    private long mappedBytes;
    private long pins;

    Backing(PhysicalMemory memory, long physical, int pageShift, @Nullable Arena arena, MemorySegment segment) {
        this(memory, physical, pageShift, arena, segment, () -> {});
    }

    /**
     * A mapping of a BAR, which cannot be pinned and has no physical address in memory.
     *
     * @param freed called when the process maps no part of it any more
     */
    static Backing ofBar(int pageShift, Arena arena, MemorySegment segment, Runnable freed) {
        return new Backing(null, 0, pageShift, arena, segment, freed);
    }

    private Backing(
            @Nullable PhysicalMemory memory,
            long physical,
            int pageShift,
            @Nullable Arena arena,
            MemorySegment segment,
            Runnable freed) {
        this.memory = memory;
        this.freed = freed;
        this.physical = physical;
        this.pageShift = pageShift;
        this.arena = arena;
        this.segment = segment;
        this.size = segment.byteSize();
        this.adopted = arena == null;
        this.mappedBytes = size;
    }

    /** Whether the memory was adopted: the process allocated it by other means, and frees it itself. */
    boolean isAdopted() {
        return adopted;
    }

    /** Whether it is a BAR of a device ({@code VM_PFNMAP}), whose pages cannot be pinned. */
    boolean isBar() {
        return memory == null;
    }

    /** The physical address of the first byte. */
    long physical() {
        return physical;
    }

    long size() {
        return size;
    }

    /** Whether a physical address is in it. */
    boolean contains(long address) {
        return address >= physical && address - physical < size;
    }

    /** The size of its pages as a shift: the system's, or that of huge pages. */
    int pageShift() {
        return pageShift;
    }

    /** Whether its process has freed it, and it is only pinned. */
    boolean isFreed() {
        return mappedBytes == 0 || (adopted && arena != null);
    }

    MemorySegment segment() {
        if (!segment.scope().isAlive()) {
            hide(); // its owner freed it while it was pinned
        }
        return segment;
    }

    /** Copies between the pages and a device. Adopted memory that its owner frees meanwhile reads as zeros. */
    void transfer(long offset, MemorySegment data, long from, long length, boolean toMemory) {
        MemorySegment pages = segment();
        try {
            copy(pages, offset, data, from, length, toMemory);
        } catch (IllegalStateException freed) {
            requireFreed(pages, freed);
            copy(segment(), offset, data, from, length, toMemory);
        }
    }

    private static void copy(
            MemorySegment pages, long offset, MemorySegment data, long from, long length, boolean toMemory) {
        if (toMemory && length == ORDERED_BYTES) {
            pages.set(LONG, offset, data.get(LONG, from));
            VarHandle.releaseFence();
            pages.set(LONG, offset + Long.BYTES, data.get(LONG, from + Long.BYTES));
        } else if (toMemory) {
            MemorySegment.copy(data, from, pages, offset, length);
        } else {
            MemorySegment.copy(pages, offset, data, from, length);
        }
    }

    /** The owner of adopted memory may free it at any time, even during the copy. */
    private static void requireFreed(MemorySegment pages, IllegalStateException failure) {
        if (pages.scope().isAlive()) {
            throw failure;
        }
    }

    void pin() {
        pins++;
    }

    void unpin() {
        if (pins <= 0) {
            throw new IllegalStateException("unpinned more often than pinned");
        }
        pins--;
        freeIfUnused();
    }

    /**
     * The process no longer maps {@code bytes} of it.
     *
     * @throws IllegalStateException if a call of another thread uses it; it then stays mapped
     */
    void unmapped(long bytes) {
        mappedBytes -= bytes;
        try {
            if (mappedBytes == 0 && pins > 0) {
                hide();
            }
            freeIfUnused();
        } catch (IllegalStateException inUse) {
            mappedBytes += bytes;
            throw inUse;
        }
    }

    @SuppressWarnings("MustBeClosedChecker") // closed by freeIfUnused
    private void hide() {
        Arena hidden = Arena.ofShared();
        MemorySegment copy = PhysicalMemory.zeroed(hidden, size, Long.BYTES);
        try {
            copyData(segment, copy);
        } catch (IllegalStateException freed) {
            requireFreed(segment, freed);
        }
        try {
            if (arena != null) {
                arena.close();
            }
        } catch (IllegalStateException inUse) {
            hidden.close();
            throw inUse;
        }
        arena = hidden;
        segment = copy;
    }

    /** Copies the pieces that are not zeros, so that those of large memory which nobody has written stay so. */
    private static void copyData(MemorySegment from, MemorySegment to) {
        for (long at = 0; at < from.byteSize(); at += ZEROS.byteSize()) {
            long end = Math.min(at + ZEROS.byteSize(), from.byteSize());
            if (MemorySegment.mismatch(from, at, end, ZEROS, 0, end - at) >= 0) {
                MemorySegment.copy(from, at, to, at, end - at);
            }
        }
    }

    private void freeIfUnused() {
        if (mappedBytes == 0 && pins == 0) {
            if (arena != null) {
                arena.close();
            }
            if (memory != null) {
                memory.remove(this);
            }
            freed.run();
        }
    }
}
