package org.jvfio.driver.nvme;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.jvfio.PciCommand;
import org.jvfio.VfioException;
import org.jvfio.emulator.nvme.NvmeFault.Commands;
import org.jvfio.emulator.nvme.NvmeFault.Effect;
import org.jvfio.emulator.nvme.NvmeFault.Occurrence;
import org.jvfio.emulator.nvme.NvmeFaults;

/** Callbacks that throw: the uncaught exception handler gets it, and other requests and threads are not affected. */
@Timeout(60)
class NvmeCallbacksTest {
    private final ConcurrentLinkedQueue<String> uncaught = new ConcurrentLinkedQueue<>();
    private Thread.@Nullable UncaughtExceptionHandler before;

    @BeforeEach
    void catchWhatNobodyCatches() {
        before = Thread.getDefaultUncaughtExceptionHandler();
        Thread.setDefaultUncaughtExceptionHandler(
                (thread, thrown) -> uncaught.add(String.valueOf(thrown.getMessage())));
    }

    @AfterEach
    void catchNothingMore() {
        Thread.setDefaultUncaughtExceptionHandler(before);
    }

    private static void throwing(NvmeRequest done) {
        throw new AssertionError("a callback");
    }

    /** A request is done, and its waiter woken, before its callback runs. */
    private void awaitUncaught(int count) {
        while (uncaught.size() < count) {
            Thread.onSpinWait();
        }
        assertEquals(Collections.nCopies(count, "a callback"), List.copyOf(uncaught));
    }

    /** One poll finds several completions; the first callback throws. */
    @Test
    void poll_callbackThrows_completesOtherRequests() {
        try (NvmeHost host = new NvmeHost();
                NvmeController nvme = host.open();
                NvmeBuffer buffer = nvme.allocate(8192)) {
            NvmeNamespace disk = nvme.namespace(1);
            NvmeQueue queue = nvme.queue(0);
            CountDownLatch called = new CountDownLatch(1);
            NvmeRequest bad = new NvmeRequest().read(disk, 0, 1, buffer).onDone(NvmeCallbacksTest::throwing);
            NvmeRequest good =
                    new NvmeRequest().read(disk, 1, 1, buffer.slice(4096, 4096)).onDone(done -> called.countDown());
            queue.enqueue(bad);
            queue.enqueue(good);
            while (!good.isDone()) {
                queue.poll();
            }
            assertTrue(bad.isDone());
            assertEquals(0, called.getCount());
            assertEquals(List.of("a callback"), List.copyOf(uncaught));
            // The request itself has succeeded.
            assertTrue(queue.submit(bad));
            queue.await(bad);
            bad.requireSuccess();
        }
    }

    @Test
    void poll_uncaughtHandlerThrows_completesOtherRequests() {
        Thread.setDefaultUncaughtExceptionHandler((thread, thrown) -> {
            throw new IllegalStateException("the handler", thrown);
        });
        try (NvmeHost host = new NvmeHost();
                NvmeController nvme = host.open();
                NvmeBuffer buffer = nvme.allocate(4096)) {
            NvmeNamespace disk = nvme.namespace(1);
            NvmeRequest bad = new NvmeRequest().read(disk, 0, 1, buffer).onDone(NvmeCallbacksTest::throwing);
            assertTrue(nvme.queue(0).submit(bad));
            disk.read(0, 1, buffer);
            assertTrue(bad.isDone());
        }
    }

    /** A read that throws while its command is in flight would let the caller free memory that the drive writes. */
    @Test
    void read_callbackOfAnotherRequestThrows_returnsWhenDone() {
        try (NvmeHost host = new NvmeHost();
                NvmeController nvme = host.open();
                NvmeBuffer other = nvme.allocate(4096)) {
            NvmeNamespace disk = nvme.namespace(1);
            for (int i = 0; i < 100; i++) {
                assertTrue(nvme.queue(0)
                        .enqueue(new NvmeRequest().read(disk, 0, 1, other).onDone(NvmeCallbacksTest::throwing)));
                try (NvmeBuffer buffer = nvme.allocate(4096)) {
                    disk.read(0, 8, buffer);
                    assertEquals(0, nvme.queue(0).inFlight());
                }
            }
            assertEquals(100, uncaught.size());
            assertEquals(NvmeState.READY, nvme.state());
        }
    }

    /** The host checks that nothing leaks. */
    @ParameterizedTest
    @EnumSource(value = NvmeCompletion.class, mode = EnumSource.Mode.EXCLUDE, names = "MSI")
    void close_callbackThrows_freesEverything(NvmeCompletion completion) {
        NvmeFaults lostOnce = NvmeFaults.NONE.with(Commands.anyIo(), new Occurrence.Nth(1), new Effect.Lost(false));
        try (NvmeHost host = new NvmeHost(lostOnce)) {
            NvmeController nvme = host.open(NvmeOptions.builder()
                    .completion(completion)
                    .commandTimeout(Duration.ofMillis(300))
                    .build());
            NvmeNamespace disk = nvme.namespace(1);
            NvmeBuffer buffer = nvme.allocate(8192);
            NvmeQueue queue = nvme.queue(0);
            NvmeRequest lost = new NvmeRequest().read(disk, 0, 1, buffer).onDone(NvmeCallbacksTest::throwing);
            NvmeRequest good =
                    new NvmeRequest().read(disk, 1, 1, buffer.slice(4096, 4096)).onDone(NvmeCallbacksTest::throwing);
            queue.enqueue(lost);
            queue.enqueue(good);
            nvme.close();
            assertEquals(NvmeState.CLOSED, nvme.state());
            assertFalse(lost.isSuccess());
            assertTrue(lost.isDone() && good.isSuccess());
            assertFalse(host.device().configSpace().command().contains(PciCommand.BUS_MASTER));
            buffer.close();
            host.open().close();
            awaitUncaught(2);
        }
    }

