package org.jvfio.contract;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.jvfio.contract.host.Answers.assertAnswer;
import static org.jvfio.kernel.Errno.EBUSY;
import static org.jvfio.kernel.Errno.EFAULT;
import static org.jvfio.kernel.Errno.EINVAL;
import static org.jvfio.kernel.Errno.ENOENT;
import static org.jvfio.kernel.Errno.ENOMEM;
import static org.jvfio.kernel.Errno.EPERM;
import static org.jvfio.uapi.vfio_h.VFIO_IOMMU_SPAPR_REGISTER_MEMORY;
import static org.jvfio.uapi.vfio_h.VFIO_IOMMU_SPAPR_UNREGISTER_MEMORY;

import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.jvfio.contract.host.ContractHost;
import org.jvfio.contract.host.RawContainer;
import org.jvfio.contract.host.RawGroup;

/** REGISTER_MEMORY and UNREGISTER_MEMORY in containers of type 7. */
@ContractTest
class RegistrationTest extends Contract {
    private static final long IOVA = 0x100000;
    private static final int STRUCT_BYTES = 24;
    private static final long BYTES = 4 * MIB;

    private final long memory = process.memory(BYTES);
    private final long page = process.pageSize();

    RegistrationTest(ContractHost host) {
        super(host);
    }

    private RawContainer otherV2() {
        return v2(process.openGroup(second.group()));
    }

    @Test
    @Scenario("E25")
    void close_mappedAndRegistered_releasesAll() {
        long before = process.lockedBytes();
        RawGroup group = openGroup();
        RawContainer container = v2(group);
        assertAnswer(0, container.register(memory, BYTES));
        assertAnswer(0, container.map(IOVA, memory, BYTES));
        assertAnswer(0, container.close());
        assertAnswer(0, group.close());
        assertEquals(before, process.lockedBytes());
    }

    /** As when it is unregistered while it is mapped; but no call is there that could refuse. */
    @Test
    void unsetContainer_memoryMappedByOtherContainer_leaks() {
        RawGroup group = openGroup();
        RawContainer container = v2(group);
        RawContainer other = otherV2();
        assertAnswer(0, container.register(memory, BYTES));
        long own = process.memory(page);
        assertAnswer(0, other.register(own, page));
        assertAnswer(0, other.map(IOVA, memory, 64 * KIB));
        assertAnswer(0, group.unsetContainer());
        assertAnswer(0, other.map(IOVA + 64 * KIB, memory, 64 * KIB));
        assertAnswer(0, other.unmap(IOVA, 128 * KIB));
        assertAnswer(ENOENT, other.unregister(memory, BYTES));
        process.leaks(BYTES);
        process.keep(memory);
    }

    @Nested
    class RegisterMemoryCalls {
        @Test
        @Scenario("E2")
        void registerMemory_anonymousMemory_locksIt() {
            RawContainer container = v2();
            long before = process.lockedBytes();
            assertAnswer(0, container.register(memory, BYTES));
            assertEquals(before + BYTES, process.lockedBytes());
            assertAnswer(0, container.unregister(memory, BYTES));
            assertEquals(before, process.lockedBytes());
        }

        @Test
        @Scenario("E3")
        void registerMemory_sameRangeTwice_ebusy() {
            RawContainer container = v2();
            assertAnswer(0, container.register(memory, BYTES));
            assertAnswer(EBUSY, container.register(memory, BYTES));
            assertAnswer(0, container.unregister(memory, BYTES));
        }

        @Test
        @Scenario("E4")
        void registerMemory_inTwoContainers_lockedOnce() {
            RawContainer container = v2();
            RawContainer other = otherV2();
            assertAnswer(0, container.register(memory, BYTES));
            long locked = process.lockedBytes();
            assertAnswer(0, other.register(memory, BYTES));
            assertEquals(locked, process.lockedBytes());
            assertAnswer(0, container.unregister(memory, BYTES));
            assertEquals(locked, process.lockedBytes());
            assertAnswer(0, other.unregister(memory, BYTES));
            assertEquals(locked - BYTES, process.lockedBytes());
        }

