package org.jvfio;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.ref.WeakReference;
import java.nio.ByteBuffer;
import java.nio.channels.Pipe;
import java.time.Duration;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.FutureTask;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.jvfio.driver.edu.EduDevice;
import org.jvfio.emulator.EmulatedKernel;
import org.jvfio.emulator.EmulatedMachine;
import org.jvfio.emulator.KernelVersion;
import org.jvfio.kernel.Errno;
import org.jvfio.kernel.Kernel;
import org.jvfio.uapi.vfio_h;

/** Memory that the containers of two drivers in one process have registered: the kernel has one list for both. */
class SharedMemoryTest {
    private static final long PAGE = 1L << 16;
    private static final String STALE = "still registered, with what was at these addresses before";

    private final TestHost host = new TestHost();
    private final Device device = Device.open(host.kernel(), TestHost.EDU);
    private final Device otherDevice = Device.open(host.kernel(), TestHost.OTHER_EDU);
    private final Container container = device.container();
    private final Container other = otherDevice.container();

    @AfterEach
    void giveBack() {
        otherDevice.close();
        device.close();
        host.assertAllGivenBack();
    }

    private int registered() {
        return host.process().registeredRegions();
    }

    private long memoryBytes() {
        return host.process().host().userMemoryBytes();
    }

    @Test
    void close_allocatedMemoryThatAnotherContainerRegistered_freedByTheLast() {
        DmaMemory memory = container.allocate(PAGE);
        DmaMemory shared = other.register(memory.segment());
        assertEquals(1, registered());
        assertEquals(PAGE, container.lockedMemory().locked());
        memory.close();
        assertThrows(IllegalStateException.class, memory::segment);
        shared.segment().fill((byte) 1);
        DmaMemory third = container.register(shared.segment());
        shared.close();
        assertEquals(1, registered());
        third.segment().fill((byte) 2);
        assertEquals(PAGE, memoryBytes());
        third.close();
        assertEquals(0, registered());
        assertEquals(0, memoryBytes());
    }

    @Test
    void close_ownerLast_freedByTheOwner() {
        DmaMemory memory = container.allocate(2 * PAGE);
        DmaMemory half = container.register(memory.segment().asSlice(PAGE));
        DmaMemory shared = other.register(memory.segment());
        half.close();
        shared.close();
        assertEquals(1, registered());
        memory.segment().fill((byte) 1);
        memory.close();
        assertEquals(0, registered());
        assertEquals(0, memoryBytes());
    }

    @Test
    void close_partOfItsOwnIsRegistered_wholeCanBeRegisteredAgain() {
        DmaMemory memory = container.allocate(2 * PAGE);
        MemorySegment whole = memory.segment();
        DmaMemory half = other.register(whole.asSlice(PAGE));
        memory.close();
        DmaMemory again = other.register(whole);
        half.close();
        assertEquals(2 * PAGE, memoryBytes());
        again.close();
        assertEquals(0, memoryBytes());
    }

    @Test
    void close_lastOneWhileACallUsesTheSegment_busyAndRepeatable() throws Exception {
        // More than a pipe holds, so that the call does not end before all is read.
        int bytes = 1 << 22;
        DmaMemory memory = container.allocate(bytes);
        DmaMemory shared = other.register(memory.segment());
        Pipe pipe = Pipe.open();
        try (ExecutorService thread = Executors.newSingleThreadExecutor();
                Pipe.SourceChannel source = pipe.source();
                Pipe.SinkChannel sink = pipe.sink()) {
            ByteBuffer buffer = shared.segment().asByteBuffer();
            Future<Integer> call = thread.submit(() -> sink.write(buffer));
            ByteBuffer read = ByteBuffer.allocate(bytes).limit(1);
            assertEquals(1, source.read(read));
            memory.close();
            VfioException e = assertThrows(VfioException.class, shared::close);
            assertEquals(VfioException.Kind.BUSY, e.kind());
            DmaMemory unrelated = container.allocate(PAGE);
            unrelated.close();
            assertEquals(bytes, memoryBytes());
            read.limit(read.capacity());
            while (read.hasRemaining()) {
                source.read(read);
            }
            assertEquals(bytes, call.get());
        }
        shared.close();
        assertEquals(0, memoryBytes());
    }

