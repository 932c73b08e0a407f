package org.jvfio;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;
import org.jvfio.VfioException.Kind;
import org.jvfio.emulator.EmulatedMachine;
import org.jvfio.kernel.Errno;
import org.jvfio.uapi.vfio_device_ioeventfd;
import org.jvfio.uapi.vfio_h;
import org.jvfio.uapi.vfio_region_info;

/** BARs that can be mapped: the kernel's description of them is made up, and memory of zeros is behind them. */
class RegionTest {
    private static final PciAddress MESSAGES = PciAddress.parse("0004:01:00.0");
    private static final int BAR_BYTES = 0x4000;
    private static final int LOOPS = 1_000;
    private static final int TABLE = 0x2000;
    private static final int TABLE_BYTES = 16 * MessageDevice.VECTORS;
    private static final int RW = vfio_h.VFIO_REGION_INFO_FLAG_READ | vfio_h.VFIO_REGION_INFO_FLAG_WRITE;
    private static final int RWM = RW | vfio_h.VFIO_REGION_INFO_FLAG_MMAP;
    private static final int CAPS = vfio_h.VFIO_REGION_INFO_FLAG_CAPS;

    private final TestHost host = new TestHost(EmulatedMachine.power8().toBuilder()
            .device(MESSAGES.toString(), 4, MessageDevice::new)
            .build());
    private final Device device = Device.open(host.kernel(), MESSAGES);

    @AfterEach
    void giveBack() {
        host.observed().heal();
        device.close();
        host.assertAllGivenBack();
    }

    /** A BAR as the kernel describes it: flags and, from byte 32 on, capabilities. */
    private Region bar(int flags, Consumer<MemorySegment> capabilities, int capabilityBytes) {
        device.config(); // which is to be described truly
        device.configSpace().capabilities();
        host.observed().mapZeros();
        host.observed().answerRequest(vfio_h.VFIO_DEVICE_GET_REGION_INFO, struct -> {
            long needed = vfio_region_info.sizeof() + capabilityBytes;
            vfio_region_info.flags(struct, flags);
            vfio_region_info.size(struct, BAR_BYTES);
            vfio_region_info.offset(struct, 0);
            vfio_region_info.cap_offset(struct, 0);
            if (vfio_region_info.argsz(struct) < needed) {
                vfio_region_info.argsz(struct, (int) needed);
            } else if (capabilityBytes != 0) {
                vfio_region_info.cap_offset(struct, (int) vfio_region_info.sizeof());
                capabilities.accept(struct.asSlice(vfio_region_info.sizeof()));
            }
            return 0;
        });
        return device.bar(0);
    }

    private static void assertRefused(Kind kind, String reason, Executable call) {
        VfioException e = assertThrows(VfioException.class, call);
        assertEquals(kind, e.kind());
        assertTrue(e.reason().contains(reason), e.getMessage());
    }

    private static void header(MemorySegment at, long offset, int id, int next) {
        at.set(ValueLayout.JAVA_SHORT, offset, (short) id);
        at.set(ValueLayout.JAVA_SHORT, offset + 2, (short) 1);
        at.set(ValueLayout.JAVA_INT, offset + 4, next);
    }

    private static void areas(MemorySegment at, long offset, int next, long... ranges) {
        header(at, offset, vfio_h.VFIO_REGION_INFO_CAP_SPARSE_MMAP, next);
        at.set(ValueLayout.JAVA_INT, offset + 8, ranges.length / 2);
        for (int each = 0; each < ranges.length; each++) {
            at.set(ValueLayout.JAVA_LONG, offset + 16 + 8L * each, ranges[each]);
        }
    }

    private Region whole() {
        return bar(RWM | CAPS, at -> header(at, 0, vfio_h.VFIO_REGION_INFO_CAP_MSIX_MAPPABLE, 0), 8);
    }

