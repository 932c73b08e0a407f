package org.jvfio.driver.nvme;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.jvfio.VfioException;
import org.jvfio.observe.fault.Fault;
import org.jvfio.observe.fault.Fault.Effect;
import org.jvfio.observe.fault.FaultPoint.On;
import org.jvfio.observe.fault.FaultSearch;
import org.jvfio.observe.fault.FaultSearch.Scenario;
import org.jvfio.observe.fault.RandomFaults;

/** Random faults of interrupts find a defect that is put into a copy of the driver, and none in the driver. */
@Timeout(300)
class NvmeFaultSearchTest {
    /** One fault or two, among the interrupts of a run. */
    private static final RandomFaults INTERRUPTS =
            RandomFaults.ANY.only(On.INTERRUPT).maxFaults(2).among(16);

    /**
     * A driver that takes each interrupt of an I/O queue for a completion: if it sees none, it skips the entry, and so
     * loses the completion that is written there later. With one command at a time that goes well until an interrupt
     * comes twice.
     */
    private static Scenario oneCompletionForEachInterrupt() {
        return DefectiveDriver.scenario(SequentialReads.class, NvmeQueue.class, """
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
        assertEquals(1, found.shrunk().faults().size(), found::toString);
        Fault fault = found.shrunk().faults().getFirst();
        assertTrue(fault.effect() instanceof Effect.Doubled, found::toString);
        assertTrue(found.again(), found::toString);
        assertTrue(
                found.failure().getClass().getName().equals(VfioException.class.getName()),
                () -> String.valueOf(found.failure()));
        assertEquals(
                found.shrunk(),
                search.run(found.seed()).orElseThrow().shrunk(),
                "the printed seed fails in the same way");
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
                () -> DefectiveDriver.scenario(SequentialReads.class, NvmeQueue.class, "no such text", ""));
        assertThrows(
                IllegalArgumentException.class,
                () -> DefectiveDriver.scenario(SequentialReads.class, NvmeQueue.class, "private int poll", "x"));
    }
}