    /** Twice, to show that the watchdog thread goes on. */
    @Test
    void reset_callbackThrows_isReady() {
        NvmeFaults lost = NvmeFaults.NONE.with(Commands.anyIo(), new Occurrence.Every(2), new Effect.Lost(false));
        try (NvmeHost host = new NvmeHost(lost);
                NvmeController nvme = host.open(NvmeOptions.builder()
                        .commandTimeout(Duration.ofMillis(50))
                        .build());
                NvmeBuffer buffer = nvme.allocate(4096)) {
            NvmeNamespace disk = nvme.namespace(1);
            for (int reset = 1; reset <= 2; reset++) {
                disk.read(0, 1, buffer);
                NvmeRequest request = new NvmeRequest().read(disk, 0, 1, buffer).onDone(NvmeCallbacksTest::throwing);
                assertTrue(nvme.queue(0).submit(request));
                nvme.queue(0).await(request);
                assertThrows(VfioException.class, request::requireSuccess);
                assertEquals(reset, nvme.resets());
                assertEquals(NvmeState.READY, nvme.state());
            }
            awaitUncaught(2);
        }
    }

    @ParameterizedTest
    @EnumSource(
            value = NvmeCompletion.class,
            names = {"INTX", "MSIX"})
    void interrupt_callbackThrows_nextInterruptCompletes(NvmeCompletion completion) throws InterruptedException {
        try (NvmeHost host = new NvmeHost();
                NvmeController nvme = host.open(NvmeOptions.builder()
                        .queuePairs(2)
                        .completion(completion)
                        .build());
                NvmeBuffer buffer = nvme.allocate(4096)) {
            NvmeNamespace disk = nvme.namespace(1);
            for (NvmeQueue queue : nvme.queues()) {
                CountDownLatch called = new CountDownLatch(1);
                assertTrue(
                        queue.submit(new NvmeRequest().read(disk, 0, 1, buffer).onDone(NvmeCallbacksTest::throwing)));
                assertTrue(
                        queue.submit(new NvmeRequest().read(disk, 0, 1, buffer).onDone(done -> called.countDown())));
                assertTrue(called.await(30, TimeUnit.SECONDS));
            }
            // INTx is not left masked.
            CountDownLatch called = new CountDownLatch(1);
            assertTrue(nvme.queue(1)
                    .submit(new NvmeRequest().read(disk, 0, 1, buffer).onDone(done -> called.countDown())));
            assertTrue(called.await(30, TimeUnit.SECONDS));
            assertEquals(List.of("a callback", "a callback"), List.copyOf(uncaught));
        }
    }

    @Test
    void whenSlotFree_controllerFails_runsWaiters() {
        NvmeFaults hung = NvmeFaults.NONE.with(Commands.anyIo(), new Occurrence.Nth(1), new Effect.Hung());
        try (NvmeHost host = new NvmeHost(hung)) {
            NvmeController nvme = host.open(NvmeOptions.builder()
                    .queueDepth(2)
                    .retries(0)
                    .commandTimeout(Duration.ofMillis(50))
                    .build());
            NvmeNamespace disk = nvme.namespace(1);
            NvmeBuffer buffer = nvme.allocate(4096);
            NvmeRequest lost = new NvmeRequest().read(disk, 0, 1, buffer).onDone(NvmeCallbacksTest::throwing);
            assertTrue(nvme.queue(0).submit(lost));
            CompletableFuture<Void> waiting = disk.readAsync(0, 1, buffer);
            assertThrows(RuntimeException.class, waiting::join);
            assertEquals(NvmeState.FAILED, nvme.state());
            nvme.close();
            buffer.close();
        }
    }

    @Test
    void events_listenerThrows_receivesNextEvent() throws InterruptedException {
        NvmeFaults hot = NvmeFaults.NONE
                .with(Commands.anyIo(), new Occurrence.Nth(1), new Effect.Temperature(400))
                .with(Commands.anyIo(), new Occurrence.Nth(2), new Effect.Temperature(300))
                .with(Commands.anyIo(), new Occurrence.Nth(3), new Effect.Temperature(400))
                .with(Commands.anyIo(), new Occurrence.Nth(4), new Effect.Lost(true));
        CountDownLatch first = new CountDownLatch(1);
        CountDownLatch second = new CountDownLatch(2);
        try (NvmeHost host = new NvmeHost(hot);
                NvmeController nvme = host.open(NvmeOptions.builder()
                        .retries(0)
                        .commandTimeout(Duration.ofMillis(100))
                        .events(event -> {
                            first.countDown();
                            second.countDown();
                            throw new AssertionError("a listener");
                        })
                        .build())) {
            NvmeNamespace disk = nvme.namespace(1);
            disk.flush();
            assertTrue(first.await(30, TimeUnit.SECONDS));
            disk.flush();
            disk.flush();
            assertTrue(second.await(30, TimeUnit.SECONDS));
            // The thread that delivers events checks timeouts too.
            VfioException e = assertThrows(VfioException.class, disk::flush);
            assertTrue(e.reason().contains("was aborted"), e.getMessage());
            assertEquals(List.of("a listener", "a listener"), List.copyOf(uncaught));
        }
    }
}
