package org.jvfio;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteOrder;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.jvfio.VfioException.Kind;
import org.jvfio.emulator.EmulatedMachine;
import org.jvfio.kernel.Errno;
import org.jvfio.uapi.vfio_h;

class InterruptsTest {
    private static final Duration LONG = Duration.ofSeconds(60);
    private static final PciAddress MESSAGES = PciAddress.parse("0004:01:00.0");

    private final TestHost host = new TestHost(EmulatedMachine.power8().toBuilder()
            .device(MESSAGES.toString(), 4, MessageDevice::new)
            .build());
    private final Container container = Container.open(host.kernel());
    private final Device device = container.attach(MESSAGES).openDevice(MESSAGES);

    {
        device.enableBusMastering();
    }

    @AfterEach
    void giveBack() {
        container.close();
        host.assertAllGivenBack();
    }

    private void send(int vector) {
        device.bar(0).writeInt(MessageDevice.SEND, vector);
    }

    private Interrupts messages(int vectors) {
        return device.enableInterrupts(InterruptType.MSIX, vectors);
    }

    private static void assertRefused(Kind kind, String reason, Executable call) {
        VfioException e = assertThrows(VfioException.class, call);
        assertEquals(kind, e.kind());
        assertTrue(e.reason().contains(reason), e.getMessage());
    }

    private static void assertClosed(Executable call) {
        IllegalStateException e = assertThrows(IllegalStateException.class, call);
        assertTrue(String.valueOf(e.getMessage()).endsWith("is closed"), e.getMessage());
    }

    @Test
    void interruptInfo_eachType_isTheDevices() {
        assertEquals(
                new InterruptInfo(MessageDevice.VECTORS, true, false, false, false),
                device.interruptInfo(InterruptType.MSIX));
        assertEquals(0, device.interruptInfo(InterruptType.MSI).count());
        assertTrue(device.interruptInfo(InterruptType.INTX).maskable());
        assertEquals(1, device.interruptInfo(InterruptType.ERROR).count());
    }

    @Test
    void await_otherVectorInterrupts_timesOut() throws InterruptedException {
        Interrupts messages = messages(4);
        assertEquals(4, messages.vectors());
        assertEquals(InterruptType.MSIX, messages.type());
        send(2);
        assertTrue(messages.await(2, LONG));
        assertFalse(messages.await(2, Duration.ZERO));
        assertFalse(messages.await(1, Duration.ofMillis(1)));
        assertFalse(messages.await(1, Duration.ofSeconds(-1)));
    }

    @Test
    void await_severalPending_takesAll() throws InterruptedException {
        Interrupts messages = messages(2);
        send(0);
        send(0);
        send(1);
        assertTrue(messages.await(1, LONG));
        assertTrue(messages.await(0, Duration.ofNanos(Long.MAX_VALUE).plusDays(1)));
        assertFalse(messages.await(0, Duration.ZERO));
    }

    @Test
    void awaitAny_allVectorsPending_takesTurns() throws InterruptedException {
        Interrupts messages = messages(4);
        assertEquals(-1, messages.awaitAny(Duration.ZERO));
        assertEquals(-1, messages.awaitAny(Duration.ofMillis(1)));
        // Vectors are passed on in their order: when the last one's handler is called, the others are there.
        Semaphore arrived = new Semaphore(0);
        messages.onInterrupt(3, arrived::release);
        List<Integer> taken = new ArrayList<>();
        for (int round = 0; round < 3; round++) {
            for (int vector = 0; vector < 4; vector++) {
                send(vector);
            }
            assertTrue(arrived.tryAcquire(60, TimeUnit.SECONDS));
            taken.add(messages.awaitAny(LONG));
        }
        assertEquals(List.of(1, 2, 0), taken);
    }

    @Test
    void await_manyVirtualThreads_doNotPinCarriers() throws Exception {
        Interrupts messages = messages(MessageDevice.VECTORS);
        int threads = 50 * MessageDevice.VECTORS;
        CountDownLatch started = new CountDownLatch(threads);
        List<Future<Boolean>> waits = new ArrayList<>();
        try (ExecutorService executor = Executors.newVirtualThreadPerTaskExecutor()) {
            for (int each = 0; each < threads; each++) {
                int vector = each % MessageDevice.VECTORS;
                waits.add(executor.submit(() -> {
                    started.countDown();
                    return messages.await(vector, LONG);
                }));
            }
            // All of them get to run, and they are far more than there are processors.
            assertTrue(started.await(60, TimeUnit.SECONDS));
            while (!waits.stream().allMatch(Future::isDone)) {
                for (int vector = 0; vector < MessageDevice.VECTORS; vector++) {
                    send(vector);
                }
            }
            for (Future<Boolean> wait : waits) {
                assertTrue(wait.get());
            }
        }
    }

