package org.jvfio.contract;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.assumeTrue;
import static org.jvfio.contract.host.Answers.assertAnswer;
import static org.jvfio.kernel.Errno.EBADF;
import static org.jvfio.kernel.Errno.EBUSY;
import static org.jvfio.kernel.Errno.EFAULT;
import static org.jvfio.kernel.Errno.EINVAL;
import static org.jvfio.kernel.Errno.ENOTTY;
import static org.jvfio.uapi.vfio_h.PCI_COMMAND_INTX_DISABLE;
import static org.jvfio.uapi.vfio_h.VFIO_DEVICE_GET_IRQ_INFO;
import static org.jvfio.uapi.vfio_h.VFIO_DEVICE_SET_IRQS;
import static org.jvfio.uapi.vfio_h.VFIO_IRQ_INFO_AUTOMASKED;
import static org.jvfio.uapi.vfio_h.VFIO_IRQ_INFO_EVENTFD;
import static org.jvfio.uapi.vfio_h.VFIO_IRQ_INFO_MASKABLE;
import static org.jvfio.uapi.vfio_h.VFIO_IRQ_INFO_NORESIZE;
import static org.jvfio.uapi.vfio_h.VFIO_IRQ_SET_ACTION_MASK;
import static org.jvfio.uapi.vfio_h.VFIO_IRQ_SET_ACTION_TRIGGER;
import static org.jvfio.uapi.vfio_h.VFIO_IRQ_SET_ACTION_UNMASK;
import static org.jvfio.uapi.vfio_h.VFIO_IRQ_SET_DATA_BOOL;
import static org.jvfio.uapi.vfio_h.VFIO_IRQ_SET_DATA_EVENTFD;
import static org.jvfio.uapi.vfio_h.VFIO_IRQ_SET_DATA_NONE;
import static org.jvfio.uapi.vfio_h.VFIO_PCI_ERR_IRQ_INDEX;
import static org.jvfio.uapi.vfio_h.VFIO_PCI_INTX_IRQ_INDEX;
import static org.jvfio.uapi.vfio_h.VFIO_PCI_MSIX_IRQ_INDEX;
import static org.jvfio.uapi.vfio_h.VFIO_PCI_MSI_IRQ_INDEX;
import static org.jvfio.uapi.vfio_h.VFIO_PCI_NUM_IRQS;
import static org.jvfio.uapi.vfio_h.VFIO_PCI_REQ_IRQ_INDEX;

import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ExecutionMode;
import org.jvfio.contract.host.ContractHost;
import org.jvfio.contract.host.Edu;
import org.jvfio.contract.host.Event;
import org.jvfio.contract.host.RawDevice;
import org.jvfio.contract.host.RawGroup;
import org.jvfio.contract.host.RawInterrupts;
import org.jvfio.emulator.KernelVersion;
import org.jvfio.emulator.Platform;
import org.jvfio.ioctl.GetIrqInfo;
import org.jvfio.ioctl.SetIrqs;
import org.jvfio.kernel.Errno;
import org.jvfio.uapi.vfio_h;

/**
 * Interrupts of an edu device, which has INTx and one MSI message. Most of the time it waits for interrupts that must
 * not come: on an emulated host, where each test boots its own, the tests of a nested class run at the same time if the
 * build says so.
 */
@ContractTest
class InterruptTest extends Contract {
    private final RawGroup group = openGroup();
    private final RawDevice device;
    private final Edu edu;
    private final RawInterrupts line;
    private final RawInterrupts messages;
    private final Event event;

    InterruptTest(ContractHost host) {
        super(host);
        v2(group);
        device = group.device(first.address());
        edu = Edu.mastering(device);
        // In an LPAR it was not reset, and may still interrupt.
        edu.acknowledge();
        line = device.interrupts(VFIO_PCI_INTX_IRQ_INDEX);
        messages = device.interrupts(VFIO_PCI_MSI_IRQ_INDEX);
        event = new Event(process);
    }

    private void assertInfo(int index, int count, int flags) {
        GetIrqInfo info = device.interrupts(index).info();
        assertEquals(count, info.count());
        assertEquals(flags, info.flags());
    }

    private int info(int index, int argsz) {
        return device.call(GetIrqInfo.of(process.arena(), index).argsz(argsz));
    }

    /** DEVICE_SET_IRQS that sets the trigger of INTx, which is valid. */
    private SetIrqs trigger() {
        int flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;
        return SetIrqs.of(process.arena(), flags, VFIO_PCI_INTX_IRQ_INDEX, 0, 1, event.descriptor());
    }

