package org.jvfio;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteOrder;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.jvfio.uapi.vfio_h;

class DeviceTest {
    private final TestHost host = new TestHost();
    private final Container container = Container.open(host.kernel());
    private final Device device = container.attach(TestHost.EDU).openDevice(TestHost.EDU);

    @AfterEach
    void giveBack() {
        container.close();
        host.assertAllGivenBack();
    }

    private void assertRefused(Class<? extends RuntimeException> type, String reason, Executable call) {
        int calls = host.observed().calls();
        RuntimeException e = assertThrows(type, call);
        assertTrue(String.valueOf(e.getMessage()).contains(reason), e.getMessage());
        assertEquals(calls, host.observed().calls(), "system calls");
    }

    @Test
    void config_anyWidth_isLittleEndian() {
        Region config = device.config();
        assertEquals(0x1234, config.readShort(vfio_h.PCI_VENDOR_ID));
        assertEquals(0x11e81234, config.readInt(vfio_h.PCI_VENDOR_ID));
        assertEquals(0x34, config.readByte(vfio_h.PCI_VENDOR_ID));
    }

    @Test
    void withOrder_bigEndian_swapsBytes() {
        Region bar = device.bar(0);
        assertEquals(1 << 20, bar.size());
        assertEquals(0xed000001, bar.readInt(0));
        assertEquals(0x010000ed, bar.withOrder(ByteOrder.BIG_ENDIAN).readInt(0));
        bar.withOrder(ByteOrder.BIG_ENDIAN).writeLong(0x80, 0x0102030405060708L);
        assertEquals(0x0807060504030201L, bar.readLong(0x80));
    }

    @Test
    void access_misalignedOffset_illegalArgument() {
        Region bar = device.bar(0);
        assertRefused(IllegalArgumentException.class, "not a multiple of 4", () -> bar.readInt(2));
        assertRefused(IllegalArgumentException.class, "not a multiple of 8", () -> bar.writeLong(0x84, 0));
        assertRefused(IllegalArgumentException.class, "not a multiple of 2", () -> bar.readShort(1));
    }

    @Test
    void access_outsideRegion_indexOutOfBounds() {
        Region bar = device.bar(0);
        assertRefused(IndexOutOfBoundsException.class, "the region has 0x100000 bytes", () -> bar.readInt(1 << 20));
        assertRefused(IndexOutOfBoundsException.class, "the region has 0x100000 bytes", () -> bar.readInt(-4));
        assertRefused(
                IndexOutOfBoundsException.class,
                "the region has 0x100000 bytes",
                () -> bar.writeLong((1 << 20) - 4, 0));
    }

    @Test
    void bar_unknownIndex_indexOutOfBounds() {
        assertRefused(IndexOutOfBoundsException.class, "BARs 0 to 5", () -> device.bar(6));
        assertRefused(IndexOutOfBoundsException.class, "BARs 0 to 5", () -> device.bar(-1));
    }

    @Test
    void bar_deviceDoesNotHaveIt_notFound() {
        VfioException e = assertThrows(VfioException.class, () -> device.bar(1));
        assertEquals(VfioException.Kind.NOT_FOUND, e.kind());
        assertEquals("use BAR 1 of 0000:01:00.0", e.operation());
    }

    @Test
    @SuppressWarnings("NullAway") // what callers without such checks may pass
    void withOrder_null_nullPointer() {
        assertThrows(NullPointerException.class, () -> device.bar(0).withOrder(null));
    }

    @Test
    @SuppressWarnings("NullAway") // what callers without such checks may pass
    void onDeviceRequest_nullHandler_enablesNothing() {
        assertThrows(NullPointerException.class, () -> device.onDeviceRequest(null));
        device.enableInterrupts(InterruptType.REQUEST, 1).close();
    }

    @Test
    void enableBusMastering_afterOpen_setsTheBit() {
        assertFalse(isBusMaster());
        device.enableBusMastering();
        assertTrue(isBusMaster());
        device.disableBusMastering();
        assertFalse(isBusMaster());
    }

    private boolean isBusMaster() {
        return (device.config().readShort(vfio_h.PCI_COMMAND) & vfio_h.PCI_COMMAND_MASTER) != 0;
    }

    @Test
    void read_memoryDisabled_frozen() {
        device.config().writeShort(vfio_h.PCI_COMMAND, (short) 0);
        Region bar = device.bar(0);
        VfioException e = assertThrows(VfioException.class, () -> bar.readInt(0));
        assertEquals(VfioException.Kind.FROZEN, e.kind());
        assertTrue(e.reason().contains("memory is disabled"), e.getMessage());
        device.enableMemory();
        assertEquals(0xed000001, bar.readInt(0));
    }

    @Test
    void reset_resettableDevice_restoresRegisters() {
        assertTrue(device.isResettable());
        device.bar(0).writeInt(0x04, 0);
        assertEquals(-1, device.bar(0).readInt(0x04));
        device.reset();
        assertEquals(0, device.bar(0).readInt(0x04));
    }
}
