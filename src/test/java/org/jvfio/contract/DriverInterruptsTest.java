package org.jvfio.contract;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.jvfio.Device;
import org.jvfio.DmaDirection;
import org.jvfio.DmaMapping;
import org.jvfio.DmaMemory;
import org.jvfio.EventFd;
import org.jvfio.InterruptInfo;
import org.jvfio.InterruptType;
import org.jvfio.Interrupts;
import org.jvfio.PciAddress;
import org.jvfio.contract.host.ContractHost;
import org.jvfio.driver.edu.EduDevice;
import org.jvfio.emulator.KernelVersion;

/** Interrupts as a driver has them, by the public API. */
@ContractTest
class DriverInterruptsTest extends Contract {
    private static final Duration LONG = Duration.ofSeconds(60);
    private static final int RAISE = 0x60;
    private static final int ACKNOWLEDGE = 0x64;
    private static final int RAISED = 0x2;

    private final Device device = Device.open(process.kernel(), PciAddress.parse(first.address()));
    private final EduDevice edu = EduDevice.of(device);

    DriverInterruptsTest(ContractHost host) {
        super(host, host.startWatched());
        // Where nothing resets it, QEMU's edu still asserts what another test raised.
        write(ACKNOWLEDGE, -1);
    }

    @AfterEach
    void closeDevice() {
        device.close();
    }

    private void write(int register, int value) {
        device.bar(0).withOrder(edu.order()).writeInt(register, value);
    }

    @Test
    void interruptInfo_edu_intxAndOneMsi() {
        assertEquals(new InterruptInfo(1, true, true, true, true), device.interruptInfo(InterruptType.INTX));
        assertEquals(new InterruptInfo(1, true, false, false, false), device.interruptInfo(InterruptType.MSI));
        assertEquals(0, device.interruptInfo(InterruptType.MSIX).count());
        int errors = host.version().atLeast(KernelVersion.V7_3) ? 1 : 0;
        assertEquals(errors, device.interruptInfo(InterruptType.ERROR).count());
        assertEquals(new InterruptInfo(1, true, false, false, false), device.interruptInfo(InterruptType.REQUEST));
    }

    @Test
    void eduDriver_intxAndMsi_factorialAndTransferComplete() {
        try (DmaMemory memory = device.container().allocate(2 * 65536)) {
            DmaMapping mapping = device.container().defaultWindow().map(memory, DmaDirection.BIDIRECTIONAL);
            for (InterruptType type : new InterruptType[] {InterruptType.INTX, InterruptType.MSI, InterruptType.INTX}) {
                edu.enableInterrupts(type);
                assertEquals(3628800, edu.factorial(10, LONG));
                byte[] text = ("copied with " + type).getBytes(StandardCharsets.US_ASCII);
                memory.segment().fill((byte) 0);
                memory.segment().asSlice(0, text.length).copyFrom(MemorySegment.ofArray(text));
                edu.readMemory(mapping.iova(), 0, text.length, LONG);
                edu.writeMemory(mapping.iova() + 65536, 0, text.length, LONG);
                assertArrayEquals(
                        text, memory.segment().asSlice(65536, text.length).toArray(ValueLayout.JAVA_BYTE));
            }
        }
    }

    @Test
    void await_intxFired_maskedUntilUnmask() throws InterruptedException {
        try (Interrupts line = device.enableInterrupts(InterruptType.INTX, 1)) {
            write(RAISE, RAISED);
            assertTrue(line.await(0, LONG));
            assertFalse(line.await(0, Duration.ZERO));
            line.unmask();
            assertTrue(line.await(0, LONG), "it is still asserted");
            write(ACKNOWLEDGE, RAISED);
            line.unmask();
            assertFalse(line.await(0, Duration.ofMillis(100)));
        }
    }

    @Test
    void enableInterrupts_intxAsserted_signals() throws InterruptedException {
        write(RAISE, RAISED);
        for (int round = 0; round < 3; round++) {
            try (Interrupts line = device.enableInterrupts(InterruptType.INTX, 1)) {
                assertTrue(line.await(0, LONG));
            }
        }
        write(ACKNOWLEDGE, RAISED);
        try (Interrupts line = device.enableInterrupts(InterruptType.INTX, 1)) {
            assertFalse(line.await(0, Duration.ofMillis(100)));
        }
    }

    @Test
    void unmask_raisedWhileMasked_signals() throws InterruptedException {
        try (Interrupts line = device.enableInterrupts(InterruptType.INTX, 1)) {
            line.mask();
            write(RAISE, RAISED);
            assertFalse(line.await(0, Duration.ofMillis(100)));
            line.unmask();
            assertTrue(line.await(0, LONG));
            write(ACKNOWLEDGE, RAISED);
        }
    }

    @Test
    void unmaskEvent_signalled_unmasksIntx() throws InterruptedException {
        try (Interrupts line = device.enableInterrupts(InterruptType.INTX, 1)) {
            EventFd unmask = line.unmaskEvent();
            for (int round = 0; round < 3; round++) {
                write(RAISE, RAISED);
                assertTrue(line.await(0, LONG));
                write(ACKNOWLEDGE, RAISED);
                unmask.signal();
            }
            unmask.close();
            line.unmaskEvent().signal();
        }
    }

    @Test
    void onInterrupt_everyType_handlerCalled() throws InterruptedException {
        for (InterruptType type : new InterruptType[] {InterruptType.MSI, InterruptType.INTX}) {
            BlockingQueue<String> threads = new LinkedBlockingQueue<>();
            try (Interrupts interrupts = device.enableInterrupts(type, 1)) {
                interrupts.onInterrupt(0, () -> {
                    write(ACKNOWLEDGE, RAISED);
                    if (type == InterruptType.INTX) {
                        interrupts.unmask();
                    }
                    threads.add(Thread.currentThread().getName());
                });
                for (int round = 0; round < 3; round++) {
                    write(RAISE, RAISED);
                    assertEquals("interrupts of " + device, threads.poll(LONG.toSeconds(), TimeUnit.SECONDS));
                }
            }
        }
    }

    @Test
    void trigger_everyType_awaitReturns() throws InterruptedException {
        for (InterruptType type : new InterruptType[] {InterruptType.INTX, InterruptType.MSI, InterruptType.REQUEST}) {
            try (Interrupts interrupts = device.enableInterrupts(type, 1)) {
                assertFalse(interrupts.await(0, Duration.ZERO));
                interrupts.trigger(0);
                assertTrue(interrupts.await(0, LONG));
                interrupts.trigger(0);
                assertEquals(0, interrupts.awaitAny(LONG));
            }
        }
    }

    @Test
    void await_deviceClosed_illegalState() throws InterruptedException {
        Interrupts interrupts = device.enableInterrupts(InterruptType.MSI, 1);
        Thread closer = Thread.startVirtualThread(device::close);
        IllegalStateException e = assertThrows(IllegalStateException.class, () -> interrupts.await(0, LONG));
        assertEquals("MSI of " + device + " is closed", e.getMessage());
        closer.join();
    }
}
