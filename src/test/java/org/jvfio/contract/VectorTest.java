package org.jvfio.contract;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.jvfio.contract.host.Answers.assertAnswer;
import static org.jvfio.kernel.Errno.EBADF;
import static org.jvfio.kernel.Errno.EINVAL;
import static org.jvfio.kernel.Errno.ENOTTY;
import static org.jvfio.uapi.vfio_h.VFIO_IRQ_INFO_AUTOMASKED;
import static org.jvfio.uapi.vfio_h.VFIO_IRQ_INFO_EVENTFD;
import static org.jvfio.uapi.vfio_h.VFIO_IRQ_INFO_MASKABLE;
import static org.jvfio.uapi.vfio_h.VFIO_IRQ_INFO_NORESIZE;
import static org.jvfio.uapi.vfio_h.VFIO_IRQ_SET_ACTION_TRIGGER;
import static org.jvfio.uapi.vfio_h.VFIO_PCI_ERR_IRQ_INDEX;
import static org.jvfio.uapi.vfio_h.VFIO_PCI_INTX_IRQ_INDEX;
import static org.jvfio.uapi.vfio_h.VFIO_PCI_MSIX_IRQ_INDEX;
import static org.jvfio.uapi.vfio_h.VFIO_PCI_MSI_IRQ_INDEX;

import org.junit.jupiter.api.Test;
import org.jvfio.contract.host.ContractHost;
import org.jvfio.contract.host.Event;
import org.jvfio.contract.host.RawDevice;
import org.jvfio.contract.host.RawInterrupts;
import org.jvfio.ioctl.GetIrqInfo;

/** The interrupts of an NVMe controller, which has a line, 65 vectors of MSI-X, and errors to report. */
@ContractTest
class VectorTest extends Contract {
    private static final int VECTORS = 65;

    private final RawDevice device = nvme();
    private final RawInterrupts vectors = device.interrupts(VFIO_PCI_MSIX_IRQ_INDEX);
    private final RawInterrupts line = device.interrupts(VFIO_PCI_INTX_IRQ_INDEX);
    private final Event event = new Event(process);

    VectorTest(ContractHost host) {
        super(host);
    }

    private void assertInfo(int index, int count, int flags) {
        GetIrqInfo info = device.interrupts(index).info();
        assertEquals(count, info.count());
        assertEquals(flags, info.flags());
    }

    @Test
    void irqInfo_nvme_countsAndFlags() {
        assertInfo(
                VFIO_PCI_INTX_IRQ_INDEX, 1, VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_MASKABLE | VFIO_IRQ_INFO_AUTOMASKED);
        assertInfo(VFIO_PCI_MSI_IRQ_INDEX, 0, VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_NORESIZE);
        assertInfo(VFIO_PCI_MSIX_IRQ_INDEX, VECTORS, VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_NORESIZE);
        assertInfo(VFIO_PCI_ERR_IRQ_INDEX, 1, VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_NORESIZE);
    }

    @Test
    void setIrqs_triggerAllVectors_signalled() {
        assertAnswer(EINVAL, vectors.loopBack(0, 1));
        assertAnswer(EINVAL, vectors.triggerAll(event, VECTORS + 1));
        assertAnswer(0, vectors.triggerAll(event, VECTORS));
        assertAnswer(0, vectors.loopBack(0, VECTORS));
        assertEquals(VECTORS, event.take());
        assertAnswer(0, vectors.bools(VFIO_IRQ_SET_ACTION_TRIGGER, 62, 1, 0, 1));
        assertEquals(2, event.take());
        assertAnswer(ENOTTY, vectors.mask());
        assertAnswer(EINVAL, vectors.loopBack(VECTORS - 1, 2));
    }

    @Test
    void setIrqs_moreVectorsThanGranted_einval() {
        assertAnswer(0, vectors.triggerAll(event, 2));
        assertAnswer(EINVAL, vectors.triggerFrom(2, event.descriptor()));
        assertAnswer(0, vectors.triggerFrom(2, -1));
        assertAnswer(0, vectors.loopBack(0, VECTORS));
        assertEquals(2, event.take());
        assertAnswer(EINVAL, line.trigger(event));
        assertAnswer(0, vectors.disable());
        assertAnswer(0, vectors.triggerFrom(2, event.descriptor()));
        assertAnswer(0, vectors.loopBack(0, VECTORS));
        assertEquals(1, event.take());
    }

    @Test
    void setIrqs_badEventfdInBlock_blockIsUnset() {
        assertAnswer(0, vectors.triggerAll(event, 4));
        assertAnswer(EBADF, vectors.triggerFrom(1, event.descriptor(), Integer.MAX_VALUE, event.descriptor()));
        assertAnswer(0, vectors.loopBack(0, 4));
        assertEquals(2, event.take());
        assertAnswer(0, vectors.disable());
        assertAnswer(EBADF, vectors.trigger(event.descriptor(), Integer.MAX_VALUE));
        assertAnswer(EINVAL, vectors.disable());
        assertAnswer(0, line.trigger(event));
    }

    @Test
    void setIrqs_errorIndex_besideMsix() {
        RawInterrupts errors = device.interrupts(VFIO_PCI_ERR_IRQ_INDEX);
        assertAnswer(EINVAL, errors.loopBack(0, 1));
        assertAnswer(ENOTTY, errors.unmask());
        assertAnswer(0, vectors.trigger(event));
        assertAnswer(0, errors.trigger(event));
        assertAnswer(0, errors.loopBack(0, 1));
        assertEquals(1, event.take());
        assertAnswer(0, errors.disable());
        assertAnswer(EINVAL, errors.loopBack(0, 1));
    }
}
