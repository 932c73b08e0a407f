package org.jvfio;

import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteBuffer;
import java.nio.channels.Pipe;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.jvfio.driver.edu.EduDevice;
import org.jvfio.emulator.EehState;
import org.jvfio.kernel.Errno;
import org.jvfio.uapi.vfio_h;

/** Whatever is closed first, and whatever the kernel refuses: in the end the host has everything back. */
class LifetimeTest {
    private static final long WINDOW = 1L << 30;
    private static final Duration TRANSFER = Duration.ofSeconds(10);
    private static final List<String> IN_ORDER = List.of(
            "BUS_MASTER off",
            "UNMAP_DMA",
            "UNREGISTER_MEMORY",
            "munmap",
            "TCE_REMOVE",
            "close device",
            "close /dev/vfio/0",
            "close /dev/vfio/vfio");

    /** One of everything, in the order in which they were made. */
    private record Made(
            List<AutoCloseable> all,
            Container container,
            Group group,
            Device device,
            DmaWindow window,
            DmaMemory memory,
            DmaMapping mapping) {}

    private static Made make(TestHost host) {
        Container container = Container.open(host.kernel());
        Group group = container.attach(TestHost.EDU);
        Device device = group.openDevice(TestHost.EDU);
        device.enableBusMastering();
        DmaWindow window = container.createWindow(PageSize.SIZE_64K, WINDOW, 1);
        DmaMemory memory = container.allocate(1);
        DmaMapping mapping = window.map(memory, DmaDirection.BIDIRECTIONAL);
        return new Made(
                List.of(container, group, device, window, memory, mapping),
                container,
                group,
                device,
                window,
                memory,
                mapping);
    }

    @Test
    void close_anyOrderAndTwice_allReleased() throws Exception {
        List<List<Integer>> orders = permutations(List.of(0, 1, 2, 3, 4, 5));
        assertEquals(720, orders.size());
        for (List<Integer> order : orders) {
            TestHost host = new TestHost();
            Made made = make(host);
            for (int index : order) {
                made.all().get(index).close();
                made.all().get(index).close();
            }
            assertReleasedInOrder(host, "UNMAP_DMA", "UNREGISTER_MEMORY", "munmap", "close /dev/vfio/0");
            assertReleasedInOrder(host, "UNMAP_DMA", "TCE_REMOVE", "close /dev/vfio/0", "close /dev/vfio/vfio");
            assertReleasedInOrder(host, "close device", "close /dev/vfio/0");
            host.assertAllGivenBack();
        }
    }

    /** Each is given back once, and in this order. */
    private static void assertReleasedInOrder(TestHost host, String... calls) {
        List<String> expected = List.of(calls);
        assertEquals(
                expected,
                host.observed().releases().stream().filter(expected::contains).toList());
    }

    /**
     * The kernel would do all of it by itself when the files are closed, so only the calls tell who did it, and when.
     */
    @Test
    void closeContainer_everythingOpen_releasedInSafeOrder() {
        TestHost host = new TestHost();
        make(host).container().close();
        assertEquals(IN_ORDER, host.observed().releases());

        host = new TestHost();
        Made made = make(host);
        made.group().close();
        assertEquals(IN_ORDER.subList(0, IN_ORDER.size() - 1), host.observed().releases());
        made.container().close();
        assertEquals(IN_ORDER, host.observed().releases());

        host = new TestHost();
        Device device = Device.open(host.kernel(), TestHost.EDU);
        device.enableBusMastering();
        DmaMemory memory = device.container().allocate(1);
        device.container().createWindow(PageSize.SIZE_64K, WINDOW, 1).map(memory, DmaDirection.BIDIRECTIONAL);
        device.close();
        assertEquals(IN_ORDER, host.observed().releases());
    }

    @Test
    void closeInterruptsAndEvents_anyOrderAndTwice_allReleased() throws Exception {
        for (List<Integer> order : permutations(List.of(0, 1, 2, 3, 4))) {
            TestHost host = new TestHost();
            Container container = Container.open(host.kernel());
            Device device = container.attach(TestHost.EDU).openDevice(TestHost.EDU);
            Interrupts line = device.enableInterrupts(InterruptType.INTX, 1);
            Interrupts requests = device.enableInterrupts(InterruptType.REQUEST, 1);
            List<AutoCloseable> all = List.of(container, device, line, requests, line.unmaskEvent());
            for (int index : order) {
                all.get(index).close();
                all.get(index).close();
            }
            host.assertAllGivenBack();
        }
    }

