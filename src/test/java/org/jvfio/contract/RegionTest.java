package org.jvfio.contract;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;
import static org.jvfio.contract.host.Answers.assertAnswer;
import static org.jvfio.kernel.Errno.EFAULT;
import static org.jvfio.kernel.Errno.EINVAL;
import static org.jvfio.kernel.Errno.EIO;
import static org.jvfio.uapi.vfio_h.MAP_PRIVATE;
import static org.jvfio.uapi.vfio_h.MAP_SHARED;
import static org.jvfio.uapi.vfio_h.PCI_COMMAND_MEMORY;
import static org.jvfio.uapi.vfio_h.VFIO_DEVICE_FLAGS_PCI;
import static org.jvfio.uapi.vfio_h.VFIO_DEVICE_FLAGS_RESET;
import static org.jvfio.uapi.vfio_h.VFIO_DEVICE_GET_INFO;
import static org.jvfio.uapi.vfio_h.VFIO_DEVICE_GET_REGION_INFO;
import static org.jvfio.uapi.vfio_h.VFIO_PCI_BAR0_REGION_INDEX;
import static org.jvfio.uapi.vfio_h.VFIO_PCI_BAR1_REGION_INDEX;
import static org.jvfio.uapi.vfio_h.VFIO_PCI_CONFIG_REGION_INDEX;
import static org.jvfio.uapi.vfio_h.VFIO_PCI_NUM_IRQS;
import static org.jvfio.uapi.vfio_h.VFIO_PCI_NUM_REGIONS;
import static org.jvfio.uapi.vfio_h.VFIO_PCI_ROM_REGION_INDEX;
import static org.jvfio.uapi.vfio_h.VFIO_PCI_VGA_REGION_INDEX;
import static org.jvfio.uapi.vfio_h.VFIO_REGION_INFO_CAP_MSIX_MAPPABLE;
import static org.jvfio.uapi.vfio_h.VFIO_REGION_INFO_FLAG_CAPS;
import static org.jvfio.uapi.vfio_h.VFIO_REGION_INFO_FLAG_MMAP;
import static org.jvfio.uapi.vfio_h.VFIO_REGION_INFO_FLAG_READ;
import static org.jvfio.uapi.vfio_h.VFIO_REGION_INFO_FLAG_WRITE;

import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.junit.jupiter.api.Test;
import org.jvfio.contract.host.ContractHost;
import org.jvfio.contract.host.RawDevice;
import org.jvfio.contract.host.RawGroup;
import org.jvfio.emulator.KernelVersion;
import org.jvfio.ioctl.GetDeviceInfo;
import org.jvfio.ioctl.GetRegionInfo;
import org.jvfio.kernel.Errno;
import org.jvfio.uapi.vfio_info_cap_header;

/** What a device descriptor says of a device, and access to its regions. */
@ContractTest
class RegionTest extends Contract {
    private static final int READ_WRITE = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
    private static final long EDU_BAR = MIB;
    private static final long NVME_BAR = 16 * KIB;
    private static final long TABLE = 0x2000;
    private static final byte UNTOUCHED = 0x5a;

    private final RawGroup group = openGroup();
    private final RawDevice edu;

    RegionTest(ContractHost host) {
        super(host);
        v2(group);
        edu = group.device(first.address());
    }

    private MemorySegment buffer(int bytes) {
        return process.struct(
                MemoryLayout.sequenceLayout(bytes, ValueLayout.JAVA_BYTE).withByteAlignment(Long.BYTES));
    }

    private void assertRegion(RawDevice device, int index, long size, int flags) {
        GetRegionInfo info = device.region(index);
        assertEquals(size, info.size());
        assertEquals((long) index << 40, info.offset());
        int mappable = VFIO_REGION_INFO_FLAG_MMAP | VFIO_REGION_INFO_FLAG_CAPS;
        assertEquals(flags, info.flags() & ~mappable);
    }

    @Test
    @Scenario("J1")
    void deviceGetInfo_edu_nineRegionsAndFiveIrqs() {
        GetDeviceInfo info = GetDeviceInfo.of(process.arena()).argsz(15);
        assertAnswer(EINVAL, edu.call(info));
        assertAnswer(EFAULT, edu.ioctl(VFIO_DEVICE_GET_INFO, 0));
        info.struct().asSlice(16).fill(UNTOUCHED);
        assertAnswer(0, edu.call(info.argsz(16)));
        assertTrue((info.flags() & VFIO_DEVICE_FLAGS_PCI) != 0);
        assertEquals(0, info.flags() & ~(VFIO_DEVICE_FLAGS_PCI | VFIO_DEVICE_FLAGS_RESET));
        assertEquals(VFIO_PCI_NUM_REGIONS, info.regions());
        assertEquals(VFIO_PCI_NUM_IRQS, info.irqs());
        assertEquals(0x5a5a5a5a, info.capOffset());
        assertAnswer(0, edu.call(info.argsz(24)));
        assertEquals(0, info.capOffset());
    }