    private void assertRefused(Errno expected, int flags, int index, int start, int count) {
        assertAnswer(expected, device.call(trigger().fill(flags, index, start, count)));
    }

    /** edu is not PCI Express, and has the index of errors from Linux 7.3 on. */
    private boolean hasErrorIndex() {
        return host.version().atLeast(KernelVersion.V7_3);
    }

    /** XICS samples INTx when it is enabled; XIVE reports it when it is asserted again. */
    private void assertEnabledLine(Event trigger) {
        if (host.platform() == Platform.PHB3) {
            trigger.await(1);
        } else {
            trigger.assertQuiet();
        }
    }

    @Test
    void deviceReset_msiEnabled_triggersKept() {
        assumeTrue(host.resetsReliably(), "the firmware fails resets after a while");
        assertAnswer(0, messages.trigger(event));
        // Without a reset of its own, edu is reset with its bus, which an LPAR does not have.
        boolean resets = host.isPowernv();
        assertAnswer(resets ? 0 : EINVAL.negated(), device.reset());
        device.masterBus(true);
        edu.raise();
        event.await(1);
    }

    @Test
    void closeDevice_lastDescriptor_interruptsDisabled() {
        Event request = new Event(process);
        assertAnswer(0, messages.trigger(event));
        assertAnswer(0, device.interrupts(VFIO_PCI_REQ_IRQ_INDEX).trigger(request));
        assertAnswer(0, device.close());
        RawDevice reopened = group.device(first.address());
        Edu.mastering(reopened).raise();
        event.assertQuiet();
        assertAnswer(EINVAL, reopened.interrupts(VFIO_PCI_MSI_IRQ_INDEX).disable());
        assertAnswer(EINVAL, reopened.interrupts(VFIO_PCI_REQ_IRQ_INDEX).loopBack(0, 1));
    }

    @Nested
    @Execution(ExecutionMode.CONCURRENT)
    class IrqInfoCalls {
        @Test
        void irqInfo_edu_countsAndFlags() {
            assertInfo(
                    VFIO_PCI_INTX_IRQ_INDEX,
                    1,
                    VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_MASKABLE | VFIO_IRQ_INFO_AUTOMASKED);
            assertInfo(VFIO_PCI_MSI_IRQ_INDEX, 1, VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_NORESIZE);
            assertInfo(VFIO_PCI_MSIX_IRQ_INDEX, 0, VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_NORESIZE);
            assertInfo(VFIO_PCI_REQ_IRQ_INDEX, 1, VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_NORESIZE);
            if (hasErrorIndex()) {
                assertInfo(VFIO_PCI_ERR_IRQ_INDEX, 1, VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_NORESIZE);
            } else {
                assertAnswer(EINVAL, info(VFIO_PCI_ERR_IRQ_INDEX, 16));
            }
        }

        @Test
        void irqInfo_unknownIndexOrShortArgsz_einval() {
            assertAnswer(EINVAL, info(VFIO_PCI_NUM_IRQS, 16));
            assertAnswer(EINVAL, info(-1, 16));
            assertAnswer(EINVAL, info(VFIO_PCI_INTX_IRQ_INDEX, 15));
            assertAnswer(EFAULT, device.ioctl(VFIO_DEVICE_GET_IRQ_INFO, 0));
            assertAnswer(0, info(VFIO_PCI_INTX_IRQ_INDEX, Integer.MAX_VALUE));
        }
    }

    @Nested
    @Execution(ExecutionMode.CONCURRENT)
    class SetIrqsCalls {
        @Test
        @Scenario("J24")
        void setIrqs_invalidArguments_refused() {
            assertAnswer(EFAULT, device.ioctl(VFIO_DEVICE_SET_IRQS, 0));
            assertAnswer(EINVAL, device.call(trigger().argsz(19)));
            assertAnswer(EINVAL, device.call(trigger().argsz(23)));
            int intx = VFIO_PCI_INTX_IRQ_INDEX;
            int action = VFIO_IRQ_SET_ACTION_TRIGGER;
            int flags = action | VFIO_IRQ_SET_DATA_EVENTFD;
            assertRefused(EINVAL, flags, VFIO_PCI_NUM_IRQS, 0, 1);
            assertRefused(EINVAL, flags, intx, 0, -1);
            assertRefused(EINVAL, flags | 1 << 6, intx, 0, 1);
            assertRefused(EINVAL, action | VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_DATA_BOOL, intx, 0, 1);
            assertRefused(EINVAL, action, intx, 0, 1);
            assertRefused(ENOTTY, VFIO_IRQ_SET_DATA_EVENTFD, intx, 0, 1);
            assertRefused(ENOTTY, flags | VFIO_IRQ_SET_ACTION_UNMASK, intx, 0, 1);
            assertRefused(EINVAL, flags, intx, 1, 1);
            assertAnswer(0, line.trigger(event));
        }