    private static List<List<Integer>> permutations(List<Integer> items) {
        if (items.isEmpty()) {
            return List.of(List.of());
        }
        List<List<Integer>> all = new ArrayList<>();
        for (Integer first : items) {
            List<Integer> rest = new ArrayList<>(items);
            rest.remove(/* element */ first);
            for (List<Integer> tail : permutations(rest)) {
                List<Integer> permutation = new ArrayList<>(tail);
                permutation.addFirst(first);
                all.add(permutation);
            }
        }
        return all;
    }

    @Test
    void closeContainer_everythingOpen_allReleased() {
        TestHost host = new TestHost();
        make(host).container().close();
        host.assertAllGivenBack();
    }

    @Test
    void closeGroup_onlyOne_mappingsMemoryAndWindowsClosed() {
        TestHost host = new TestHost();
        Made made = make(host);
        made.group().close();
        assertTrue(host.group(0).ownedByHost());
        assertEquals(0, host.process().lockedBytes());
        assertEquals(List.of(), made.container().windows());
        assertThrows(IllegalStateException.class, () -> made.memory().segment());
        made.container().close();
        host.assertAllGivenBack();
    }

    @Test
    void attach_afterGroupClosed_works() {
        TestHost host = new TestHost();
        Made made = make(host);
        made.group().close();
        made.container().attach(TestHost.OTHER_EDU);
        try (DmaMemory memory = made.container().allocate(1)) {
            assertEquals(1, made.container().windows().size());
            made.container().defaultWindow().map(memory, DmaDirection.TO_DEVICE);
        }
        made.container().close();
        host.assertAllGivenBack();
    }

    @Test
    void anyCall_fails_nothingLeaked() {
        int failures = 0;
        for (int call = 0; ; call++) {
            TestHost host = new TestHost();
            host.observed().failCall(call);
            boolean failed = false;
            try (Container container = Container.open(host.kernel())) {
                Group group = container.attach(TestHost.EDU);
                group.openDevice(TestHost.EDU).enableBusMastering();
                DmaMemory memory = container.allocate(1);
                container.defaultWindow().map(memory, DmaDirection.TO_DEVICE);
                DmaMapping mapping =
                        container.createWindow(PageSize.SIZE_64K, WINDOW, 1).map(memory, DmaDirection.FROM_DEVICE);
                mapping.close();
            } catch (VfioException e) {
                failed = true;
                assertEquals(Errno.EIO, e.errno().orElseThrow(), e.getMessage());
            }
            host.assertAllGivenBack();
            if (!failed) {
                assertTrue(call >= host.observed().calls(), "call " + call + " failed unnoticed");
                break;
            }
            failures++;
        }
        assertTrue(failures > 20, failures + " calls");
    }

    @Test
    void close_memoryMappingOrWindow_leavesBusMasteringOn() {
        for (int closed : List.of(3, 4, 5)) {
            TestHost host = new TestHost();
            Made made = make(host);
            assertDoesNotThrow(() -> made.all().get(closed).close());
            assertTrue(isBusMaster(made.device()));
            made.container().close();
            host.assertAllGivenBack();
        }
    }

