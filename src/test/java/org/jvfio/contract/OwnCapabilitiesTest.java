package org.jvfio.contract;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.jvfio.contract.host.Answers.assertAnswer;
import static org.jvfio.kernel.Errno.EINVAL;
import static org.jvfio.kernel.Errno.EIO;
import static org.jvfio.kernel.Errno.ENODEV;
import static org.jvfio.kernel.Errno.ENOMEM;
import static org.jvfio.uapi.vfio_h.PCI_CAP_ID_AF;
import static org.jvfio.uapi.vfio_h.PCI_CAP_ID_EXP;
import static org.jvfio.uapi.vfio_h.PCI_CAP_ID_MSIX;
import static org.jvfio.uapi.vfio_h.PCI_CAP_ID_PM;
import static org.jvfio.uapi.vfio_h.PCI_CAP_ID_SSVID;
import static org.jvfio.uapi.vfio_h.PCI_CAP_ID_VNDR;
import static org.jvfio.uapi.vfio_h.PCI_COMMAND;
import static org.jvfio.uapi.vfio_h.PCI_COMMAND_MASTER;
import static org.jvfio.uapi.vfio_h.PCI_EXT_CAP_ID_DPC;
import static org.jvfio.uapi.vfio_h.PCI_EXT_CAP_ID_DSN;
import static org.jvfio.uapi.vfio_h.PCI_EXT_CAP_ID_ERR;
import static org.jvfio.uapi.vfio_h.PCI_EXT_CAP_ID_SRIOV;
import static org.jvfio.uapi.vfio_h.PCI_PM_CTRL;
import static org.jvfio.uapi.vfio_h.PCI_ROM_ADDRESS;
import static org.jvfio.uapi.vfio_h.VFIO_DEVICE_FEATURE_PCI_VF_TOKEN;
import static org.jvfio.uapi.vfio_h.VFIO_DEVICE_FEATURE_SET;
import static org.jvfio.uapi.vfio_h.VFIO_EEH_PE_RESET_DEACTIVATE;
import static org.jvfio.uapi.vfio_h.VFIO_EEH_PE_RESET_HOT;
import static org.jvfio.uapi.vfio_h.VFIO_PCI_CONFIG_REGION_INDEX;
import static org.jvfio.uapi.vfio_h.VFIO_PCI_ERR_IRQ_INDEX;
import static org.jvfio.uapi.vfio_h.VFIO_PCI_ROM_REGION_INDEX;
import static org.jvfio.uapi.vfio_h.VFIO_REGION_INFO_FLAG_READ;

import java.io.ByteArrayOutputStream;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.List;
import java.util.NoSuchElementException;
import org.junit.jupiter.api.Test;
import org.jvfio.contract.host.EmulatedContractHost;
import org.jvfio.contract.host.Event;
import org.jvfio.contract.host.Messenger;
import org.jvfio.contract.host.RawConfigSpace;
import org.jvfio.contract.host.RawContainer;
import org.jvfio.contract.host.RawDevice;
import org.jvfio.contract.host.RawGroup;
import org.jvfio.contract.host.RawInterrupts;
import org.jvfio.contract.host.RomImage;
import org.jvfio.contract.host.VfioProcess;
import org.jvfio.emulator.EmulatedKernel;
import org.jvfio.emulator.EmulatedMachine;
import org.jvfio.emulator.device.DeviceBus;
import org.jvfio.emulator.device.DeviceIdentity;
import org.jvfio.emulator.device.DeviceInterrupts;
import org.jvfio.emulator.device.EmulatedCapability;
import org.jvfio.emulator.device.EmulatedDevice;
import org.jvfio.ioctl.GetHotResetInfo;
import org.jvfio.ioctl.GetRegionInfo;
import org.jvfio.uapi.vfio_h;

/** Devices with capabilities, ROMs and neighbours that the devices of the test machines do not have. */
class OwnCapabilitiesTest {
    private static final String ADDRESS = "0000:01:00.0";
    private static final String NEIGHBOUR = "0000:01:00.1";
    private static final long CONFIG = (long) VFIO_PCI_CONFIG_REGION_INDEX << 40;
    private static final long ROM = (long) VFIO_PCI_ROM_REGION_INDEX << 40;
    private static final int EXTENDED = 0x100;
    private static final int WHOLE_TOKEN = 24;