    @Test
    void unsafeSegment_regionNotMapped_unsupported() {
        Region bar = device.bar(0);
        assertFalse(bar.isMapped());
        assertTrue(bar.isReadable());
        assertTrue(bar.isWritable());
        assertEquals(List.of(), bar.mappableAreas());
        assertRefused(Kind.UNSUPPORTED, "the region is not mapped", () -> bar.unsafeSegment(0, 4));
    }

    @Test
    void readInt_mappedBar_twoCallsIfAllOnes() {
        Region bar = whole();
        bar.writeInt(0, -1);
        int calls = host.observed().calls();
        assertEquals(0, bar.readInt(4));
        assertEquals(0, host.observed().calls() - calls);
        assertEquals(-1, bar.readInt(0));
        assertEquals(2, host.observed().calls() - calls, "the state of the PE, and of configuration space the class");
        assertEquals(-1, bar.unchecked().readInt(0));
        assertEquals(2, host.observed().calls() - calls);
    }

    @Test
    void access_mappedBar_makesNoSystemCalls() {
        Region bar = whole();
        assertTrue(bar.isMapped());
        assertTrue(bar.isMsixMappable());
        assertEquals(List.of(new RegionArea(0, BAR_BYTES)), bar.mappableAreas());
        int calls = host.observed().calls();
        bar.writeLong(8, 0x0102030405060708L);
        assertEquals(0x0102030405060708L, bar.readLong(8));
        assertEquals(0x05060708, bar.readInt(8));
        assertEquals(0x0304, bar.readShort(12));
        assertEquals(0x01, bar.readByte(15));
        Region big = bar.withOrder(ByteOrder.BIG_ENDIAN);
        assertEquals(0x0807060504030201L, big.readLong(8));
        big.writeInt(16, 0x01020304);
        big.writeShort(20, (short) 0x0506);
        big.writeByte(22, (byte) 7);
        assertEquals(7, bar.readByte(22));
        assertEquals(0x04030201, bar.readInt(16));
        assertEquals(0x0605, bar.readShort(20));
        assertEquals(calls, host.observed().calls(), "system calls");
        assertEquals(0, bar.viaSyscalls().readLong(8), "the device has no such register");
        assertEquals(0x0102030405060708L, bar.unsafeSegment(8, 8).get(ValueLayout.JAVA_LONG, 0));
    }

    @Test
    void batch_mappedBar_eachWidthAndOrder() {
        Region bar = whole();
        int calls = host.observed().calls();
        long result = bar.batch(registers -> {
            registers.writeLong(8, 0x0102030405060708L);
            registers.writeByte(16, (byte) 0xff);
            registers.writeShort(18, (short) 0x8001);
            registers.writeInt(20, 0x80000001);
            registers.fence();
            assertEquals((byte) 0xff, registers.readByte(16));
            assertEquals((short) 0x8001, registers.readShort(18));
            assertEquals(0x80000001, registers.readInt(20));
            return registers.readLong(8);
        });
        assertEquals(0x0102030405060708L, result);
        assertEquals(0x0807060504030201L, bar.withOrder(ByteOrder.BIG_ENDIAN).batch(big -> big.readLong(8)));
        assertEquals(calls, host.observed().calls(), "system calls");
        assertThrows(IllegalArgumentException.class, () -> bar.batch(registers -> registers.readInt(2)));
        assertThrows(IndexOutOfBoundsException.class, () -> bar.batch(registers -> registers.readInt(BAR_BYTES)));
        assertThrows(IndexOutOfBoundsException.class, () -> bar.batch(registers -> registers.readInt(-4)));
        device.close();
        IllegalStateException e =
                assertThrows(IllegalStateException.class, () -> bar.batch(registers -> registers.readInt(0)));
        assertEquals("0004:01:00.0 is closed", e.getMessage());
    }