    /** Another device of the container transfers all the time, and would freeze its PE or fail. */
    @Test
    void close_inAnyOrder_otherDeviceOfTheContainerGoesOn() throws Exception {
        for (List<Integer> order : permutations(List.of(0, 1, 2, 3))) {
            TestHost host = new TestHost();
            try (Container container = Container.open(host.kernel())) {
                Group group = container.attach(TestHost.EDU);
                Device device = group.openDevice(TestHost.EDU);
                device.enableBusMastering();
                DmaWindow window = container.createWindow(PageSize.SIZE_64K, WINDOW, 1);
                DmaMemory memory = container.allocate(1 << 16);
                DmaMapping mapping = window.map(memory, DmaDirection.BIDIRECTIONAL);
                DmaMapping low = container.defaultWindow().map(memory, DmaDirection.BIDIRECTIONAL);
                EduDevice edu = EduDevice.of(device);
                edu.readMemory(low.iova(), 0, 4096, TRANSFER);
                List<AutoCloseable> all = List.of(memory, mapping, window, device);

                Device other = container.attach(TestHost.OTHER_EDU).openDevice(TestHost.OTHER_EDU);
                other.enableBusMastering();
                DmaMemory otherMemory = container.allocate(1 << 16);
                long iova = container
                        .defaultWindow()
                        .map(otherMemory, DmaDirection.BIDIRECTIONAL)
                        .iova();
                EduDevice otherEdu = EduDevice.of(other);
                AtomicInteger transfers = new AtomicInteger();
                AtomicBoolean end = new AtomicBoolean();
                try (ExecutorService thread = Executors.newSingleThreadExecutor()) {
                    Future<?> transferring = thread.submit(() -> {
                        while (!end.get()) {
                            otherEdu.readMemory(iova, 0, 64, TRANSFER);
                            otherEdu.writeMemory(iova + 4096, 0, 64, TRANSFER);
                            transfers.incrementAndGet();
                        }
                    });
                    try {
                        for (int index : order) {
                            awaitMore(transferring, transfers);
                            all.get(index).close();
                        }
                        awaitMore(transferring, transfers);
                    } finally {
                        end.set(true);
                    }
                    transferring.get();
                }
                assertTrue(isBusMaster(other));
                assertEquals(EehState.NORMAL, host.group(1).state());
            }
            host.assertAllGivenBack();
        }
    }

    private static void awaitMore(Future<?> transferring, AtomicInteger transfers) {
        int before = transfers.get();
        while (transfers.get() == before) {
            assertFalse(transferring.isDone(), "the transfers ended");
            Thread.onSpinWait();
        }
    }

    @Test
    void closeMapping_busMaster_staysOn() {
        TestHost host = new TestHost();
        Made made = make(host);
        made.mapping().close();
        assertTrue(isBusMaster(made.device()));
        made.container().close();
    }

    @Test
    void closeMemory_onlyPrepared_busMasteringStaysOn() {
        TestHost host = new TestHost();
        Made made = make(host);
        made.mapping().unmap();
        made.memory().close();
        assertTrue(isBusMaster(made.device()));
        made.window().prepare(made.container().allocate(1).range(), DmaDirection.TO_DEVICE, DmaConstraints.NONE);
        made.window().close();
        assertTrue(isBusMaster(made.device()));
        made.container().close();
        host.assertAllGivenBack();
    }

    private static boolean isBusMaster(Device device) {
        return (device.config().readShort(vfio_h.PCI_COMMAND) & vfio_h.PCI_COMMAND_MASTER) != 0;
    }

    @Test
    void closeMemory_unmapFails_keptUntilContainerCloses() {
        TestHost host = new TestHost();
        Made made = make(host);
        host.observed().failRequest(vfio_h.VFIO_IOMMU_UNMAP_DMA, Errno.EIO.negated());
        assertThrows(VfioException.class, () -> made.memory().close());
        assertThrows(VfioException.class, () -> made.mapping().close());
        assertEquals(1, host.process().registeredRegions());
        made.memory().segment().fill((byte) 1);
        VfioException e =
                assertThrows(VfioException.class, () -> made.container().close());
        assertTrue(e.getMessage().contains("VFIO_IOMMU_UNMAP_DMA"), e.getMessage());
        host.assertAllGivenBack();
    }

    @Test
    void close_failedBefore_releasesTheRest() {
        TestHost host = new TestHost();
        Made made = make(host);
        host.observed().failRequest(vfio_h.VFIO_IOMMU_UNMAP_DMA, Errno.EIO.negated());
        assertThrows(VfioException.class, () -> made.mapping().close());
        host.observed().heal();
        made.mapping().close();
        assertEquals(List.of(), made.window().mappings());
        made.container().close();
        host.assertAllGivenBack();
    }

    @Test
    void closeGroup_oneOfSeveralWithMappings_refused() {
        TestHost host = new TestHost();
        try (Container container = Container.open(host.kernel())) {
            container.attach(TestHost.EDU);
            Group second = container.attach(TestHost.OTHER_EDU);
            DmaMemory memory = container.allocate(1);
            DmaMapping mapping = container.defaultWindow().map(memory, DmaDirection.TO_DEVICE);
            VfioException e = assertThrows(VfioException.class, second::close);
            assertTrue(e.reason().contains("other groups"), e.getMessage());
            mapping.close();
            second.close();
            assertTrue(host.group(1).ownedByHost());
            assertFalse(host.group(0).ownedByHost());
        }
        host.assertAllGivenBack();
    }