    @Test
    void dma_twoContainersOneMemory_dataExchanged() {
        DmaMemory memory = container.allocate(2 * PAGE);
        DmaMemory shared = other.register(memory.segment().asSlice(PAGE, PAGE));
        DmaConstraints limits = DmaConstraints.ofMaskBits(28);
        long from = container
                .map(memory.range(), DmaDirection.BIDIRECTIONAL, limits)
                .iova();
        long to = other.map(shared.range(), DmaDirection.BIDIRECTIONAL, limits).iova();
        device.enableBusMastering();
        otherDevice.enableBusMastering();
        memory.segment().setString(0, "hello");
        EduDevice edu = EduDevice.of(device);
        edu.readMemory(from, 0, 4096, Duration.ofSeconds(1));
        edu.writeMemory(from + PAGE, 0, 4096, Duration.ofSeconds(1));
        EduDevice otherEdu = EduDevice.of(otherDevice);
        otherEdu.readMemory(to, 0, 4096, Duration.ofSeconds(1));
        otherEdu.writeMemory(to + 4096, 0, 4096, Duration.ofSeconds(1));
        assertEquals("hello", memory.segment().getString(PAGE + 4096));
    }

    @Test
    void closeContainer_memoryRegisteredElsewhere_freedOnSecondClose() {
        DmaMemory memory = container.allocate(PAGE);
        container.defaultWindow().map(memory, DmaDirection.TO_DEVICE);
        DmaMemory shared = other.register(memory.segment());
        container.close();
        assertTrue(host.group(0).ownedByHost());
        assertThrows(IllegalStateException.class, memory::segment);
        assertEquals(1, registered());
        assertEquals(PAGE, memoryBytes());
        other.defaultWindow().map(shared, DmaDirection.TO_DEVICE);
        memory.close();
        assertEquals(PAGE, memoryBytes());
        shared.close();
        assertEquals(0, memoryBytes());
    }

    @Test
    void register_addressesReusedElsewhere_notTakenForOldMemory() {
        for (int attempt = 0; ; attempt++) {
            assertTrue(attempt < 1000, "no address came back");
            DmaMemory old;
            try (Arena early = Arena.ofShared()) {
                old = other.register(early.allocate(PAGE, PAGE));
            }
            try (Arena arena = Arena.ofShared()) {
                MemorySegment again = arena.allocate(PAGE, PAGE);
                if (again.address() == old.address()) {
                    int calls = host.observed().calls();
                    VfioException e = assertThrows(VfioException.class, () -> container.register(again));
                    assertTrue(e.reason().contains(STALE), e.getMessage());
                    assertEquals(calls, host.observed().calls(), "system calls");
                    old.close();
                    container.register(again).close();
                    break;
                }
            }
            old.close();
        }
    }

    @Test
    void register_overlappingOtherContainer_onlyGaps() {
        try (Arena arena = Arena.ofShared()) {
            MemorySegment segment = arena.allocate(6 * PAGE, PAGE);
            DmaMemory middle = container.register(segment.asSlice(2 * PAGE, 2 * PAGE));
            DmaMemory all = other.register(segment);
            assertEquals(3, registered());
            assertEquals(6 * PAGE, container.lockedMemory().locked());
            DmaMemory part = container.register(segment.asSlice(PAGE, 2 * PAGE));
            assertEquals(3, registered());
            other.defaultWindow().map(all, DmaDirection.TO_DEVICE);
            container.defaultWindow().map(part, DmaDirection.TO_DEVICE);
            all.close();
            assertEquals(2, registered());
            middle.close();
            part.close();
            assertEquals(0, registered());
            assertEquals(
                    host.observed().made(vfio_h.VFIO_IOMMU_SPAPR_REGISTER_MEMORY),
                    host.observed().made(vfio_h.VFIO_IOMMU_SPAPR_UNREGISTER_MEMORY));
        }
    }

