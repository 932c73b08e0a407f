package org.jvfio.contract;

import static org.jvfio.contract.host.Answers.assertAnswer;
import static org.jvfio.kernel.Errno.EFAULT;
import static org.jvfio.kernel.Errno.EINVAL;
import static org.jvfio.kernel.Errno.ENODEV;
import static org.jvfio.uapi.vfio_h.VFIO_DMA_MAP_FLAG_READ;
import static org.jvfio.uapi.vfio_h.VFIO_DMA_MAP_FLAG_WRITE;
import static org.jvfio.uapi.vfio_h.VFIO_EEH_PE_GET_STATE;
import static org.jvfio.uapi.vfio_h.VFIO_EEH_PE_STATE_NORMAL;
import static org.jvfio.uapi.vfio_h.VFIO_EEH_PE_STATE_STOPPED;
import static org.jvfio.uapi.vfio_h.VFIO_SPAPR_TCE_IOMMU;

import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.jvfio.contract.host.Buffers;
import org.jvfio.contract.host.ContractHost;
import org.jvfio.contract.host.Edu;
import org.jvfio.contract.host.RawContainer;
import org.jvfio.contract.host.RawDevice;
import org.jvfio.contract.host.RawGroup;

/** A device's DMA, through what is mapped and no further. */
@ContractTest
class DeviceDmaTest extends Contract {
    private static final long PAGE = 64 * KIB;
    private static final int BYTES = Edu.BUFFER_BYTES;
    private static final long IOVA = 0x100000;

    private final RawGroup group = openGroup();
    private final Buffers buffers = new Buffers(process);
    private final long source = buffers.memory();
    private final long target = buffers.memory() + PAGE;

    DeviceDmaTest(ContractHost host) {
        super(host);
    }

    private Edu edu() {
        return Edu.mastering(group.device(first.address()));
    }

    private RawContainer enabledType2() {
        RawContainer container = container(group, VFIO_SPAPR_TCE_IOMMU);
        assertAnswer(0, container.enable());
        return container;
    }

    private RawContainer registeredType7() {
        RawContainer container = v2(group);
        assertAnswer(0, container.register(source, 2 * PAGE));
        return container;
    }

    private void copy(Edu edu, long from, long to) {
        edu.readMemory(from, BYTES);
        edu.writeMemory(to, BYTES);
    }

    /** QEMU's bridges drop what they cannot translate; hardware stops the device too. */
    private void assertStopped(RawContainer container) {
        int state = host.freezes() ? VFIO_EEH_PE_STATE_STOPPED : VFIO_EEH_PE_STATE_NORMAL;
        assertAnswer(host.hasEeh() ? state : ENODEV.negated(), container.eeh(VFIO_EEH_PE_GET_STATE));
    }

    @Test
    @Scenario("D24")
    void unmapDma_partOfRange_restStaysMapped() {
        RawContainer container = registeredType7();
        long between = process.memory(PAGE);
        assertAnswer(0, container.register(between, PAGE));
        assertAnswer(0, container.map(IOVA, source, PAGE));
        assertAnswer(0, container.map(IOVA + PAGE, between, PAGE));
        assertAnswer(0, container.map(IOVA + 2 * PAGE, target, PAGE));
        assertAnswer(0, container.unmap(IOVA + PAGE, PAGE));
        copy(edu(), IOVA, IOVA + 2 * PAGE);
        buffers.assertCopied();
    }

    @Nested
    class DmaTransfers {
        @Test
        void dma_defaultWindowOfV1_copies() {
            RawContainer container = enabledType2();
            assertAnswer(0, container.map(0, source, PAGE));
            assertAnswer(0, container.map(0x123000, target, PAGE));
            copy(edu(), 0, 0x123000);
            buffers.assertCopied();
        }

        @Test
        void dma_defaultWindowOfV2_copies() {
            assertAnswer(0, registeredType7().map(IOVA, source, 2 * PAGE));
            copy(edu(), IOVA, IOVA + PAGE);
            buffers.assertCopied();
        }

        @Test
        void dma_bothEndsOfSecondWindow_copies() {
            RawContainer container = registeredType7();
            long window = container.createWindow(systemPageShift(), GIB, 1);
            assertAnswer(0, container.map(window, source, PAGE));
            assertAnswer(0, container.map(window + GIB - PAGE, target, PAGE));
            copy(edu(), window, window + GIB - PAGE);
            buffers.assertCopied();
        }

        @Test
        void dma_tableOfSeveralLevels_copies() {
            RawContainer container = registeredType7();
            assertAnswer(0, container.remove(0));
            // An LPAR's tables are the hypervisor's, and have one level.
            int levels = host.isPowernv() ? 2 : 1;
            long window = container.createWindow(systemPageShift(), 64 * GIB, levels);
            assertAnswer(0, container.map(window, source, PAGE));
            assertAnswer(0, container.map(window + 64 * GIB - PAGE, target, PAGE));
            copy(edu(), window, window + 64 * GIB - PAGE);
            buffers.assertCopied();
        }

        @Test
        @Scenario("A33")
        void dma_containerClosed_copies() {
            RawContainer container = registeredType7();
            assertAnswer(0, container.map(IOVA, source, 2 * PAGE));
            Edu edu = edu();
            assertAnswer(0, container.close());
            copy(edu, IOVA, IOVA + PAGE);
            buffers.assertCopied();
        }

        @Test
        @Scenario("C12")
        void dma_containerDisabled_copies() {
            RawContainer container = enabledType2();
            assertAnswer(0, container.map(IOVA, source, 2 * PAGE));
            assertAnswer(0, container.disable());
            copy(edu(), IOVA, IOVA + PAGE);
            buffers.assertCopied();
        }