    /** A device that is nothing but what it says of itself, and counts its resets. */
    private static final class Shell implements EmulatedDevice {
        private final boolean express;
        private final List<EmulatedCapability> capabilities;
        private final byte[] rom;
        private DeviceInterrupts interrupts = DeviceInterrupts.NONE;
        private long[] bars = {4096};
        private int resets;

        Shell(boolean express, byte[] rom, EmulatedCapability... capabilities) {
            this.express = express;
            this.rom = rom.clone();
            this.capabilities = List.of(capabilities);
        }

        @Override
        public DeviceInterrupts interrupts() {
            return interrupts;
        }

        @Override
        public DeviceIdentity identity() {
            return new DeviceIdentity(0x1234, 0x5678, 1, 0xff0000);
        }

        @Override
        public long[] barBytes() {
            return bars.clone();
        }

        @Override
        public boolean isExpress() {
            return express;
        }

        @Override
        public List<EmulatedCapability> capabilities() {
            return capabilities;
        }

        @Override
        public byte[] rom() {
            return rom.clone();
        }

        @Override
        public void plug(DeviceBus bus) {
            // It never does anything by itself.
        }

        @Override
        public void reset() {
            resets++;
        }

        @Override
        public boolean answers(int bar, long offset, int size) {
            return true;
        }

        @Override
        public long read(int bar, long offset, int size) {
            return resets;
        }

        @Override
        public void write(int bar, long offset, int size, long value) {
            // All registers are read-only.
        }
    }

    private static Shell shell(boolean express, EmulatedCapability... capabilities) {
        return new Shell(express, new byte[0], capabilities);
    }

    private static Shell sized(DeviceInterrupts interrupts, long... bars) {
        Shell shell = shell(false);
        shell.interrupts = interrupts;
        shell.bars = bars;
        return shell;
    }

    private static EmulatedMachine.Builder machine() {
        return EmulatedMachine.power9().toBuilder().withoutDevices();
    }

    private static EmulatedKernel boot(EmulatedDevice device) {
        return EmulatedKernel.boot(machine().device(ADDRESS, 0, () -> device).build());
    }

    private static RawGroup group(VfioProcess process) {
        RawGroup group = process.openGroup(0);
        RawContainer container = process.openContainer();
        assertAnswer(0, group.setContainer(container));
        assertAnswer(0, container.setIommu(vfio_h.VFIO_SPAPR_TCE_v2_IOMMU));
        return group;
    }

    private static RawDevice open(EmulatedDevice device) {
        return group(EmulatedContractHost.process(boot(device))).device(ADDRESS);
    }

    @Test
    void configWrite_vendorCapability_kept() {
        RawDevice device = open(shell(false, EmulatedCapability.vendorSpecific(new byte[] {1, 2, 3, 4, 5})));
        RawConfigSpace config = device.config();
        assertEquals(List.of(PCI_CAP_ID_VNDR), config.capabilities());
        int place = config.capability(PCI_CAP_ID_VNDR);
        assertEquals(8, config.readByte(place + 2));
        assertEquals(0x05040302, config.readInt(place + 4));
        config.writeInt(place + 4, 0x11223344);
        assertEquals(0x11223344, config.readInt(place + 4));
        config.writeInt(place, -1);
        assertEquals(0xff080009, config.readInt(place));
        device.process().end();
    }

    @Test
    void configRead_hiddenCapabilities_skipped() {
        RawDevice device = open(shell(
                true,
                EmulatedCapability.of(PCI_CAP_ID_SSVID, new byte[6], new byte[0]),
                EmulatedCapability.vendorSpecific(new byte[1]),
                EmulatedCapability.extended(PCI_EXT_CAP_ID_DPC, 1, new byte[8], new byte[0]),
                EmulatedCapability.serialNumber(0x1122334455667788L),
                EmulatedCapability.extended(PCI_EXT_CAP_ID_DPC, 1, new byte[8], new byte[0]),
                EmulatedCapability.advancedErrorReporting()));
        RawConfigSpace config = device.config();
        assertEquals(List.of(PCI_CAP_ID_EXP, PCI_CAP_ID_PM, PCI_CAP_ID_VNDR), config.capabilities());
        // The first of the extended ones anchors the chain, without its id.
        int hidden = config.readInt(EXTENDED);
        assertEquals(0, hidden & 0xfffff);
        int serial = hidden >>> 20;
        assertEquals(PCI_EXT_CAP_ID_DSN | 1 << 16, config.readInt(serial) & 0xfffff);
        assertEquals(0x55667788, config.readInt(serial + 4));
        assertEquals(0x11223344, config.readInt(serial + 8));
        int errors = config.readInt(serial) >>> 20;
        assertEquals(PCI_EXT_CAP_ID_ERR | 2 << 16, config.readInt(errors));
        config.writeInt(errors + vfio_h.PCI_ERR_UNCOR_MASK, -1);
        assertEquals(0x007ff030, config.readInt(errors + vfio_h.PCI_ERR_UNCOR_MASK));
        config.writeInt(errors, 0);
        assertEquals(PCI_EXT_CAP_ID_ERR | 2 << 16, config.readInt(errors));
        device.process().end();
    }