    @Test
    @Scenario("J2")
    void regionInfo_vgaOrUnknownIndex_einval() {
        assertAnswer(EINVAL, edu.regionInfo(VFIO_PCI_VGA_REGION_INDEX, 32));
        assertAnswer(EINVAL, edu.regionInfo(VFIO_PCI_NUM_REGIONS, 32));
        assertAnswer(EINVAL, edu.regionInfo(-1, 32));
        assertAnswer(EINVAL, edu.regionInfo(VFIO_PCI_BAR0_REGION_INDEX, 31));
        assertAnswer(EFAULT, edu.ioctl(VFIO_DEVICE_GET_REGION_INFO, 0));
    }

    @Test
    @Scenario("J3")
    void regionInfo_barsAndConfigSpace_sizesAndFlags() {
        assertRegion(edu, VFIO_PCI_BAR0_REGION_INDEX, EDU_BAR, READ_WRITE);
        for (int bar = VFIO_PCI_BAR1_REGION_INDEX; bar <= VFIO_PCI_ROM_REGION_INDEX; bar++) {
            assertRegion(edu, bar, 0, 0);
        }
        assertRegion(edu, VFIO_PCI_CONFIG_REGION_INDEX, 256, READ_WRITE);
        RawDevice nvme = nvme();
        assertRegion(nvme, VFIO_PCI_BAR0_REGION_INDEX, NVME_BAR, READ_WRITE);
        assertRegion(nvme, VFIO_PCI_BAR1_REGION_INDEX, 0, 0);
        assertRegion(nvme, VFIO_PCI_CONFIG_REGION_INDEX, host.hasExtendedConfig() ? 4096 : 256, READ_WRITE);
    }

    @Test
    @Scenario({"J4", "J5"})
    void regionInfo_mappableBarWithMsixTable_capability() {
        RawDevice nvme = nvme();
        GetRegionInfo info = GetRegionInfo.of(process.arena(), VFIO_PCI_BAR0_REGION_INDEX, 64);
        assertAnswer(0, nvme.call(info.argsz(32)));
        int both = VFIO_REGION_INFO_FLAG_MMAP | VFIO_REGION_INFO_FLAG_CAPS;
        boolean mappable = (info.flags() & both) != 0;
        assertEquals(mappable ? both : 0, info.flags() & both);
        assertEquals(mappable ? 40 : 32, info.argsz());
        assertEquals(0, info.capOffset());
        assertAnswer(0, nvme.call(info.argsz(64)));
        assertEquals(64, info.argsz());
        assertEquals(mappable ? 32 : 0, info.capOffset());
        MemorySegment capability = info.struct().asSlice(32);
        assertEquals(mappable ? VFIO_REGION_INFO_CAP_MSIX_MAPPABLE : 0, vfio_info_cap_header.id(capability));
        assertEquals(mappable ? 1 : 0, vfio_info_cap_header.version(capability));
        assertEquals(0, vfio_info_cap_header.next(capability));
    }

    @Test
    @Scenario("J8")
    void preadAndPwrite_acrossEndOfBar_shortCount() {
        assertAnswer(Integer.BYTES, edu.pread(buffer(8), EDU_BAR - Integer.BYTES));
        assertAnswer(Integer.BYTES, edu.pwrite(buffer(8), EDU_BAR - Integer.BYTES));
    }

    @Test
    @Scenario("J9")
    void pread_outsideRegions_einval() {
        assertAnswer(EINVAL, edu.pread(buffer(4), EDU_BAR));
        assertAnswer(EINVAL, edu.pread(buffer(4), (long) VFIO_PCI_BAR1_REGION_INDEX << 40));
        assertAnswer(EINVAL, edu.pread(buffer(4), (long) VFIO_PCI_NUM_REGIONS << 40));
        assertAnswer(EINVAL, edu.pread(buffer(4), (long) VFIO_PCI_VGA_REGION_INDEX << 40));
        assertAnswer(EINVAL, edu.pread(buffer(4), -4096));
        assertAnswer(0, edu.pread(buffer(4).asSlice(0, 0), (long) VFIO_PCI_NUM_REGIONS << 40));
    }

    @Test
    void read_noOffset_startOfFirstBar() {
        MemorySegment id = buffer(4);
        assertAnswer(4, edu.pread(id, 0));
        MemorySegment read = buffer(4);
        assertAnswer(4, process.kernel().read(edu.descriptor(), read));
        assertEquals(-1, id.mismatch(read));
        // The liveness register, which reads as the complement.
        read.set(ValueLayout.JAVA_INT, 0, 0x11223344);
        assertAnswer(4, process.kernel().write(edu.descriptor(), read));
        assertAnswer(4, edu.pread(read, 4));
        assertEquals(~0x11223344, read.get(ValueLayout.JAVA_INT, 0));
    }