    @Test
    void onInterrupt_twoVectors_sameDaemonThread() throws InterruptedException {
        Interrupts messages = messages(2);
        BlockingQueue<Thread> threads = new LinkedBlockingQueue<>();
        messages.onInterrupt(0, () -> threads.add(Thread.currentThread()));
        messages.onInterrupt(1, () -> threads.add(Thread.currentThread()));
        send(0);
        Thread first = threads.poll(60, TimeUnit.SECONDS);
        send(1);
        assertSame(first, threads.poll(60, TimeUnit.SECONDS));
        assertEquals("interrupts of " + MESSAGES, first.getName());
        assertTrue(first.isDaemon());
        assertThrows(IllegalStateException.class, () -> messages.await(0, Duration.ZERO));
        assertThrows(IllegalStateException.class, () -> messages.awaitAny(Duration.ZERO));
    }

    @Test
    void onInterrupt_interruptPending_callsHandler() throws InterruptedException {
        Interrupts messages = messages(2);
        send(1);
        send(0);
        assertTrue(messages.await(0, LONG));
        CountDownLatch called = new CountDownLatch(1);
        messages.onInterrupt(1, called::countDown);
        assertTrue(called.await(60, TimeUnit.SECONDS));
    }

    @Test
    void onInterrupt_threadsWait_wakesThem() throws Exception {
        Interrupts messages = messages(1);
        try (ExecutorService executor = Executors.newVirtualThreadPerTaskExecutor()) {
            List<Future<Boolean>> waiting = List.of(
                    executor.submit(() -> messages.await(0, LONG)),
                    executor.submit(() -> messages.awaitAny(LONG) == 0));
            messages.onInterrupt(0, () -> {});
            for (Future<Boolean> wait : waiting) {
                Exception e = assertThrows(Exception.class, wait::get);
                assertInstanceOf(IllegalStateException.class, e.getCause());
            }
        }
    }

    @Test
    void onInterrupt_handlerThrows_isCalledAgain() throws InterruptedException {
        BlockingQueue<Throwable> reported = new LinkedBlockingQueue<>();
        Thread.UncaughtExceptionHandler before = Thread.getDefaultUncaughtExceptionHandler();
        Thread.setDefaultUncaughtExceptionHandler((thread, thrown) -> reported.add(thrown));
        try {
            Interrupts messages = messages(1);
            messages.onInterrupt(0, () -> {
                Thread.currentThread().interrupt();
                throw new AssertionError("of the handler");
            });
            for (int round = 0; round < 2; round++) {
                send(0);
                assertEquals(
                        "of the handler", reported.poll(60, TimeUnit.SECONDS).getMessage());
            }
        } finally {
            Thread.setDefaultUncaughtExceptionHandler(before);
        }
    }

    @Test
    void await_inHandler_illegalState() throws InterruptedException {
        Interrupts messages = messages(1);
        BlockingQueue<Throwable> thrown = new LinkedBlockingQueue<>();
        messages.onInterrupt(0, () -> {
            thrown.add(assertThrows(IllegalStateException.class, () -> messages.await(0, LONG)));
            thrown.add(assertThrows(IllegalStateException.class, () -> messages.awaitAny(LONG)));
            messages.close();
            thrown.add(assertThrows(IllegalStateException.class, () -> messages.trigger(0)));
        });
        send(0);
        for (String reason : List.of("cannot wait", "cannot wait", "is closed")) {
            String message = thrown.poll(60, TimeUnit.SECONDS).getMessage();
            assertTrue(String.valueOf(message).contains(reason), message);
        }
        messages(1).close();
    }

    /** Each way to close the interrupts, while a handler runs that uses them and needs the container's lock. */
    private void assertWaitsForHandler(AutoCloseable closed) throws Exception {
        assertWaitsForHandler(messages(2), closed);
    }

    private void assertWaitsForHandler(Interrupts messages, AutoCloseable closed) throws Exception {
        CountDownLatch running = new CountDownLatch(1);
        CountDownLatch proceed = new CountDownLatch(1);
        BlockingQueue<Object> ends = new LinkedBlockingQueue<>();
        messages.onInterrupt(0, () -> {
            running.countDown();
            try {
                proceed.await();
                messages.trigger(1);
                container.windows();
                ends.add("handled");
            } catch (InterruptedException | RuntimeException e) {
                ends.add(e);
            }
        });
        send(0);
        running.await();
        Thread closer = Thread.ofPlatform().start(() -> {
            try {
                closed.close();
                ends.add("closed");
            } catch (Exception e) {
                ends.add(e);
            }
        });
        while (closer.getState() != Thread.State.WAITING) {
            Thread.onSpinWait();
        }
        proceed.countDown();
        assertEquals("handled", ends.take());
        assertEquals("closed", ends.take());
    }