    @Test
    void map_groupLeaving_waits() throws Exception {
        TestHost host = new TestHost();
        try (Container container = Container.open(host.kernel())) {
            container.attach(TestHost.EDU);
            Group second = container.attach(TestHost.OTHER_EDU);
            second.openDevice(TestHost.OTHER_EDU).enableInterrupts(InterruptType.INTX, 1);
            DmaMapping mapping =
                    container.prepare(container.allocate(1).range(), DmaDirection.TO_DEVICE, DmaConstraints.NONE);
            Thread mapper = new Thread(mapping::map);
            host.observed().answerRequest(vfio_h.VFIO_DEVICE_SET_IRQS, _ -> {
                DmaMappingTest.startAndAwaitWaiting(mapper);
                host.observed().heal();
                return 0;
            });
            second.close();
            mapper.join();
            assertTrue(host.group(1).ownedByHost());
            assertTrue(mapping.isMapped());
            assertTrue(host.group(0).windows().getFirst().mappedPages() > 0);
        }
        host.assertAllGivenBack();
    }

    @Test
    void closeGroup_ofDeviceThatOwnsContainer_containerClosed() {
        TestHost host = new TestHost();
        Device device = Device.open(host.kernel(), TestHost.EDU);
        Container container = device.container();
        container.attach(TestHost.OTHER_EDU);
        container.prepare(container.allocate(1).range(), DmaDirection.TO_DEVICE, DmaConstraints.NONE);
        device.group().close();
        host.assertAllGivenBack();
    }

    @Test
    void closeContainer_unmapFails_groupsReleased() {
        TestHost host = new TestHost();
        Container container = Container.open(host.kernel());
        container.attach(TestHost.EDU);
        container.attach(TestHost.OTHER_EDU);
        DmaMapping mapping = container.defaultWindow().map(container.allocate(1), DmaDirection.TO_DEVICE);
        host.observed().failRequest(vfio_h.VFIO_IOMMU_UNMAP_DMA, Errno.EIO.negated());
        assertThrows(VfioException.class, container::close);
        assertFalse(mapping.isMapped());
        host.assertAllGivenBack();
    }

    @Test
    void anyCall_closed_illegalState() {
        TestHost host = new TestHost();
        Made made = make(host);
        Region config = made.device().config();
        made.container().close();
        int calls = host.observed().calls();
        List<Runnable> uses = List.of(
                () -> made.container().attach(TestHost.EDU),
                () -> made.container().iommuInfo(),
                () -> made.container().eeh(),
                () -> made.container().defaultWindow(),
                () -> made.container().createWindow(PageSize.SIZE_64K, WINDOW, 1),
                () -> made.container().allocate(1),
                () -> made.group().openDevice(TestHost.EDU),
                () -> made.device().bar(0),
                () -> made.device().reset(),
                () -> made.device().enableBusMastering(),
                () -> config.readInt(0),
                () -> made.window().map(made.memory(), DmaDirection.TO_DEVICE),
                () -> made.memory().segment());
        for (Runnable use : uses) {
            IllegalStateException e = assertThrows(IllegalStateException.class, use::run);
            assertTrue(String.valueOf(e.getMessage()).endsWith("is closed"), e.getMessage());
        }
        assertEquals(calls, host.observed().calls());
    }

    @Test
    void closeContainer_threadsInCalls_allReleased() throws Exception {
        TestHost host = new TestHost();
        Made made = make(host);
        Region bar = made.device().bar(0);
        DmaMapping prepared =
                made.window().prepare(made.memory().range(0, made.memory().size()), DmaDirection.TO_DEVICE);
        CountDownLatch working = new CountDownLatch(5);
        Callable<IllegalStateException> mapper = () -> untilClosed(
                working,
                () -> made.window().map(made.memory(), DmaDirection.TO_DEVICE).close());
        Callable<IllegalStateException> remapper = () -> untilClosed(working, () -> {
            prepared.map();
            prepared.unmap();
        });
        Callable<IllegalStateException> reader = () -> untilClosed(working, () -> bar.readInt(0));
        // The container is closed before the threads are waited for, as they end with it, whatever fails.
        try (ExecutorService threads = Executors.newFixedThreadPool(5);
                Container _ = made.container()) {
            List<Future<IllegalStateException>> ends = List.of(
                    threads.submit(remapper),
                    threads.submit(mapper),
                    threads.submit(mapper),
                    threads.submit(reader),
                    threads.submit(reader));
            working.await();
            made.container().close();
            for (Future<IllegalStateException> end : ends) {
                assertTrue(String.valueOf(end.get().getMessage()).endsWith("is closed"));
            }
        }
        host.assertAllGivenBack();
    }

