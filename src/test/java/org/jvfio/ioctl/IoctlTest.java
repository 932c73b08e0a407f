package org.jvfio.ioctl;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.jvfio.uapi.vfio_h;

/** What each call passes to the kernel, byte by byte as ppc64le has it, and how it is printed. */
class IoctlTest {
    private static final Arena ARENA = Arena.ofAuto();
    private static final int RESULT = 4711;

    private final Arena arena = Arena.ofConfined();

    @AfterEach
    void free() {
        arena.close();
    }

    /** Keeps what it was passed. */
    private static final class Target implements IoctlFile {
        private int request;
        private long argument;
        private String struct = "";

        @Override
        public int ioctl(int number, long value) {
            request = number;
            argument = value;
            return RESULT;
        }

        @Override
        public int ioctl(int number, MemorySegment segment) {
            request = number;
            struct = HexFormat.of().formatHex(segment.toArray(ValueLayout.JAVA_BYTE));
            return RESULT;
        }
    }

    private static Stream<Arguments> structs() {
        return Stream.of(
                Arguments.of(
                        TceCreate.of(ARENA, 16, 0x40000000, 1),
                        vfio_h.VFIO_IOMMU_SPAPR_TCE_CREATE,
                        "28000000 00000000 10000000 00000000 0000004000000000 01000000 00000000 0000000000000000",
                        "VFIO_IOMMU_SPAPR_TCE_CREATE(page_shift 16, window_size 0x40000000, levels 1)"),
                Arguments.of(
                        TceRemove.of(ARENA, 1L << 59),
                        vfio_h.VFIO_IOMMU_SPAPR_TCE_REMOVE,
                        "10000000 00000000 0000000000000008",
                        "VFIO_IOMMU_SPAPR_TCE_REMOVE(start_addr 0x800000000000000)"),
                Arguments.of(
                        RegisterMemory.of(ARENA, 0x7f0000010000L, 0x20000),
                        vfio_h.VFIO_IOMMU_SPAPR_REGISTER_MEMORY,
                        "18000000 00000000 0000 0100 007f 0000 0000020000000000",
                        "VFIO_IOMMU_SPAPR_REGISTER_MEMORY(vaddr 0x7f0000010000, size 0x20000)"),
                Arguments.of(
                        UnregisterMemory.of(ARENA, 0x10000, 0x20000),
                        vfio_h.VFIO_IOMMU_SPAPR_UNREGISTER_MEMORY,
                        "18000000 00000000 0000010000000000 0000020000000000",
                        "VFIO_IOMMU_SPAPR_UNREGISTER_MEMORY(vaddr 0x10000, size 0x20000)"),
                Arguments.of(
                        MapDma.of(ARENA, 3, 0x10000, 0x800000000000000L, 0x2000),
                        vfio_h.VFIO_IOMMU_MAP_DMA,
                        "20000000 03000000 0000010000000000 0000000000000008 0020000000000000",
                        "VFIO_IOMMU_MAP_DMA(flags READ | WRITE, vaddr 0x10000, iova 0x800000000000000, size 0x2000)"),
                Arguments.of(
                        UnmapDma.of(ARENA, 0x1000, 0x2000),
                        vfio_h.VFIO_IOMMU_UNMAP_DMA,
                        "18000000 00000000 0010000000000000 0020000000000000",
                        "VFIO_IOMMU_UNMAP_DMA(iova 0x1000, size 0x2000)"),
                Arguments.of(
                        GetTceInfo.of(ARENA),
                        vfio_h.VFIO_IOMMU_SPAPR_TCE_GET_INFO,
                        "20000000 00000000 00000000 00000000 0000000000000000 00000000 00000000",
                        "VFIO_IOMMU_SPAPR_TCE_GET_INFO"),
                Arguments.of(
                        EehPeOp.of(ARENA, vfio_h.VFIO_EEH_PE_RESET_HOT),
                        vfio_h.VFIO_EEH_PE_OP,
                        "28000000 00000000 06000000 00000000 0000000000000000 0000000000000000 0000000000000000",
                        "VFIO_EEH_PE_OP(VFIO_EEH_PE_RESET_HOT)"),
                Arguments.of(
                        EehPeOp.of(ARENA, vfio_h.VFIO_EEH_PE_INJECT_ERR).error(1, 2, 0x30, 0x40),
                        vfio_h.VFIO_EEH_PE_OP,
                        "28000000 00000000 09000000 00000000 01000000 02000000 3000000000000000 4000000000000000",
                        "VFIO_EEH_PE_OP(VFIO_EEH_PE_INJECT_ERR, type 1, func 2, addr 0x30, mask 0x40)"),
                Arguments.of(
                        EehPeOp.of(ARENA, 99).flags(1),
                        vfio_h.VFIO_EEH_PE_OP,
                        "28000000 01000000 63000000 00000000 0000000000000000 0000000000000000 0000000000000000",
                        "VFIO_EEH_PE_OP(op 99, flags 0x1)"),
                Arguments.of(
                        GetGroupStatus.of(ARENA),
                        vfio_h.VFIO_GROUP_GET_STATUS,
                        "08000000 00000000",
                        "VFIO_GROUP_GET_STATUS"),
                Arguments.of(
                        SetContainer.of(ARENA, 5),
                        vfio_h.VFIO_GROUP_SET_CONTAINER,
                        "05000000",
                        "VFIO_GROUP_SET_CONTAINER(fd 5)"),
                Arguments.of(
                        GetDeviceFd.of(ARENA, "01:0 vf_token=1"),
                        vfio_h.VFIO_GROUP_GET_DEVICE_FD,
                        "30313a302076665f746f6b656e3d3100",
                        "VFIO_GROUP_GET_DEVICE_FD(01:0)"),
                Arguments.of(
                        GetDeviceInfo.of(ARENA),
                        vfio_h.VFIO_DEVICE_GET_INFO,
                        "18000000 00000000 00000000 00000000 00000000 00000000",
                        "VFIO_DEVICE_GET_INFO"),
                Arguments.of(
                        GetRegionInfo.of(ARENA, 7, 40),
                        vfio_h.VFIO_DEVICE_GET_REGION_INFO,
                        "28000000 00000000 07000000 00000000 0000000000000000 0000000000000000 0000000000000000",
                        "VFIO_DEVICE_GET_REGION_INFO(index 7)"),
                Arguments.of(
                        GetIrqInfo.of(ARENA, 2),
                        vfio_h.VFIO_DEVICE_GET_IRQ_INFO,
                        "10000000 00000000 02000000 00000000",
                        "VFIO_DEVICE_GET_IRQ_INFO(index 2)"),
                Arguments.of(
                        SetIrqs.of(
                                ARENA,
                                vfio_h.VFIO_IRQ_SET_ACTION_TRIGGER | vfio_h.VFIO_IRQ_SET_DATA_EVENTFD,
                                2,
                                1,
                                2,
                                7,
                                -1),
                        vfio_h.VFIO_DEVICE_SET_IRQS,
                        "1c000000 24000000 02000000 01000000 02000000 07000000 ffffffff",
                        "VFIO_DEVICE_SET_IRQS(index 2, TRIGGER EVENTFD, start 1, count 2)"),
                Arguments.of(
                        SetIrqs.ofBools(
                                ARENA, vfio_h.VFIO_IRQ_SET_ACTION_MASK | vfio_h.VFIO_IRQ_SET_DATA_BOOL, 0, 0, 1, (byte)
                                        1),
                        vfio_h.VFIO_DEVICE_SET_IRQS,
                        "15000000 0a000000 00000000 00000000 01000000 01",
                        "VFIO_DEVICE_SET_IRQS(index 0, MASK BOOL, start 0, count 1)"),
                Arguments.of(
                        SetIrqs.of(ARENA, 0x40, 0, 0, 0),
                        vfio_h.VFIO_DEVICE_SET_IRQS,
                        "14000000 40000000 00000000 00000000 00000000",
                        "VFIO_DEVICE_SET_IRQS(index 0, flags 0x40, start 0, count 0)"),
                Arguments.of(
                        GetHotResetInfo.of(ARENA, 1),
                        vfio_h.VFIO_DEVICE_GET_PCI_HOT_RESET_INFO,
                        "14000000 00000000 00000000 0000000000000000",
                        "VFIO_DEVICE_GET_PCI_HOT_RESET_INFO"),
                Arguments.of(
                        PciHotReset.of(ARENA, 4, 5),
                        vfio_h.VFIO_DEVICE_PCI_HOT_RESET,
                        "14000000 00000000 02000000 04000000 05000000",
                        "VFIO_DEVICE_PCI_HOT_RESET(count 2)"),
                Arguments.of(
                        IoEventFd.of(ARENA, 4, 0x1000, 0x20, -1),
                        vfio_h.VFIO_DEVICE_IOEVENTFD,
                        "20000000 04000000 0010000000000000 2000000000000000 ffffffff 00000000",
                        "VFIO_DEVICE_IOEVENTFD(4 bytes at 0x1000, data 0x20)"),
                Arguments.of(
                        Feature.ofWakeup(
                                ARENA,
                                vfio_h.VFIO_DEVICE_FEATURE_SET | vfio_h.VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP,
                                9),
                        vfio_h.VFIO_DEVICE_FEATURE,
                        "10000000 04000200 09000000 00000000",
                        "VFIO_DEVICE_FEATURE(SET, feature 4)"),
                Arguments.of(
                        Feature.of(
                                ARENA,
                                vfio_h.VFIO_DEVICE_FEATURE_PROBE | vfio_h.VFIO_DEVICE_FEATURE_GET,
                                MemorySegment.NULL),
                        vfio_h.VFIO_DEVICE_FEATURE,
                        "08000000 00000500",
                        "VFIO_DEVICE_FEATURE(PROBE | GET, feature 0)"));
    }

