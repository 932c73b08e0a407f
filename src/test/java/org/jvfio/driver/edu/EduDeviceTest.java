package org.jvfio.driver.edu;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.temporal.ChronoUnit;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.jvfio.Container;
import org.jvfio.Device;
import org.jvfio.DmaDirection;
import org.jvfio.DmaMapping;
import org.jvfio.DmaMemory;
import org.jvfio.InterruptType;
import org.jvfio.Interrupts;
import org.jvfio.PciAddress;
import org.jvfio.VfioException;
import org.jvfio.VfioException.Kind;
import org.jvfio.emulator.EmulatedMachine;
import org.jvfio.emulator.KernelVersion;
import org.jvfio.emulator.edu.EmulatedEdu;
import org.jvfio.kernel.Kernel;
import org.jvfio.observe.sanitize.ExpectedFindings;
import org.jvfio.observe.sanitize.Finding;
import org.jvfio.observe.sanitize.Sanitizer;

class EduDeviceTest {
    private static final PciAddress BIG = PciAddress.parse("0000:01:00.0");
    private static final PciAddress LITTLE = PciAddress.parse("0001:01:00.0");
    private static final PciAddress SLOW = PciAddress.parse("0002:01:00.0");
    private static final PciAddress UNHURRIED = PciAddress.parse("0003:01:00.0");
    private static final Duration TIMEOUT = Duration.ofSeconds(10);
    private static final int ATTEMPTS = 20;
    private static final byte[] TEXT = "DMA through a SPAPR TCE container".getBytes(StandardCharsets.US_ASCII);

    private final Sanitizer sanitizer = Sanitizer.boot(EmulatedMachine.power8().toBuilder()
            .withoutDevices()
            .device(BIG.toString(), 0, () -> edu(ByteOrder.BIG_ENDIAN, Duration.ZERO))
            .device(LITTLE.toString(), 1, () -> edu(ByteOrder.LITTLE_ENDIAN, Duration.ZERO))
            .device(SLOW.toString(), 2, () -> edu(ByteOrder.BIG_ENDIAN, Duration.ofDays(1)))
            .device(UNHURRIED.toString(), 3, () -> edu(ByteOrder.BIG_ENDIAN, Duration.ofMillis(100)))
            .build());
    private final Kernel kernel = sanitizer.kernel();
    private final ExpectedFindings expected = new ExpectedFindings();
    private final Container container = Container.open(kernel);

    private static EmulatedEdu edu(ByteOrder order, Duration latency) {
        return new EmulatedEdu(order, -1, latency);
    }

    @AfterEach
    void giveBack() {
        container.close();
        expected.requireIn(sanitizer);
    }

    private Device device(PciAddress address) {
        return container.attach(address).openDevice(address);
    }

    @Test
    void of_eitherByteOrder_detectsIt() {
        assertEquals(ByteOrder.BIG_ENDIAN, EduDevice.of(device(BIG)).order());
        assertEquals(ByteOrder.LITTLE_ENDIAN, EduDevice.of(device(LITTLE)).order());
    }

    @ParameterizedTest
    @ValueSource(strings = {"0000:01:00.0", "0001:01:00.0"})
    void factorialAndCopy_eitherByteOrder_succeed(String address) {
        EduDevice edu = EduDevice.of(device(PciAddress.parse(address)));
        assertEquals("1.0", edu.version());
        assertTrue(edu.isAlive());
        assertEquals(3628800, edu.factorial(10, TIMEOUT));
        try (DmaMemory memory = container.allocate(2 * 65536)) {
            MemorySegment.copy(TEXT, 0, memory.segment(), ValueLayout.JAVA_BYTE, 100, TEXT.length);
            DmaMapping mapping = container.defaultWindow().map(memory, DmaDirection.BIDIRECTIONAL);
            edu.readMemory(mapping.iova() + 100, 8, TEXT.length, TIMEOUT);
            edu.writeMemory(mapping.iova() + 65536, 8, TEXT.length, TIMEOUT);
            assertArrayEquals(TEXT, memory.segment().asSlice(65536, TEXT.length).toArray(ValueLayout.JAVA_BYTE));
        }
    }

