package org.jvfio.observe.fault;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.jvfio.Container;
import org.jvfio.Device;
import org.jvfio.DeviceCondition;
import org.jvfio.DmaDirection;
import org.jvfio.DmaMapping;
import org.jvfio.DmaMemory;
import org.jvfio.InterruptType;
import org.jvfio.Interrupts;
import org.jvfio.PciAddress;
import org.jvfio.VfioException;
import org.jvfio.driver.edu.EduDevice;
import org.jvfio.emulator.EehState;
import org.jvfio.emulator.EmulatedKernel;
import org.jvfio.emulator.EmulatedMachine;
import org.jvfio.kernel.Errno;
import org.jvfio.kernel.Kernel;
import org.jvfio.observe.fault.Fault.Effect;
import org.jvfio.observe.fault.Fault.Occurrence;
import org.jvfio.observe.fault.FaultPoint.On;
import org.jvfio.uapi.vfio_h;

/** Each effect of a plan, as a program on the library meets it. */
@Timeout(60)
class FaultInjectionTest {
    private static final String EDU = "0000:01:00.0";
    private static final PciAddress ADDRESS = PciAddress.parse(EDU);
    private static final Duration LONG = Duration.ofSeconds(30);
    private static final int IRQ_RAISE = 0x60;
    private static final int IRQ_ACKNOWLEDGE = 0x64;
    private static final int LIVENESS = 4;

    private static FaultInjection boot(FaultPoint point, Occurrence occurrence, Effect effect) {
        return FaultInjection.boot(EmulatedMachine.power8(), Faults.NONE.with(point, occurrence, effect));
    }

    @Test
    void refusal_thirdMap_thatOneFails() {
        FaultInjection faults = boot(
                FaultPoint.ioctl(VfioRequest.VFIO_IOMMU_MAP_DMA), Occurrence.nth(3), new Effect.Refusal(Errno.ENOMEM));
        try (Device device = Device.open(faults.kernel(), ADDRESS);
                DmaMemory memory = device.container().allocate(1 << 18)) {
            for (int each = 0; each < 2; each++) {
                device.container().defaultWindow().map(memory.range(each << 16, 1 << 16), DmaDirection.TO_DEVICE);
            }
            VfioException refused = assertThrows(
                    VfioException.class,
                    () -> device.container()
                            .defaultWindow()
                            .map(memory.range(2 << 16, 1 << 16), DmaDirection.TO_DEVICE));
            assertEquals(Optional.of(Errno.ENOMEM), refused.errno());
            device.container().defaultWindow().map(memory.range(2 << 16, 1 << 16), DmaDirection.TO_DEVICE);
        }
        assertEquals(1, faults.happened().size());
        assertTrue(
                faults.happened().getFirst().startsWith("ioctl VFIO_IOMMU_MAP_DMA of 65536 bytes at 0x"),
                faults.happened().getFirst());
    }

    @Test
    void refusal_mapOfARange_otherRangesSucceed() {
        FaultInjection faults = boot(
                FaultPoint.ioctl(VfioRequest.VFIO_IOMMU_MAP_DMA).range(0x10000, 0x1ffff),
                Occurrence.always(),
                new Effect.Refusal(Errno.EBUSY));
        try (Device device = Device.open(faults.kernel(), ADDRESS);
                DmaMemory memory = device.container().allocate(1 << 18)) {
            device.container().defaultWindow().mapAt(0x20000, memory.range(0, 1 << 16), DmaDirection.TO_DEVICE);
            assertThrows(
                    VfioException.class,
                    () -> device.container()
                            .defaultWindow()
                            .mapAt(0x1f000, memory.range(0, 0x1000), DmaDirection.TO_DEVICE));
        }
    }

    @Test
    void refusal_close_descriptorIsFreed() {
        FaultInjection faults = boot(
                FaultPoint.on(On.CLOSE).file(FileKind.EVENTFD), Occurrence.always(), new Effect.Refusal(Errno.EINTR));
        int fd = faults.kernel().eventfd(0, 0);
        assertEquals(Errno.EINTR.negated(), faults.kernel().close(fd));
        assertEquals(Errno.EBADF.negated(), faults.kernel().close(fd));
    }

    @Test
    void refusal_openOfAPath_otherPathsOpen() {
        FaultInjection faults = boot(
                FaultPoint.on(On.OPEN).path("/dev/vfio/vfio"), Occurrence.nth(1), new Effect.Refusal(Errno.EMFILE));
        assertTrue(faults.kernel().open("/dev/null", 0) >= 0);
        VfioException refused = assertThrows(VfioException.class, () -> Container.open(faults.kernel()));
        assertEquals(Optional.of(Errno.EMFILE), refused.errno());
        Container.open(faults.kernel()).close();
    }

