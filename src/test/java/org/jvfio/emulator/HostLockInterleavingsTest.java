package org.jvfio.emulator;

import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.concurrent.locks.Lock;
import org.jetbrains.lincheck.LincheckAssertionError;
import org.jetbrains.lincheck.datastructures.ModelCheckingOptions;
import org.jetbrains.lincheck.datastructures.Operation;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.jvfio.fixture.Interleavings;

/** All interleavings of a call that holds the host's lock and one that holds an IOMMU's, by Lincheck. */
@Tag("interleavings")
@Timeout(120)
class HostLockInterleavingsTest {
    /** The state of an IOMMU that the host's lock does not know. */
    public static class UnknownIommu {
        final HostLock host = new HostLock();
        final Lock own = new OwnCacheLines.Lock().asWriteLock();
        private int mappings;

        /** A call of the host. */
        @Operation
        public int call() {
            host.lock();
            try {
                return ++mappings;
            } finally {
                host.unlock();
            }
        }

        /** A call that only maps, and changes what every call may change. */
        @Operation
        public int quickCall() {
            own.lock();
            try {
                return ++mappings;
            } finally {
                own.unlock();
            }
        }
    }

    /** The same with an IOMMU that was added. */
    public static final class Iommu extends UnknownIommu {
        /** Creates an IOMMU as a container does. */
        public Iommu() {
            host.lock();
            host.add(own);
            host.unlock();
        }
    }

    private static ModelCheckingOptions options() {
        return Interleavings.options(300);
    }

    @Test
    void lock_whileACallHoldsAnIommuAlone_excludesIt() {
        options().check(Iommu.class);
    }

    @Test
    void lock_iommuThatWasNotAdded_lincheckFindsTheRace() {
        assertThrows(LincheckAssertionError.class, () -> options().check(UnknownIommu.class));
    }
}