    /** Each thing is closed while threads use it and all around it: they are refused, and none is harmed. */
    @Test
    void close_anyTargetWithThreadsInCalls_allReleased() throws Exception {
        for (int target = 0; target < 6; target++) {
            TestHost host = new TestHost();
            Made made = make(host);
            Container container = made.container();
            DmaMapping prepared = container.prepare(made.memory().range(), DmaDirection.TO_DEVICE, DmaConstraints.NONE);
            List<Runnable> uses = List.of(
                    () -> container
                            .map(made.memory().range(), DmaDirection.TO_DEVICE, DmaConstraints.NONE)
                            .close(),
                    () -> made.window()
                            .map(made.memory(), DmaDirection.TO_DEVICE)
                            .close(),
                    () -> {
                        prepared.map();
                        prepared.unmap();
                    },
                    () -> made.mapping().replace(made.memory().range(), DmaDirection.FROM_DEVICE),
                    () -> made.window()
                            .reserve(new IovaRange(made.window().range().last(), 1))
                            .close(),
                    () -> container.planWindows(WindowRequest.of(1)),
                    () -> container.allocate(1).close(),
                    () -> made.memory().segment().fill((byte) 1),
                    () -> made.device().config().readInt(0));
            CountDownLatch working = new CountDownLatch(uses.size());
            AtomicBoolean done = new AtomicBoolean();
            try (ExecutorService threads = Executors.newFixedThreadPool(uses.size())) {
                List<Future<?>> ends = new ArrayList<>();
                for (Runnable use : uses) {
                    ends.add(threads.submit(() -> untilDone(done, working, use)));
                }
                try {
                    working.await();
                    made.all().get(target).close();
                    container.close();
                } finally {
                    done.set(true);
                }
                for (Future<?> end : ends) {
                    end.get();
                }
            }
            host.assertAllGivenBack();
        }
    }

    /** Refusals are what such a thread has to expect; anything else ends it. */
    private static void untilDone(AtomicBoolean done, CountDownLatch working, Runnable use) {
        while (!done.get()) {
            try {
                use.run();
            } catch (VfioException | IllegalStateException refused) {
                assertNotNull(refused.getMessage());
            } finally {
                working.countDown();
            }
        }
    }

    @Test
    void close_segmentInUse_freedAfterTheCall() throws Exception {
        TestHost host = new TestHost();
        Pipe pipe = Pipe.open();
        // The ends of the pipe are closed first: that ends the call, even if an assertion has failed before it could
        // end.
        try (Container container = Container.open(host.kernel());
                ExecutorService thread = Executors.newSingleThreadExecutor();
                Pipe.SourceChannel source = pipe.source();
                Pipe.SinkChannel sink = pipe.sink()) {
            container.attach(0);
            DmaMemory memory = container.allocate(1 << 22);
            // More than a pipe holds, so that the call does not end before all is read.
            ByteBuffer buffer = memory.segment().asByteBuffer();
            Future<Integer> call = thread.submit(() -> sink.write(buffer));
            ByteBuffer read = ByteBuffer.allocate(1 << 22).limit(1);
            assertEquals(1, source.read(read));

            VfioException e = assertThrows(VfioException.class, memory::close);
            assertTrue(e.reason().contains("a call of another thread is using its segment"), e.getMessage());
            assertThrows(IllegalStateException.class, memory::segment);
            assertEquals(0, host.process().registeredRegions());
            assertEquals(1 << 22, host.process().host().userMemoryBytes());

            read.limit(read.capacity());
            while (read.hasRemaining()) {
                source.read(read);
            }
            assertEquals(1 << 22, call.get());
            memory.close();
            assertEquals(0, host.process().host().userMemoryBytes());
            memory.close();
        }
        host.assertAllGivenBack();
    }

    private static IllegalStateException untilClosed(CountDownLatch working, Runnable work) {
        try {
            work.run();
        } finally {
            working.countDown();
        }
        while (true) {
            try {
                work.run();
            } catch (IllegalStateException e) {
                return e;
            }
        }
    }
}