    @ParameterizedTest
    @MethodSource("structs")
    void call_struct_passesItsBytesAndPrintsThem(Ioctl call, int request, String bytes, String text) {
        Target target = new Target();
        assertEquals(RESULT, call.call(target));
        assertEquals(request, target.request);
        assertEquals(request, call.request());
        assertEquals(bytes.replace(" ", ""), target.struct);
        assertEquals(text, call.toString());
    }

    private static Stream<Arguments> values() {
        return Stream.of(
                Arguments.of(ValueIoctl.getApiVersion(), vfio_h.VFIO_GET_API_VERSION, 0, "VFIO_GET_API_VERSION"),
                Arguments.of(
                        ValueIoctl.checkExtension(vfio_h.VFIO_EEH),
                        vfio_h.VFIO_CHECK_EXTENSION,
                        5,
                        "VFIO_CHECK_EXTENSION(VFIO_EEH)"),
                Arguments.of(
                        ValueIoctl.setIommu(vfio_h.VFIO_SPAPR_TCE_v2_IOMMU),
                        vfio_h.VFIO_SET_IOMMU,
                        7,
                        "VFIO_SET_IOMMU(VFIO_SPAPR_TCE_v2_IOMMU)"),
                Arguments.of(
                        ValueIoctl.setIommu(vfio_h.VFIO_SPAPR_TCE_IOMMU),
                        vfio_h.VFIO_SET_IOMMU,
                        2,
                        "VFIO_SET_IOMMU(VFIO_SPAPR_TCE_IOMMU)"),
                Arguments.of(ValueIoctl.setIommu(99), vfio_h.VFIO_SET_IOMMU, 99, "VFIO_SET_IOMMU(99)"),
                Arguments.of(ValueIoctl.enable(), vfio_h.VFIO_IOMMU_ENABLE, 0, "VFIO_IOMMU_ENABLE"),
                Arguments.of(ValueIoctl.disable(), vfio_h.VFIO_IOMMU_DISABLE, 0, "VFIO_IOMMU_DISABLE"),
                Arguments.of(
                        ValueIoctl.unsetContainer(),
                        vfio_h.VFIO_GROUP_UNSET_CONTAINER,
                        0,
                        "VFIO_GROUP_UNSET_CONTAINER"),
                Arguments.of(ValueIoctl.reset(), vfio_h.VFIO_DEVICE_RESET, 0, "VFIO_DEVICE_RESET"),
                Arguments.of(
                        new ValueIoctl("VFIO_DEVICE_RESET", vfio_h.VFIO_DEVICE_RESET, 0x10),
                        vfio_h.VFIO_DEVICE_RESET,
                        0x10,
                        "VFIO_DEVICE_RESET(argument 0x10)"));
    }