    @Test
    void batch_partlyOrNotMapped_sameAsRegion() {
        Region bar = whole().unchecked();
        int calls = host.observed().calls();
        // The MSI-X table is not mapped.
        assertEquals(-1, bar.batch(registers -> {
            registers.writeInt(TABLE, 5);
            return registers.readInt(TABLE);
        }));
        assertEquals(calls + 2, host.observed().calls(), "system calls");
        assertEquals(0, bar.viaSyscalls().batch(registers -> {
            registers.writeByte(8, (byte) 1);
            registers.writeShort(8, (short) 1);
            registers.writeInt(8, 1);
            registers.writeLong(8, 1);
            return registers.readByte(8) + registers.readShort(8) + registers.readInt(8) + registers.readLong(8);
        }));
        assertEquals(calls + 10, host.observed().calls(), "system calls");
        device.close();
        assertThrows(IllegalStateException.class, () -> bar.viaSyscalls().batch(registers -> 0));
    }

    @Test
    void access_msixTable_bySystemCalls() {
        Region bar = whole();
        int calls = host.observed().calls();
        bar.readLong(TABLE - 8);
        bar.readInt(TABLE + TABLE_BYTES);
        assertEquals(calls, host.observed().calls(), "system calls");
        assertEquals(-1, bar.unchecked().readInt(TABLE));
        assertEquals(-1L, bar.unchecked().readLong(TABLE + TABLE_BYTES - 8));
        bar.writeInt(TABLE, 5);
        assertEquals(calls + 3, host.observed().calls(), "system calls");
        assertRefused(Kind.UNSUPPORTED, "belongs to the MSI-X table", () -> bar.unsafeSegment(TABLE - 8, 16));
        assertThrows(IndexOutOfBoundsException.class, () -> bar.unsafeSegment(BAR_BYTES - 8, 16));
        assertThrows(IndexOutOfBoundsException.class, () -> bar.unsafeSegment(-8, 4));
        assertThrows(IndexOutOfBoundsException.class, () -> bar.unsafeSegment(0, Long.MAX_VALUE));
        bar.unsafeSegment(TABLE + TABLE_BYTES, BAR_BYTES - TABLE - TABLE_BYTES).fill((byte) 1);
        assertEquals(0x01010101, bar.readInt(BAR_BYTES - 4));
    }

    @Test
    void access_unmappedPart_bySystemCalls() {
        Region bar = bar(RWM | CAPS, at -> areas(at, 0, 0, 0, 0x1000, 0x3000, 0x800), 48);
        assertEquals(List.of(new RegionArea(0, 0x1000), new RegionArea(0x3000, 0x800)), bar.mappableAreas());
        assertFalse(bar.isMsixMappable());
        int calls = host.observed().calls();
        bar.writeInt(0xffc, 1);
        bar.writeInt(0x3000, 2);
        assertEquals(1, bar.readInt(0xffc));
        assertEquals(2, bar.readInt(0x3000));
        assertEquals(calls, host.observed().calls(), "system calls");
        bar.readInt(0x1000);
        bar.readInt(0x3800);
        assertEquals(calls + 2, host.observed().calls(), "system calls");
    }

    @Test
    void bar_unknownRegionCapability_isSkipped() {
        Region bar = bar(
                RWM | CAPS,
                at -> {
                    header(at, 0, 99, 40);
                    areas(at, 8, 0);
                },
                24);
        assertEquals(List.of(), bar.mappableAreas());
        assertFalse(bar.isMapped());
    }

