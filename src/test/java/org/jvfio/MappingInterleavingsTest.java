package org.jvfio;

import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.concurrent.locks.ReentrantLock;
import org.jetbrains.lincheck.LincheckAssertionError;
import org.jetbrains.lincheck.datastructures.ModelCheckingOptions;
import org.jetbrains.lincheck.datastructures.Operation;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.jvfio.fixture.Interleavings;

/** All interleavings of a few calls of two threads that map, by Lincheck's model checker. */
@Tag("interleavings")
@Timeout(120)
class MappingInterleavingsTest {
    private static final long PAGE = 4096;

    private static ModelCheckingOptions options() {
        return Interleavings.options(300);
    }

    private static IovaAllocator allocator() {
        return new IovaAllocator(new IovaRange(0, 4 * PAGE), PageSize.SIZE_4K);
    }

    /** The bus addresses of a window of four pages, guarded as by {@link DmaWindow}. */
    public static final class GuardedAddresses {
        private final ReentrantLock lock = new ReentrantLock();
        private final IovaAllocator addresses = allocator();

        /** Allocates one page: its address, or -1. */
        @Operation
        public long allocate() {
            lock.lock();
            try {
                return addresses.allocate(PAGE, PAGE, -1);
            } finally {
                lock.unlock();
            }
        }

        /** Frees the page that is given first: whether it was allocated. */
        @Operation
        public boolean free() {
            lock.lock();
            try {
                return freeFirst(addresses);
            } finally {
                lock.unlock();
            }
        }
    }

    /** The same without the lock. */
    public static final class UnguardedAddresses {
        private final IovaAllocator addresses = allocator();

        /** As {@link GuardedAddresses#allocate}. */
        @Operation
        public long allocate() {
            return addresses.allocate(PAGE, PAGE, -1);
        }

        /** As {@link GuardedAddresses#free}. */
        @Operation
        public boolean free() {
            return freeFirst(addresses);
        }
    }

    private static boolean freeFirst(IovaAllocator addresses) {
        boolean isAllocated = !addresses.isFree(PAGE, PAGE);
        if (isAllocated) {
            addresses.free(PAGE, PAGE);
        }
        return isAllocated;
    }

    /** A mapping whose kernel only remembers whether it is mapped. */
    public static class OneMapping extends MappingState {
        private final ReentrantLock container = new ReentrantLock();
        // Of the kernel, and guarded by the state alone.
        private boolean isMapped;

        /** Creates one that is not mapped. */
        public OneMapping() {
            super(UNMAPPED);
        }

        /** Acquires it in a state: whether it was in that state. */
        boolean begin(int from) {
            try {
                acquire(from);
                return true;
            } catch (IllegalStateException inAnother) {
                return false;
            }
        }

        /** Maps it: whether it was not mapped; an error if the kernel had it mapped. */
        @Operation
        public String map() {
            return begin(UNMAPPED) ? change(true, MAPPED) : "not unmapped";
        }

        /** Unmaps it. */
        @Operation
        public String unmap() {
            return begin(MAPPED) ? change(false, UNMAPPED) : "not mapped";
        }

        /** Closes it, as {@link DmaMapping#close} does: the container's lock first. */
        @Operation
        public String close() {
            container.lock();
            try {
                int found = acquireUnlessClosed();
                return found == MAPPED ? change(false, CLOSED) : end(found);
            } finally {
                container.unlock();
            }
        }

        /** Closes it if it is not mapped, as a container does that frees windows. */
        @Operation
        public boolean closeUnlessMapped() {
            container.lock();
            try {
                return tryAcquire(UNMAPPED) && "closed".equals(end(UNMAPPED));
            } finally {
                container.unlock();
            }
        }

        private String end(int found) {
            if (found != CLOSED) {
                release(CLOSED);
            }
            return found == CLOSED ? "closed before" : "closed";
        }

        private String change(boolean toMapped, int next) {
            String result = isMapped == toMapped ? "the kernel refuses" : "done";
            isMapped = toMapped;
            release(next);
            return result;
        }
    }

    /** The same if a call checked the state, and held nothing. */
    public static final class UnheldMapping extends OneMapping {
        @Override
        boolean begin(int from) {
            return settled() == from;
        }
    }

    /** The same if a call acquired the container's lock while it holds the mapping. */
    public static final class MappingBeforeContainer extends MappingState {
        private final ReentrantLock container = new ReentrantLock();

        /** Creates one that is not mapped. */
        public MappingBeforeContainer() {
            super(UNMAPPED);
        }

        /** Holds the mapping, then the container. */
        @Operation
        public boolean map() {
            if (!tryAcquire(UNMAPPED)) {
                return false;
            }
            container.lock();
            try {
                return true;
            } finally {
                release(UNMAPPED);
                container.unlock();
            }
        }

        /** Holds the container, then the mapping. */
        @Operation
        public boolean close() {
            container.lock();
            try {
                int found = acquireUnlessClosed();
                release(found);
                return true;
            } finally {
                container.unlock();
            }
        }
    }

    @Test
    void map_whileAnotherThreadUnmapsOrCloses_oneHoldsTheMapping() {
        options().check(OneMapping.class);
    }

    @Test
    void map_ofAMappingThatIsNotHeld_lincheckFindsTheRace() {
        assertThrows(LincheckAssertionError.class, () -> options().check(UnheldMapping.class));
    }

    @Test
    void map_thatAcquiresTheContainerLast_lincheckFindsTheDeadlock() {
        assertThrows(LincheckAssertionError.class, () -> options().check(MappingBeforeContainer.class));
    }

    @Test
    void allocate_guarded_noAddressIsGivenTwice() {
        options().check(GuardedAddresses.class);
    }

    @Test
    void allocate_unguarded_lincheckFindsTheRace() {
        assertThrows(LincheckAssertionError.class, () -> options().check(UnguardedAddresses.class));
    }
}
