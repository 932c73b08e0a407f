package org.jvfio.observe.fault;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;
import org.jvfio.emulator.EmulatedMachine;
import org.jvfio.kernel.Kernel;
import org.jvfio.observe.fault.Fault.Effect;
import org.jvfio.observe.fault.FaultPoint.On;

class FaultSearchTest {
    /** A program that does not survive an eventfd that cannot be made, whatever else happens. */
    private static void makeEventfds(Faults plan) {
        Kernel kernel = FaultInjection.boot(EmulatedMachine.power8(), plan).kernel();
        for (int each = 0; each < 10; each++) {
            if (kernel.eventfd(0, 0) < 0) {
                throw new IllegalStateException("no eventfd");
            }
        }
    }

    private static final RandomFaults CALLS =
            RandomFaults.ANY.only(On.EVENTFD, On.POLL, On.MMAP, On.CLOSE).among(10);

    @Test
    void find_programThatDoesNotSurviveOneFault_shrunkToThatFault() {
        FaultSearch.Found found = new FaultSearch(CALLS, FaultSearchTest::makeEventfds)
                .find(0, 1000)
                .orElseThrow();
        assertEquals(1, found.shrunk().faults().size());
        assertEquals(On.EVENTFD, found.shrunk().faults().getFirst().point().on());
        assertEquals("no eventfd", found.failure().getMessage());
        assertTrue(found.again());
        assertTrue(found.toString().startsWith("seed " + found.seed() + " fails: "), found.toString());
        assertTrue(found.toString().contains(found.shrunk().toString()), found.toString());
        assertSame(found.failure(), found.error().getCause());
    }

    @Test
    void run_printedSeed_failsInTheSameWay() {
        FaultSearch search = new FaultSearch(CALLS, FaultSearchTest::makeEventfds);
        FaultSearch.Found found = search.find(0, 1000).orElseThrow();
        FaultSearch.Found again = search.run(found.seed()).orElseThrow();
        assertEquals(found.drawn(), again.drawn());
        assertEquals(found.shrunk(), again.shrunk());
        assertThrows(IllegalStateException.class, () -> makeEventfds(found.shrunk()));
    }

    @Test
    void find_programThatSurvives_everySeedIsTriedAndNoneFound() {
        AtomicInteger runs = new AtomicInteger();
        assertEquals(Optional.empty(), new FaultSearch(CALLS, _ -> runs.incrementAndGet()).find(5, 20));
        assertEquals(20, runs.get());
    }

    @Test
    void find_failsOnlyOnce_saysSo() {
        AtomicInteger runs = new AtomicInteger();
        FaultSearch.Found found = new FaultSearch(CALLS, _ -> {
                    if (runs.getAndIncrement() == 0) {
                        throw new IllegalStateException("the first run");
                    }
                })
                .find(0, 1)
                .orElseThrow();
        assertEquals(false, found.again());
        assertEquals(found.drawn(), found.shrunk());
        assertTrue(found.toString().startsWith("seed 0 fails, though not every time: "), found.toString());
    }

    @Test
    void draw_sameSeed_samePlan() {
        for (long seed = 0; seed < 100; seed++) {
            assertEquals(Faults.random(seed), Faults.random(seed));
        }
        assertNotEquals(Faults.random(1), Faults.random(2));
    }

    @Test
    void draw_manySeeds_everyKindOfEventAndEffect() {
        List<Fault> drawn = LongStream.range(0, 2000)
                .mapToObj(Faults::random)
                .flatMap(plan -> plan.faults().stream())
                .toList();
        for (On kind : On.values()) {
            assertTrue(drawn.stream().anyMatch(fault -> fault.point().on() == kind), kind.name());
        }
        for (Class<?> effect : Effect.class.getPermittedSubclasses()) {
            assertTrue(drawn.stream().anyMatch(fault -> effect.isInstance(fault.effect())), effect.getName());
        }
    }

    @Test
    void randomFaults_nothingToDraw_illegalArgument() {
        assertThrows(IllegalArgumentException.class, () -> RandomFaults.ANY.maxFaults(0));
        assertThrows(IllegalArgumentException.class, () -> RandomFaults.ANY.among(0));
        assertThrows(IllegalArgumentException.class, () -> new RandomFaults(Set.of(), 1, 1, Duration.ZERO));
        assertThrows(IllegalArgumentException.class, () -> new RandomFaults(Set.of(On.POLL), 1, 1, Duration.ofDays(2)));
    }
}
