package org.jvfio.contract;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.jvfio.contract.host.Answers.assertAnswer;
import static org.jvfio.kernel.Errno.EBADF;
import static org.jvfio.kernel.Errno.EINVAL;
import static org.jvfio.kernel.Errno.ENOSPC;
import static org.jvfio.uapi.vfio_h.VFIO_EEH_PE_RESET_DEACTIVATE;
import static org.jvfio.uapi.vfio_h.VFIO_EEH_PE_RESET_HOT;
import static org.jvfio.uapi.vfio_h.VFIO_EEH_PE_UNFREEZE_IO;
import static org.jvfio.uapi.vfio_h.VFIO_IRQ_SET_ACTION_TRIGGER;
import static org.jvfio.uapi.vfio_h.VFIO_PCI_MSIX_IRQ_INDEX;
import static org.jvfio.uapi.vfio_h.VFIO_PCI_MSI_IRQ_INDEX;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.Arrays;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.jvfio.contract.host.EmulatedContractHost;
import org.jvfio.contract.host.Event;
import org.jvfio.contract.host.Messenger;
import org.jvfio.contract.host.RawContainer;
import org.jvfio.contract.host.RawDevice;
import org.jvfio.contract.host.RawGroup;
import org.jvfio.contract.host.RawInterrupts;
import org.jvfio.contract.host.VfioProcess;
import org.jvfio.emulator.EmulatedKernel;
import org.jvfio.emulator.EmulatedMachine;
import org.jvfio.emulator.device.DeviceInterrupts;
import org.jvfio.uapi.vfio_h;

/** Messages of a device with many vectors, which real machines of these tests do not have. */
class MessageTest {
    private static final String ADDRESS = "0000:01:00.0";
    private static final ValueLayout.OfInt REGISTER = ValueLayout.JAVA_INT.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final long TABLE = 0x2000;
    private static final long PENDING_BITS = 0x3000;

    private EmulatedKernel kernel = boot(Messenger.EXTENDED, 2048);
    private VfioProcess process = EmulatedContractHost.process(kernel);
    private RawContainer container;
    private RawDevice device;
    private RawInterrupts messages;
    private Event event;

    MessageTest() {
        use(VFIO_PCI_MSIX_IRQ_INDEX);
    }

    private static EmulatedKernel boot(DeviceInterrupts interrupts, int vectors) {
        return EmulatedKernel.boot(EmulatedMachine.power9().toBuilder()
                .withoutDevices()
                .interruptVectors(vectors)
                .device(ADDRESS, 0, () -> new Messenger(interrupts))
                .build());
    }

    private void use(int index) {
        RawGroup group = process.openGroup(0);
        container = process.openContainer();
        assertAnswer(0, group.setContainer(container));
        assertAnswer(0, container.setIommu(vfio_h.VFIO_SPAPR_TCE_v2_IOMMU));
        device = group.device(ADDRESS);
        device.masterBus(true);
        messages = device.interrupts(index);
        event = new Event(process);
    }

    private void reboot(DeviceInterrupts interrupts, int index, int vectors) {
        process.end();
        kernel = boot(interrupts, vectors);
        process = EmulatedContractHost.process(kernel);
        use(index);
    }

    @AfterEach
    void nothingIsLeft() {
        process.end();
    }

    private void send(int vector) {
        MemorySegment value = process.struct(REGISTER);
        value.set(REGISTER, 0, vector);
        assertAnswer(Integer.BYTES, device.pwrite(value, 0));
    }

    private long pendingBits() {
        MemorySegment bits = process.struct(ValueLayout.JAVA_LONG);
        assertAnswer(Long.BYTES, device.pread(bits, PENDING_BITS));
        return bits.get(ValueLayout.JAVA_LONG.withOrder(ByteOrder.LITTLE_ENDIAN), 0);
    }

    @Test
    void setIrqs_everyVector_ownEvent() {
        Event last = new Event(process);
        assertAnswer(0, messages.triggerAll(event, 64));
        assertAnswer(EINVAL, messages.triggerFrom(64, last.descriptor()));
        assertAnswer(0, messages.disable());
        int[] descriptors = new int[65];
        Arrays.fill(descriptors, event.descriptor());
        descriptors[64] = last.descriptor();
        assertAnswer(0, messages.trigger(descriptors));
        send(0);
        send(63);
        assertEquals(2, event.take());
        send(64);
        assertEquals(1, last.take());
        assertEquals(0, event.take());
    }

    @Test
    void sendMessage_noEventfd_pending() {
        assertAnswer(0, messages.trigger(event.descriptor(), -1, -1));
        send(1);
        send(1);
        send(40);
        assertEquals(1L << 1 | 1L << 40, pendingBits());
        assertEquals(0, event.take());
        assertAnswer(0, messages.triggerFrom(1, event.descriptor()));
        assertEquals(1, event.take());
        assertEquals(1L << 40, pendingBits());
        assertAnswer(0, messages.triggerFrom(1, -1));
        send(1);
        assertEquals(0, event.take());
        assertEquals(1L << 1 | 1L << 40, pendingBits());
    }

    @Test
    void sendMessage_msixDisabled_dropped() {
        send(1);
        assertEquals(0, pendingBits());
        assertAnswer(0, messages.triggerAll(event, 2));
        assertEquals(0, event.take());
        assertAnswer(0, messages.disable());
        send(1);
        assertEquals(0, event.take());
    }

