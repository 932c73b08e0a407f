package org.jvfio.observe.sanitize;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.locks.ReentrantLock;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.jvfio.Container;
import org.jvfio.Device;
import org.jvfio.DmaDirection;
import org.jvfio.DmaMapping;
import org.jvfio.DmaMemory;
import org.jvfio.InterruptType;
import org.jvfio.Interrupts;
import org.jvfio.PciAddress;
import org.jvfio.VfioException;
import org.jvfio.WindowRequest;
import org.jvfio.driver.edu.EduDevice;
import org.jvfio.emulator.EmulatedMachine;
import org.jvfio.emulator.HazardPolicy;
import org.jvfio.emulator.HostHazard;
import org.jvfio.kernel.Kernel;
import org.jvfio.observe.sanitize.Finding.Kind;
import org.jvfio.uapi.vfio_h;

/** For each kind of finding, a driver that makes the mistake, and one that does it right. */
@Timeout(60)
class SanitizerTest {
    private static final PciAddress EDU = PciAddress.parse("0000:01:00.0");
    private static final PciAddress NVME = PciAddress.parse("0002:01:00.0");
    private static final Duration LONG = Duration.ofSeconds(30);
    private static final int IRQ_RAISE = 0x60;
    private static final int IRQ_ACKNOWLEDGE = 0x64;

    private final Sanitizer sanitizer = Sanitizer.boot(EmulatedMachine.power8());
    private final Kernel kernel = sanitizer.kernel();

    /** The only finding of a kind; its first place is in this class. */
    private Finding only(Kind kind) {
        List<Finding> found = sanitizer.finish().stream()
                .filter(finding -> finding.kind() == kind)
                .toList();
        assertEquals(1, found.size(), () -> "all findings: " + sanitizer.finish());
        Finding finding = found.getFirst();
        assertFalse(finding.sites().isEmpty(), finding::toString);
        assertEquals(
                SanitizerTest.class.getName(),
                finding.sites().getFirst().frames().getFirst().getClassName(),
                finding::toString);
        return finding;
    }

    private static void assertHas(String part, Finding finding) {
        assertTrue(finding.text().contains(part), finding::toString);
    }

    @Test
    void run_driverThatDoesAllRight_clean() throws InterruptedException {
        try (Device device = Device.open(kernel, EDU);
                DmaMemory memory = device.container().allocate(1 << 16);
                Interrupts interrupts = device.enableInterrupts(InterruptType.MSI, 1)) {
            DmaMapping mapping = device.container().defaultWindow().map(memory, DmaDirection.BIDIRECTIONAL);
            device.enableBusMastering();
            device.bar(0).writeInt(IRQ_RAISE, 1);
            assertTrue(interrupts.await(0, LONG));
            EduDevice edu = EduDevice.of(device);
            memory.range(0, 64).giveToDevice(DmaDirection.TO_DEVICE);
            edu.readMemory(mapping.iova(), 0, 64, LONG);
            memory.range(0, 64).takeFromDevice();
            memory.range(4096, 64).giveToDevice(DmaDirection.FROM_DEVICE);
            edu.writeMemory(mapping.iova() + 4096, 0, 64, LONG);
            memory.range(4096, 64).takeFromDevice();
        }
        sanitizer.requireClean();
        assertEquals(List.of(), sanitizer.finish());
    }

    @Test
    void exit_deviceNotClosed_openWithItsContainerAndGroup() {
        Device.open(kernel, EDU);
        List<Finding> found = sanitizer.finish();
        List<String> open = found.stream()
                .filter(finding -> finding.kind() == Kind.LEFT_OPEN)
                .map(finding -> finding.text().replaceFirst("descriptor [0-9]+, ", ""))
                .toList();
        assertTrue(
                open.containsAll(List.of("/dev/vfio/vfio, is open", "/dev/vfio/0, is open", EDU + ", is open")),
                open.toString());
        found.forEach(finding -> assertEquals(
                "exit_deviceNotClosed_openWithItsContainerAndGroup",
                finding.sites().getFirst().frames().getFirst().getMethodName(),
                finding::toString));
    }

    @Test
    void requireClean_leftOpen_errorWithThePlace() {
        kernel.eventfd(0, vfio_h.EFD_NONBLOCK);
        AssertionError error = assertThrows(AssertionError.class, sanitizer::requireClean);
        String text = String.valueOf(error.getMessage());
        assertTrue(text.startsWith("the sanitizer has 1 finding:"), text);
        assertTrue(text.contains("LEFT_OPEN: descriptor 3, an eventfd, is open"), text);
        assertTrue(text.contains("SanitizerTest.requireClean_leftOpen_errorWithThePlace"), text);
        sanitizer.requireClean(Kind.LEFT_OPEN);
    }