    @Test
    void pread_eightBytesOf32BitRegister_allOnes() {
        assumeTrue(host.version().atLeast(KernelVersion.V6_11), "the kernel reads no more than 32 bits at once");
        MemorySegment both = buffer(8);
        assertAnswer(8, edu.pread(both, 0));
        assertEquals(-1, both.get(ValueLayout.JAVA_LONG, 0));
    }

    @Test
    @Scenario("J10")
    void pread_memoryDisabled_eio() {
        MemorySegment id = buffer(4);
        assertAnswer(4, edu.pread(id, 0));
        edu.changeCommand(PCI_COMMAND_MEMORY, false);
        assertAnswer(EIO, edu.pread(buffer(4), 0));
        assertAnswer(EIO, edu.pwrite(buffer(4), 4));
        assertAnswer(EINVAL, edu.pread(buffer(4), EDU_BAR));
        assertEquals(0, edu.config().readShort(4) & PCI_COMMAND_MEMORY);
        edu.changeCommand(PCI_COMMAND_MEMORY, true);
        MemorySegment again = buffer(4);
        assertAnswer(4, edu.pread(again, 0));
        assertEquals(-1, id.mismatch(again));
    }

    @Test
    @Scenario("J12")
    void pwrite_rom_einval() {
        long rom = (long) VFIO_PCI_ROM_REGION_INDEX << 40;
        assertAnswer(EINVAL, edu.pwrite(buffer(4), rom));
        assertAnswer(EINVAL, edu.pread(buffer(4), rom));
    }

    @Test
    @Scenario("J13")
    void pread_msixTable_allOnes() {
        RawDevice nvme = nvme();
        MemorySegment entry = buffer(16);
        assertAnswer(16, nvme.pwrite(entry, TABLE + 64 * 16));
        assertAnswer(16, nvme.pread(entry, TABLE));
        for (long each = 0; each < 16; each++) {
            assertEquals(-1, entry.get(ValueLayout.JAVA_BYTE, each));
        }
        assertAnswer(3, nvme.pread(entry.asSlice(0, 3), TABLE + 5));
        // The table needs no decoding of memory, since nothing is read.
        nvme.changeCommand(PCI_COMMAND_MEMORY, false);
        assertAnswer(16, nvme.pread(entry, TABLE));
    }

    private void assertMmap(Errno expected, RawDevice device, long bytes, int flags, long offset) {
        assertAnswer(expected, device.mmap(bytes, flags, offset));
    }

    @Test
    @Scenario({"J14", "J17"})
    void mmap_privateOrNotABar_einval() {
        long page = process.pageSize();
        assertMmap(EINVAL, edu, page, MAP_PRIVATE, 0);
        assertMmap(EINVAL, edu, page, MAP_SHARED, (long) VFIO_PCI_CONFIG_REGION_INDEX << 40);
        assertMmap(EINVAL, edu, page, MAP_SHARED, (long) VFIO_PCI_ROM_REGION_INDEX << 40);
        assertMmap(EINVAL, edu, page, MAP_SHARED, (long) VFIO_PCI_NUM_REGIONS << 40);
        assertMmap(EINVAL, edu, page, MAP_SHARED, (long) VFIO_PCI_BAR1_REGION_INDEX << 40);
        assertMmap(EINVAL, edu, page, MAP_SHARED, EDU_BAR);
        assertMmap(EINVAL, edu, EDU_BAR + page, MAP_SHARED, 0);
    }

    @Test
    @Scenario("J15")
    void mmap_barWithMmapFlag_mapped() {
        RawDevice nvme = nvme();
        boolean mappable = (nvme.region(VFIO_PCI_BAR0_REGION_INDEX).flags() & VFIO_REGION_INFO_FLAG_MMAP) != 0;
        long bytes = Math.max(process.pageSize(), NVME_BAR);
        long address = nvme.mmap(bytes, MAP_SHARED, 0);
        if (mappable) {
            assertTrue(!Errno.isError(address), () -> "mmap: " + address);
            MemorySegment version = buffer(4);
            assertAnswer(4, nvme.pread(version, 8));
            int mapped = process.segment(address, bytes).get(ValueLayout.JAVA_INT, 8);
            assertEquals(version.get(ValueLayout.JAVA_INT, 0), mapped);
            assertAnswer(0, process.kernel().munmap(address, bytes));
        } else {
            assertAnswer(EINVAL, address);
        }
    }
}