    @ParameterizedTest
    @MethodSource("values")
    void call_value_passesItAndPrintsIt(Ioctl call, int request, long argument, String text) {
        Target target = new Target();
        assertEquals(RESULT, call.call(target));
        assertEquals(request, target.request);
        assertEquals(argument, target.argument);
        assertEquals(text, call.toString());
    }

    @Test
    void toString_unusualArgszAndFlags_printsThem() {
        assertEquals(
                "VFIO_IOMMU_SPAPR_TCE_REMOVE(start_addr 0x0, argsz 4, flags 0x80000000)",
                TceRemove.of(arena, 0).argsz(4).flags(1 << 31).toString());
        assertEquals(
                "VFIO_IOMMU_SPAPR_UNREGISTER_MEMORY(vaddr 0x1, size 0x2, argsz 4294967295, flags 0x1)",
                UnregisterMemory.of(arena, 1, 2).argsz(-1).flags(1).toString());
        assertEquals(
                "VFIO_DEVICE_PCI_HOT_RESET(count 9, argsz 12, flags 0x1)",
                PciHotReset.of(arena, 4).count(9).argsz(12).flags(1).toString());
        assertEquals(
                "VFIO_DEVICE_GET_PCI_HOT_RESET_INFO(argsz 2)",
                GetHotResetInfo.of(arena, 0).argsz(2).flags(1).toString());
        assertEquals(
                "VFIO_GROUP_GET_STATUS(argsz 2)",
                GetGroupStatus.of(arena).argsz(2).toString());
    }

