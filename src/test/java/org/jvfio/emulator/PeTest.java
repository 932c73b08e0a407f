package org.jvfio.emulator;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class PeTest {
    private static final int SHIFT_16M = 24;
    private static final long BYTES = 1L << SHIFT_16M;
    private static final long BYPASS = 1L << 59;
    private static final String DEVICE = "0000:01:00.0";

    private final EmulatedMachine machine = EmulatedMachine.power8();
    private final PhysicalMemory memory = new PhysicalMemory(machine.memoryBytes(), Map.of());
    private final Pe pe = new Pe(
            new PeName("pe ", 0, 0xfd),
            machine,
            machine.bridge(0),
            new Ioda2Calls(),
            new DmaLog(new KernelLog()),
            memory);
    private final MemorySegment data = MemorySegment.ofArray(new byte[(int) BYTES]);

    private boolean reachesHost(long physical, long bytes) {
        pe.thawDma();
        return pe.transfer(DEVICE, BYPASS | physical, data, 0, bytes, true);
    }

    @Test
    void dma_bypass_hostMemoryOnly() {
        pe.calls().start(pe);
        long all = machine.memoryBytes();
        assertTrue(reachesHost(0, 8));
        assertTrue(reachesHost(all - 8, 8));
        assertFalse(reachesHost(all - 8, 9));
        assertFalse(reachesHost(all, 8));
        assertFalse(reachesHost(1L << 63, 8));
        assertFalse(reachesHost(-1L, 8));
        assertEquals(EehState.STOPPED, pe.state());
    }

    /** The only page of window 0 is memory that a process has from elsewhere, and that is pinned. */
    private Backing mapAdopted(Arena arena) {
        Backing backing = memory.adopt(arena.allocate(BYTES, BYTES), SHIFT_16M);
        backing.pin();
        TceTable table = new TceTable(SHIFT_16M, 0, 1, 1, 0, 0, false);
        table.exchange(0, backing.physical() | TceTable.PERMISSIONS, 0);
        pe.window(0, table);
        return backing;
    }

    /** With pages as large as this one, most of the time goes into copying. */
    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    @SuppressWarnings("MustBeClosedChecker") // closed while it is copied
    void dma_ownerFreesMemory_deviceGoesOn(boolean toMemory) {
        for (int round = 0; round < 8; round++) {
            Arena arena = Arena.ofShared();
            Backing backing = mapAdopted(arena);
            CountDownLatch transferring = new CountDownLatch(1);
            CompletableFuture<Boolean> transferred = CompletableFuture.supplyAsync(() -> {
                boolean all = true;
                boolean last = false;
                while (!last) {
                    last = !arena.scope().isAlive();
                    all &= pe.transfer(DEVICE, 0, data, 0, BYTES, toMemory);
                    transferring.countDown();
                }
                return all;
            });
            while (transferring.getCount() > 0) {
                Thread.onSpinWait();
            }
            arena.close();
            assertTrue(transferred.join());
            backing.unmapped(BYTES);
            backing.unpin();
            assertEquals(0, memory.bytes());
        }
    }

    @Test
    @SuppressWarnings("MustBeClosedChecker") // closed while it is copied
    void unmap_ownerFreesMemory_unpinned() {
        for (int round = 0; round < 16; round++) {
            Arena arena = Arena.ofShared();
            Backing backing = mapAdopted(arena);
            // Sooner or later, so that some rounds come upon the copying.
            long delay = round * 500_000L;
            CompletableFuture<Void> freed = CompletableFuture.runAsync(() -> {
                LockSupport.parkNanos(delay);
                arena.close();
            });
            backing.unmapped(BYTES);
            freed.join();
            assertTrue(pe.transfer(DEVICE, 0, data, 0, BYTES, false));
            backing.unpin();
            assertEquals(0, memory.bytes());
        }
    }
}
