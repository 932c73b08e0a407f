package org.jvfio.observe;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeMap;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;
import org.jvfio.kernel.Kernel;
import org.jvfio.uapi.vfio_h;
import org.jvfio.uapi.vfio_iommu_type1_dma_map;
import org.jvfio.uapi.vfio_iommu_type1_dma_unmap;

/**
 * Copies of the memory that devices can access, to find what has changed since the event before. Whether a device or
 * the program has changed it is not known. A copy begins with zeros, so that the first comparison finds all that is
 * there.
 */
final class DmaShadow implements CallLog.Companion {
    /** Equal bytes between two changes that are recorded as one. */
    private static final long GAP = 16;

    /** How long a device has to be quiet after a write of a register, and how long that is waited for at most. */
    private static final long QUIET_NANOS = 1_000_000;

    private static final int MIN_QUIET_TIMES = 2;
    private static final int MAX_TIMES = 20;

    /** A mapping: what a window of a container translates to. */
    private record Mapping(int container, long iova, long address, long size) {}

    /** Memory and what it was, as one mapping has it. */
    private record Copy(MemorySegment memory, MemorySegment shadow) {}

    private final Kernel kernel;
    private final List<Mapping> mappings = new ArrayList<>();
    private final TreeMap<Long, Copy> copies = new TreeMap<>();
    private final TreeMap<Long, MemorySegment> adopted = new TreeMap<>();

    DmaShadow(Kernel kernel) {
        this.kernel = kernel;
    }

    /** Takes note of a successful call that maps or unmaps memory. */
    synchronized void mapped(int container, int request, MemorySegment struct) {
        if (request == vfio_h.VFIO_IOMMU_MAP_DMA && struct.byteSize() >= vfio_iommu_type1_dma_map.sizeof()) {
            add(new Mapping(
                    container,
                    vfio_iommu_type1_dma_map.iova(struct),
                    vfio_iommu_type1_dma_map.vaddr(struct),
                    vfio_iommu_type1_dma_map.size(struct)));
        } else if (request == vfio_h.VFIO_IOMMU_UNMAP_DMA && struct.byteSize() >= vfio_iommu_type1_dma_unmap.sizeof()) {
            long iova = vfio_iommu_type1_dma_unmap.iova(struct);
            long end = iova + vfio_iommu_type1_dma_unmap.size(struct);
            mappings.removeIf(mapping -> mapping.container == container
                    && Long.compareUnsigned(mapping.iova, iova) >= 0
                    && Long.compareUnsigned(mapping.iova + mapping.size, end) <= 0);
            copies.keySet().removeIf(address -> mappings.stream().noneMatch(mapping -> mapping.address == address));
        }
    }

    private void add(Mapping mapping) {
        MemorySegment memory = memory(mapping.address, mapping.size);
        // Hot reset has the number of MAP_DMA: its struct names no memory of the process.
        if (memory == null) {
            return;
        }
        mappings.add(mapping);
        Copy former = copies.get(mapping.address);
        if (former == null || former.memory.byteSize() < mapping.size) {
            copies.put(mapping.address, new Copy(memory, Arena.ofAuto().allocate(mapping.size, Long.BYTES)));
        }
    }

    private @Nullable MemorySegment memory(long address, long size) {
        var found = adopted.floorEntry(address);
        if (found != null && address - found.getKey() <= found.getValue().byteSize() - size) {
            return found.getValue().asSlice(address - found.getKey(), size);
        }
        try {
            return kernel.memory(address, size);
        } catch (IllegalArgumentException notMemory) {
            return null;
        }
    }

    synchronized void adopted(MemorySegment memory) {
        adopted.put(memory.address(), memory);
    }

    /** Forgets memory that is about to be freed. */
    synchronized void freed(long address, long size) {
        adopted.remove(address);
        copies.keySet()
                .removeIf(start ->
                        Long.compareUnsigned(start, address) >= 0 && Long.compareUnsigned(start, address + size) < 0);
        mappings.removeIf(mapping -> !copies.containsKey(mapping.address));
    }

    @Override
    public synchronized boolean addChanges(CallLog log, long nanos) {
        boolean changed = false;
        for (Copy copy : copies.values()) {
            if (copy.memory.scope().isAlive()) {
                changed |= compare(copy, log, nanos);
            }
        }
        return changed;
    }

    /**
     * Waits until a device whose register was written has done what it does at once. What it has changed is then
     * recorded before the end of that call, apart from what the program changes after it.
     */
    void settle(CallLog log) {
        if (isEmpty()) {
            return;
        }
        int quiet = 0;
        for (int times = 0; times < MAX_TIMES && quiet < MIN_QUIET_TIMES; times++) {
            LockSupport.parkNanos(QUIET_NANOS);
            quiet = log.addChanges() ? 0 : quiet + 1;
        }
    }

    private synchronized boolean isEmpty() {
        return copies.isEmpty();
    }

    /** Whether there was a change. */
    private static boolean compare(Copy copy, CallLog log, long nanos) {
        MemorySegment memory = copy.memory;
        MemorySegment shadow = copy.shadow;
        long size = Math.min(memory.byteSize(), shadow.byteSize());
        long at = 0;
        while (at < size) {
            long found = MemorySegment.mismatch(memory, at, size, shadow, at, size);
            if (found < 0) {
                break;
            }
            long start = at + found;
            long end = endOfChange(memory, shadow, start, size);
            MemorySegment changed = memory.asSlice(start, end - start);
            // From the copy: a device may write the memory meanwhile.
            MemorySegment.copy(changed, 0, shadow, start, end - start);
            log.memory(memory.address() + start, shadow.asSlice(start, end - start), nanos);
            at = end;
        }
        return at > 0;
    }

    /** Where a change ends: in front of equal bytes, at the end of the memory, or when a frame is full. */
    private static long endOfChange(MemorySegment memory, MemorySegment shadow, long start, long size) {
        long limit = Math.min(size, start + Frame.MAX_DATA);
        long end = start + 1;
        long equal = 0;
        for (long at = start + 1; at < limit && equal < GAP; at++) {
            if (memory.get(ValueLayout.JAVA_BYTE, at) == shadow.get(ValueLayout.JAVA_BYTE, at)) {
                equal++;
            } else {
                equal = 0;
                end = at + 1;
            }
        }
        return end;
    }
}