        @Test
        void dma_unmapped_stopped() {
            RawContainer container = registeredType7();
            assertAnswer(0, container.map(IOVA, source, 2 * PAGE));
            Edu edu = edu();
            copy(edu, IOVA, IOVA + PAGE);
            buffers.assertCopied();
            buffers.fillSource();
            assertAnswer(0, container.unmap(IOVA + PAGE, PAGE));
            copy(edu, IOVA, IOVA + PAGE);
            buffers.assertNothingWritten();
            assertStopped(container);
        }

        @Test
        void dma_windowRemoved_stopped() {
            RawContainer container = registeredType7();
            assertAnswer(0, container.map(IOVA, source, 2 * PAGE));
            Edu edu = edu();
            edu.readMemory(IOVA, BYTES);
            assertAnswer(0, container.remove(0));
            edu.writeMemory(IOVA + PAGE, BYTES);
            buffers.assertNothingWritten();
            assertStopped(container);
        }
    }

    @Nested
    class DmaReads {
        @Test
        @Scenario("D28")
        void dmaRead_mappedForWriting_copiesExceptInLpar() {
            RawContainer container = enabledType2();
            assertAnswer(0, container.map(0, source, PAGE, VFIO_DMA_MAP_FLAG_WRITE));
            assertAnswer(0, container.map(IOVA, target, PAGE, VFIO_DMA_MAP_FLAG_WRITE));
            copy(edu(), 0, IOVA);
            if (host.isPowernv()) {
                buffers.assertCopied();
            } else {
                buffers.assertNotCopied();
            }
        }
    }

    @Nested
    class DmaWrites {
        @Test
        void dmaWrite_busMasterOff_nothingWritten() {
            assertAnswer(0, registeredType7().map(IOVA, source, 2 * PAGE));
            RawDevice device = group.device(first.address());
            Edu edu = Edu.mastering(device);
            edu.readMemory(IOVA, BYTES);
            device.masterBus(false);
            edu.writeMemory(IOVA + PAGE, BYTES);
            buffers.assertNothingWritten();
        }

        @Test
        void dmaWrite_notMapped_stopped() {
            RawContainer container = registeredType7();
            assertAnswer(0, container.map(IOVA, source, PAGE));
            copy(edu(), IOVA, IOVA + PAGE);
            buffers.assertNothingWritten();
            assertStopped(container);
        }

        @Test
        @Scenario("D27")
        void dmaWrite_mappedForReading_stopped() {
            RawContainer container = enabledType2();
            assertAnswer(0, container.map(0, source, PAGE, VFIO_DMA_MAP_FLAG_READ));
            assertAnswer(0, container.map(IOVA, target, PAGE, VFIO_DMA_MAP_FLAG_READ));
            copy(edu(), 0, IOVA);
            buffers.assertNothingWritten();
            assertStopped(container);
        }
    }

    @Nested
    class MapDmaCalls {
        @Test
        @Scenario("D15")
        void mapDma_holeAtEnd_earlierEntriesCleared() {
            RawContainer container = enabledType2();
            long holed = process.memory(3 * PAGE);
            process.free(holed + 2 * PAGE, PAGE);
            Buffers ofHoled = new Buffers(process, holed);
            assertAnswer(0, container.map(0, source, PAGE));
            assertAnswer(EFAULT, container.map(IOVA, holed, 3 * PAGE));
            copy(edu(), 0, IOVA + PAGE);
            ofHoled.assertNothingWritten();
            assertStopped(container);
        }

        @Test
        @Scenario("D16")
        void mapDma_holeOverMapping_oldMappingCleared() {
            RawContainer container = enabledType2();
            assertAnswer(0, container.map(0, source, PAGE));
            assertAnswer(0, container.map(IOVA, target, PAGE));
            long holed = process.memory(2 * PAGE);
            process.free(holed + PAGE, PAGE);
            assertAnswer(EFAULT, container.map(IOVA, holed, 2 * PAGE));
            copy(edu(), 0, IOVA);
            buffers.assertNothingWritten();
            assertStopped(container);
        }

        @Test
        @Scenario("F2")
        void mapDma_notRegisteredOverMapping_oldMappingCleared() {
            RawContainer container = registeredType7();
            assertAnswer(0, container.map(IOVA, source, 2 * PAGE));
            assertAnswer(EINVAL, container.map(IOVA + PAGE, target, 2 * PAGE));
            copy(edu(), IOVA, IOVA + PAGE);
            buffers.assertNothingWritten();
            assertStopped(container);
        }

        @Test
        @Scenario("D17")
        void mapDma_overMapping_replaces() {
            RawContainer container = enabledType2();
            assertAnswer(0, container.map(0, source, PAGE));
            assertAnswer(0, container.map(IOVA, source, PAGE));
            assertAnswer(0, container.map(IOVA, target, PAGE));
            copy(edu(), 0, IOVA);
            buffers.assertCopied();
        }

        @Test
        @Scenario("D29")
        void mapDma_partOfSystemPage_offsetKept() {
            RawContainer container = enabledType2();
            long memory = process.memory(PAGE);
            assertAnswer(0, container.map(0, source, PAGE));
            assertAnswer(0, container.map(IOVA, memory + 0x3000, 0x1000));
            assertAnswer(0, container.map(IOVA + PAGE, target, PAGE));
            Edu edu = edu();
            copy(edu, 0, IOVA);
            assertAnswer(0, container.unmap(IOVA, 0x1000));
            assertAnswer(0, container.map(IOVA, memory, 0x4000));
            copy(edu, IOVA + 0x3000, IOVA + PAGE);
            buffers.assertCopied();
        }
    }
}
