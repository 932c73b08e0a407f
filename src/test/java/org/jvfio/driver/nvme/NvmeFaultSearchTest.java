package org.jvfio.driver.nvme;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.jvfio.VfioException;
import org.jvfio.observe.fault.Fault;
import org.jvfio.observe.fault.Fault.Effect;
import org.jvfio.observe.fault.FaultPoint.On;
import org.jvfio.observe.fault.FaultSearch;
import org.jvfio.observe.fault.FaultSearch.Scenario;
import org.jvfio.observe.fault.Faults;
import org.jvfio.observe.fault.RandomFaults;

/** Random faults of interrupts find a defect that is put into a copy of the driver, and none in the driver. */
@Timeout(300)
class NvmeFaultSearchTest {
    @TempDir
    private Path directory = Path.of("");

    /** One fault or two, among the interrupts of a run. */
    private static final RandomFaults INTERRUPTS =
            RandomFaults.ANY.only(On.INTERRUPT).maxFaults(2).among(16).maxDelay(SequentialReads.PAUSE.minusMillis(5));

    /**
     * A driver that takes each interrupt of an I/O queue for a completion: if it sees none, it skips the entry, and so
     * loses the completion that is written there later. With one command at a time that goes well until an interrupt
     * comes twice.
     */
    private Scenario oneCompletionForEachInterrupt() {
        return DefectiveDriver.scenario(directory, SequentialReads.class, NvmeQueue.class, """
                        } else {
                            pollLocked(ALL);
                        }
                """, """
                        } else if (pollLocked(ALL) == 0 && number != 0) {
                            lock.lock();
                            completions.advance();
                            lock.unlock();
                        }
                """);
    }

    @Test
    void find_driverThatLosesACompletionAfterADoubledInterrupt_foundShrunkAndReproduced() {
        FaultSearch search = new FaultSearch(INTERRUPTS, oneCompletionForEachInterrupt());
        FaultSearch.Found found = search.find(0, 1000).orElseThrow();
        // Two interrupts of which the second comes before the first is handled are one: that depends on the time.
        while (!found.again() || !isLate(found.shrunk())) {
            found = search.find(found.seed() + 1, (int) (999 - found.seed())).orElseThrow();
        }
        assertEquals(1, found.shrunk().faults().size(), found::toString);
        Fault fault = found.shrunk().faults().getFirst();
        assertTrue(fault.effect() instanceof Effect.Doubled, found::toString);
        assertEquals(VfioException.class, found.failure().getClass(), found::toString);
        Optional<FaultSearch.Found> printedSeed = search.run(found.seed());
        assertEquals(Optional.of(found.shrunk()), printedSeed.map(FaultSearch.Found::shrunk), found::toString);
    }

    /** Whether the second interrupt comes so late that even a busy computer has handled the first. */
    private static boolean isLate(Faults plan) {
        return plan.faults().getFirst().effect() instanceof Effect.Doubled doubled
                && doubled.after().compareTo(Duration.ofMillis(8)) > 0;
    }

    @Test
    void find_driverOfTheProject_survivesInterruptFaults() {
        Optional<FaultSearch.Found> found = new FaultSearch(INTERRUPTS, new SequentialReads()).find(0, 10);
        found.ifPresent(each -> {
            throw each.error();
        });
    }

    @Test
    void defectiveDriver_placeThatTheSourceDoesNotHave_illegalArgument() {
        assertThrows(
                IllegalArgumentException.class,
                () -> DefectiveDriver.scenario(directory, SequentialReads.class, NvmeQueue.class, "no such text", ""));
        assertThrows(
                IllegalArgumentException.class,
                () -> DefectiveDriver.scenario(
                        directory, SequentialReads.class, NvmeQueue.class, "private int poll", "x"));
    }
}