    @Test
    void configRead_onlyHiddenCapabilities_emptyList() {
        RawDevice device = open(shell(false, EmulatedCapability.of(PCI_CAP_ID_SSVID, new byte[6], new byte[0])));
        assertEquals(List.of(), device.config().capabilities());
        assertEquals(0, device.config().readShort(vfio_h.PCI_STATUS));
        device.process().end();
    }

    @Test
    void configWrite_d0WithoutNoSoftReset_resets() {
        RawDevice device = open(shell(false, EmulatedCapability.powerManagement(true)));
        RawConfigSpace config = device.config();
        int control = config.capability(PCI_CAP_ID_PM) + PCI_PM_CTRL;
        MemorySegment resets = device.process().struct(ValueLayout.JAVA_LONG);
        assertAnswer(Long.BYTES, device.pread(resets, 0));
        long before = resets.get(ValueLayout.JAVA_LONG, 0);
        config.writeShort(control, 1);
        assertEquals(0, config.readShort(control));
        config.writeShort(control, 3);
        assertAnswer(EIO, device.pread(resets, 0));
        config.writeShort(control, 0);
        assertAnswer(Long.BYTES, device.pread(resets, 0));
        assertEquals(before + 1, resets.get(ValueLayout.JAVA_LONG, 0));
        device.process().end();
    }

    @Test
    void configWrite_advancedFeaturesReset_resets() {
        byte[] registers = {6, 3, 0, 0};
        RawDevice device = open(shell(false, EmulatedCapability.of(PCI_CAP_ID_AF, registers, new byte[0])));
        RawConfigSpace config = device.config();
        int place = config.capability(PCI_CAP_ID_AF);
        MemorySegment resets = device.process().struct(ValueLayout.JAVA_LONG);
        assertAnswer(Long.BYTES, device.pread(resets, 0));
        long before = resets.get(ValueLayout.JAVA_LONG, 0);
        config.writeByte(place + vfio_h.PCI_AF_CTRL, 1);
        assertEquals(0, config.readByte(place + vfio_h.PCI_AF_CTRL));
        assertAnswer(Long.BYTES, device.pread(resets, 0));
        assertEquals(before + 1, resets.get(ValueLayout.JAVA_LONG, 0));
        device.process().end();
    }

    /** What Linux shows of a ROM of this contents: its size, and how far it can be read before there are ones. */
    private static void assertRom(int size, int end, byte[] contents) {
        RawDevice device = open(new Shell(false, contents));
        GetRegionInfo info = device.region(VFIO_PCI_ROM_REGION_INDEX);
        assertEquals(end == 0 ? 0 : size, info.size());
        assertEquals(end == 0 ? 0 : VFIO_REGION_INFO_FLAG_READ, info.flags());
        MemorySegment byteThere = device.process().struct(ValueLayout.JAVA_BYTE);
        assertAnswer(EINVAL, device.pread(byteThere, ROM + size));
        for (int place = 0; place < size; place += 13) {
            if (end == 0) {
                assertAnswer(ENOMEM, device.pread(byteThere, ROM + place));
            } else {
                assertAnswer(1, device.pread(byteThere, ROM + place));
                byte expected = place < Math.min(end, contents.length) ? contents[place] : -1;
                assertEquals(expected, byteThere.get(ValueLayout.JAVA_BYTE, 0));
            }
        }
        device.config().writeInt(PCI_ROM_ADDRESS, -1);
        assertEquals(-size | 1, device.config().readInt(PCI_ROM_ADDRESS));
        device.process().end();
    }

    private static byte[] image(int blocks, boolean last) {
        return RomImage.of(0x1234, 0x5678, 0xff0000, blocks, last);
    }