    @Test
    void exit_mappingRegistrationAndMemoryNotClosed_left() {
        Device device = Device.open(kernel, EDU);
        DmaMemory memory = device.container().allocate(1 << 16);
        DmaMapping mapping = device.container().defaultWindow().map(memory, DmaDirection.TO_DEVICE);
        assertHas("0x10000 bytes at IOVA 0x%x are mapped".formatted(mapping.iova()), only(Kind.LEFT_MAPPED));
        assertHas("0x10000 bytes at 0x%x are registered".formatted(memory.address()), only(Kind.LEFT_REGISTERED));
        assertHas(
                "0x10000 bytes of memory at 0x%x are not freed".formatted(memory.address()), only(Kind.LEFT_ALLOCATED));
    }

    @Test
    void unmap_partOfAMapping_theRestIsLeft() {
        Device device = Device.open(kernel, EDU);
        DmaMemory memory = device.container().allocate(3 << 16);
        DmaMapping mapping = device.container().defaultWindow().map(memory, DmaDirection.TO_DEVICE);
        mapping.unmapRange(1 << 16, 1 << 16);
        List<String> left = sanitizer.finish().stream()
                .filter(finding -> finding.kind() == Kind.LEFT_MAPPED)
                .map(Finding::text)
                .toList();
        assertEquals(
                List.of(
                        "0x10000 bytes at IOVA 0x%x are mapped".formatted(mapping.iova()),
                        "0x10000 bytes at IOVA 0x%x are mapped".formatted(mapping.iova() + (2 << 16))),
                left);
    }

    @Test
    void exit_windowNotRemoved_left() {
        Device device = Device.open(kernel, EDU);
        Container container = device.container();
        container.apply(container.planWindow(WindowRequest.of(1 << 30).dmaMaskBits(64)));
        assertHas("the window at IOVA 0x", only(Kind.LEFT_WINDOW));
    }

    @Test
    void call_thatHarmsTheHost_hazard() {
        try (Device device = Device.open(kernel, EDU);
                Arena arena = Arena.ofConfined()) {
            device.enableBusMastering();
            MemorySegment one = arena.allocate(1);
            int fd = findDevice();
            assertThrows(HostHazard.class, () -> kernel.pread(fd, one, 0));
        }
        assertHas("pread of 1 bytes at 0x0 of BAR 0 of 0000:01:00.0", only(Kind.HAZARD));
    }

    /** The descriptor of the edu device. */
    private int findDevice() {
        return IntStream.range(0, 100)
                .filter(fd -> sanitizer.isDevice(fd))
                .findFirst()
                .orElseThrow();
    }

    @Test
    void register_nothing_hazardThatLinuxExecutes() {
        Sanitizer asLinux = Sanitizer.boot(EmulatedMachine.power8().toBuilder()
                .hazards(HazardPolicy.AS_LINUX)
                .build());
        try (Device device = Device.open(asLinux.kernel(), EDU);
                Arena arena = Arena.ofConfined()) {
            int container = IntStream.range(0, 100)
                    .filter(fd -> asLinux.kernel().ioctl(fd, vfio_h.VFIO_CHECK_EXTENSION, 7L) == 1)
                    .findFirst()
                    .orElseThrow();
            MemorySegment struct = arena.allocate(24);
            struct.set(ValueLayout.JAVA_INT, 0, 24);
            asLinux.kernel().ioctl(container, vfio_h.VFIO_IOMMU_SPAPR_REGISTER_MEMORY, struct);
            device.container();
        }
        assertTrue(
                asLinux.finish().stream()
                        .anyMatch(finding ->
                                finding.kind() == Kind.HAZARD && finding.text().startsWith("REGISTER_NOTHING: ")),
                () -> asLinux.finish().toString());
    }