    @Test
    void bar_malformedDescription_kernelRefused() {
        assertRefused(
                Kind.KERNEL_REFUSED,
                "its capabilities do not end",
                () -> bar(RWM | CAPS, at -> header(at, 0, 99, 32), 8));
        assertRefused(
                Kind.KERNEL_REFUSED,
                "a capability is outside",
                () -> bar(RWM | CAPS, at -> header(at, 0, 99, 0x10000), 8));
        assertRefused(
                Kind.KERNEL_REFUSED,
                "a capability is outside",
                () -> bar(
                        RWM | CAPS,
                        at -> {
                            areas(at, 0, 0);
                            at.set(ValueLayout.JAVA_INT, 8, -1);
                        },
                        16));
        assertRefused(
                Kind.KERNEL_REFUSED,
                "0x3000..0x4fff is outside the region",
                () -> bar(RWM | CAPS, at -> areas(at, 0, 0, 0x3000, 0x2000), 32));
        assertRefused(
                Kind.KERNEL_REFUSED, "is outside the region", () -> bar(RWM | CAPS, at -> areas(at, 0, 0, -8, 8), 32));
        assertRefused(
                Kind.KERNEL_REFUSED, "is outside the region", () -> bar(RWM | CAPS, at -> areas(at, 0, 0, 8, -8), 32));
        assertRefused(
                Kind.KERNEL_REFUSED, "not a multiple of 8", () -> bar(RWM | CAPS, at -> header(at, 0, 99, 44), 24));
        assertRefused(Kind.KERNEL_REFUSED, "it has 1048609 bytes", () -> bar(RWM | CAPS, at -> {}, (1 << 20) + 1));
    }

    @Test
    void write_readOnlyRegion_unsupported() {
        Region bar = bar(vfio_h.VFIO_REGION_INFO_FLAG_READ | vfio_h.VFIO_REGION_INFO_FLAG_MMAP, at -> {}, 0);
        assertEquals(0, bar.readInt(0));
        assertRefused(Kind.UNSUPPORTED, "does not allow it", () -> bar.writeInt(0, 1));
        assertRefused(Kind.UNSUPPORTED, "does not allow it", () -> bar.ioEventFd(0, 4, 1));
    }

    @Test
    void bar_mmapFails_einval() {
        whole();
        assertEquals(1, host.observed().calls("mmap"));
        Device again = device.group().openDevice(MESSAGES);
        host.observed().heal();
        again.config();
        again.configSpace().capabilities();
        host.observed().answerRequest(vfio_h.VFIO_DEVICE_GET_REGION_INFO, struct -> {
            vfio_region_info.flags(struct, RWM);
            vfio_region_info.size(struct, BAR_BYTES);
            return 0;
        });
        // The emulated kernel maps no registers.
        VfioException e = assertThrows(VfioException.class, () -> again.bar(1));
        assertEquals(Errno.EINVAL, e.errno().orElseThrow(), e.getMessage());
        assertEquals("map BAR 1 of 0004:01:00.0", e.operation());
    }

    @Test
    void bar_deviceClosed_isUnmapped() {
        Region bar = whole();
        MemorySegment memory = bar.unsafeSegment(0, 8);
        assertEquals(memory, device.bar(0).unsafeSegment(0, 8));
        assertEquals(1, host.observed().calls("mmap"));
        device.close();
        assertFalse(memory.scope().isAlive());
        for (Executable use : List.<Executable>of(
                () -> bar.readInt(0), () -> bar.writeLong(0, 1), () -> bar.unsafeSegment(0, 8), () -> device.bar(0))) {
            IllegalStateException e = assertThrows(IllegalStateException.class, use);
            assertEquals("0004:01:00.0 is closed", e.getMessage());
        }
        assertEquals(0, host.process().host().userMemoryBytes());
    }

    @Test
    void close_threadsAccessBar_illegalState() throws Exception {
        Region bar = whole();
        CountDownLatch working = new CountDownLatch(3);
        try (ExecutorService threads = Executors.newFixedThreadPool(3)) {
            List<Future<String>> ends = new ArrayList<>();
            for (int each = 0; each < 3; each++) {
                ends.add(threads.submit(() -> {
                    bar.readInt(0);
                    working.countDown();
                    while (true) {
                        try {
                            bar.writeInt(0, bar.readInt(0) + 1);
                        } catch (IllegalStateException e) {
                            return String.valueOf(e.getMessage());
                        }
                    }
                }));
            }
            working.await();
            device.close();
            for (Future<String> end : ends) {
                assertEquals("0004:01:00.0 is closed", end.get());
            }
        }
    }

