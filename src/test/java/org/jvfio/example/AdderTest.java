package org.jvfio.example;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteOrder;
import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.jvfio.Device;
import org.jvfio.DmaDirection;
import org.jvfio.DmaMapping;
import org.jvfio.DmaMemory;
import org.jvfio.InterruptType;
import org.jvfio.Interrupts;
import org.jvfio.PciAddress;
import org.jvfio.Region;
import org.jvfio.VfioException;
import org.jvfio.emulator.EehState;
import org.jvfio.emulator.EmulatedKernel;
import org.jvfio.emulator.EmulatedMachine;
import org.jvfio.emulator.FailedDma;

/** A driver is written before its device is there: the device is an {@link Adder}, the host an emulated POWER9. */
class AdderTest {
    private static final String ADDRESS = "0003:01:00.0";
    private static final int GROUP = 7;
    private static final Duration LONG = Duration.ofSeconds(60);

    // @start region="host"
    private static EmulatedKernel hostWithAnAdder(Duration latency) {
        return EmulatedKernel.boot(EmulatedMachine.power9().toBuilder()
                .device(ADDRESS, GROUP, () -> new Adder(latency))
                .build());
    }

    // @end

    private static void start(Region registers, long iova, long bytes) {
        registers.writeLong(Adder.ADDRESS, iova);
        registers.writeLong(Adder.COUNT, bytes);
    }

    // @start region="test"
    @Test
    void adder_mappedMemory_sumAndInterrupt() throws InterruptedException {
        EmulatedKernel kernel = hostWithAnAdder(Duration.ZERO);
        try (Device device = Device.open(kernel, PciAddress.parse(ADDRESS));
                DmaMemory memory = device.container().allocate(65536);
                Interrupts interrupts = device.enableInterrupts(InterruptType.MSIX, 2)) {
            DmaMapping mapping = device.container().defaultWindow().map(memory, DmaDirection.TO_DEVICE);
            device.enableBusMastering();
            memory.segment().asSlice(0, 1000).fill((byte) 200);
            Region registers = device.bar(0).withOrder(ByteOrder.LITTLE_ENDIAN);
            start(registers, mapping.iova(), 1000);
            assertTrue(interrupts.await(Adder.DONE, LONG));
            assertEquals(200_000, registers.readLong(Adder.SUM));
        }
        assertEquals(0, kernel.openDescriptors());
    }

    // @end

    // @start region="mistake"
    @Test
    void adder_memoryNotMapped_peIsFrozen() throws InterruptedException {
        EmulatedKernel kernel = hostWithAnAdder(Duration.ZERO);
        try (Device device = Device.open(kernel, PciAddress.parse(ADDRESS));
                Interrupts interrupts = device.enableInterrupts(InterruptType.MSIX, 2)) {
            device.enableBusMastering();
            Region registers = device.bar(0).withOrder(ByteOrder.LITTLE_ENDIAN);
            start(registers, 0x10000, 8);
            awaitFreeze(device);
            VfioException e = assertThrows(VfioException.class, () -> registers.readLong(Adder.SUM));
            assertEquals(VfioException.Kind.FROZEN, e.kind());
            assertFalse(interrupts.await(Adder.FAILED, Duration.ZERO));
            assertEquals(EehState.STOPPED, kernel.host().group(GROUP).state());
        }
    }

    private static void awaitFreeze(Device device) {
        long end = System.nanoTime() + LONG.toNanos();
        while (!device.isFrozen() && System.nanoTime() < end) {
            Thread.onSpinWait();
        }
    }

    @Test
    void adder_neverAnswers_driverGivesUpAndStopsIt() throws InterruptedException {
        EmulatedKernel kernel = hostWithAnAdder(Duration.ofDays(1));
        try (Device device = Device.open(kernel, PciAddress.parse(ADDRESS));
                DmaMemory memory = device.container().allocate(65536);
                Interrupts interrupts = device.enableInterrupts(InterruptType.MSIX, 2)) {
            DmaMapping mapping = device.container().defaultWindow().map(memory, DmaDirection.TO_DEVICE);
            device.enableBusMastering();
            Region registers = device.bar(0).withOrder(ByteOrder.LITTLE_ENDIAN);
            start(registers, mapping.iova(), 1000);
            assertFalse(interrupts.await(Adder.DONE, Duration.ofMillis(1)));
            device.disableBusMastering(); // before its memory is freed
        }
    }

    @Test
    void adder_resetBetweenAddressAndCount_addsAtAddress0() {
        EmulatedKernel kernel = hostWithAnAdder(Duration.ZERO);
        try (Device device = Device.open(kernel, PciAddress.parse(ADDRESS));
                DmaMemory memory = device.container().allocate(65536)) {
            DmaMapping mapping = device.container().defaultWindow().map(memory, DmaDirection.TO_DEVICE);
            device.enableBusMastering();
            Region registers = device.bar(0).withOrder(ByteOrder.LITTLE_ENDIAN);
            registers.writeLong(Adder.ADDRESS, mapping.iova());
            device.reset();
            registers.writeLong(Adder.COUNT, 1000);
            awaitFreeze(device);
            FailedDma failed = kernel.host().failedDma().getLast();
            assertEquals(0, failed.busAddress());
            assertEquals(FailedDma.Reason.NO_ENTRY, failed.reason());
        }
    }
    // @end
}