    @Test
    void dma_afterUnmap_stale() {
        try (Device device = Device.open(kernel, EDU);
                DmaMemory memory = device.container().allocate(1 << 16)) {
            DmaMapping mapping = device.container().defaultWindow().map(memory, DmaDirection.BIDIRECTIONAL);
            device.enableBusMastering();
            EduDevice edu = EduDevice.of(device);
            mapping.close();
            assertThrows(VfioException.class, () -> edu.writeMemory(mapping.iova(), 0, 64, LONG));
        }
        Finding stale = sanitizer.finish().getFirst();
        assertEquals(Kind.STALE_DMA, stale.kind());
        assertHas("0000:01:00.0 wrote 64 bytes to 0x", stale);
        assertHas(", which was unmapped before", stale);
        assertEquals("unmapped", stale.sites().getLast().what());
        assertEquals(
                "dma_afterUnmap_stale",
                stale.sites().getLast().frames().getFirst().getMethodName());
        assertEquals(1, sanitizer.finish().size(), () -> sanitizer.finish().toString());
    }

    @Test
    void dma_withoutAMapping_unmapped() {
        try (Device device = Device.open(kernel, EDU);
                DmaMemory memory = device.container().allocate(1 << 16)) {
            device.container().defaultWindow().map(memory, DmaDirection.BIDIRECTIONAL);
            device.enableBusMastering();
            EduDevice edu = EduDevice.of(device);
            assertThrows(VfioException.class, () -> edu.writeMemory(0x7000000, 0, 64, LONG));
        }
        assertEquals(
                List.of(Kind.UNMAPPED_DMA),
                sanitizer.finish().stream().map(Finding::kind).toList());
    }

    @Test
    void dma_inTheWrongDirection_unmapped() {
        try (Device device = Device.open(kernel, EDU);
                DmaMemory memory = device.container().allocate(1 << 16)) {
            DmaMapping mapping = device.container().defaultWindow().map(memory, DmaDirection.TO_DEVICE);
            device.enableBusMastering();
            EduDevice edu = EduDevice.of(device);
            assertThrows(VfioException.class, () -> edu.writeMemory(mapping.iova(), 0, 64, LONG));
        }
        assertHas(
                "which is mapped for the other direction only",
                sanitizer.finish().getFirst());
        assertEquals(Kind.UNMAPPED_DMA, sanitizer.finish().getFirst().kind());
    }

    /** Runs with memory that is mapped both ways, and an edu device that may do DMA. */
    private void withEdu(Transfers transfers) {
        try (Device device = Device.open(kernel, EDU);
                DmaMemory memory = device.container().allocate(1 << 16)) {
            DmaMapping mapping = device.container().defaultWindow().map(memory, DmaDirection.BIDIRECTIONAL);
            device.enableBusMastering();
            transfers.run(memory, EduDevice.of(device), mapping.iova());
        }
    }

    private interface Transfers {
        void run(DmaMemory memory, EduDevice edu, long iova);
    }

    @Test
    void dma_besideTheBufferInItsPage_outside() {
        withEdu((memory, edu, iova) -> {
            memory.range(0, 64).giveToDevice(DmaDirection.FROM_DEVICE);
            edu.writeMemory(iova, 0, 65, LONG);
            memory.range(0, 64).takeFromDevice();
        });
        Finding outside = sanitizer.finish().getFirst();
        assertEquals(Kind.DMA_OUTSIDE_BUFFER, outside.kind());
        assertHas("which is mapped, but in no part that the driver gave to it", outside);
        assertEquals(1, sanitizer.finish().size(), () -> sanitizer.finish().toString());
    }

    @Test
    void dma_inTheOtherDirectionThanGiven_outside() {
        withEdu((memory, edu, iova) -> {
            memory.range(0, 64).giveToDevice(DmaDirection.TO_DEVICE);
            edu.writeMemory(iova, 0, 64, LONG);
        });
        assertHas(
                "which the driver gave to it for the other direction",
                sanitizer.finish().getFirst());
        assertEquals(Kind.DMA_OUTSIDE_BUFFER, sanitizer.finish().getFirst().kind());
    }

    @Test
    void dma_afterTheBufferWasTakenBack_outside() {
        withEdu((memory, edu, iova) -> {
            memory.range(0, 64).giveToDevice(DmaDirection.TO_DEVICE);
            edu.readMemory(iova, 0, 64, LONG);
            memory.range(0, 64).takeFromDevice();
            edu.readMemory(iova, 0, 64, LONG);
        });
        assertHas("which the program has taken back", sanitizer.finish().getFirst());
    }

    @Test
    void dma_toTheHalfThatWasTakenBack_outside() {
        withEdu((memory, edu, iova) -> {
            memory.range(0, 128).giveToDevice(DmaDirection.FROM_DEVICE);
            edu.writeMemory(iova, 0, 128, LONG);
            memory.range(0, 64).takeFromDevice();
            edu.writeMemory(iova + 64, 0, 64, LONG);
            edu.writeMemory(iova, 0, 64, LONG);
            memory.range(64, 64).takeFromDevice();
        });
        Finding outside = sanitizer.finish().getFirst();
        assertEquals(Kind.DMA_OUTSIDE_BUFFER, outside.kind());
        assertHas("which the program has taken back", outside);
        assertEquals(1, sanitizer.finish().size(), () -> sanitizer.finish().toString());
    }