    @Test
    void fill_usedStruct_leavesNothingOfTheLastCall() {
        MemorySegment struct = arena.allocate(40, 8).fill((byte) 0xff);
        assertEquals(0, new TceCreate(struct).fill(12, 1 << 20, 2).startAddress());
        assertArrayEquals(
                TceCreate.of(arena, 12, 1 << 20, 2).struct().toArray(ValueLayout.JAVA_BYTE),
                struct.toArray(ValueLayout.JAVA_BYTE));
    }

    @Test
    void accessors_structOfTheKernel_readEachField() {
        byte[] info = HexFormat.of().parseHex("2000000001000000000000800000008000100100000000000200000005000000");
        GetTceInfo tce = new GetTceInfo(arena.allocate(32, 8).copyFrom(MemorySegment.ofArray(info)));
        assertEquals(
                "32 1 80000000 80000000 11000 2 5",
                "%d %d %x %x %x %d %d"
                        .formatted(
                                tce.argsz(),
                                tce.flags(),
                                tce.defaultWindowStart(),
                                tce.defaultWindowSize(),
                                tce.pageSizes(),
                                tce.maxWindows(),
                                tce.levels()));

        byte[] reset = HexFormat.of().parseHex("180000000100000001000000" + "09000000" + "0100" + "81" + "0a");
        GetHotResetInfo devices =
                new GetHotResetInfo(arena.allocate(reset.length, 4).copyFrom(MemorySegment.ofArray(reset)));
        assertEquals(1, devices.count());
        assertEquals(1, devices.capacity());
        assertEquals(1, devices.flags());
        assertEquals(
                "9 1 81 a",
                "%x %x %x %x".formatted(devices.group(0), devices.domain(0), devices.bus(0), devices.devfn(0)));
    }

    @Test
    void address_argumentWithoutTerminator_endsWithTheArgument() {
        MemorySegment argument = MemorySegment.ofArray("0000:01:00.0".getBytes(StandardCharsets.US_ASCII));
        assertEquals("0000:01:00.0", new GetDeviceFd(argument).address());
        assertEquals("VFIO_GROUP_GET_DEVICE_FD(0000:01:00.0)", new GetDeviceFd(argument).toString());
    }
}
