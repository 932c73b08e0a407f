package org.jvfio;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.jvfio.PciCapability.AdvancedErrorReporting;
import org.jvfio.PciCapability.Express;
import org.jvfio.PciCapability.Msi;
import org.jvfio.PciCapability.Msix;
import org.jvfio.PciCapability.Other;
import org.jvfio.PciCapability.PowerManagement;
import org.jvfio.PciCapability.SerialNumber;
import org.jvfio.PciCapability.VendorSpecific;
import org.jvfio.PciCapability.VitalProductData;
import org.jvfio.VfioException.Kind;
import org.jvfio.emulator.EmulatedMachine;

/** Configuration spaces that are made up, as no device at hand has them. */
class ConfigSpaceTest {
    private static final PciAddress EXPRESS = PciAddress.parse("0004:01:00.0");
    private static final int SPACE = 4096;

    private final TestHost host = new TestHost(EmulatedMachine.power8().toBuilder()
            .device(EXPRESS.toString(), 9, MessageDevice::new)
            .build());
    private final Device device = Device.open(host.kernel(), EXPRESS);
    private final ByteBuffer bytes = ByteBuffer.allocate(SPACE).order(ByteOrder.LITTLE_ENDIAN);
    private final ConfigSpace config;

    ConfigSpaceTest() {
        bytes.putInt(0x00, 0x5678_1234);
        bytes.putInt(0x04, 0x0010_0002);
        bytes.putInt(0x08, 0x0108_0203);
        bytes.put(0x0e, (byte) 0x80);
        bytes.putInt(0x2c, 0xbcde_9abc);
        bytes.putShort(0x3c, (short) 0x02_0b);
        config = device.configSpace();
        host.observed().answerConfig(bytes.array());
    }

    @AfterEach
    void giveBack() {
        host.observed().heal();
        device.close();
        host.assertAllGivenBack();
    }

    /** A standard capability behind those that there are. */
    private int chain(int previous, int offset, int id) {
        bytes.put(previous, (byte) offset);
        bytes.put(offset, (byte) id);
        return offset + 1;
    }

    private void extended(int offset, int id, int version, int next) {
        bytes.putInt(offset, next << 20 | version << 16 | id);
    }

    /** Begins the standard list with a PCI-X capability, without which there are no extended ones. */
    private Other extensible() {
        chain(0x34, 0x40, 0x07);
        return new Other(0x40, 0x07, 0);
    }

    private static void assertRefused(Kind kind, String reason, Executable call) {
        VfioException e = assertThrows(VfioException.class, call);
        assertEquals(kind, e.kind());
        assertTrue(e.reason().contains(reason), e.getMessage());
    }

    @Test
    void header_eachField_isDecoded() {
        assertEquals(0x1234, config.vendorId());
        assertEquals(0x5678, config.deviceId());
        assertEquals(0x9abc, config.subsystemVendorId());
        assertEquals(0xbcde, config.subsystemId());
        assertEquals(0x010802, config.classCode());
        assertEquals(3, config.revision());
        assertTrue(config.isMultifunction());
        assertEquals(Set.of(PciCommand.MEMORY), config.command());
        assertEquals(0x0010, config.status());
        assertEquals(11, config.interruptLine());
        assertEquals(2, config.interruptPin());
    }

    @Test
    void enable_bits_setsThem() {
        config.enable(PciCommand.BUS_MASTER, PciCommand.SERR);
        assertEquals(0x106, bytes.getShort(0x04));
        config.disable(PciCommand.SERR, PciCommand.MEMORY);
        assertEquals(0x004, bytes.getShort(0x04));
        bytes.putShort(0x04, (short) -1);
        assertRefused(Kind.DEVICE_ERROR, "the device responds", () -> config.enable(PciCommand.MEMORY));
        config.disable(PciCommand.MEMORY);
        assertEquals(-1, bytes.getShort(0x04));
    }