        @Test
        @Scenario("J25")
        void setIrqs_outOfRange_einval() {
            assertAnswer(EINVAL, line.triggerFrom(1, event.descriptor()));
            assertAnswer(EINVAL, messages.triggerAll(event, 2));
            assertAnswer(EINVAL, device.interrupts(VFIO_PCI_MSIX_IRQ_INDEX).trigger(event));
            assertAnswer(EINVAL, device.interrupts(VFIO_PCI_MSIX_IRQ_INDEX).disable());
            assertAnswer(EINVAL, line.loopBack(1, 0));
        }

        @Test
        void setIrqs_errorIndexOfConventionalDevice_enablesFromLinux73() {
            RawInterrupts errors = device.interrupts(VFIO_PCI_ERR_IRQ_INDEX);
            if (!hasErrorIndex()) {
                assertAnswer(EINVAL, errors.trigger(event));
                return;
            }
            assertAnswer(0, errors.trigger(event));
            assertAnswer(0, errors.loopBack(0, 1));
            assertEquals(1, event.take());
            assertAnswer(EINVAL, errors.triggerFrom(1, event.descriptor()));
            assertAnswer(0, errors.trigger(-1));
            assertAnswer(EINVAL, errors.loopBack(0, 1));
        }

        @Test
        @Scenario({"J18", "J19", "J20"})
        void setIrqs_secondKindOfInterrupt_einval() {
            assertAnswer(EINVAL, line.disable());
            assertAnswer(0, line.trigger(event));
            assertAnswer(EINVAL, messages.trigger(event));
            assertAnswer(EINVAL, messages.disable());
            assertAnswer(0, line.disable());
            assertAnswer(EINVAL, line.disable());
            assertAnswer(0, messages.trigger(event));
            assertAnswer(EINVAL, line.trigger(event));
            assertAnswer(EINVAL, line.mask());
            assertAnswer(0, messages.disable());
            assertAnswer(0, line.trigger(event));
        }

        @Test
        @Scenario({"J22", "J23"})
        void setIrqs_maskMsi_enotty() {
            assertAnswer(EINVAL, line.mask());
            assertAnswer(0, messages.trigger(event));
            assertAnswer(ENOTTY, messages.mask());
            assertAnswer(ENOTTY, messages.unmask());
            assertAnswer(ENOTTY, device.interrupts(VFIO_PCI_REQ_IRQ_INDEX).mask());
            assertAnswer(0, messages.disable());
            assertAnswer(0, line.trigger(event));
            assertAnswer(ENOTTY, line.events(VFIO_IRQ_SET_ACTION_MASK, 0, event.descriptor()));
        }

        @Test
        @Scenario("J26")
        void setIrqs_otherFileAsEventfd_einvalOrEbadf() {
            int file = process.open("/dev/null", vfio_h.O_RDWR);
            for (RawInterrupts each : new RawInterrupts[] {line, messages, device.interrupts(VFIO_PCI_REQ_IRQ_INDEX)}) {
                assertAnswer(EINVAL, each.trigger(file));
                assertAnswer(EBADF, each.trigger(Integer.MAX_VALUE));
            }
            assertAnswer(0, line.trigger(event));
            assertAnswer(EINVAL, line.unmaskBy(file));
            assertAnswer(EBADF, line.unmaskBy(Integer.MAX_VALUE));
        }

        @Test
        void setIrqs_assertedIntxEnabled_signalsOnPower8() {
            edu.raise();
            assertAnswer(0, line.trigger(event));
            assertEnabledLine(event);
            edu.raise();
            event.assertQuiet();
            edu.acknowledge();
            assertAnswer(0, line.unmask());
            event.assertQuiet();
            edu.raise();
            event.await(1);
        }

        @Test
        void setIrqs_assertedIntxEnabledAgain_signalsOnPower8() {
            assertAnswer(0, line.trigger(event));
            edu.raise();
            event.await(1);
            assertAnswer(0, line.disable());
            assertAnswer(0, line.trigger(event));
            assertEnabledLine(event);
        }

        @Test
        void setIrqs_unmaskAssertedIntx_signals() {
            edu.raise();
            assertAnswer(0, line.trigger(event));
            assertEnabledLine(event);
            assertAnswer(0, line.mask());
            assertAnswer(0, line.unmask());
            event.await(1);
        }

