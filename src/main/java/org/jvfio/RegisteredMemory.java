package org.jvfio;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.locks.Lock;
import java.util.function.Supplier;
import org.jvfio.VfioException.Kind;
import org.jvfio.ioctl.RegisterMemory;
import org.jvfio.ioctl.UnregisterMemory;
import org.jvfio.kernel.Errno;
import org.jvfio.kernel.Kernel;

/**
 * The registrations of a container, and the memory that uses them. The kernel rejects a range that overlaps another
 * range of the process, and unregisters a range only exactly as it was registered. So memory that overlaps a registered
 * range, of this container or another one, shares that range, and only the gaps are registered. A mapping may span
 * adjacent ranges, as the kernel looks up each page by itself.
 *
 * <p>Guarded by the container's lock and the process-wide registration lock.
 */
final class RegisteredMemory {
    private final Kernel kernel;
    private final Container container;
    private final RegisteredRanges ranges;
    // Stands for the container in the process-wide table, which must not keep a forgotten container reachable.
    private final Object token = new Object();
    private final Map<DmaMemory, RegisteredRanges.User> users = new HashMap<>();
    private final Set<RegisteredRanges.Range> unused = new LinkedHashSet<>();
    private final Map<Long, MemorySegment> kept;

    /**
     * @param kept gets the registered memory, by address, so that it stays reachable
     */
    RegisteredMemory(Kernel kernel, Container container, Map<Long, MemorySegment> kept) {
        this.kernel = kernel;
        this.container = container;
        this.ranges = RegisteredRanges.of(kernel);
        this.kept = kept;
    }

    /** The process-wide registration lock; acquired after the container lock. */
    Lock lock() {
        return ranges.lock();
    }

    /**
     * Registers all of a memory; if that fails, none of it is registered.
     *
     * @param asked what for, as it follows "cannot": called for a failure only, as the text costs as much as the call
     */
    void register(DmaMemory memory, MemorySegment segment, Supplier<String> asked) {
        ranges.lock().lock();
        try {
            // Another container may have freed it before the lock was acquired.
            if (!segment.scope().isAlive()) {
                throw new VfioException(
                        Kind.GONE, asked.get(), "it is freed already", "register memory first, and free it last");
            }
            unregisterUnused(segment, asked);
            List<RegisteredRanges.Range> shared = ranges.overlapping(segment);
            for (RegisteredRanges.Range range : shared) {
                ranges.requireShareable(range, asked, segment);
            }
            List<RegisteredRanges.Range> all = new ArrayList<>(shared);
            List<MemorySegment> gaps = RegisteredRanges.gaps(segment, shared);
            // For a single range the kernel's refusal tells as much, and leaves nothing to undo: no file is read
            // before.
            if (container.registersMemory() && gaps.size() > 1) {
                container
                        .lockedMemory()
                        .require(
                                asked,
                                gaps.stream().mapToLong(MemorySegment::byteSize).sum());
            }
            for (MemorySegment gap : gaps) {
                all.add(new RegisteredRanges.Range(gap));
            }
            List<RegisteredRanges.Range> added = new ArrayList<>();
            try {
                for (RegisteredRanges.Range range : all) {
                    if (!range.isHeldBy(token)) {
                        register(range, asked);
                        added.add(range);
                    }
                }
            } catch (RuntimeException e) {
                unused.addAll(added);
                added.forEach(range -> Teardown.after(e, () -> unregister(range)));
                throw e;
            }
            RegisteredRanges.User user = new RegisteredRanges.User(token, segment);
            users.put(memory, user);
            for (RegisteredRanges.Range range : all) {
                range.add(user);
            }
        } finally {
            ranges.lock().unlock();
        }
    }

    /**
     * Unregisters the ranges of a memory that no other memory of the container uses.
     *
     * @throws VfioException if the kernel refuses one of them; the call can be repeated
     */
    void unregister(DmaMemory memory) {
        ranges.lock().lock();
        try {
            RegisteredRanges.User user = users.get(memory);
            if (user == null) {
                return;
            }
            Teardown teardown = new Teardown();
            for (RegisteredRanges.Range range : ranges.overlapping(memory.registered())) {
                if (range.remove(user) && !range.isUsedBy(token) && !teardown.step(() -> unregister(range))) {
                    range.add(user);
                }
            }
            teardown.end();
            users.remove(memory);
        } finally {
            ranges.lock().unlock();
        }
    }

