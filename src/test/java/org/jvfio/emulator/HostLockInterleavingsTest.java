package org.jvfio.emulator;

import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.concurrent.locks.ReentrantLock;
import org.jetbrains.lincheck.LincheckAssertionError;
import org.jetbrains.lincheck.datastructures.ModelCheckingOptions;
import org.jetbrains.lincheck.datastructures.Operation;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** All interleavings of a call that holds the host's lock and one that holds an IOMMU's, by Lincheck. */
@Tag("interleavings")
@Timeout(120)
class HostLockInterleavingsTest {
    /** The state of an IOMMU, of which a quick call changes what every call may change. */
    public static final class Iommu {
        private final HostLock host = new HostLock();
        private final ReentrantLock own = new ReentrantLock();
        private int mappings;

        /** Creates an IOMMU as a container does. */
        public Iommu() {
            host.lock();
            host.add(own);
            host.unlock();
        }

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

        /** A call that only maps. */
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

    /** The same with an IOMMU that the host's lock does not know. */
    public static final class UnknownIommu {
        private final HostLock host = new HostLock();
        private final ReentrantLock own = new ReentrantLock();
        private int mappings;

        /** As {@link Iommu#call}. */
        @Operation
        public int call() {
            host.lock();
            try {
                return ++mappings;
            } finally {
                host.unlock();
            }
        }

        /** As {@link Iommu#quickCall}. */
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

    private static ModelCheckingOptions options() {
        return new ModelCheckingOptions()
                .actorsBefore(0)
                .actorsAfter(0)
                .threads(2)
                .actorsPerThread(2)
                .iterations(6)
                .invocationsPerIteration(300)
                .minimizeFailedScenario(false);
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