    @Test
    void capabilities_standardList_isDecoded() {
        int next = chain(0x34, 0x40, 0x01);
        bytes.putShort(0x42, (short) 0x0203);
        bytes.putShort(0x44, (short) 0x000b);
        next = chain(next, 0x50, 0x05);
        bytes.putShort(0x52, (short) 0x0186);
        next = chain(next, 0x60, 0x11);
        bytes.putShort(0x62, (short) 64);
        bytes.putInt(0x64, 0x2004);
        bytes.putInt(0x68, 0x3002);
        next = chain(next, 0x70, 0x10);
        bytes.putShort(0x72, (short) 0x0002);
        bytes.putInt(0x74, 0x1000_0002);
        bytes.putShort(0x78, (short) 0x2020);
        bytes.putShort(0x82, (short) 0x0083);
        next = chain(next, 0x90, 0x03);
        next = chain(next, 0xa0, 0x09);
        bytes.put(0xa2, (byte) 0x14);
        chain(next, 0xfc, 0x0d);
        assertEquals(
                List.of(
                        new PowerManagement(0x40, 3, true, false, true, PowerState.D3_HOT),
                        new Msi(0x50, 8, true, true),
                        new Msix(0x60, 65, 4, 0x2000, 2, 0x3000),
                        new Express(0x70, 2, Express.Kind.ENDPOINT, true, 512, 256, 512, 3, 8),
                        new VitalProductData(0x90),
                        new VendorSpecific(0xa0, 0, 0, 0x14),
                        new Other(0xfc, 0x0d, 0)),
                config.capabilities());
        assertEquals(65 * 16, config.capability(Msix.class).orElseThrow().tableBytes());
        assertFalse(config.capability(Other.class).orElseThrow().isExtended());
        assertEquals(Optional.empty(), config.capability(SerialNumber.class));
    }

    @Test
    void capability_expressFunction_hasItsKind() {
        chain(0x34, 0x40, 0x10);
        List<Express.Kind> kinds = List.of(
                Express.Kind.ENDPOINT,
                Express.Kind.LEGACY_ENDPOINT,
                Express.Kind.INTEGRATED_ENDPOINT,
                Express.Kind.OTHER);
        List<Integer> types = List.of(0, 1, 9, 4);
        for (int each = 0; each < kinds.size(); each++) {
            bytes.putShort(0x42, (short) (types.get(each) << 4 | 2));
            bytes.putShort(0x52, (short) 0x0011);
            Express express = config.capability(Express.class).orElseThrow();
            assertEquals(kinds.get(each), express.kind());
            assertEquals(express.kind() == Express.Kind.INTEGRATED_ENDPOINT ? 0 : 1, express.linkWidth());
        }
    }

    @Test
    void capabilities_extendedList_isDecoded() {
        Other pcix = extensible();
        extended(0x100, 0x01, 2, 0x140);
        bytes.putInt(0x104, 0x10)
                .putInt(0x108, 0x20)
                .putInt(0x10c, 0x30)
                .putInt(0x110, 0x40)
                .putInt(0x114, 0x50);
        extended(0x140, 0x03, 1, 0x150);
        bytes.putLong(0x144, 0x0102030405060708L);
        extended(0x150, 0x0b, 1, 0x170);
        bytes.putInt(0x154, 0x018_3_0042);
        extended(0x170, 0x23, 1, 0x190);
        bytes.putInt(0x174, 0x00c_0_1e98);
        bytes.putShort(0x178, (short) 7);
        extended(0x190, 0x00, 1, 0x1a0);
        extended(0x1a0, 0x10, 3, 0);
        assertEquals(
                List.of(
                        pcix,
                        new AdvancedErrorReporting(0x100, 0x10, 0x20, 0x30, 0x40, 0x50),
                        new SerialNumber(0x140, 0x0102030405060708L),
                        new VendorSpecific(0x150, 0, 0x42, 0x18),
                        new VendorSpecific(0x170, 0x1e98, 7, 0xc),
                        new Other(0x190, 0x00, 1),
                        new Other(0x1a0, 0x10, 3)),
                config.capabilities());
        assertFalse(pcix.isExtended());
        assertTrue(((Other) config.capabilities().getLast()).isExtended());
    }

    @Test
    void capabilities_noList_empty() {
        assertEquals(List.of(), config.capabilities());
        bytes.put(0x34, (byte) 0x40);
        bytes.putShort(0x06, (short) 0);
        assertEquals(List.of(), config.capabilities());
    }

    private void assertDefect(boolean extended, int offset, String reason, PciCapability... found) {
        assertEquals(List.of(found), config.capabilities());
        assertEquals(List.of(new CapabilityDefect(extended, offset, reason)), config.capabilityDefects());
    }