    private static byte[] together(byte[]... parts) {
        ByteArrayOutputStream all = new ByteArrayOutputStream();
        for (byte[] part : parts) {
            all.writeBytes(part);
        }
        return all.toByteArray();
    }

    @Test
    void pread_romWithImages_endsWithLastImage() {
        assertRom(4096, 5 * 512, image(5, true));
        assertRom(8192, 10 * 512, together(image(4, false), image(6, true), new byte[512]));
        assertRom(4096, 5 * 512, together(image(5, false), new byte[512]));
        assertRom(4096, 8 * 512, image(8, false));
        assertRom(4096, 4096, Arrays.copyOf(image(9, true), 4096));
    }

    @Test
    void pread_romWithoutImage_enomem() {
        assertRom(2048, 0, new byte[100]);
        byte[] noSecondByte = new byte[26];
        noSecondByte[0] = 0x55;
        assertRom(2048, 0, noSecondByte);
        assertRom(2048, 0, Arrays.copyOf(new byte[] {0x55, (byte) 0xaa}, 26));
        byte[] noStructure = image(2, true);
        noStructure[0x1c + 3] = 'X';
        assertRom(2048, 0, noStructure);
        byte[] noLength = image(2, true);
        noLength[0x1c + 16] = 0;
        assertRom(2048, 0, noLength);
    }

    @Test
    void pread_acrossEndOfRom_shortCount() {
        RawDevice device = open(new Shell(false, image(5, true)));
        MemorySegment bytes = device.process().struct(ValueLayout.JAVA_LONG);
        assertAnswer(4, device.pread(bytes, ROM + 4092));
        assertAnswer(EINVAL, device.pwrite(bytes, ROM));
        device.process().end();
    }

    @Test
    void hotReset_twoGroupsOnBus_needsBoth() {
        Shell one = shell(false);
        Shell two = shell(false);
        VfioProcess process = EmulatedContractHost.process(EmulatedKernel.boot(machine()
                .device(ADDRESS, 0, () -> one)
                .device(NEIGHBOUR, 1, () -> two)
                .device("0000:02:00.0", 2, () -> shell(false))
                .build()));
        RawGroup group = group(process);
        RawDevice device = group.device(ADDRESS);
        // Its neighbour would be reset with it, so it is not reset alone.
        assertAnswer(EINVAL, device.reset());
        GetHotResetInfo info = GetHotResetInfo.of(process.arena(), 2);
        assertAnswer(0, device.call(info));
        assertEquals(2, info.count());
        assertEquals(1, info.group(1));
        assertEquals(1, info.devfn(1));
        RawGroup other = process.openGroup(1);
        assertAnswer(EINVAL, device.hotReset(group.descriptor()));
        int before = two.resets;
        assertAnswer(0, device.hotReset(other.descriptor(), group.descriptor()));
        assertEquals(before + 1, two.resets);
        assertAnswer(0, process.store("/sys/bus/pci/drivers/vfio-pci/unbind", NEIGHBOUR));
        assertAnswer(EINVAL, device.hotReset(other.descriptor(), group.descriptor()));
        process.end();
    }

    @Test
    void deviceFeature_vfTokenOfSriovDevice_set() {
        RawDevice device =
                open(shell(true, EmulatedCapability.extended(PCI_EXT_CAP_ID_SRIOV, 1, new byte[60], new byte[0])));
        int set = VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_PCI_VF_TOKEN;
        assertAnswer(0, device.feature(set, WHOLE_TOKEN, 0));
        assertAnswer(EINVAL, device.feature(set, WHOLE_TOKEN - 1, 0));
        device.process().end();
    }

    @Test
    void getDeviceFd_vfTokenOfSriovDevice_accepted() {
        EmulatedCapability virtual = EmulatedCapability.extended(PCI_EXT_CAP_ID_SRIOV, 1, new byte[60], new byte[0]);
        VfioProcess process = EmulatedContractHost.process(boot(shell(true, virtual)));
        RawGroup group = group(process);
        String token = " vf_token=2ab74924-c335-45f4-9b16-8569e5b08258";
        assertAnswer(EINVAL, group.getDevice(ADDRESS + " vf_token=2ab74924"));
        assertAnswer(EINVAL, group.getDevice(ADDRESS + token + token));
        RawDevice device = group.device(ADDRESS + token);
        assertAnswer(0, device.close());
        process.end();
    }