    /** There memory is mapped without being registered. */
    @Test
    void versionOneOfTheIommu_bufferGivenAndTakenBack_clean() {
        Sanitizer old = Sanitizer.boot(EmulatedMachine.power7());
        try (Device device = Device.open(old.kernel(), EDU);
                DmaMemory memory = device.container().allocate(1 << 16)) {
            DmaMapping mapping = device.container().defaultWindow().map(memory, DmaDirection.BIDIRECTIONAL);
            device.enableBusMastering();
            memory.range(0, 64).giveToDevice(DmaDirection.FROM_DEVICE);
            EduDevice.of(device).writeMemory(mapping.iova(), 0, 64, LONG);
            memory.range(0, 64).takeFromDevice();
        }
        old.requireClean();
    }

    @Test
    void dma_toSharedMemory_clean() {
        withEdu((memory, edu, iova) -> {
            memory.range(0, 4096).shareWithDevice();
            memory.segment().setString(0, "queue");
            edu.readMemory(iova, 0, 64, LONG);
            edu.writeMemory(iova + 64, 0, 64, LONG);
        });
        sanitizer.requireClean();
    }

    @Test
    void read_bufferTakenBackBeforeTheDeviceWroteIt_neverWritten() {
        withEdu((memory, edu, iova) -> {
            memory.range(0, 128).giveToDevice(DmaDirection.FROM_DEVICE);
            edu.writeMemory(iova, 0, 100, LONG);
            memory.range(0, 128).takeFromDevice();
        });
        assertHas("the device has not written 28 of 128 bytes, the first at offset 0x64", only(Kind.NEVER_WRITTEN));
    }

    @ParameterizedTest
    @EnumSource(DmaDirection.class)
    void write_whileTheDeviceOwnsIt_writtenWhileOwned(DmaDirection direction) {
        withEdu((memory, edu, iova) -> {
            memory.range(0, 64).giveToDevice(direction);
            memory.segment().set(ValueLayout.JAVA_BYTE, 5, (byte) 77);
            if (direction == DmaDirection.TO_DEVICE) {
                edu.readMemory(iova, 0, 64, LONG);
            } else {
                edu.writeMemory(iova, 0, 64, LONG);
                memory.segment().set(ValueLayout.JAVA_BYTE, 5, (byte) 77);
            }
            memory.range(0, 64).takeFromDevice();
        });
        assertHas("the program wrote the byte at offset 0x5 of 0x40 bytes", only(Kind.WRITTEN_WHILE_OWNED));
    }

    @Test
    void access_reservedRegisters_reported() {
        try (Device device = Device.open(kernel, EDU)) {
            device.bar(0).readInt(0);
            device.bar(0).readInt(0x10);
        }
        assertHas("read of 4 bytes at 0x10 of BAR 0 of 0000:01:00.0", only(Kind.RESERVED_REGISTER));
    }

    @ParameterizedTest
    @CsvSource({"0x18, 4", "0x6c, 4", "0x20, 8", "0x1c, 2", "0x1000, 8", "0x1208, 4", "0x100, 4"})
    void access_nvmeRegisterOfTheWrongWidthOrReserved_reported(int offset, int width) {
        try (Device device = Device.open(kernel, NVME)) {
            device.bar(0).readLong(0);
            device.bar(0).readInt(0x1c);
            switch (width) {
                case 2 -> device.bar(0).readShort(offset);
                case 4 -> device.bar(0).readInt(offset);
                default -> device.bar(0).readLong(offset);
            }
        }
        assertHas("read of %d bytes at 0x%x of BAR 0".formatted(width, offset), only(Kind.RESERVED_REGISTER));
    }

    @Test
    void message_thatNobodyReads_unacknowledged() throws InterruptedException {
        try (Arena arena = Arena.ofConfined();
                Device device = Device.open(kernel, EDU)) {
            device.enableBusMastering();
            int eventfd = kernel.eventfd(0, vfio_h.EFD_NONBLOCK);
            setEventfd(arena, vfio_h.VFIO_PCI_MSI_IRQ_INDEX, eventfd);
            device.bar(0).writeInt(IRQ_RAISE, 1);
            Thread.sleep(InterruptUse.GRACE_MILLIS + 100);
            kernel.close(eventfd);
        }
        assertHas(
                "vector 0 of index 1 of 0000:01:00.0 was signalled 1 times, and its eventfd not read after that",
                only(Kind.UNACKNOWLEDGED_INTERRUPT));
    }