    /** Takes memory that its owner has unregistered. */
    void freeWhenUnused(RegisteredRanges.Allocation allocation) {
        ranges.add(allocation);
    }

    /**
     * Frees memory that its owner has closed, if it overlaps a segment and nothing else uses it.
     *
     * @throws VfioException if some cannot be freed; the call can be repeated
     */
    void freeUnused(MemorySegment segment) {
        Teardown teardown = new Teardown();
        for (RegisteredRanges.Allocation allocation : ranges.unused(segment)) {
            teardown.step(() -> free(allocation));
        }
        teardown.end();
    }

    /** Frees memory that is not registered. */
    void free(RegisteredRanges.Allocation allocation) {
        String asked = "free " + DmaMemory.describe(allocation.segment());
        int answer;
        try {
            answer = kernel.munmap(allocation.address(), allocation.bytes());
        } catch (IllegalStateException inUse) {
            VfioException e = new VfioException(
                    Kind.BUSY,
                    asked,
                    "a call of another thread is using its segment",
                    "close it again when that call has ended");
            e.initCause(inUse);
            throw e;
        }
        ranges.remove(allocation);
        if (answer != 0) {
            throw VfioException.failed(
                    asked,
                    "munmap(0x%x, 0x%x)".formatted(allocation.address(), allocation.bytes()),
                    answer,
                    Cause.unknown());
        }
    }

    /** Follows a container that lost its last group, and its registrations with it. */
    void gone() {
        ranges.lock().lock();
        try {
            ranges.heldBy(token).forEach(this::drop);
            users.clear();
        } finally {
            ranges.lock().unlock();
        }
    }

    /** Repeats the unregistrations that failed, which was reported then. */
    private void unregisterUnused(MemorySegment wanted, Supplier<String> asked) {
        for (RegisteredRanges.Range range : List.copyOf(unused)) {
            try {
                unregister(range);
            } catch (VfioException e) {
                if (range.overlaps(wanted)) {
                    VfioException stale = range.stale(asked.get());
                    stale.initCause(e);
                    throw stale;
                }
            }
        }
    }

    private void register(RegisteredRanges.Range range, Supplier<String> asked) {
        MemorySegment segment = range.segment();
        boolean isNew = !range.isHeld();
        if (isNew) {
            kernel.adopt(segment);
        }
        kept.put(range.start(), segment);
        try (Arena arena = Arena.ofConfined()) {
            RegisterMemory call = RegisterMemory.of(arena, segment.address(), segment.byteSize());
            int result = container.registersMemory() ? call.call(container.descriptor()) : 0;
            if (result != 0) {
                kept.remove(range.start());
                if (isNew) {
                    kernel.disown(segment);
                }
                throw VfioException.failed(asked.get(), call, result, causeOf(result, segment));
            }
        }
        ranges.hold(range, token);
    }

    private Cause causeOf(int result, MemorySegment range) {
        if (result > 0) {
            return new Cause(
                    Kind.KERNEL_REFUSED,
                    "the kernel could pin only %d of %d pages"
                            .formatted(
                                    result,
                                    range.byteSize() / container.systemPage().bytes()),
                    "use memory that is mapped and writable as a whole");
        }
        return result == Errno.ENOMEM.negated()
                ? container.lockedMemory().noMemory(range.byteSize())
                : Cause.of(result, KnownCauses::register);
    }

    private void unregister(RegisteredRanges.Range range) {
        MemorySegment segment = range.segment();
        try (Arena arena = Arena.ofConfined()) {
            UnregisterMemory call = UnregisterMemory.of(arena, segment.address(), segment.byteSize());
            int result = container.registersMemory() ? call.call(container.descriptor()) : 0;
            if (result != 0) {
                throw VfioException.failed(
                        "unregister %s at 0x%x".formatted(ByteSize.format(segment.byteSize()), range.start()),
                        call,
                        result,
                        Cause.of(result, KnownCauses::unregister));
            }
        }
        drop(range);
    }

    private void drop(RegisteredRanges.Range range) {
        ranges.drop(range, token);
        unused.remove(range);
        kept.remove(range.start());
        if (!range.isHeld()) {
            kernel.disown(range.segment());
        }
    }
}