    @ParameterizedTest
    @EnumSource(
            value = InterruptType.class,
            names = {"INTX", "MSI"})
    void enableInterrupts_eitherType_completesOperations(InterruptType type) {
        for (PciAddress address : List.of(BIG, LITTLE)) {
            Device device = device(address);
            EduDevice edu = EduDevice.of(device);
            edu.enableInterrupts(type);
            assertEquals(3628800, edu.factorial(10, TIMEOUT));
            assertEquals(120, edu.factorial(5, TIMEOUT));
            try (DmaMemory memory = container.allocate(65536)) {
                DmaMapping mapping = container.defaultWindow().map(memory, DmaDirection.BIDIRECTIONAL);
                memory.segment().setString(0, "by " + type);
                edu.readMemory(mapping.iova(), 0, 100, TIMEOUT);
                edu.writeMemory(mapping.iova() + 4096, 0, 100, TIMEOUT);
                assertEquals("by " + type, memory.segment().getString(4096));
            }
            edu.disableInterrupts();
            edu.disableInterrupts();
            assertEquals(24, edu.factorial(4, TIMEOUT));
            device.enableInterrupts(type, 1).close();
        }
    }

    @Test
    void factorial_timeoutWithInterrupts_throws() {
        EduDevice edu = EduDevice.of(device(SLOW));
        edu.enableInterrupts(InterruptType.INTX);
        VfioException e = assertThrows(VfioException.class, () -> edu.factorial(3, Duration.ofMillis(1)));
        assertEquals(Kind.TIMEOUT, e.kind());
        assertTrue(e.reason().contains("not ready after 1 ms"), e.getMessage());
    }

    @Test
    void factorial_threadInterrupted_throws() {
        EduDevice edu = EduDevice.of(device(SLOW));
        edu.enableInterrupts(InterruptType.MSI);
        Thread.currentThread().interrupt();
        VfioException e = assertThrows(VfioException.class, () -> edu.factorial(3, TIMEOUT));
        assertEquals(Kind.INTERRUPTED, e.kind());
        assertTrue(e.reason().contains("the thread was interrupted"), e.getMessage());
        assertTrue(Thread.interrupted());
    }

    @Test
    void enableInterrupts_alreadyEnabled_throws() {
        Device device = device(BIG);
        EduDevice edu = EduDevice.of(device);
        try (Interrupts others = device.enableInterrupts(InterruptType.MSI, 1)) {
            assertEquals(1, others.vectors());
            assertThrows(VfioException.class, () -> edu.enableInterrupts(InterruptType.INTX));
            assertEquals(6, edu.factorial(3, TIMEOUT));
        }
    }

    @ParameterizedTest
    @EnumSource(
            value = InterruptType.class,
            names = {"INTX", "MSI"})
    void readMemory_interruptOfFormerTransfer_isIgnored(InterruptType type) {
        EduDevice edu = EduDevice.of(device(UNHURRIED));
        edu.enableInterrupts(type);
        try (DmaMemory memory = container.allocate(65536)) {
            DmaMapping mapping = container.defaultWindow().map(memory, DmaDirection.BIDIRECTIONAL);
            memory.segment().setString(0, "at last");
            VfioException e = timeout(() -> edu.readMemory(mapping.iova(), 0, 100, Duration.ofMillis(1)));
            assertEquals(Kind.TIMEOUT, e.kind());
            edu.writeMemory(mapping.iova() + 4096, 0, 100, TIMEOUT);
            assertEquals("at last", memory.segment().getString(4096));
        }
    }

