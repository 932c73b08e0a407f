package org.jvfio;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import org.jetbrains.lincheck.LincheckAssertionError;
import org.jetbrains.lincheck.datastructures.ModelCheckingOptions;
import org.jetbrains.lincheck.datastructures.Operation;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.jvfio.fixture.Interleavings;

/**
 * All interleavings of two containers that register memory with a page in common, by Lincheck's model checker. Only the
 * addresses of the memory matter, so it may be memory that the checker does not see.
 */
@Tag("interleavings")
@Timeout(120)
class RegistrationInterleavingsTest {
    private static final long PAGE = 4096;
    private static final MemorySegment MEMORY = Arena.global().allocate(3 * PAGE, PAGE);

    /** Classes that are initialized under the checker may wait for each other, which it does not see. */
    @BeforeAll
    static void initializeClasses() {
        GuardedRanges ranges = new GuardedRanges();
        assertEquals("1 new, 1 held", ranges.first());
        assertEquals("1 new, 2 held", ranges.second());
    }

    private static ModelCheckingOptions options() {
        return Interleavings.options(100).actorsPerThread(1).iterations(4);
    }

    /** Holds the ranges that a container needs, as {@link RegisteredMemory#register} does without its system calls. */
    private static String register(RegisteredRanges ranges, Object container, int firstPage) {
        MemorySegment segment = MEMORY.asSlice(firstPage * PAGE, 2 * PAGE);
        List<RegisteredRanges.Range> shared = ranges.overlapping(segment);
        List<MemorySegment> gaps = RegisteredRanges.gaps(segment, shared);
        shared.forEach(range -> ranges.hold(range, container));
        gaps.forEach(gap -> ranges.hold(new RegisteredRanges.Range(gap), container));
        return gaps.size() + " new, " + ranges.heldBy(container).size() + " held";
    }

    /** The ranges of a process, guarded by their lock. */
    public static final class GuardedRanges {
        private final RegisteredRanges ranges = new RegisteredRanges();
        private final Object one = new Object();
        private final Object other = new Object();

        /** A container registers the first two pages. */
        @Operation
        public String first() {
            return register(one, 0);
        }

        /** Another one registers the last two pages. */
        @Operation
        public String second() {
            return register(other, 1);
        }

        private String register(Object container, int firstPage) {
            ranges.lock().lock();
            try {
                return RegistrationInterleavingsTest.register(ranges, container, firstPage);
            } finally {
                ranges.lock().unlock();
            }
        }
    }

    /** The same without the lock. */
    public static final class UnguardedRanges {
        private final RegisteredRanges ranges = new RegisteredRanges();
        private final Object one = new Object();
        private final Object other = new Object();

        /** As {@link GuardedRanges#first}. */
        @Operation
        public String first() {
            return register(ranges, one, 0);
        }

        /** As {@link GuardedRanges#second}. */
        @Operation
        public String second() {
            return register(ranges, other, 1);
        }
    }

    @Test
    void register_overlappingMemory_noPageIsInTwoRanges() {
        options().check(GuardedRanges.class);
    }

    @Test
    void register_unguarded_lincheckFindsTheRace() {
        assertThrows(LincheckAssertionError.class, () -> options().check(UnguardedRanges.class));
    }
}