    @Test
    void pread_configSpaceDuringEehReset_emulatedRegistersOnly() {
        VfioProcess process = EmulatedContractHost.process(boot(shell(true)));
        RawGroup group = process.openGroup(0);
        RawContainer container = process.openContainer();
        assertAnswer(0, group.setContainer(container));
        assertAnswer(0, container.setIommu(vfio_h.VFIO_SPAPR_TCE_v2_IOMMU));
        RawDevice device = group.device(ADDRESS);
        RawConfigSpace config = device.config();
        int express = config.capability(PCI_CAP_ID_EXP);
        assertAnswer(0, container.eeh(VFIO_EEH_PE_RESET_HOT));
        assertEquals(0x56781234, config.readInt(0));
        MemorySegment four = process.struct(ValueLayout.JAVA_INT);
        assertAnswer(ENODEV, device.pread(four, CONFIG + PCI_COMMAND));
        assertAnswer(ENODEV, device.pwrite(four, CONFIG + PCI_COMMAND));
        assertAnswer(ENODEV, device.pwrite(four, CONFIG + express + vfio_h.PCI_EXP_DEVCTL2));
        assertAnswer(4, device.pwrite(four, CONFIG + vfio_h.PCI_BASE_ADDRESS_0));
        assertAnswer(0, container.eeh(VFIO_EEH_PE_RESET_DEACTIVATE));
        assertAnswer(4, device.pread(four, CONFIG + PCI_COMMAND));
        assertEquals(0, config.readShort(PCI_COMMAND) & PCI_COMMAND_MASTER);
        process.end();
    }

    @Test
    void reportError_errorEventSet_signals() {
        EmulatedKernel kernel = boot(shell(true));
        VfioProcess process = EmulatedContractHost.process(kernel);
        RawDevice device = group(process).device(ADDRESS);
        RawInterrupts errors = device.interrupts(VFIO_PCI_ERR_IRQ_INDEX);
        assertEquals(false, kernel.host().reportError(ADDRESS));
        Event event = new Event(process);
        assertAnswer(0, errors.trigger(event));
        assertEquals(true, kernel.host().reportError(ADDRESS));
        assertEquals(1, event.take());
        assertAnswer(0, errors.loopBack(0, 1));
        assertEquals(1, event.take());
        assertAnswer(0, errors.trigger(-1));
        assertEquals(false, kernel.host().reportError(ADDRESS));
        assertThrows(NoSuchElementException.class, () -> kernel.host().reportError(NEIGHBOUR));
        process.end();
    }

    @Test
    void boot_invalidDevice_illegalArgument() {
        assertRefused("BAR 0", sized(DeviceInterrupts.NONE, 24));
        assertRefused("7 BARs", sized(DeviceInterrupts.NONE, new long[7]));
        assertRefused("must be 64 bits wide", sized(DeviceInterrupts.NONE, 1L << 32));
        assertRefused("MSI-X table", sized(Messenger.EXTENDED, 4096));
        assertThrows(
                IllegalArgumentException.class, () -> boot(shell(false, EmulatedCapability.advancedErrorReporting())));
        assertThrows(
                IllegalArgumentException.class,
                () -> boot(shell(
                        false,
                        EmulatedCapability.vendorSpecific(new byte[180]),
                        EmulatedCapability.vendorSpecific(new byte[20]))));
        assertThrows(
                IllegalArgumentException.class,
                () -> EmulatedCapability.of(PCI_CAP_ID_MSIX, new byte[10], new byte[0]));
        assertThrows(IllegalArgumentException.class, () -> EmulatedCapability.of(0x100, new byte[2], new byte[0]));
        assertThrows(
                IllegalArgumentException.class, () -> EmulatedCapability.of(PCI_CAP_ID_AF, new byte[1], new byte[2]));
        assertThrows(
                IllegalArgumentException.class,
                () -> EmulatedCapability.extended(PCI_EXT_CAP_ID_DPC, 16, new byte[1], new byte[0]));
        assertThrows(
                IllegalArgumentException.class,
                () -> EmulatedCapability.extended(PCI_EXT_CAP_ID_DPC, 1, new byte[4096], new byte[0]));
    }

    private static void assertRefused(String what, EmulatedDevice device) {
        IllegalArgumentException refused = assertThrows(IllegalArgumentException.class, () -> boot(device));
        assertEquals(true, String.valueOf(refused.getMessage()).contains(what), refused.getMessage());
        assertEquals(true, String.valueOf(refused.getMessage()).contains(ADDRESS), refused.getMessage());
    }
}
