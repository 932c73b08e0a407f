package org.jvfio.contract;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.jvfio.Device;
import org.jvfio.PciAddress;
import org.jvfio.PciCommand;
import org.jvfio.PowerState;
import org.jvfio.Region;
import org.jvfio.VfioException;
import org.jvfio.contract.host.ContractHost;

/** The expansion ROM of a device as a driver has it, by the public API. */
@ContractTest
class DriverRomTest extends Contract {
    private static final int BLOCK = 512;
    private static final int SIGNATURE = 0xaa55;
    private static final int STRUCTURE_PLACE = 0x18;

    private final Device device = Device.open(
            process.kernel(), PciAddress.parse(process.nvmes().getFirst().address()));

    DriverRomTest(ContractHost host) {
        super(host);
    }

    @AfterEach
    void closeDevice() {
        device.close();
    }

    /** The drive of a host may have none; that of scripts/power has one. */
    private Region rom() {
        assumeTrue(device.rom().isPresent(), "the drive has no expansion ROM");
        return device.rom().orElseThrow();
    }

    @Test
    void rom_edu_empty() {
        try (Device edu = Device.open(process.kernel(), PciAddress.parse(first.address()))) {
            assertFalse(edu.rom().isPresent());
        }
    }

    @Test
    void readBytes_romImage_idsOfTheDevice() {
        ByteBuffer image =
                ByteBuffer.wrap(rom().readBytes(0, (int) rom().size())).order(ByteOrder.LITTLE_ENDIAN);
        assertEquals(SIGNATURE, Short.toUnsignedInt(image.getShort(0)));
        int structure = Short.toUnsignedInt(image.getShort(STRUCTURE_PLACE));
        byte[] name = new byte[4];
        image.get(structure, name);
        assertEquals("PCIR", new String(name, StandardCharsets.US_ASCII));
        assertEquals(device.configSpace().vendorId(), Short.toUnsignedInt(image.getShort(structure + 4)));
        assertEquals(device.configSpace().deviceId(), Short.toUnsignedInt(image.getShort(structure + 6)));
    }

    @Test
    void readBytes_pastLastImage_allOnes() {
        Region rom = rom();
        assertTrue(Long.bitCount(rom.size()) == 1, "the size of its BAR");
        int structure = rom.readShort(STRUCTURE_PLACE);
        int end = rom.readShort(structure + 16) * BLOCK;
        assertTrue(end < rom.size());
        byte[] ones = new byte[(int) rom.size() - end];
        Arrays.fill(ones, (byte) -1);
        assertArrayEquals(ones, rom.readBytes(end, ones.length));
        assertEquals(-1L, rom.readLong(rom.size() - Long.BYTES));
        assertThrows(IndexOutOfBoundsException.class, () -> rom.readByte(rom.size()));
        assertThrows(IndexOutOfBoundsException.class, () -> rom.readBytes(rom.size() - 1, 2));
    }

    @Test
    void read_everyWidth_sameBytes() {
        Region rom = rom();
        byte[] bytes = rom.readBytes(0, Long.BYTES);
        ByteBuffer image = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
        assertEquals(image.getLong(0), rom.readLong(0));
        assertEquals(image.getInt(4), rom.readInt(4));
        assertEquals(image.getShort(2), rom.readShort(2));
        assertEquals(image.get(1), rom.readByte(1));
        assertArrayEquals(Arrays.copyOfRange(bytes, 1, 8), rom.readBytes(1, 7));
        assertEquals(
                Integer.reverseBytes(image.getInt(0)),
                rom.withOrder(ByteOrder.BIG_ENDIAN).readInt(0));
    }

    @Test
    void writeInt_rom_readOnly() {
        Region rom = rom();
        assertTrue(rom.isReadable());
        assertFalse(rom.isWritable());
        assertFalse(rom.isMapped());
        VfioException e = assertThrows(VfioException.class, () -> rom.writeInt(0, 0));
        assertTrue(e.reason().contains("read only"), e.getMessage());
    }

    @Test
    void read_memoryDisabled_fails() {
        Region rom = rom();
        device.configSpace().disable(PciCommand.MEMORY);
        for (Runnable read : new Runnable[] {() -> rom.readInt(0), () -> rom.readBytes(0, 4)}) {
            VfioException e = assertThrows(VfioException.class, read::run);
            assertTrue(e.reason().contains("memory is disabled"), e.getMessage());
        }
        assertTrue(device.rom().isPresent(), "the kernel enables memory for as long as it looks");
        device.enableMemory();
        assertEquals((short) SIGNATURE, rom.readShort(0));
    }

    @Test
    void readInt_d3hot_failsWithPowerState() {
        assumeTrue(host.takesPower(), "the device stays in D0");
        Region rom = rom();
        device.configSpace().setPowerState(PowerState.D3_HOT);
        VfioException e = assertThrows(VfioException.class, () -> rom.readInt(0));
        assertTrue(e.reason().contains("power state"), e.getMessage());
        device.configSpace().setPowerState(PowerState.D0);
        device.enableMemory();
        assertEquals((short) SIGNATURE, rom.readShort(0));
    }
}
