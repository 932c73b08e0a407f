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

    @Test
    void allocate_guarded_noAddressIsGivenTwice() {
        options().check(GuardedAddresses.class);
    }

    @Test
    void allocate_unguarded_lincheckFindsTheRace() {
        assertThrows(LincheckAssertionError.class, () -> options().check(UnguardedAddresses.class));
    }
}