    @Test
    void close_handlerRuns_waitsForIt() throws Exception {
        Interrupts messages = messages(2);
        assertWaitsForHandler(messages, messages);
    }

    @Test
    void deviceClose_handlerRuns_waitsForIt() throws Exception {
        assertWaitsForHandler(device);
    }

    @Test
    void groupClose_handlerRuns_waitsForIt() throws Exception {
        assertWaitsForHandler(device.group());
    }

    @Test
    void containerClose_handlerRuns_waitsForIt() throws Exception {
        assertWaitsForHandler(container);
    }

    @Test
    void close_interruptsFlow_handlerThrowsNothing() throws InterruptedException {
        BlockingQueue<Throwable> reported = new LinkedBlockingQueue<>();
        Thread.UncaughtExceptionHandler before = Thread.getDefaultUncaughtExceptionHandler();
        Thread.setDefaultUncaughtExceptionHandler((thread, thrown) -> reported.add(thrown));
        try {
            for (int round = 0; round < 200; round++) {
                Interrupts messages = messages(1);
                CountDownLatch called = new CountDownLatch(3);
                messages.onInterrupt(0, () -> {
                    called.countDown();
                    messages.trigger(0);
                });
                send(0);
                called.await();
                messages.close();
            }
        } finally {
            Thread.setDefaultUncaughtExceptionHandler(before);
        }
        assertEquals(List.of(), List.copyOf(reported));
    }

    @Test
    void containerClose_inHandlersOfTwoDevices_doNotWaitForEachOther() throws InterruptedException {
        Interrupts messages = messages(1);
        Device edu = container.attach(TestHost.EDU).openDevice(TestHost.EDU);
        Interrupts line = edu.enableInterrupts(InterruptType.INTX, 1);
        CountDownLatch both = new CountDownLatch(2);
        CountDownLatch closed = new CountDownLatch(2);
        Runnable handler = () -> {
            both.countDown();
            try {
                both.await();
            } catch (InterruptedException e) {
                throw new AssertionError(e);
            }
            container.close();
            closed.countDown();
        };
        messages.onInterrupt(0, handler);
        line.onInterrupt(0, handler);
        messages.trigger(0);
        line.trigger(0);
        assertTrue(closed.await(60, TimeUnit.SECONDS));
    }

    @Test
    void isHandlerThread_inHandler_true() throws InterruptedException {
        Interrupts messages = messages(1);
        BlockingQueue<Boolean> seen = new LinkedBlockingQueue<>();
        messages.onInterrupt(0, () -> seen.add(messages.isHandlerThread()));
        messages.trigger(0);
        assertEquals(true, seen.poll(60, TimeUnit.SECONDS));
        assertFalse(messages.isHandlerThread());
    }

    @Test
    void containerClose_inHandler_closesAll() throws InterruptedException {
        Interrupts messages = messages(1);
        CountDownLatch closed = new CountDownLatch(1);
        messages.onInterrupt(0, () -> {
            container.close();
            closed.countDown();
        });
        send(0);
        assertTrue(closed.await(60, TimeUnit.SECONDS));
        host.assertAllGivenBack();
    }

    @Test
    void close_threadsWait_wakesThem() throws Exception {
        Interrupts messages = messages(2);
        try (ExecutorService executor = Executors.newVirtualThreadPerTaskExecutor()) {
            List<Future<Boolean>> waiting = List.of(
                    executor.submit(() -> messages.await(0, LONG)),
                    executor.submit(() -> messages.await(1, LONG)),
                    executor.submit(() -> messages.awaitAny(LONG) >= 0));
            messages.close();
            for (Future<Boolean> wait : waiting) {
                Exception e = assertThrows(Exception.class, wait::get);
                assertTrue(String.valueOf(e.getMessage()).endsWith("is closed"), e.getMessage());
            }
        }
    }

    @Test
    void await_threadInterrupted_interruptedException() throws InterruptedException {
        Interrupts messages = messages(1);
        Thread.currentThread().interrupt();
        assertThrows(InterruptedException.class, () -> messages.await(0, LONG));
        Thread.currentThread().interrupt();
        assertThrows(InterruptedException.class, () -> messages.awaitAny(LONG));
        Thread.currentThread().interrupt();
        messages.close();
        assertTrue(Thread.interrupted());
    }