    @Test
    void register_failsAfterSharing_firstContainerKeepsRange() {
        try (Arena arena = Arena.ofShared()) {
            MemorySegment segment = arena.allocate(2 * PAGE, PAGE);
            DmaMemory half = container.register(segment.asSlice(0, PAGE));
            host.observed().failRequest(vfio_h.VFIO_IOMMU_SPAPR_REGISTER_MEMORY, Errno.EFAULT.negated(), 1);
            assertThrows(VfioException.class, () -> other.register(segment));
            host.observed().heal();
            assertEquals(1, registered());
            container.defaultWindow().map(half, DmaDirection.TO_DEVICE);
            half.close();
            assertEquals(0, registered());
        }
    }

    @Test
    void register_overlapsFailedUnregister_refused() {
        try (Arena arena = Arena.ofShared()) {
            MemorySegment segment = arena.allocate(3 * PAGE, PAGE);
            DmaMemory middle = container.register(segment.asSlice(PAGE, PAGE));
            host.observed().answerRequest(vfio_h.VFIO_IOMMU_SPAPR_UNREGISTER_MEMORY, _ -> Errno.EIO.negated());
            host.observed().failRequest(vfio_h.VFIO_IOMMU_SPAPR_REGISTER_MEMORY, Errno.EFAULT.negated(), 1);
            VfioException refused = assertThrows(VfioException.class, () -> container.register(segment));
            assertEquals(1, refused.getSuppressed().length);
            host.observed().failRequest(vfio_h.VFIO_IOMMU_SPAPR_UNREGISTER_MEMORY, Errno.EIO.negated());
            DmaMemory elsewhere = container.allocate(PAGE);
            for (Container each : new Container[] {container, other}) {
                VfioException e = assertThrows(VfioException.class, () -> each.register(segment.asSlice(0, PAGE)));
                assertTrue(e.reason().contains(STALE + ", as the kernel did not unregister it"), e.getMessage());
            }
            host.observed().heal();
            container.register(segment.asSlice(0, PAGE)).close();
            elsewhere.close();
            middle.close();
            assertEquals(0, registered());
        }
    }

    @Test
    void register_memoryBeingFreed_refused() throws Exception {
        DmaMemory memory = container.allocate(PAGE);
        MemorySegment segment = memory.segment();
        FutureTask<DmaMemory> late = new FutureTask<>(() -> other.register(segment));
        Thread thread = new Thread(late);
        host.observed().replaceArgument(vfio_h.VFIO_IOMMU_SPAPR_UNREGISTER_MEMORY, (_, struct) -> {
            thread.start();
            while (thread.getState() != Thread.State.WAITING) {
                assertTrue(thread.isAlive(), "it did not wait");
                Thread.onSpinWait();
            }
            host.observed().heal();
            return struct;
        });
        memory.close();
        thread.join();
        assertFalse(segment.scope().isAlive());
        Throwable refused = late.exceptionNow();
        assertTrue(String.valueOf(refused.getMessage()).contains("it is freed already"), refused.toString());
        assertEquals(0, registered());
    }

    @Test
    void register_version1InTwoContainers_keptForBoth() {
        TestHost old = new TestHost(
                EmulatedMachine.power8().toBuilder().kernel(KernelVersion.V4_1).build());
        try (Arena arena = Arena.ofShared();
                Container first = Container.open(old.kernel());
                Container second = Container.open(old.kernel())) {
            first.attach(TestHost.EDU);
            second.attach(TestHost.OTHER_EDU);
            MemorySegment segment = arena.allocate(PAGE, PAGE);
            DmaMemory ended = first.register(segment);
            DmaMemory stays = second.register(segment);
            ended.close();
            second.defaultWindow().map(stays, DmaDirection.TO_DEVICE);
            assertEquals(PAGE >> 12, old.group(1).windows().getFirst().mappedPages());
        }
        old.assertAllGivenBack();
    }

    @Test
    void forgetKernel_registrations_collected() throws InterruptedException {
        WeakReference<Kernel> kernel = forget();
        while (!kernel.refersTo(null)) {
            System.gc();
            Thread.sleep(5);
        }
        assertNull(kernel.get());
    }

    private static WeakReference<Kernel> forget() {
        Kernel forgotten = EmulatedKernel.boot(EmulatedMachine.power8());
        Container container = Container.open(forgotten);
        container.attach(TestHost.EDU);
        container.allocate(1);
        return new WeakReference<>(forgotten);
    }
}
