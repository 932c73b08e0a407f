package org.jvfio.contract;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.assumeFalse;
import static org.jvfio.contract.host.Answers.assertAnswer;
import static org.jvfio.kernel.Errno.EBUSY;
import static org.jvfio.kernel.Errno.EFAULT;
import static org.jvfio.kernel.Errno.EINTR;
import static org.jvfio.kernel.Errno.EINVAL;
import static org.jvfio.kernel.Errno.ENXIO;
import static org.jvfio.kernel.Errno.EPERM;
import static org.jvfio.uapi.vfio_h.VFIO_DMA_MAP_FLAG_READ;
import static org.jvfio.uapi.vfio_h.VFIO_DMA_MAP_FLAG_VADDR;
import static org.jvfio.uapi.vfio_h.VFIO_IOMMU_MAP_DMA;
import static org.jvfio.uapi.vfio_h.VFIO_IOMMU_UNMAP_DMA;
import static org.jvfio.uapi.vfio_h.VFIO_SPAPR_TCE_IOMMU;

import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.jvfio.contract.host.ContractHost;
import org.jvfio.contract.host.RawContainer;
import org.jvfio.contract.host.RawGroup;
import org.jvfio.emulator.KernelVersion;
import org.jvfio.uapi.vfio_iommu_type1_dma_map;
import org.jvfio.uapi.vfio_iommu_type1_dma_unmap;

/**
 * MAP_DMA and UNMAP_DMA in a container of type 2, whose one window has pages of 4K.
 *
 * <p>What is refused is tried elsewhere than at bus address 0, where it would hang a POWER8 host.
 */
@Type2ContractTest
class Type2MappingTest extends Contract {
    private static final long PAGE = 4 * KIB;
    private static final long IOVA = 0x100000;
    private static final int UNKNOWN_FLAG = 8;
    private static final int NO_ERROR_NUMBER = 1;

    private final long memory = process.memory(MIB);

    Type2MappingTest(ContractHost host) {
        super(host);
    }

    /** What is answered for a misaligned bus address: no error number from 4.12 on. */
    private long misaligned() {
        return host.version().atLeast(KernelVersion.V4_12) ? NO_ERROR_NUMBER : EINVAL.negated();
    }

    @Test
    @Scenario("D25")
    void setIommu_twoGroups_ebusyUntilOneLeaves() {
        RawGroup group = openGroup();
        RawContainer container = containerWith(group);
        RawGroup other = process.openGroup(second.group());
        assertAnswer(0, other.setContainer(container));
        assertAnswer(EBUSY, container.setIommu(VFIO_SPAPR_TCE_IOMMU));
        assertAnswer(0, other.unsetContainer());
        assertAnswer(0, container.setIommu(VFIO_SPAPR_TCE_IOMMU));
    }

    @Test
    @Scenario("D26")
    void setContainer_secondGroup_ebusy() {
        RawContainer container = v1();
        RawGroup other = process.openGroup(second.group());
        assertAnswer(EBUSY, other.setContainer(container));
        assertAnswer(0, other.setContainer(process.openContainer()));
    }

    @Nested
    class MapDmaCalls {
        @Test
        @Scenario("D1")
        void mapDma_notEnabled_eperm() {
            RawContainer container = v1();
            assertAnswer(EPERM, container.map(IOVA, memory, 64 * KIB));
            assertAnswer(EPERM, container.unmap(IOVA, 64 * KIB));
        }

        @Test
        void mapDma_enabledContainer_chargesTheTableOnly() {
            RawContainer container = enabledV1();
            long before = process.lockedBytes();
            assertAnswer(0, container.map(IOVA, memory, 64 * KIB));
            assertEquals(before + tableBytes.ofDefaultWindow(container), process.lockedBytes());
            assertAnswer(0, container.map(IOVA + 64 * KIB, memory, 64 * KIB));
            assertEquals(before + tableBytes.ofDefaultWindow(container), process.lockedBytes());
        }

        @Test
        @Scenario("D3")
        void mapDma_lastPageOfWindow_succeeds() {
            RawContainer container = enabledV1();
            assertAnswer(0, container.map(container.info().size() - PAGE, memory, PAGE));
        }

        @Test
        @Scenario({"D4", "D5"})
        void mapDma_outsideWindow_enxio() {
            RawContainer container = enabledV1();
            assertAnswer(ENXIO, container.map(container.info().size(), memory, PAGE));
            assertAnswer(ENXIO, container.map(SECOND_WINDOW, memory, PAGE));
        }

        @Test
        @Scenario("D6")
        void mapDma_partOfPage_einval() {
            RawContainer container = enabledV1();
            assertAnswer(EINVAL, container.map(IOVA, memory, PAGE - 1));
            assertAnswer(EINVAL, container.map(IOVA, memory + 8, PAGE));
        }

        @Test
        @Scenario("D7")
        void mapDma_misalignedIova_returnsOne() {
            assertAnswer(misaligned(), enabledV1().map(IOVA + 0x800, memory, PAGE));
        }

        @Test
        @Scenario("D8")
        void mapDma_noDirection_einval() {
            assertAnswer(EINVAL, enabledV1().map(IOVA, memory, PAGE, 0));
        }

        @Test
        @Scenario("D9")
        void mapDma_unknownFlags_einval() {
            RawContainer container = enabledV1();
            assertAnswer(EINVAL, container.map(IOVA, memory, PAGE, VFIO_DMA_MAP_FLAG_VADDR));
            assertAnswer(EINVAL, container.map(IOVA, memory, PAGE, RawContainer.READ_WRITE | UNKNOWN_FLAG));
        }