        @Test
        void setIrqs_otherEventfdForIntx_replacesIt() {
            Event other = new Event(process);
            assertAnswer(0, line.trigger(-1));
            edu.raise();
            event.assertQuiet();
            assertAnswer(0, line.trigger(event));
            event.assertQuiet();
            assertAnswer(0, line.unmask());
            event.await(1);
            assertAnswer(0, line.trigger(other));
            assertAnswer(0, line.unmask());
            other.await(1);
            event.assertQuiet();
            assertAnswer(0, line.trigger(-1));
            assertAnswer(0, line.unmask());
            other.assertQuiet();
        }

        @Test
        void setIrqs_triggerByNoneOrBool_signals() {
            assertAnswer(EINVAL, line.loopBack(0, 1));
            assertAnswer(EINVAL, messages.loopBack(0, 1));
            assertAnswer(0, line.trigger(event));
            assertAnswer(0, line.loopBack(0, 1));
            assertAnswer(0, line.bools(VFIO_IRQ_SET_ACTION_TRIGGER, 0, 1));
            assertAnswer(0, line.bools(VFIO_IRQ_SET_ACTION_TRIGGER, 0, 0));
            assertEquals(2, event.take());
            assertAnswer(0, line.disable());
            assertAnswer(0, messages.trigger(event));
            assertAnswer(0, messages.loopBack(0, 1));
            assertAnswer(0, messages.bools(VFIO_IRQ_SET_ACTION_TRIGGER, 0, 1));
            assertAnswer(0, messages.bools(VFIO_IRQ_SET_ACTION_TRIGGER, 0, 0));
            assertEquals(2, event.take());
        }

        @Test
        void setIrqs_badEventfd_disablesTheIndex() {
            assertAnswer(EBADF, messages.trigger(Integer.MAX_VALUE));
            assertAnswer(EINVAL, messages.disable());
            assertAnswer(EBADF, line.trigger(Integer.MAX_VALUE));
            assertAnswer(EINVAL, line.disable());
            assertAnswer(0, messages.trigger(event));
            assertAnswer(EBADF, messages.trigger(Integer.MAX_VALUE));
            edu.raise();
            event.assertQuiet();
            assertAnswer(0, messages.disable());
        }

        @Test
        @Scenario("J27")
        void setIrqs_requestIndex_ownEvent() {
            RawInterrupts request = device.interrupts(VFIO_PCI_REQ_IRQ_INDEX);
            assertAnswer(EINVAL, request.loopBack(0, 1));
            assertAnswer(EINVAL, request.disable());
            assertAnswer(0, request.bools(VFIO_IRQ_SET_ACTION_TRIGGER, 0, 1));
            assertAnswer(EINVAL, request.bools(VFIO_IRQ_SET_ACTION_TRIGGER, 0));
            assertAnswer(EINVAL, request.trigger());
            assertAnswer(0, request.trigger(event));
            assertAnswer(0, line.trigger(event));
            assertAnswer(0, request.loopBack(0, 1));
            assertAnswer(0, request.bools(VFIO_IRQ_SET_ACTION_TRIGGER, 0, 1));
            assertEquals(2, event.take());
            assertAnswer(EINVAL, request.trigger(-2));
            assertAnswer(0, request.loopBack(0, 1));
            assertEquals(1, event.take());
            assertAnswer(0, request.trigger(-1));
            assertAnswer(EINVAL, request.loopBack(0, 1));
            assertAnswer(0, request.trigger(event));
            assertAnswer(0, request.disable());
            assertAnswer(EINVAL, request.loopBack(0, 1));
        }

        @Test
        void setIrqs_secondDescriptor_sharedInterrupts() {
            RawDevice again = group.device(first.address());
            assertAnswer(0, messages.trigger(event));
            assertAnswer(EINVAL, again.interrupts(VFIO_PCI_INTX_IRQ_INDEX).trigger(event));
            assertAnswer(0, again.close());
            edu.raise();
            event.await(1);
        }
    }

    @Nested
    @Execution(ExecutionMode.CONCURRENT)
    class IntxInterrupts {
        @Test
        void intx_raised_maskedUntilUnmask() {
            assertAnswer(0, line.trigger(event));
            edu.raise();
            event.await(1);
            edu.raise();
            event.assertQuiet();
            assertAnswer(0, line.unmask());
            event.await(1);
            edu.acknowledge();
            assertAnswer(0, line.unmask());
            event.assertQuiet();
            edu.raise();
            event.await(1);
        }