    @Test
    void refusal_everySecondPoll_half() {
        FaultInjection faults = boot(FaultPoint.on(On.POLL), new Occurrence.Every(2), new Effect.Refusal(Errno.EINTR));
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment none = arena.allocate(8);
            none.set(ValueLayout.JAVA_INT, 0, -1);
            List<Integer> results = List.of(
                    faults.kernel().poll(none, 0),
                    faults.kernel().poll(none, 0),
                    faults.kernel().poll(none, 0),
                    faults.kernel().poll(none, 0));
            assertEquals(List.of(0, Errno.EINTR.negated(), 0, Errno.EINTR.negated()), results);
        }
    }

    @Test
    void shortTransfer_read_fewerBytes() {
        FaultInjection faults =
                boot(FaultPoint.on(On.READ).file(FileKind.EVENTFD), Occurrence.nth(1), new Effect.ShortTransfer(0));
        int fd = faults.kernel().eventfd(5, 0);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment counter = arena.allocate(8);
            assertEquals(0, faults.kernel().read(fd, counter));
            assertEquals(8, faults.kernel().read(fd, counter));
            assertEquals(5, counter.get(ValueLayout.JAVA_LONG, 0));
        }
    }

    @Test
    void shortTransfer_preadOfABar_fewerBytes() {
        FaultInjection faults = boot(
                FaultPoint.on(On.PREAD).area(DeviceArea.CONFIG).range(0, 0),
                Occurrence.always(),
                new Effect.ShortTransfer(1));
        assertThrows(
                VfioException.class,
                () -> Device.open(faults.kernel(), ADDRESS).configSpace().vendorId());
    }

    @Test
    void delay_call_takesAtLeastTheTime() {
        FaultInjection faults =
                boot(FaultPoint.on(On.EVENTFD), Occurrence.nth(1), new Effect.Delay(Duration.ofMillis(30)));
        long begin = System.nanoTime();
        faults.kernel().eventfd(0, 0);
        assertTrue(System.nanoTime() - begin >= TimeUnit.MILLISECONDS.toNanos(30));
    }

    @Test
    void delay_interruptedThread_staysInterrupted() {
        FaultInjection faults =
                boot(FaultPoint.on(On.EVENTFD), Occurrence.nth(1), new Effect.Delay(Duration.ofMillis(5)));
        Thread.currentThread().interrupt();
        faults.kernel().eventfd(0, 0);
        assertTrue(Thread.interrupted());
    }

    /** Raises a message of the edu device, and returns whether it arrives in time. */
    private static boolean raise(Device device, Interrupts interrupts, Duration timeout) throws InterruptedException {
        device.bar(0).writeInt(IRQ_RAISE, 1);
        return interrupts.await(0, timeout);
    }

    @Test
    void lost_firstInterrupt_onlyTheSecondArrives() throws InterruptedException {
        FaultInjection faults = boot(FaultPoint.on(On.INTERRUPT).device(EDU), Occurrence.nth(1), new Effect.Lost());
        try (Device device = Device.open(faults.kernel(), ADDRESS);
                Interrupts interrupts = device.enableInterrupts(InterruptType.MSI, 1)) {
            device.enableBusMastering();
            assertFalse(raise(device, interrupts, Duration.ofMillis(20)));
            assertTrue(raise(device, interrupts, LONG));
        }
    }

    @Test
    void doubled_interrupt_arrivesTwice() throws InterruptedException {
        FaultInjection faults =
                boot(FaultPoint.on(On.INTERRUPT), Occurrence.nth(1), new Effect.Doubled(Duration.ofSeconds(1)));
        try (Device device = Device.open(faults.kernel(), ADDRESS);
                Interrupts interrupts = device.enableInterrupts(InterruptType.MSI, 1)) {
            device.enableBusMastering();
            assertTrue(raise(device, interrupts, LONG));
            assertTrue(interrupts.await(0, LONG));
            assertFalse(interrupts.await(0, Duration.ofMillis(20)));
        }
    }

    @Test
    void delay_interrupt_arrivesLater() throws InterruptedException {
        FaultInjection faults =
                boot(FaultPoint.on(On.INTERRUPT), Occurrence.nth(1), new Effect.Delay(Duration.ofSeconds(1)));
        try (Device device = Device.open(faults.kernel(), ADDRESS);
                Interrupts interrupts = device.enableInterrupts(InterruptType.MSI, 1)) {
            device.enableBusMastering();
            assertFalse(raise(device, interrupts, Duration.ofMillis(1)));
            assertTrue(interrupts.await(0, Duration.ofSeconds(10)));
        }
    }

    @Test
    void lost_intx_nextAssertionArrives() throws InterruptedException {
        FaultInjection faults = boot(FaultPoint.on(On.INTERRUPT).vector(0), Occurrence.nth(1), new Effect.Lost());
        try (Device device = Device.open(faults.kernel(), ADDRESS);
                Interrupts interrupts = device.enableInterrupts(InterruptType.INTX, 1)) {
            assertFalse(raise(device, interrupts, Duration.ofMillis(20)));
            device.bar(0).writeInt(IRQ_ACKNOWLEDGE, -1);
            assertTrue(raise(device, interrupts, LONG));
        }
    }

    @Test
    void doubled_intx_arrivesAgainWhileAsserted() throws InterruptedException {
        FaultInjection faults =
                boot(FaultPoint.on(On.INTERRUPT), Occurrence.nth(1), new Effect.Doubled(Duration.ofMillis(20)));
        try (Device device = Device.open(faults.kernel(), ADDRESS);
                Interrupts interrupts = device.enableInterrupts(InterruptType.INTX, 1)) {
            assertTrue(raise(device, interrupts, LONG));
            interrupts.unmask();
            assertTrue(interrupts.await(0, LONG));
        }
    }

    /** Has the edu device copy 64 bytes from memory to its buffer and on to memory elsewhere; returns what arrived. */
    private static byte[] copy(Device device) {
        try (DmaMemory memory = device.container().allocate(1 << 16)) {
            DmaMapping mapping = device.container().defaultWindow().map(memory, DmaDirection.BIDIRECTIONAL);
            device.enableBusMastering();
            memory.segment().asSlice(0, 64).fill((byte) 0x5a);
            EduDevice edu = EduDevice.of(device);
            edu.readMemory(mapping.iova(), 0, 64, LONG);
            edu.writeMemory(mapping.iova() + 4096, 0, 64, LONG);
            return memory.segment().asSlice(4096, 64).toArray(ValueLayout.JAVA_BYTE);
        }
    }

    private static byte[] pattern() {
        byte[] bytes = new byte[64];
        Arrays.fill(bytes, (byte) 0x5a);
        return bytes;
    }

    @Test
    void flippedBits_dmaWrite_oneBitDiffers() {
        FaultInjection faults =
                boot(FaultPoint.on(On.DMA_WRITE).size(64), Occurrence.nth(1), new Effect.FlippedBits(1));
        try (Device device = Device.open(faults.kernel(), ADDRESS)) {
            byte[] arrived = copy(device);
            int different = 0;
            for (byte each : arrived) {
                different += Integer.bitCount((each ^ 0x5a) & 0xff);
            }
            assertEquals(1, different);
            assertArrayEquals(pattern(), copy(device));
        }
    }

    @Test
    void flippedBits_dmaRead_deviceReadsOtherData() {
        FaultInjection faults = boot(FaultPoint.on(On.DMA_READ), Occurrence.nth(1), new Effect.FlippedBits(1));
        try (Device device = Device.open(faults.kernel(), ADDRESS)) {
            assertFalse(Arrays.equals(pattern(), copy(device)));
        }
    }

    @Test
    void lost_dmaWrite_memoryIsUntouched() {
        FaultInjection faults = boot(FaultPoint.on(On.DMA_WRITE), Occurrence.nth(1), new Effect.Lost());
        try (Device device = Device.open(faults.kernel(), ADDRESS)) {
            assertArrayEquals(new byte[64], copy(device));
        }
        assertEquals(EehState.NORMAL, faults.host().orElseThrow().group(0).state());
    }

    @Test
    void frozen_dma_peIsFrozen() {
        FaultInjection faults =
                boot(FaultPoint.on(On.DMA_READ), Occurrence.nth(1), new Effect.Frozen(Optional.empty()));
        try (Device device = Device.open(faults.kernel(), ADDRESS)) {
            assertThrows(VfioException.class, () -> copy(device));
            assertEquals(DeviceCondition.State.FROZEN, device.condition().state());
        }
    }

    @Test
    void frozen_thirdMap_otherDevicesPeIsFrozen() {
        FaultInjection faults = boot(
                FaultPoint.ioctl(VfioRequest.VFIO_IOMMU_MAP_DMA),
                Occurrence.nth(1),
                new Effect.Frozen(Optional.of("0001:01:00.0")));
        try (Device device = Device.open(faults.kernel(), ADDRESS)) {
            assertArrayEquals(pattern(), copy(device));
        }
        assertEquals(EehState.NORMAL, faults.host().orElseThrow().group(0).state());
        assertEquals(EehState.STOPPED, faults.host().orElseThrow().group(1).state());
    }

    @Test
    void removed_registerRead_deviceIsGone() {
        FaultInjection faults = boot(
                FaultPoint.on(On.REGISTER_READ).range(LIVENESS, LIVENESS),
                Occurrence.nth(1),
                new Effect.Removed(Optional.empty()));
        try (Device device = Device.open(faults.kernel(), ADDRESS)) {
            int id = device.bar(0).readInt(0);
            assertNotEquals(-1, id);
            assertThrows(VfioException.class, () -> device.bar(0).readInt(LIVENESS));
            assertEquals(DeviceCondition.State.GONE, device.condition().state());
        }
    }

    @Test
    void allOnes_register_once() {
        FaultInjection faults = boot(
                FaultPoint.on(On.REGISTER_READ)
                        .area(DeviceArea.BAR0)
                        .range(0, 3)
                        .size(4),
                Occurrence.nth(2),
                new Effect.AllOnes());
        try (Device device = Device.open(faults.kernel(), ADDRESS)) {
            int id = device.bar(0).readInt(0);
            assertEquals(-1, device.bar(0).readInt(0));
            assertEquals(id, device.bar(0).readInt(0));
        }
    }

    @Test
    void flippedBits_register_otherValue() {
        FaultInjection faults =
                boot(FaultPoint.on(On.REGISTER_READ).range(0, 3), Occurrence.nth(1), new Effect.FlippedBits(1));
        try (Device device = Device.open(faults.kernel(), ADDRESS)) {
            int wrong = device.bar(0).readInt(0);
            assertEquals(1, Integer.bitCount(wrong ^ device.bar(0).readInt(0)));
        }
    }

    @Test
    void lost_registerWrite_registerKeepsItsValue() {
        FaultInjection faults =
                boot(FaultPoint.on(On.REGISTER_WRITE).range(LIVENESS, LIVENESS), Occurrence.nth(1), new Effect.Lost());
        try (Device device = Device.open(faults.kernel(), ADDRESS)) {
            device.bar(0).writeInt(LIVENESS, 5);
            assertEquals(0, device.bar(0).readInt(LIVENESS));
            device.bar(0).writeInt(LIVENESS, 5);
            assertNotEquals(0, device.bar(0).readInt(LIVENESS));
        }
    }

    @Test
    void randomly_sameSeed_sameEvents() {
        Faults plan = Faults.seeded(3)
                .with(FaultPoint.on(On.EVENTFD), new Occurrence.Randomly(0.5), new Effect.Refusal(Errno.EMFILE));
        assertEquals(eventfds(plan), eventfds(plan));
        assertTrue(eventfds(plan).contains(Errno.EMFILE.negated()));
        assertNotEquals(eventfds(plan), eventfds(new Faults(4, plan.faults())));
    }

    private static List<Integer> eventfds(Faults plan) {
        Kernel kernel = FaultInjection.boot(EmulatedMachine.power8(), plan).kernel();
        return IntStream.range(0, 50)
                .mapToObj(_ -> Math.min(0, kernel.eventfd(0, 0)))
                .toList();
    }

    @Test
    void happened_manyTimes_isBounded() {
        FaultInjection faults = boot(FaultPoint.on(On.EVENTFD), Occurrence.always(), new Effect.Refusal(Errno.EMFILE));
        for (int each = 0; each < 1005; each++) {
            faults.kernel().eventfd(0, 0);
        }
        assertEquals(1001, faults.happened().size());
        assertEquals("and 5 more", faults.happened().getLast());
    }

    @Test
    void around_aKernelThatIsNotEmulated_deviceFaultsAreRefused() {
        Kernel kernel = EmulatedKernel.boot(EmulatedMachine.power8());
        Faults plan = Faults.NONE.with(FaultPoint.on(On.INTERRUPT), Occurrence.nth(1), new Effect.Lost());
        assertTrue(plan.needsEmulatedHost());
        IllegalArgumentException refused =
                assertThrows(IllegalArgumentException.class, () -> new FaultInjection(plan).around(kernel));
        assertEquals(
                "only an emulated host can have the fault {\"on\": \"interrupt\", \"nth\": 1, \"lost\": true}",
                refused.getMessage());
    }

    @Test
    void around_deviceThatIsNotThere_refused() {
        assertThrows(
                IllegalArgumentException.class,
                () -> boot(FaultPoint.on(On.POLL), Occurrence.nth(1), new Effect.Removed(Optional.of("00ff:01:00.0"))));
    }

    @Test
    void kernel_withoutBoot_illegalState() {
        assertThrows(IllegalStateException.class, () -> new FaultInjection(Faults.NONE).kernel());
    }

    @Test
    void refusal_ofAnotherKindOfFile_requestNumbersDoNotCollide() {
        assertEquals(vfio_h.VFIO_IOMMU_MAP_DMA, vfio_h.VFIO_DEVICE_PCI_HOT_RESET);
        FaultInjection faults = boot(
                FaultPoint.ioctl(VfioRequest.VFIO_DEVICE_PCI_HOT_RESET),
                Occurrence.always(),
                new Effect.Refusal(Errno.EIO));
        try (Device device = Device.open(faults.kernel(), ADDRESS)) {
            assertArrayEquals(pattern(), copy(device));
        }
        assertEquals(List.of(), faults.happened());
    }
}