        @Test
        @Scenario({"E5", "E6"})
        void registerMemory_partOfSystemPage_einval() {
            RawContainer container = v2();
            assertAnswer(EINVAL, container.register(memory + page / 2, page));
            assertAnswer(EINVAL, container.register(memory, page + 1));
            assertAnswer(EINVAL, container.register(memory, page / 2));
        }

        @Test
        @Scenario("E7")
        void registerMemory_rangeWraps_einval() {
            assertAnswer(EINVAL, v2().register(-page, 2 * page));
        }

        @Test
        @Scenario("E8")
        void registerMemory_flagsOrShortArgsz_einval() {
            RawContainer container = v2();
            assertAnswer(EINVAL, container.register(memory, BYTES, STRUCT_BYTES, 1));
            assertAnswer(EINVAL, container.register(memory, BYTES, 16, 0));
            assertAnswer(EFAULT, container.ioctl(VFIO_IOMMU_SPAPR_REGISTER_MEMORY, 0));
        }

        @Test
        @Scenario("E9")
        void registerMemory_beyondMemlock_enomem() {
            RawContainer container = v2();
            process.mayLock(BYTES - page);
            assertAnswer(ENOMEM, container.register(memory, BYTES));
            assertAnswer(0, container.register(memory, BYTES - page));
        }

        @Test
        @Scenario("E10")
        void registerMemory_beyondMemlockWithCapIpcLock_succeeds() {
            RawContainer container = v2();
            process.mayLock(0);
            assertAnswer(ENOMEM, container.register(memory, page));
            process.mayLockAll();
            assertAnswer(0, container.register(memory, BYTES));
        }

        @Test
        @Scenario("E11")
        void registerMemory_hole_efault() {
            RawContainer container = v2();
            long before = process.lockedBytes();
            process.free(memory, 64 * KIB);
            assertAnswer(EFAULT, container.register(memory, 128 * KIB));
            assertEquals(before, process.lockedBytes());
        }

        @Test
        @Scenario("E12")
        void registerMemory_holeAtEnd_countOfPagesBefore() {
            RawContainer container = v2();
            long before = process.lockedBytes();
            process.free(memory + 192 * KIB, 64 * KIB);
            assertAnswer(192 * KIB / page, container.register(memory, 256 * KIB));
            assertEquals(before, process.lockedBytes());
            assertAnswer(EPERM, container.map(IOVA, memory, 64 * KIB));
            assertAnswer(ENOENT, container.unregister(memory, 256 * KIB));
        }

        @Test
        @Scenario("E13")
        void registerMemory_readOnlyMapping_efault() {
            assertAnswer(EFAULT, v2().register(process.readOnlyMemory(64 * KIB), 64 * KIB));
        }

        @Test
        @Scenario("E14")
        void registerMemory_overlap_einval() {
            RawContainer container = v2();
            assertAnswer(0, container.register(memory, MIB));
            long locked = process.lockedBytes();
            assertAnswer(EINVAL, container.register(memory + 64 * KIB, 64 * KIB));
            assertAnswer(EINVAL, container.register(memory, 64 * KIB));
            assertAnswer(EINVAL, container.register(memory + 64 * KIB, MIB));
            assertEquals(locked, process.lockedBytes());
            assertAnswer(0, container.register(memory + MIB, MIB));
        }

        @Test
        @Scenario("E15")
        void registerMemory_sizeZero_enomem() {
            RawContainer container = v2();
            assertAnswer(ENOMEM, container.register(memory, 0));
            assertAnswer(EPERM, container.map(IOVA, memory, 64 * KIB));
        }

        /** It would keep an address for each page. */
        @Test
        void registerMemory_moreThanTheKernelCanList_enomem() {
            RawContainer container = v2();
            long before = process.lockedBytes();
            assertAnswer(ENOMEM, container.register(memory, 1L << 62));
            assertEquals(before, process.lockedBytes());
        }
    }

    @Nested
    class UnregisterMemoryCalls {
        @Test
        @Scenario("E17")
        void unregisterMemory_unchangedContainer_eperm() {
            assertAnswer(EPERM, v2().unregister(memory, BYTES));
        }