        @Test
        void intx_raisedWhileMasked_signalsAfterUnmask() {
            assertAnswer(0, line.trigger(event));
            assertAnswer(0, line.bools(VFIO_IRQ_SET_ACTION_MASK, 0, 0));
            edu.raise();
            event.await(1);
            edu.acknowledge();
            assertAnswer(0, line.bools(VFIO_IRQ_SET_ACTION_UNMASK, 0, 1));
            assertAnswer(0, line.bools(VFIO_IRQ_SET_ACTION_MASK, 0, 1));
            edu.raise();
            event.assertQuiet();
            assertAnswer(0, line.bools(VFIO_IRQ_SET_ACTION_UNMASK, 0, 0));
            event.assertQuiet();
            assertAnswer(0, line.unmask());
            event.await(1);
        }

        @Test
        void intx_disabledByCommandRegister_signalsLater() {
            assertAnswer(0, line.trigger(event));
            device.changeCommand(PCI_COMMAND_INTX_DISABLE, true);
            edu.raise();
            event.assertQuiet();
            assertAnswer(0, line.unmask());
            assertAnswer(0, line.loopBack(0, 1));
            event.assertQuiet();
            device.changeCommand(PCI_COMMAND_INTX_DISABLE, false);
            event.await(1);
            assertAnswer(0, line.disable());
            device.changeCommand(PCI_COMMAND_INTX_DISABLE, true);
            assertAnswer(0, line.trigger(event));
            event.assertQuiet();
            device.changeCommand(PCI_COMMAND_INTX_DISABLE, false);
            event.await(1);
        }
    }

    @Nested
    @Execution(ExecutionMode.CONCURRENT)
    class UnmaskEvents {
        @Test
        void unmaskEvent_signalled_unmasksIntx() {
            Event unmask = new Event(process);
            assertAnswer(0, line.trigger(event));
            assertAnswer(0, line.unmaskBy(unmask.descriptor()));
            assertAnswer(EBUSY, line.unmaskBy(unmask.descriptor()));
            edu.raise();
            event.await(1);
            unmask.signal();
            event.await(1);
            assertEquals(0, unmask.take());
            edu.acknowledge();
            unmask.signal();
            edu.raise();
            event.await(1);
            assertAnswer(0, line.unmaskBy(-1));
            unmask.signal();
            event.assertQuiet();
            assertEquals(1, unmask.take());
            assertAnswer(0, line.unmaskBy(unmask.descriptor()));
        }

        @Test
        void unmaskEvent_closed_noEffect() {
            Event unmask = new Event(process);
            assertAnswer(0, line.trigger(event));
            assertAnswer(0, line.unmaskBy(unmask.descriptor()));
            assertAnswer(0, unmask.close());
            Event other = new Event(process);
            edu.raise();
            event.await(1);
            other.signal();
            event.assertQuiet();
            assertAnswer(0, line.unmask());
            event.await(1);
        }

        @Test
        void unmaskEvent_signalledBeforeSet_unmasksAtOnce() {
            Event unmask = new Event(process);
            unmask.signal();
            assertAnswer(0, line.trigger(event));
            edu.raise();
            event.await(1);
            assertAnswer(0, line.unmaskBy(unmask.descriptor()));
            event.await(1);
            assertEquals(1, unmask.take());
        }
    }

    @Nested
    @Execution(ExecutionMode.CONCURRENT)
    class MsiInterrupts {
        @Test
        void msi_raisedTwice_signalsTwice() {
            assertAnswer(0, messages.trigger(event));
            edu.raise();
            event.await(1);
            edu.raise();
            edu.raise();
            event.await(2);
            edu.acknowledge();
            event.assertQuiet();
        }

        @Test
        void msi_busMasterOff_dropped() {
            Edu.notMastering(device);
            assertAnswer(0, messages.trigger(event));
            edu.raise();
            event.assertQuiet();
            device.masterBus(true);
            event.assertQuiet();
            edu.raise();
            event.await(1);
        }

        @Test
        void msi_raisedWithoutEventfd_keptOnPower8() {
            assertAnswer(0, messages.trigger(-1));
            edu.raise();
            edu.raise();
            event.assertQuiet();
            assertAnswer(0, messages.trigger(event));
            if (host.platform() == Platform.PHB3) {
                event.await(1);
            }
            event.assertQuiet();
            Event other = new Event(process);
            assertAnswer(0, messages.trigger(other));
            edu.raise();
            other.await(1);
            event.assertQuiet();
        }
    }
}