    /** Repeats an operation until it times out: a pause of the JVM may outlast one, which then succeeds. */
    private static VfioException timeout(Runnable operation) {
        for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
            try {
                operation.run();
            } catch (VfioException e) {
                return e;
            }
        }
        return fail("each of " + ATTEMPTS + " operations was done before its timeout");
    }

    @ParameterizedTest
    @EnumSource(
            value = KernelVersion.class,
            names = {"V4_2", "V6_4", "V6_12"})
    void reaches_wideAddress_dependsOnTheKernel(KernelVersion version) {
        boolean wide = version.atLeast(KernelVersion.V6_11);
        long beyond = 1L << 59;
        for (ByteOrder order : new ByteOrder[] {ByteOrder.BIG_ENDIAN, ByteOrder.LITTLE_ENDIAN}) {
            Sanitizer watching = Sanitizer.boot(EmulatedMachine.power8().toBuilder()
                    .kernel(version)
                    .withoutDevices()
                    .device(BIG.toString(), 0, () -> edu(order, Duration.ZERO))
                    .build());
            try (Container ofOld = Container.open(watching.kernel())) {
                EduDevice edu = EduDevice.of(ofOld.attach(BIG).openDevice(BIG));
                DmaMemory memory = ofOld.allocate(2 * 65536);
                DmaMapping mapping = ofOld.defaultWindow().map(memory, DmaDirection.BIDIRECTIONAL);
                memory.segment().setString(0, "on " + version);
                edu.readMemory(mapping.iova(), 0, 100, TIMEOUT);
                edu.writeMemory(mapping.iova() + 65536, 0, 100, TIMEOUT);
                assertEquals("on " + version, memory.segment().getString(65536));
                assertTrue(edu.reaches(0xffff_ffffL));
                assertEquals(wide, edu.reaches(beyond));
                if (!wide) {
                    VfioException e = assertThrows(VfioException.class, () -> edu.writeMemory(beyond, 0, 100, TIMEOUT));
                    assertEquals(Kind.UNSUPPORTED, e.kind());
                    assertTrue(e.getMessage().contains("below 4 GiB"), e.getMessage());
                }
            }
            watching.requireClean();
        }
    }

    @Test
    void factorial_longestTimeout_succeeds() {
        EduDevice edu = EduDevice.of(device(BIG));
        assertEquals(120, edu.factorial(5, ChronoUnit.FOREVER.getDuration()));
        edu.enableInterrupts(InterruptType.MSI);
        assertEquals(120, edu.factorial(5, ChronoUnit.FOREVER.getDuration()));
    }

    @Test
    void readMemory_outsideBuffer_throws() {
        EduDevice edu = EduDevice.of(device(BIG));
        assertThrows(IndexOutOfBoundsException.class, () -> edu.readMemory(0, 0, 4097, TIMEOUT));
        assertThrows(IndexOutOfBoundsException.class, () -> edu.readMemory(0, 4096, 1, TIMEOUT));
        assertThrows(IndexOutOfBoundsException.class, () -> edu.writeMemory(0, -1, 1, TIMEOUT));
        assertThrows(IndexOutOfBoundsException.class, () -> edu.writeMemory(0, 0, 0, TIMEOUT));
    }

    @Test
    void readMemory_timeout_throws() {
        EduDevice edu = EduDevice.of(device(SLOW));
        Duration past = ChronoUnit.FOREVER.getDuration().negated();
        assertThrows(VfioException.class, () -> edu.readMemory(0, 0, 8, past));
        VfioException e = assertThrows(VfioException.class, () -> edu.readMemory(0, 0, 8, Duration.ofMillis(1)));
        assertEquals(Kind.TIMEOUT, e.kind());
        assertTrue(e.reason().contains("not ready after 1 ms"), e.getMessage());
        assertThrows(VfioException.class, () -> edu.factorial(3, Duration.ofMillis(1)));
    }

    @Test
    void readMemory_unmappedAddress_throws() {
        expected.add(Finding.Kind.UNMAPPED_DMA, "0000:01:00.0 read 8 bytes from 0x10000, which is in no window", "");
        EduDevice edu = EduDevice.of(device(BIG));
        VfioException e = assertThrows(VfioException.class, () -> edu.readMemory(0x10000, 0, 8, TIMEOUT));
        assertEquals(Kind.FROZEN, e.kind());
        assertEquals(
                "PE frozen: 0000:01:00.0 read 8 bytes from 0x10000, which is in no window (EEH state 2)", e.reason());
    }

    @Test
    void of_frozenDevice_throws() {
        expected.add(Finding.Kind.UNMAPPED_DMA, "0000:01:00.0 read 8 bytes from 0x10000, which is in no window", "");
        Device device = device(BIG);
        EduDevice edu = EduDevice.of(device);
        assertThrows(VfioException.class, () -> edu.readMemory(0x10000, 0, 8, TIMEOUT));
        VfioException e = assertThrows(VfioException.class, () -> EduDevice.of(device));
        assertEquals(Kind.FROZEN, e.kind(), e.getMessage());
    }
}