        @Test
        @Scenario("E18")
        void unregisterMemory_partOfRange_enoent() {
            RawContainer container = v2();
            assertAnswer(0, container.register(memory, BYTES));
            assertAnswer(ENOENT, container.unregister(memory, BYTES / 2));
            assertAnswer(ENOENT, container.unregister(memory + BYTES / 2, BYTES / 2));
            assertAnswer(0, container.unregister(memory, BYTES));
        }

        @Test
        @Scenario("E19")
        void unregisterMemory_twice_enoent() {
            RawContainer container = v2();
            assertAnswer(0, container.register(memory, BYTES));
            assertAnswer(0, container.unregister(memory, BYTES));
            assertAnswer(ENOENT, container.unregister(memory, BYTES));
        }

        @Test
        @Scenario("E20")
        void unregisterMemory_registeredInOtherContainer_enoent() {
            RawContainer container = v2();
            RawContainer other = otherV2();
            assertAnswer(0, container.register(memory, MIB));
            assertAnswer(0, other.register(memory + MIB, MIB));
            assertAnswer(ENOENT, other.unregister(memory, MIB));
            assertAnswer(0, container.unregister(memory, MIB));
        }

        @Test
        @Scenario({"E21", "E22", "E23", "E24"})
        void unregisterMemory_mapped_succeedsAndLeaks() {
            RawContainer container = v2();
            assertAnswer(0, container.register(memory, BYTES));
            assertAnswer(0, container.map(IOVA, memory, 64 * KIB));
            long locked = process.lockedBytes();
            assertAnswer(0, container.unregister(memory, BYTES));
            assertEquals(locked, process.lockedBytes());
            assertAnswer(0, container.map(IOVA + 64 * KIB, memory, 64 * KIB));
            assertAnswer(ENOENT, container.unregister(memory, BYTES));
            assertAnswer(0, container.register(memory, BYTES));
            process.leaks(BYTES);
            process.keep(memory);
        }

        @Test
        @Scenario("E26")
        void unregisterMemory_partOfSystemPage_einval() {
            RawContainer container = v2();
            assertAnswer(0, container.register(memory, BYTES));
            assertAnswer(EINVAL, container.unregister(memory, BYTES - 1));
            assertAnswer(EINVAL, container.unregister(memory + 1, BYTES));
        }

        @Test
        void unregisterMemory_flagsOrShortArgsz_einval() {
            RawContainer container = v2();
            assertAnswer(0, container.register(memory, BYTES));
            assertAnswer(EINVAL, container.unregister(memory, BYTES, STRUCT_BYTES, 1));
            assertAnswer(EINVAL, container.unregister(memory, BYTES, 23, 0));
            assertAnswer(EFAULT, container.ioctl(VFIO_IOMMU_SPAPR_UNREGISTER_MEMORY, 0));
        }
    }

    @Nested
    class MapDmaCalls {
        @Test
        @Scenario("E1")
        void mapDma_nothingRegistered_eperm() {
            RawContainer container = v2();
            assertAnswer(EPERM, container.map(IOVA, memory, 64 * KIB));
            assertAnswer(EPERM, container.unmap(IOVA, 64 * KIB));
        }

        @Test
        void mapDma_windowButNothingRegistered_eperm() {
            RawContainer container = v2();
            assertAnswer(0, container.create(systemPageShift(), GIB, 1));
            assertAnswer(EPERM, container.map(IOVA, memory, 64 * KIB));
            assertAnswer(EPERM, container.unmap(IOVA, 64 * KIB));
        }

        @Test
        @Scenario("E16")
        void mapDma_registeredMemoryUnmappedByProcess_succeeds() {
            RawContainer container = v2();
            assertAnswer(0, container.register(memory, BYTES));
            process.free(memory, BYTES);
            assertAnswer(0, container.map(IOVA, memory, 64 * KIB));
        }

        @Test
        @Scenario("E27")
        void mapDma_unregisteredMemory_einval() {
            RawContainer container = v2();
            assertAnswer(0, container.register(memory, BYTES));
            assertAnswer(0, container.unregister(memory, BYTES));
            assertAnswer(EINVAL, container.map(IOVA, memory, 64 * KIB));
        }
    }
}