    @Test
    void capabilities_listLoops_keepsThoseBefore() {
        int next = chain(0x34, 0x40, 0x0d);
        next = chain(next, 0x50, 0x0d);
        bytes.put(next, (byte) 0x40);
        assertDefect(false, 0x51, "the pointer leads back to 0x40", new Other(0x40, 0x0d, 0), new Other(0x50, 0x0d, 0));
        bytes.put(next, (byte) 0x50);
        assertDefect(false, 0x51, "the pointer leads back to 0x50", new Other(0x40, 0x0d, 0), new Other(0x50, 0x0d, 0));
        bytes.put(next, (byte) 0);
        Other pcix = extensible();
        bytes.put(0x41, (byte) 0);
        extended(0x100, 0x10, 1, 0x200);
        extended(0x200, 0x10, 1, 0x100);
        assertDefect(
                true,
                0x200,
                "the pointer leads back to 0x100",
                pcix,
                new Other(0x100, 0x10, 1),
                new Other(0x200, 0x10, 1));
    }

    @Test
    void capabilities_listEndsInFf_keepsThoseBefore() {
        int next = chain(0x34, 0x40, 0x01);
        bytes.putShort(0x42, (short) 0x0003);
        bytes.put(next, (byte) 0xff);
        bytes.putInt(0xfc, -1);
        assertDefect(
                false,
                0xfc,
                "there is no capability: its id reads 0xff",
                new PowerManagement(0x40, 3, false, false, false, PowerState.D0));
        assertEquals(PowerState.D0, config.powerState());
    }

    @Test
    void capabilities_extendedHeaderAllOnes_isNoList() {
        bytes.putInt(0x100, -1);
        assertEquals(List.of(), config.capabilities());
        assertEquals(List.of(), config.capabilityDefects());
    }

    @Test
    void capabilities_laterExtendedHeaderAllOnes_keepsThoseBefore() {
        Other pcix = extensible();
        extended(0x100, 0x10, 1, 0x200);
        bytes.putInt(0x200, -1);
        assertDefect(true, 0x200, "there is no capability: its header reads all ones", pcix, new Other(0x100, 0x10, 1));
    }

    @Test
    void capabilities_extendedListWithoutExpress_isNotRead() {
        chain(0x34, 0x40, 0x05);
        extended(0x100, 0x10, 1, 0);
        assertDefect(
                true,
                0x100,
                "it is not read, as no PCI Express or PCI-X capability was found",
                new Msi(0x40, 1, false, false));
    }

    @Test
    void capabilities_pointerLeavesTheList_keepsThoseBefore() {
        chain(0x34, 0x08, 0x0d);
        assertDefect(false, 0x34, "the pointer leads to 0x8, outside the list");
        Other pcix = extensible();
        extended(0x100, 0x10, 1, 0x40);
        assertDefect(true, 0x100, "the pointer leads to 0x40, outside the list", pcix, new Other(0x100, 0x10, 1));
    }

    @Test
    void capabilities_registersReachBehindTheSpace_areNotDecoded() {
        for (int id : new int[] {0x01, 0x05, 0x11, 0x10, 0x03}) {
            chain(0x34, 0xfc, id);
            assertDefect(
                    false,
                    0xfc,
                    "the registers of the capability with id 0x%x reach behind 0x100".formatted(id),
                    new Other(0xfc, id, 0));
        }
        int next = chain(0x34, 0xf0, 0x09);
        bytes.put(0xf2, (byte) 0x11);
        chain(next, 0x40, 0x0d);
        assertDefect(
                false,
                0xf0,
                "the registers of the capability with id 0x9 reach behind 0x100",
                new Other(0xf0, 0x09, 0),
                new Other(0x40, 0x0d, 0));
        Other pcix = extensible();
        extended(0x100, 0x10, 1, 0xffc);
        for (int id : new int[] {0x01, 0x03, 0x0b, 0x23}) {
            extended(0xffc, id, 1, 0);
            assertDefect(
                    true,
                    0xffc,
                    "the registers of the capability with id 0x%x reach behind 0x1000".formatted(id),
                    pcix,
                    new Other(0x100, 0x10, 1),
                    new Other(0xffc, id, 1));
        }
        extended(0xff0, 0x0b, 1, 0);
        extended(0x100, 0x10, 1, 0xff0);
        bytes.putInt(0xff4, 0xfff_0_0000);
        assertDefect(
                true,
                0xff0,
                "the registers of the capability with id 0xb reach behind 0x1000",
                pcix,
                new Other(0x100, 0x10, 1),
                new Other(0xff0, 0x0b, 1));
    }