        @Test
        @Scenario("D10")
        void mapDma_shortArgsz_einval() {
            RawContainer container = enabledV1();
            assertAnswer(EINVAL, container.map(IOVA, memory, PAGE, RawContainer.READ_WRITE, 24));
            assertAnswer(EFAULT, container.ioctl(VFIO_IOMMU_MAP_DMA, 0));
            int longer = (int) vfio_iommu_type1_dma_map.sizeof() + 8;
            assertAnswer(0, container.map(IOVA, memory, PAGE, RawContainer.READ_WRITE, longer));
        }

        @Test
        @Scenario("D11")
        void mapDma_noDirectionOutsideWindow_enxioFirst() {
            RawContainer container = enabledV1();
            assertAnswer(ENXIO, container.map(container.info().size(), memory, PAGE, 0));
        }

        @Test
        @Scenario("D12")
        void mapDma_unknownFlagsOutsideWindow_einvalFirst() {
            RawContainer container = enabledV1();
            assertAnswer(EINVAL, container.map(container.info().size(), memory, PAGE, UNKNOWN_FLAG));
        }

        @Test
        @Scenario("D13")
        void mapDma_readOnlyMemory_efault() {
            long readOnly = process.readOnlyMemory(64 * KIB);
            assertAnswer(EFAULT, enabledV1().map(IOVA, readOnly, PAGE, VFIO_DMA_MAP_FLAG_READ));
        }

        @Test
        @Scenario("D14")
        void mapDma_hole_efault() {
            process.free(memory, 64 * KIB);
            assertAnswer(EFAULT, enabledV1().map(IOVA, memory, PAGE));
        }

        @Test
        @Scenario("D18")
        void mapDma_sizeZero_succeeds() {
            RawContainer container = enabledV1();
            assertAnswer(0, container.map(IOVA, memory, 0));
            assertAnswer(0, container.unmap(IOVA, 0));
        }

        @Test
        @Scenario("D29")
        void mapDma_partOfSystemPage_succeeds() {
            assertAnswer(0, enabledV1().map(IOVA, memory + 0x3000, PAGE));
        }

        /** What it does on a machine without a hypervisor is undefined. */
        @Test
        void mapDma_pastEndOfWindowInLpar_eintr() {
            assumeFalse(host.isPowernv(), "undefined without a hypervisor");
            RawContainer container = enabledV1();
            assertAnswer(EINTR, container.map(container.info().size() - PAGE, memory, 2 * PAGE));
        }
    }

    @Nested
    class UnmapDmaCalls {
        @Test
        @Scenario("D2")
        void unmapDma_mappedRange_succeeds() {
            RawContainer container = enabledV1();
            assertAnswer(0, container.map(0, memory, 64 * KIB));
            assertAnswer(0, container.unmap(0, 64 * KIB));
        }

        @Test
        @Scenario("D19")
        void unmapDma_neverMapped_succeeds() {
            assertAnswer(0, enabledV1().unmap(IOVA, PAGE));
        }

        @Test
        @Scenario("D20")
        void unmapDma_flags_einval() {
            RawContainer container = enabledV1();
            for (int flag : new int[] {1, 2, 4}) {
                assertAnswer(EINVAL, container.unmap(IOVA, PAGE, flag, (int) vfio_iommu_type1_dma_unmap.sizeof()));
            }
        }

        @Test
        void unmapDma_shortArgsz_einval() {
            RawContainer container = enabledV1();
            assertAnswer(EINVAL, container.unmap(IOVA, PAGE, 0, 23));
            assertAnswer(EFAULT, container.ioctl(VFIO_IOMMU_UNMAP_DMA, 0));
        }

        @Test
        @Scenario("D21")
        void unmapDma_misalignedIova_returnsOne() {
            RawContainer container = enabledV1();
            assertAnswer(misaligned(), container.unmap(IOVA + 0x800, PAGE));
            assertAnswer(EINVAL, container.unmap(IOVA, PAGE - 1));
        }

        @Test
        @Scenario("D22")
        void unmapDma_outsideWindow_enxio() {
            RawContainer container = enabledV1();
            assertAnswer(ENXIO, container.unmap(container.info().size(), PAGE));
        }

        @Test
        @Scenario("D24")
        void unmapDma_partOfMapping_succeeds() {
            RawContainer container = enabledV1();
            assertAnswer(0, container.map(IOVA, memory, MIB));
            assertAnswer(0, container.unmap(IOVA + 512 * KIB, 64 * KIB));
            assertAnswer(0, container.unmap(IOVA, MIB));
        }

        /** What it does from 4.12 to 6.12 is undefined, on a machine without a hypervisor. */
        @Test
        @Scenario("D23")
        void unmapDma_pastEndOfWindow_refusedBefore412AndFrom72() {
            boolean unchecked = host.version().atLeast(KernelVersion.V4_12)
                    && host.version().before(KernelVersion.V7_2);
            assumeFalse(unchecked && host.isPowernv(), "undefined: the kernel does not check the end of the window");
            RawContainer container = enabledV1();
            assertAnswer(
                    unchecked ? 0 : misaligned(),
                    container.unmap(container.info().size() - PAGE, 2 * PAGE));
        }
    }
}