    /** A file that became shorter than its mapping is what a disabled device is: every access is a SIGBUS. */
    @Test
    void read_busError_throwsAtTheAccess(@TempDir Path directory) throws IOException {
        try (Arena arena = Arena.ofShared();
                FileChannel file = FileChannel.open(
                        directory.resolve("bar"),
                        StandardOpenOption.CREATE,
                        StandardOpenOption.READ,
                        StandardOpenOption.WRITE)) {
            host.observed().mapMemory(file.map(FileChannel.MapMode.READ_WRITE, 0, 1 << 16, arena));
            Region bar = whole();
            int failures = 0;
            // The first accesses are interpreted, the others compiled.
            for (int round = 0; round < 30_000; round++) {
                bar.writeInt(0x100, round);
                assertEquals(round, bar.readInt(0x100));
                if (round % 1_000 == 0) {
                    file.truncate(0);
                    failures += failures(bar, Kind.DEVICE_ERROR, "although the device responds");
                    file.write(ByteBuffer.allocate(1), (1 << 16) - 1);
                }
            }
            assertEquals(30 * 4, failures);
            file.truncate(0);
            device.configSpace().disable(PciCommand.MEMORY);
            assertEquals(4, failures(bar, Kind.FROZEN, "memory is disabled"));
            host.observed().answerRequest(vfio_h.VFIO_DEVICE_FEATURE, struct -> 0);
            device.enterLowPower();
            assertEquals(4, failures(bar, Kind.FROZEN, "the device is in a low power state"));
            device.exitLowPower();
            device.enableMemory();
            byte[] config = new byte[4096];
            config[vfio_h.PCI_COMMAND] = vfio_h.PCI_COMMAND_MEMORY;
            config[vfio_h.PCI_STATUS] = vfio_h.PCI_STATUS_CAP_LIST;
            config[vfio_h.PCI_CAPABILITY_LIST] = 0x40;
            config[0x40] = vfio_h.PCI_CAP_ID_PM;
            config[0x44] = 3;
            host.observed().answerConfig(config);
            assertEquals(4, failures(bar, Kind.FROZEN, "the device is in power state D3_HOT"));
            Arrays.fill(config, (byte) -1);
            assertEquals(4, failures(bar, Kind.GONE, "configuration space reads all ones"));
            device.close();
        }
    }

    /** A compiled loop, into which everything that can be is inlined, uses no value of a load that failed. */
    @Test
    void read_busErrorInCompiledLoop_throwsBeforeTheValueIsUsed(@TempDir Path directory) throws IOException {
        try (Arena arena = Arena.ofShared();
                FileChannel file = FileChannel.open(
                        directory.resolve("bar"),
                        StandardOpenOption.CREATE,
                        StandardOpenOption.READ,
                        StandardOpenOption.WRITE)) {
            host.observed().mapMemory(file.map(FileChannel.MapMode.READ_WRITE, 0, 1 << 16, arena));
            Region bar = whole();
            long[] used = new long[2];
            for (int round = 0; round < 100; round++) {
                poll(bar, used);
                assertEquals(LOOPS, batch(bar, used));
                assertEquals(LOOPS, used[0]);
                file.truncate(0);
                assertRefused(Kind.DEVICE_ERROR, "although the device responds", () -> poll(bar, used));
                assertEquals(0, used[0]);
                assertRefused(Kind.DEVICE_ERROR, "although the device responds", () -> batch(bar, used));
                assertRefused(
                        Kind.DEVICE_ERROR,
                        "although the device responds",
                        () -> bar.batch(registers -> {
                            throw new IllegalStateException("no state " + registers.readInt(0x100));
                        }));
                file.write(ByteBuffer.allocate(1), (1 << 16) - 1);
            }
            device.close();
        }
    }

