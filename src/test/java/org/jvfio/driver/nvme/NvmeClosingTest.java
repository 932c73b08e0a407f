package org.jvfio.driver.nvme;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.jvfio.VfioException;
import org.jvfio.emulator.EmulatedMachine;
import org.jvfio.emulator.nvme.EmulatedNvme;
import org.jvfio.emulator.nvme.NvmeFault.Commands;
import org.jvfio.emulator.nvme.NvmeFault.Effect;
import org.jvfio.emulator.nvme.NvmeFault.Occurrence;
import org.jvfio.emulator.nvme.NvmeFaults;
import org.jvfio.kernel.Kernel;
import org.jvfio.observe.ForwardingKernel;
import org.jvfio.uapi.vfio_h;

/** Closing or resetting a controller with commands in flight: all of them complete, and no thread spins. */
@Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class NvmeClosingTest {
    private static final int STATUS = 0x1c;
    private static final int GET_LOG_PAGE = 0x02;
    private static final NvmeFaults LOST =
            NvmeFaults.NONE.with(Commands.anyIo(), new Occurrence.Nth(1), new Effect.Lost(false));

    private static final NvmeFaults LATE = NvmeFaults.NONE.withLatency(Duration.ofMillis(1), Duration.ofMillis(2));

    private static Thread start(Runnable action) {
        return Thread.ofPlatform().daemon().start(action);
    }

    @ParameterizedTest
    @EnumSource(value = NvmeCompletion.class, mode = EnumSource.Mode.EXCLUDE, names = "MSI")
    void close_transfersNotSubmittedWhole_failThem(NvmeCompletion completion) {
        // More pieces than are in flight at once or than the queue has slots; some transfers wait for a slot.
        try (NvmeHost host = new NvmeHost(LATE)) {
            NvmeController nvme = host.open(NvmeOptions.builder()
                    .completion(completion)
                    .queueDepth(8)
                    .maxTransferBytes(4096)
                    .build());
            NvmeNamespace disk = nvme.namespace(1);
            NvmeBuffer buffer = nvme.allocate(1 << 20);
            List<CompletableFuture<Void>> transfers = new ArrayList<>();
            for (int i = 0; i < 4; i++) {
                transfers.add(disk.readAsync(0, 2048, buffer));
            }
            nvme.close();
            assertEquals(NvmeState.CLOSED, nvme.state());
            for (CompletableFuture<Void> transfer : transfers) {
                assertTrue(transfer.isDone());
                CompletionException e = assertThrows(CompletionException.class, transfer::join);
                assertInstanceOf(IllegalStateException.class, e.getCause());
            }
            buffer.close();
        }
    }

    /** Commands submitted before succeed; later ones are rejected. */
    @Test
    void close_commandsInFlight_completesThemAndAcceptsNoOthers() {
        try (NvmeHost host = new NvmeHost(LATE)) {
            NvmeController nvme = host.open();
            NvmeNamespace disk = nvme.namespace(1);
            NvmeBuffer buffer = nvme.allocate(4096);
            NvmeQueue queue = nvme.queue(0);
            List<String> told = new ArrayList<>();
            NvmeRequest request = new NvmeRequest().read(disk, 0, 1, buffer).onDone(done -> {
                told.add(nvme.state() + " " + done.isSuccess());
                for (Runnable refused : List.<Runnable>of(
                        () -> queue.submit(done),
                        () -> disk.read(0, 1, buffer),
                        () -> disk.flushAsync().join(),
                        nvme::health,
                        nvme::namespaceIds)) {
                    told.add(assertThrows(IllegalStateException.class, refused::run)
                            .getMessage());
                }
                // Closing again in a callback does not wait.
                nvme.close();
                told.add(nvme.state().toString());
            });
            assertTrue(queue.submit(request));
            nvme.close();
            String refused = "the NVMe controller of " + nvme + " is being closed";
            assertEquals(List.of("CLOSING true", refused, refused, refused, refused, refused, "CLOSING"), told);
            assertTrue(request.isSuccess());
            buffer.close();
        }
    }

    @Test
    void close_callbackOfInterruptThreadClosesToo_ends() throws InterruptedException {
        try (NvmeHost host = new NvmeHost(LATE)) {
            NvmeController nvme = host.open(NvmeOptions.builder()
                    .completion(NvmeCompletion.MSIX)
                    .commandTimeout(Duration.ofMillis(500))
                    .build());
            NvmeBuffer buffer = nvme.allocate(4096);
            CountDownLatch called = new CountDownLatch(1);
            CountDownLatch closing = new CountDownLatch(1);
            NvmeRequest request = new NvmeRequest()
                    .read(nvme.namespace(1), 0, 1, buffer)
                    .onDone(done -> {
                        called.countDown();
                        awaitQuietly(closing);
                        nvme.close();
                    });
            assertTrue(nvme.queue(0).submit(request));
            assertTrue(called.await(30, TimeUnit.SECONDS));
            Thread first = start(nvme::close);
            while (nvme.state() != NvmeState.CLOSED || first.getState() != Thread.State.WAITING) {
                Thread.onSpinWait();
            }
            closing.countDown();
            first.join();
            buffer.close();
        }
    }

    @Test
    void close_whileAnotherThreadCloses_waits() throws InterruptedException {
        try (NvmeHost host = new NvmeHost(LATE)) {
            NvmeController nvme = host.open();
            NvmeBuffer buffer = nvme.allocate(4096);
            CountDownLatch called = new CountDownLatch(1);
            CountDownLatch goOn = new CountDownLatch(1);
            AtomicInteger openForSecond = new AtomicInteger();
            AtomicBoolean staysInterrupted = new AtomicBoolean();
            NvmeRequest request = new NvmeRequest()
                    .read(nvme.namespace(1), 0, 1, buffer)
                    .onDone(done -> {
                        called.countDown();
                        awaitQuietly(goOn);
                    });
            assertTrue(nvme.queue(0).submit(request));
            Thread first = start(nvme::close);
            assertTrue(called.await(30, TimeUnit.SECONDS));
            Thread second = start(() -> {
                nvme.close();
                openForSecond.set(host.process().registeredRegions());
            });
            Thread interrupted = start(() -> {
                Thread.currentThread().interrupt();
                nvme.close();
                staysInterrupted.set(Thread.currentThread().isInterrupted());
            });
            while (second.getState() != Thread.State.WAITING || interrupted.getState() != Thread.State.WAITING) {
                Thread.onSpinWait();
            }
            // A callback runs without a lock: other threads can poll, and a failed controller can be disabled.
            nvme.poll();
            nvme.lifecycle().fail("try it", new IllegalStateException("it was tried"));
            assertEquals(NvmeState.FAILED, nvme.state());
            goOn.countDown();
            for (Thread thread : List.of(first, second, interrupted)) {
                thread.join();
            }
            assertEquals(NvmeState.CLOSED, nvme.state());
            assertEquals(1, openForSecond.get(), "only the buffer");
            assertTrue(staysInterrupted.get());
            buffer.close();
        }
    }

    private static void awaitQuietly(CountDownLatch latch) {
        try {
            latch.await();
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    @Test
    void close_inCallback_closes() {
        try (NvmeHost host = new NvmeHost()) {
            NvmeController nvme = host.open();
            NvmeNamespace disk = nvme.namespace(1);
            NvmeBuffer buffer = nvme.allocate(8192);
            NvmeQueue queue = nvme.queue(0);
            NvmeRequest closing = new NvmeRequest().read(disk, 0, 1, buffer).onDone(done -> nvme.close());
            NvmeRequest other = new NvmeRequest().read(disk, 1, 1, buffer.slice(4096, 4096));
            queue.enqueue(closing);
            queue.enqueue(other);
            queue.poll();
            assertEquals(NvmeState.CLOSED, nvme.state());
            assertTrue(closing.isSuccess() && other.isDone() && other.isSuccess());
            buffer.close();
        }
    }

    @Test
    void close_inEventListener_closes() throws InterruptedException {
        NvmeFaults hot = NvmeFaults.NONE.with(Commands.anyIo(), new Occurrence.Nth(1), new Effect.Temperature(400));
        CompletableFuture<NvmeController> opened = new CompletableFuture<>();
        CountDownLatch closed = new CountDownLatch(1);
        try (NvmeHost host = new NvmeHost(hot)) {
            NvmeController nvme = host.open(NvmeOptions.builder()
                    .commandTimeout(Duration.ofMillis(40))
                    .events(event -> {
                        opened.join().close();
                        closed.countDown();
                    })
                    .build());
            opened.complete(nvme);
            nvme.namespace(1).flush();
            assertTrue(closed.await(30, TimeUnit.SECONDS));
            assertEquals(NvmeState.CLOSED, nvme.state());
            nvme.close();
        }
    }

    /** As for a thread that has found the controller open, and waits for the data buffer while it is closed. */
    @Test
    void log_closedBeforeItsDataIsUsed_illegalState() {
        try (NvmeHost host = new NvmeHost()) {
            NvmeController nvme = host.open();
            AdminQueue admin = nvme.lifecycle().adminCommands();
            nvme.close();
            IllegalStateException e =
                    assertThrows(IllegalStateException.class, () -> admin.log("read the health", 2, 512));
            assertEquals("the NVMe controller of " + nvme + " is closed", e.getMessage());
        }
    }

    /** A reader copies the data of a command that has succeeded after the controller has no command in flight. */
    @Test
    void close_dataOfAdminCommands_freedWithItsLockHeld() {
        AtomicReference<AdminQueue> admin = new AtomicReference<>();
        List<Boolean> held = new ArrayList<>();
        UnaryOperator<Kernel> watched = kernel -> new ForwardingKernel(kernel) {
            @Override
            public int ioctl(int descriptor, int request, MemorySegment argument) {
                if (request == vfio_h.VFIO_IOMMU_SPAPR_UNREGISTER_MEMORY && admin.get() != null) {
                    held.add(admin.get().isDataLockHeld());
                }
                return super.ioctl(descriptor, request, argument);
            }
        };
        try (NvmeHost host = new NvmeHost(EmulatedMachine.power8(), NvmeHost::drive, watched)) {
            NvmeController nvme = host.open();
            admin.set(nvme.lifecycle().adminCommands());
            nvme.close();
            assertEquals(List.of(false, true), held, "of the I/O queues and of the admin queue");
        }
    }

    @Test
    void close_logReadInFlight_failsIt() {
        NvmeFaults lost =
                NvmeFaults.NONE.with(Commands.admin(GET_LOG_PAGE), Occurrence.always(), new Effect.Lost(false));
        try (NvmeHost host = new NvmeHost(lost)) {
            NvmeController nvme = host.open();
            CompletableFuture<NvmeHealth> health = new CompletableFuture<>();
            start(() -> {
                try {
                    health.complete(nvme.health());
                } catch (RuntimeException e) {
                    health.completeExceptionally(e);
                }
            });
            while (nvme.lifecycle().admin().timedOut(System.nanoTime(), 0) == CommandSlots.NONE) {
                Thread.onSpinWait();
            }
            nvme.close();
            CompletionException e = assertThrows(CompletionException.class, health::join);
            assertEquals(
                    "the controller was closed",
                    assertInstanceOf(VfioException.class, e.getCause()).reason());
        }
    }

    @Test
    void use_deviceClosedBefore_saysSo() {
        try (NvmeHost host = new NvmeHost()) {
            NvmeController nvme = host.open();
            host.device().close();
            String reason = "the device " + nvme + " was closed before its NVMe controller";
            // The watchdog may have found it already: then the controller has failed for that reason.
            RuntimeException early = assertThrows(RuntimeException.class, nvme::health);
            assertTrue(String.valueOf(early.getMessage()).contains(reason), early.getMessage());
            nvme.lifecycle().fail("try it", new IllegalStateException("Already closed"));
            VfioException e = assertThrows(VfioException.class, nvme::health);
            assertEquals(reason, e.reason());
            assertEquals("close the controller before its device", e.hint());
            nvme.close();
        }
    }

    /** A drive that becomes ready again when a test allows it. */
    private static final class Slow extends WatchedNvme {
        private volatile boolean held;

        Slow() {
            super(EmulatedNvme.builder()
                    .namespace(NvmeHost.BYTES)
                    .readyTimeout(Duration.ofSeconds(30))
                    .faults(LOST)
                    .build());
        }

        @Override
        public long read(int bar, long offset, int size) {
            long value = super.read(bar, offset, size);
            return held && offset == STATUS ? 0 : value;
        }
    }

    @Test
    void read_duringReset_completesAfterIt() {
        Slow drive = new Slow();
        try (NvmeHost host = new NvmeHost(() -> drive);
                NvmeController nvme = host.open(NvmeOptions.builder()
                        .maxTransferBytes(4096)
                        .retries(0)
                        .commandTimeout(Duration.ofMillis(50))
                        .build());
                NvmeBuffer buffer = nvme.allocate(1 << 16)) {
            NvmeNamespace disk = nvme.namespace(1);
            NvmeRequest lost = new NvmeRequest().read(disk, 0, 1, buffer);
            drive.held = true;
            assertTrue(nvme.queue(0).submit(lost));
            while (nvme.state() != NvmeState.RESETTING) {
                Thread.onSpinWait();
            }
            // It must not wait for the reset, which cannot end before the drive is allowed to go on.
            CompletableFuture<Void> read = disk.readAsync(0, 128, buffer);
            CompletableFuture<Void> other = disk.readAsync(0, 1, buffer);
            assertEquals(NvmeState.RESETTING, nvme.state());
            assertFalse(read.isDone() || other.isDone());
            drive.held = false;
            while (!read.isDone() || !other.isDone()) {
                nvme.poll();
            }
            read.join();
            other.join();
            assertEquals(1, nvme.resets());
        }
    }
}