    private void setEventfd(Arena arena, int index, int eventfd) {
        MemorySegment set = arena.allocate(24, 4);
        set.set(ValueLayout.JAVA_INT, 0, 24);
        set.set(ValueLayout.JAVA_INT, 4, vfio_h.VFIO_IRQ_SET_DATA_EVENTFD | vfio_h.VFIO_IRQ_SET_ACTION_TRIGGER);
        set.set(ValueLayout.JAVA_INT, 8, index);
        set.set(ValueLayout.JAVA_INT, 16, 1);
        set.set(ValueLayout.JAVA_INT, 20, eventfd);
        assertEquals(0, kernel.ioctl(findDevice(), vfio_h.VFIO_DEVICE_SET_IRQS, set));
    }

    @Test
    void intx_staysAsserted_unacknowledged() throws InterruptedException {
        try (Device device = Device.open(kernel, EDU);
                Interrupts interrupts = device.enableInterrupts(InterruptType.INTX, 1)) {
            device.bar(0).writeInt(IRQ_RAISE, 1);
            assertTrue(interrupts.await(0, LONG));
            Thread.sleep(InterruptUse.GRACE_MILLIS + 100);
        }
        assertHas("0000:01:00.0 still asserts INTx", only(Kind.UNACKNOWLEDGED_INTERRUPT));
    }

    @Test
    void intx_acknowledged_clean() throws InterruptedException {
        try (Device device = Device.open(kernel, EDU);
                Interrupts interrupts = device.enableInterrupts(InterruptType.INTX, 1)) {
            device.bar(0).writeInt(IRQ_RAISE, 1);
            assertTrue(interrupts.await(0, LONG));
            device.bar(0).writeInt(IRQ_ACKNOWLEDGE, 1);
            interrupts.unmask();
            Thread.sleep(InterruptUse.GRACE_MILLIS + 100);
        }
        sanitizer.requireClean();
    }

    @Test
    void poll_withALockHeld_reported() {
        ReentrantLock lock = new ReentrantLock();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment none = arena.allocate(8);
            none.set(ValueLayout.JAVA_INT, 0, -1);
            kernel.poll(none, 1);
            lock.lock();
            try {
                kernel.poll(none, 0);
                kernel.poll(none, 1);
            } finally {
                lock.unlock();
            }
        }
        assertHas(
                "a poll with a timeout was made while holding a java.util.concurrent.locks.ReentrantLock",
                only(Kind.LOCK_HELD));
    }

    @Test
    void poll_withALockHeldAtOnePlaceInManyRuns_reportedInEach() {
        ReentrantLock lock = new ReentrantLock();
        lock.lock();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment none = arena.allocate(8);
            none.set(ValueLayout.JAVA_INT, 0, -1);
            for (int run = 1; run <= 6; run++) {
                Sanitizer each = Sanitizer.boot(EmulatedMachine.power8());
                each.kernel().poll(none, 1);
                assertEquals(1, each.finish().size(), "run " + run);
            }
        } finally {
            lock.unlock();
        }
    }

    @Test
    void read_blocksWithAMonitorHeld_reported() {
        int eventfd = kernel.eventfd(1, 0);
        try (Arena arena = Arena.ofConfined()) {
            synchronized (this) {
                kernel.read(eventfd, arena.allocate(8));
            }
        }
        kernel.close(eventfd);
        assertHas(
                "a read that blocks was made while holding the monitor of a " + SanitizerTest.class.getName(),
                only(Kind.LOCK_HELD));
    }

    @Test
    void run_sameMistakeAtTheSamePlace_counted() {
        try (Device device = Device.open(kernel, EDU)) {
            for (int each = 0; each < 3; each++) {
                device.bar(0).readInt(0x10);
            }
        }
        assertEquals(3, only(Kind.RESERVED_REGISTER).times());
    }

    @Test
    void around_twice_illegalState() {
        assertThrows(IllegalStateException.class, () -> sanitizer.around(kernel, sanitizer.host()));
        assertThrows(IllegalStateException.class, () -> new Sanitizer().kernel());
        assertThrows(IllegalStateException.class, () -> new Sanitizer().host());
    }
}