    @Test
    void sendMessage_stoppedPe_dropped() {
        assertAnswer(0, messages.triggerAll(event, 2));
        assertAnswer(0, container.eeh(VFIO_EEH_PE_RESET_HOT));
        assertAnswer(0, container.eeh(VFIO_EEH_PE_RESET_DEACTIVATE));
        device.masterBus(true);
        // The reset has disabled MSI-X in the device, and nobody but the program enables it again.
        send(1);
        assertEquals(0, event.take());
        assertAnswer(0, messages.disable());
        assertAnswer(0, messages.triggerAll(event, 2));
        send(1);
        assertEquals(1, event.take());
        assertAnswer(0, container.eeh(VFIO_EEH_PE_RESET_HOT));
        assertAnswer(0, container.eeh(VFIO_EEH_PE_UNFREEZE_IO));
        assertEquals(0, event.take());
    }

    @Test
    void deviceReset_pendingVector_clearedAndTriggersKept() {
        assertAnswer(0, messages.trigger(event.descriptor(), -1));
        send(1);
        assertAnswer(0, device.reset());
        assertEquals(0, pendingBits());
        device.masterBus(true);
        send(0);
        assertEquals(1, event.take());
    }

    @Test
    void preadAndPwrite_msixTable_allOnes() {
        MemorySegment entry = process.struct(ValueLayout.JAVA_LONG);
        for (long offset : new long[] {TABLE, TABLE + 64 * 16 + 8}) {
            assertAnswer(Long.BYTES, device.pwrite(entry, offset));
            assertAnswer(Long.BYTES, device.pread(entry, offset));
            assertEquals(-1, entry.get(ValueLayout.JAVA_LONG, 0));
            entry.fill((byte) 0);
        }
        MemorySegment behind = process.struct(ValueLayout.JAVA_INT);
        assertAnswer(Integer.BYTES, device.pread(behind, TABLE + 65 * 16));
        assertEquals(0, behind.get(ValueLayout.JAVA_INT, 0));
    }

    @Test
    void pwrite_pendingBits_ignored() {
        assertAnswer(0, messages.trigger(-1));
        send(0);
        MemorySegment bits = process.struct(ValueLayout.JAVA_BYTE);
        assertAnswer(1, device.pwrite(bits, PENDING_BITS));
        assertAnswer(1, device.pread(bits, PENDING_BITS));
        assertEquals(1, bits.get(ValueLayout.JAVA_BYTE, 0));
        assertAnswer(1, device.pread(bits, PENDING_BITS + 1));
        assertEquals(0, bits.get(ValueLayout.JAVA_BYTE, 0));
    }

    @Test
    @Scenario("J21")
    void setIrqs_moreVectorsThanHost_returnsCount() {
        reboot(Messenger.EXTENDED, VFIO_PCI_MSIX_IRQ_INDEX, 4);
        assertAnswer(4, messages.triggerAll(event, 5));
        send(0);
        assertEquals(0, event.take());
        assertAnswer(EINVAL, messages.disable());
        assertAnswer(0, messages.triggerAll(event, 4));
        send(3);
        assertEquals(1, event.take());
        reboot(Messenger.EXTENDED, VFIO_PCI_MSIX_IRQ_INDEX, 0);
        assertAnswer(ENOSPC, messages.triggerAll(event, 1));
    }

    @Test
    void setIrqs_badEventfdInBlock_blockIsUnset() {
        assertAnswer(0, messages.triggerAll(event, 4));
        assertAnswer(EBADF, messages.triggerFrom(1, event.descriptor(), Integer.MAX_VALUE, event.descriptor()));
        send(0);
        send(3);
        assertEquals(2, event.take());
        send(1);
        send(2);
        assertEquals(0, event.take());
        assertEquals(1L << 1 | 1L << 2, pendingBits());
    }

    @Test
    void setIrqs_triggerRange_signalsEach() {
        Event second = new Event(process);
        assertAnswer(0, messages.trigger(event.descriptor(), -1, second.descriptor()));
        assertAnswer(0, messages.loopBack(0, 3));
        assertEquals(1, event.take());
        assertEquals(1, second.take());
        assertAnswer(0, messages.bools(VFIO_IRQ_SET_ACTION_TRIGGER, 0, 0, 1, 1));
        assertEquals(0, event.take());
        assertEquals(1, second.take());
        assertAnswer(EINVAL, messages.loopBack(64, 2));
        assertAnswer(0, messages.loopBack(3, 62));
    }

    @Test
    void setIrqs_msiVectors_countedFromZero() {
        reboot(DeviceInterrupts.of(false, 8), VFIO_PCI_MSI_IRQ_INDEX, 32);
        assertAnswer(EINVAL, messages.triggerAll(event, 9));
        assertAnswer(0, messages.triggerAll(event, 4));
        send(3);
        assertEquals(1, event.take());
        send(4);
        assertEquals(0, event.take());
        assertAnswer(0, messages.disable());
        assertAnswer(0, messages.triggerAll(event, 8));
        assertEquals(0, event.take());
        send(7);
        assertEquals(1, event.take());
    }

    @Test
    void sendMessage_vectorOutOfRange_illegalArgument() {
        assertThrows(IllegalArgumentException.class, () -> send(65));
        assertThrows(IllegalArgumentException.class, () -> send(-1));
        assertEquals(2, kernel.host().deviceFailures().size());
    }
}