    @Test
    void anyCall_closed_illegalState() {
        Interrupts messages = messages(1);
        messages.close();
        messages.close();
        int calls = host.observed().calls();
        List<Executable> uses = List.of(
                () -> messages.await(0, LONG),
                () -> messages.awaitAny(LONG),
                () -> messages.onInterrupt(0, () -> {}),
                () -> messages.trigger(0),
                messages::mask,
                messages::unmask,
                messages::unmaskEvent);
        uses.forEach(InterruptsTest::assertClosed);
        assertEquals(calls, host.observed().calls());
    }

    @Test
    void deviceClose_interruptsEnabled_disablesThem() {
        Interrupts messages = messages(4);
        Interrupts request = device.enableInterrupts(InterruptType.REQUEST, 1);
        device.close();
        assertClosed(() -> messages.await(0, LONG));
        assertClosed(() -> request.await(0, LONG));
        assertEquals(2, host.process().openDescriptors(), "container and group");
        assertClosed(() -> device.enableInterrupts(InterruptType.MSIX, 1));
    }

    @Test
    void enableInterrupts_secondType_conflict() {
        try (Interrupts messages = messages(2)) {
            assertEquals(2, messages.vectors());
            assertRefused(Kind.CONFLICT, "MSI-X is enabled", () -> device.enableInterrupts(InterruptType.INTX, 1));
            assertRefused(Kind.CONFLICT, "enabled already", () -> messages(1));
            device.enableInterrupts(InterruptType.ERROR, 1).close();
        }
        device.enableInterrupts(InterruptType.INTX, 1).close();
        messages(MessageDevice.VECTORS).close();
    }

    @Test
    void enableInterrupts_deviceHasFewer_unsupported() {
        int descriptors = host.process().openDescriptors();
        assertRefused(Kind.UNSUPPORTED, "the device has no MSI", () -> device.enableInterrupts(InterruptType.MSI, 1));
        assertRefused(Kind.UNSUPPORTED, "the device has 16", () -> messages(17));
        assertThrows(IllegalArgumentException.class, () -> messages(0));
        assertThrows(IllegalArgumentException.class, () -> device.enableInterrupts(InterruptType.MSIX, 2, 1));
        assertRefused(Kind.UNSUPPORTED, "can mask INTx only", () -> {
            try (Interrupts messages = messages(1)) {
                messages.mask();
            }
        });
        assertEquals(0, host.observed().made(vfio_h.VFIO_DEVICE_SET_IRQS) % 2, "enabled and disabled");
        try (Interrupts messages = messages(3)) {
            assertThrows(IndexOutOfBoundsException.class, () -> messages.await(3, LONG));
            assertThrows(IndexOutOfBoundsException.class, () -> messages.trigger(-1));
            assertThrows(IndexOutOfBoundsException.class, () -> messages.onInterrupt(3, () -> {}));
        }
        assertEquals(descriptors + 1, host.process().openDescriptors(), "the eventfd of the device's thread");
    }

    @Test
    void enableInterrupts_platformHasFewer_enablesThose() {
        TestHost small = new TestHost(EmulatedMachine.power8().toBuilder()
                .withoutDevices()
                .device(MESSAGES.toString(), 0, MessageDevice::new)
                .interruptVectors(5)
                .build());
        try (Device few = Device.open(small.kernel(), MESSAGES)) {
            assertRefused(Kind.EXHAUSTED, "the platform has 5", () -> few.enableInterrupts(InterruptType.MSIX, 6, 8));
            try (Interrupts messages = few.enableInterrupts(InterruptType.MSIX, 2, 100)) {
                assertEquals(5, messages.vectors());
            }
            few.enableInterrupts(InterruptType.MSIX, 5).close();
        }
        small.assertAllGivenBack();
    }

    @Test
    void enableInterrupts_kernelRefuses_isThrown() {
        host.observed().failRequest(vfio_h.VFIO_DEVICE_SET_IRQS, 9);
        assertRefused(
                Kind.KERNEL_REFUSED, "the kernel refused", () -> device.enableInterrupts(InterruptType.MSIX, 1, 4));
        host.observed().failRequest(vfio_h.VFIO_DEVICE_SET_IRQS, Errno.ENOSPC.negated());
        assertRefused(Kind.EXHAUSTED, "no more vectors", () -> device.enableInterrupts(InterruptType.MSIX, 1, 4));
        host.observed().heal();
        messages(4).close();
    }