    @Test
    void powerState_listEndsEarly_namesTheDefect() {
        int next = chain(0x34, 0x40, 0x0d);
        bytes.put(next, (byte) 0x40);
        assertRefused(
                Kind.UNSUPPORTED,
                "no power management capability (capability list, 0x41: the pointer leads back to 0x40)",
                config::powerState);
    }

    @Test
    void bar_malformedExtendedList_isFound() {
        extended(0x100, 0x10, 1, 0x100);
        assertEquals(0x4000, device.bar(0).size());
    }

    @Test
    void capabilities_allOnes_gone() {
        Arrays.fill(bytes.array(), (byte) -1);
        assertRefused(Kind.GONE, "configuration space reads all ones, and its PE is not frozen", config::capabilities);
        bytes.putInt(0x04, 0x0010_0002);
        assertRefused(Kind.GONE, "configuration space reads all ones, and its PE is not frozen", config::capabilities);
    }

    @Test
    void capabilities_onlyTheIdsAreTheKernelsCopy_gone() {
        Arrays.fill(bytes.array(), (byte) -1);
        bytes.putInt(0x00, 0x5678_1234);
        assertRefused(Kind.GONE, "configuration space reads all ones, and its PE is not frozen", config::capabilities);
    }

    @Test
    void capabilities_randomBytes_ends() {
        Random random = new Random(5);
        int walked = 0;
        for (int round = 0; round < 2_000; round++) {
            random.nextBytes(bytes.array());
            bytes.put(0x06, (byte) 0x10);
            walked += config.capabilities().size();
            assertTrue(config.capabilityDefects().size() < SPACE);
            config.bars();
        }
        assertTrue(walked > 0);
    }

    @Test
    void bars_eachKind_isSized() {
        // As the kernel's copy answers: the bits below the size stay as they are.
        int[] masks = {0xfff0_000c, 0xffff_ffff, 0xffff_ff01, 0, 0xf000_0008, 0};
        int[] values = {0x4010_000c, 0x0000_0002, 0x0000_1001, 0, 0xa000_0008, 0};
        for (int bar = 0; bar < values.length; bar++) {
            bytes.putInt(0x10 + 4 * bar, values[bar]);
        }
        host.observed().maskConfig(0x10, masks);
        assertEquals(
                List.of(
                        new Bar(0, Bar.Kind.MEMORY_64, true, 0x2_4010_0000L, 1 << 20),
                        new Bar(2, Bar.Kind.IO, false, 0x1000, 0x100),
                        new Bar(4, Bar.Kind.MEMORY_32, true, 0xa000_0000L, 1 << 28)),
                config.bars());
        for (int bar = 0; bar < values.length; bar++) {
            assertEquals(values[bar], bytes.getInt(0x10 + 4 * bar));
        }
    }

    @Test
    void setPowerState_supportedState_isSet() {
        assertRefused(Kind.UNSUPPORTED, "no power management capability", config::powerState);
        chain(0x34, 0x40, 0x01);
        bytes.putShort(0x42, (short) 0x0403);
        bytes.putShort(0x44, (short) 0x0108);
        assertEquals(PowerState.D0, config.powerState());
        config.setPowerState(PowerState.D3_HOT);
        assertEquals(0x010b, bytes.getShort(0x44));
        assertEquals(PowerState.D3_HOT, config.powerState());
        config.setPowerState(PowerState.D2);
        assertEquals(PowerState.D2, config.powerState());
        assertRefused(Kind.UNSUPPORTED, "the device has no D1", () -> config.setPowerState(PowerState.D1));
        bytes.putShort(0x44, (short) 1);
        assertEquals(PowerState.D1, config.powerState());
    }

    @Test
    void readVitalProductData_capability_isRead() {
        assertRefused(Kind.UNSUPPORTED, "the device has no VPD capability", () -> config.readVitalProductData(0));
        chain(0x34, 0x40, 0x03);
        bytes.putInt(0x44, 0x04030201);
        assertRefused(Kind.DEVICE_ERROR, "the kernel could not read it", () -> config.readVitalProductData(8));
        assertEquals(8, bytes.getShort(0x42));
        for (int address : new int[] {-4, 2, 0x8000}) {
            assertThrows(IllegalArgumentException.class, () -> config.readVitalProductData(address));
        }
        host.observed().flagWrites(0x42, (short) 0x8000);
        assertEquals(0x04030201, config.readVitalProductData(0x7ffc));
    }
}
