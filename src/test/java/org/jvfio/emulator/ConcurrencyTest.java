package org.jvfio.emulator;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.jvfio.kernel.CallScript;
import org.jvfio.uapi.vfio_h;

/** Runs for a second, or for as many as the system property {@code jvfio.stress.seconds} says. */
class ConcurrencyTest {
    private static final long SECONDS = Long.getLong("jvfio.stress.seconds", 1);
    private static final int THREADS = 8;
    private static final int REGIONS = 4;
    private static final long REGION_BYTES = 4L << 16;
    private static final long THREAD_BYTES = REGIONS * REGION_BYTES;

    private enum Action {
        REGISTER,
        UNREGISTER,
        MAP,
        UNMAP,
        CREATE_WINDOW,
        REMOVE_WINDOW;

        boolean isOfWindow() {
            return this == CREATE_WINDOW || this == REMOVE_WINDOW;
        }
    }

    /**
     * A call about one of the regions of the thread's memory, and one of the places for a region in the thread's part
     * of window 0. A region is registered as a whole or not at all, so that a call that fails changes nothing.
     */
    private record Step(Action action, int region, int place) {
        static Step draw(Random random) {
            Action[] actions = Action.values();
            return new Step(actions[random.nextInt(actions.length)], random.nextInt(REGIONS), random.nextInt(REGIONS));
        }

        boolean succeeds(VfioProcess process, int thread) {
            long address = process.memory() + thread * THREAD_BYTES + region * REGION_BYTES;
            long iova = (thread + 1) * THREAD_BYTES + place * REGION_BYTES;
            String call = switch (action) {
                case REGISTER -> "reg %d %d %d".formatted(process.container(), address, REGION_BYTES);
                case UNREGISTER -> "unreg %d %d %d".formatted(process.container(), address, REGION_BYTES);
                case MAP -> "map %d %d %d %d".formatted(process.container(), address, iova, REGION_BYTES);
                case UNMAP -> "unmap %d %d %d".formatted(process.container(), iova, REGION_BYTES);
                case CREATE_WINDOW -> "create %d 16 0x10000000000 2".formatted(process.container());
                case REMOVE_WINDOW -> "remove %d 0x800000000000000".formatted(process.container());
            };
            try (CallScript script = new CallScript(process.kernel(), process.kernel()::capIpcLock)) {
                return script.run(call).startsWith("0");
            } catch (HostHazard hazard) {
                // Unregistering what is mapped, which Linux would answer with 0 and a leak.
                assertEquals(Hazard.REGISTRATION_LEAK, hazard.hazard());
                return false;
            }
        }
    }

    /** A process whose container has group 0, the default window, and memory for all threads. */
    private record VfioProcess(EmulatedKernel kernel, int container, int group, long memory) {
        static VfioProcess start() {
            EmulatedKernel kernel = EmulatedKernel.boot(EmulatedMachine.power8());
            int container = kernel.open("/dev/vfio/vfio", vfio_h.O_RDWR);
            int group = kernel.open("/dev/vfio/0", vfio_h.O_RDWR);
            long memory = kernel.mmap(
                    THREADS * THREAD_BYTES,
                    vfio_h.PROT_READ | vfio_h.PROT_WRITE,
                    vfio_h.MAP_PRIVATE | vfio_h.MAP_ANONYMOUS,
                    -1,
                    0);
            try (CallScript script = new CallScript(kernel, kernel::capIpcLock)) {
                assertEquals("0", script.run("setcont %d %d".formatted(group, container)));
                assertEquals("0", script.run("setiommu %d 7".formatted(container)));
                // The first registration permits mapping, the first call about a mapping makes the default window.
                assertEquals("0", script.run("reg %d %d 0x10000".formatted(container, memory)));
                assertEquals("0", script.run("unreg %d %d 0x10000".formatted(container, memory)));
                assertEquals("0 size=10000", script.run("unmap %d 0x10000 0x10000".formatted(container)));
            }
            return new VfioProcess(kernel, container, group, memory);
        }

        Counters counters() {
            return new Counters(
                    kernel.lockedBytes(),
                    kernel.registeredRegions(),
                    kernel.openDescriptors(),
                    kernel.host().userMemoryBytes(),
                    kernel.host().group(0));
        }

        void close() {
            assertEquals(0, kernel.close(container));
            assertEquals(0, kernel.close(group));
            assertEquals(0, kernel.munmap(memory, THREADS * THREAD_BYTES));
        }
    }

    /** What is counted in a process and, window by window, in its group. */
    private record Counters(
            long lockedBytes, int registeredRegions, int openDescriptors, long userMemoryBytes, GroupView group) {}

    @Test
    void calls_manyThreads_sameAsOneByOne() throws Exception {
        VfioProcess process = VfioProcess.start();
        List<List<Step>> successes = runAllThreads(process);
        for (Action action : Action.values()) {
            assertTrue(
                    successes.stream().flatMap(List::stream).anyMatch(step -> step.action() == action), action.name());
        }
        VfioProcess sequential = VfioProcess.start();
        replay(successes, sequential);
        assertEquals(sequential.counters(), process.counters());

        process.close();
        assertEquals(0, process.kernel().lockedBytes());
        assertEquals(0, process.kernel().registeredRegions());
        assertEquals(0, process.kernel().openDescriptors());
        assertEquals(0, process.kernel().host().userMemoryBytes());
        assertEquals(bootedGroup(), process.kernel().host().group(0));
    }

    private static GroupView bootedGroup() {
        return EmulatedKernel.boot(EmulatedMachine.power8()).host().group(0);
    }

    /** What succeeded, thread by thread, in each thread's order. */
    private static List<List<Step>> runAllThreads(VfioProcess process) throws Exception {
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(SECONDS);
        List<Callable<List<Step>>> threads = new ArrayList<>();
        for (int number = 0; number < THREADS; number++) {
            int thread = number;
            threads.add(() -> runUntil(deadline, process, thread));
        }
        List<List<Step>> successes = new ArrayList<>();
        try (ExecutorService executor = Executors.newFixedThreadPool(THREADS)) {
            for (Future<List<Step>> thread : executor.invokeAll(threads)) {
                successes.add(thread.get());
            }
        }
        return successes;
    }

    private static List<Step> runUntil(long deadline, VfioProcess process, int thread) {
        Random random = new Random(thread);
        List<Step> successes = new ArrayList<>();
        while (System.nanoTime() - deadline < 0) {
            Step step = Step.draw(random);
            if (step.succeeds(process, thread)) {
                successes.add(step);
            }
        }
        return successes;
    }

    /** The threads one after the other; window 1, which they share, is made and removed by turns. */
    private static void replay(List<List<Step>> successes, VfioProcess process) {
        for (int thread = 0; thread < THREADS; thread++) {
            for (Step step : successes.get(thread)) {
                assertTrue(step.action().isOfWindow() || step.succeeds(process, thread), step.toString());
            }
        }
        List<Step> creates = ofAction(Action.CREATE_WINDOW, successes);
        List<Step> removes = ofAction(Action.REMOVE_WINDOW, successes);
        for (int turn = 0; turn < creates.size(); turn++) {
            assertTrue(creates.get(turn).succeeds(process, 0), "creation " + turn);
            assertTrue(turn >= removes.size() || removes.get(turn).succeeds(process, 0), "removal " + turn);
        }
    }

    private static List<Step> ofAction(Action action, List<List<Step>> successes) {
        return successes.stream()
                .flatMap(List::stream)
                .filter(step -> step.action() == action)
                .toList();
    }
}