    @Test
    void close_disableFails_closesEventfds() {
        Interrupts messages = messages(4);
        int descriptors = host.process().openDescriptors();
        host.observed().failRequest(vfio_h.VFIO_DEVICE_SET_IRQS, Errno.EIO.negated());
        VfioException e = assertThrows(VfioException.class, messages::close);
        assertEquals("disable MSI-X of 0004:01:00.0", e.operation());
        assertEquals(descriptors - 4, host.process().openDescriptors());
    }

    @Test
    void unmaskEvent_lineAsserted_interruptsAgain() throws InterruptedException {
        try (Device edu = container.attach(TestHost.EDU).openDevice(TestHost.EDU)) {
            Interrupts line = edu.enableInterrupts(InterruptType.INTX, 1);
            Region registers = edu.bar(0).withOrder(ByteOrder.BIG_ENDIAN);
            registers.writeInt(0x60, 1);
            assertTrue(line.await(0, LONG));
            line.mask();
            EventFd event = line.unmaskEvent();
            assertRefused(Kind.CONFLICT, "there is such an eventfd already", line::unmaskEvent);
            event.signal();
            assertTrue(line.await(0, LONG), "it is still asserted");
            event.close();
            event.close();
            assertClosed(event::signal);
            EventFd again = line.unmaskEvent();
            line.close();
            assertClosed(again::signal);
        }
    }

    @Test
    void enableInterrupts_anyCallFails_leaksNothing() {
        int failures = 0;
        for (int call = 0; ; call++) {
            TestHost other = new TestHost();
            boolean failed = false;
            try (Device edu = Device.open(other.kernel(), TestHost.EDU)) {
                int before = other.observed().calls();
                other.observed().failCall(before + call);
                Interrupts line = edu.enableInterrupts(InterruptType.INTX, 1);
                line.unmaskEvent();
                line.mask();
                line.unmask();
                line.close();
                edu.enableInterrupts(InterruptType.MSI, 1).trigger(0);
                failed = false;
                other.observed().heal();
                if (other.observed().calls() <= before + call) {
                    break;
                }
                failed = true;
            } catch (VfioException e) {
                failed = true;
                assertEquals(Errno.EIO, e.errno().orElseThrow(), e.getMessage());
            }
            other.assertAllGivenBack();
            assertTrue(failed);
            failures++;
        }
        assertTrue(failures > 10, failures + " calls");
    }

    @Test
    void close_threadsTriggerAndWait_illegalState() throws Exception {
        for (int round = 0; round < 20; round++) {
            Interrupts messages = messages(4);
            CountDownLatch working = new CountDownLatch(4);
            try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
                List<Future<Void>> ends = new ArrayList<>();
                for (int each = 0; each < 4; each++) {
                    int vector = each;
                    Callable<Void> worker = () -> {
                        while (true) {
                            messages.trigger(vector);
                            messages.await(vector, LONG);
                            working.countDown();
                        }
                    };
                    ends.add(threads.submit(worker));
                }
                working.await();
                messages.close();
                for (Future<Void> end : ends) {
                    Exception e = assertThrows(Exception.class, end::get);
                    assertInstanceOf(IllegalStateException.class, e.getCause(), () -> String.valueOf(e));
                }
            }
        }
    }

    @Test
    void await_pollFails_isThrownToAll() throws Exception {
        BlockingQueue<Throwable> reported = new LinkedBlockingQueue<>();
        Thread.UncaughtExceptionHandler before = Thread.getDefaultUncaughtExceptionHandler();
        Thread.setDefaultUncaughtExceptionHandler((thread, thrown) -> reported.add(thrown));
        try (ExecutorService executor = Executors.newVirtualThreadPerTaskExecutor()) {
            Interrupts messages = messages(2);
            Future<Boolean> waiting = executor.submit(() -> messages.await(1, LONG));
            host.observed().failPolls(Errno.ENOMEM);
            send(0);
            Exception e = assertThrows(Exception.class, waiting::get);
            VfioException failure = assertInstanceOf(VfioException.class, e.getCause());
            assertEquals(Errno.ENOMEM, failure.errno().orElseThrow());
            assertSame(failure, reported.poll(60, TimeUnit.SECONDS));
            assertSame(failure, assertThrows(VfioException.class, () -> messages.awaitAny(LONG)));
            assertSame(
                    failure, assertThrows(VfioException.class, () -> device.enableInterrupts(InterruptType.ERROR, 1)));
            messages.close();
        } finally {
            Thread.setDefaultUncaughtExceptionHandler(before);
        }
    }
}