    private static void poll(Region bar, long[] used) {
        used[0] = 0;
        used[1] = 0;
        for (int each = 0; each < LOOPS; each++) {
            used[1] += Integer.toUnsignedLong(bar.readInt(0x100));
            used[0]++;
        }
    }

    private static long batch(Region bar, long[] used) {
        return bar.batch(registers -> {
            used[0] = 0;
            for (int each = 0; each < LOOPS; each++) {
                used[1] += Integer.toUnsignedLong(registers.readInt(0x100)); // see OpaqueAccess.get
                used[0]++;
            }
            return used[0];
        });
    }

    /** The number of failed loads, one of each width. On x86 a store by the interpreter would end the JVM. */
    private static int failures(Region bar, Kind kind, String reason) {
        List<Runnable> accesses = List.of(
                () -> bar.readByte(0x100),
                () -> bar.readShort(0x100),
                () -> bar.readInt(0x100),
                () -> bar.readLong(0x100));
        int failures = 0;
        for (Runnable access : accesses) {
            VfioException e = assertThrows(VfioException.class, access::run);
            assertEquals(kind, e.kind());
            assertTrue(e.reason().contains(reason), e.getMessage());
            failures++;
        }
        return failures;
    }

    @Test
    void ioEventFd_eachOrder_passesTheBytes() {
        Region bar = device.bar(0);
        List<long[]> asked = new ArrayList<>();
        host.observed().answerRequest(vfio_h.VFIO_DEVICE_IOEVENTFD, struct -> {
            asked.add(new long[] {
                vfio_device_ioeventfd.flags(struct),
                vfio_device_ioeventfd.offset(struct),
                vfio_device_ioeventfd.data(struct),
                Math.min(vfio_device_ioeventfd.fd(struct), 0)
            });
            return 0;
        });
        EventFd event = bar.ioEventFd(8, 4, 0xfffffffff0e0d0c0L);
        event.signal();
        event.close();
        bar.withOrder(ByteOrder.BIG_ENDIAN).ioEventFd(0x10, 2, 0x1234).signal();
        bar.withOrder(ByteOrder.BIG_ENDIAN).ioEventFd(0x18, 8, 0x0102030405060708L);
        device.close();
        assertEquals(
                List.of(
                        List.of(4L, 8L, 0xf0e0d0c0L, 0L),
                        List.of(4L, 8L, 0xf0e0d0c0L, -1L),
                        List.of(2L, 0x10L, 0x3412L, 0L),
                        List.of(8L, 0x18L, 0x0807060504030201L, 0L),
                        List.of(2L, 0x10L, 0x3412L, -1L),
                        List.of(8L, 0x18L, 0x0807060504030201L, -1L)),
                asked.stream().map(each -> Arrays.stream(each).boxed().toList()).toList());
        assertThrows(IllegalStateException.class, event::signal);
    }

    @Test
    void ioEventFd_invalidOrRefused_leaksNothing() {
        Region bar = device.bar(0);
        assertThrows(IllegalArgumentException.class, () -> bar.ioEventFd(0, 3, 0));
        assertThrows(IllegalArgumentException.class, () -> bar.ioEventFd(2, 4, 0));
        assertThrows(IndexOutOfBoundsException.class, () -> bar.ioEventFd(BAR_BYTES, 4, 0));
        for (Errno errno : List.of(Errno.EEXIST, Errno.ENOSPC, Errno.EINVAL, Errno.ENOTTY, Errno.EBUSY)) {
            host.observed().answerRequest(vfio_h.VFIO_DEVICE_IOEVENTFD, struct -> errno.negated());
            int descriptors = host.process().openDescriptors();
            VfioException e = assertThrows(VfioException.class, () -> bar.ioEventFd(0, 4, 0));
            assertEquals(errno, e.errno().orElseThrow());
            assertEquals(descriptors, host.process().openDescriptors());
        }
    }
}
