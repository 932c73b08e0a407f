package org.jvfio.contract;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.assumeTrue;
import static org.jvfio.contract.host.Answers.assertAnswer;
import static org.jvfio.kernel.Errno.EFAULT;
import static org.jvfio.kernel.Errno.EINVAL;
import static org.jvfio.kernel.Errno.ENOMEM;
import static org.jvfio.kernel.Errno.ENOSPC;
import static org.jvfio.kernel.Errno.ENXIO;
import static org.jvfio.kernel.Errno.EPERM;
import static org.jvfio.uapi.vfio_h.VFIO_IOMMU_SPAPR_TCE_CREATE;
import static org.jvfio.uapi.vfio_h.VFIO_IOMMU_SPAPR_TCE_REMOVE;
import static org.jvfio.uapi.vfio_h.VFIO_SPAPR_TCE_v2_IOMMU;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.jvfio.contract.host.ContractHost;
import org.jvfio.contract.host.RawContainer;
import org.jvfio.contract.host.RawGroup;
import org.jvfio.emulator.Platform;
import org.jvfio.ioctl.TceCreate;

/** TCE_CREATE and TCE_REMOVE in containers of type 7. */
@ContractTest
class WindowTest extends Contract {
    private static final int STRUCT_BYTES = 40;
    private static final int REMOVE_STRUCT_BYTES = 16;

    WindowTest(ContractHost host) {
        super(host);
    }

    /** Where a window begins that is made in the place of the default one. */
    private long inPlaceOfTheDefault() {
        return host.isPowernv() ? 0 : SECOND_WINDOW;
    }

    private RawContainer withoutDefaultWindow() {
        RawContainer container = v2();
        assertAnswer(0, container.remove(0));
        return container;
    }

    /** The kernel tells PHB3 of each page when a window goes, and QEMU takes a minute for some hundred millions. */
    private boolean isSoonRemoved(int pageShift, long size) {
        return host.platform() != Platform.PHB3 || size >>> pageShift <= 1 << 20;
    }

    /** What an LPAR's kernel refuses after it has charged it. */
    private void leaksInAnLpar(RawContainer container, int pageShift, long size, int levels) {
        long before = process.lockedBytes();
        assertAnswer(EINVAL, container.create(pageShift, size, levels));
        if (!host.isPowernv()) {
            long bytes = levels == 1 ? size >>> (pageShift - 3) : 0xffffffffL;
            process.leaks(bytes / process.pageSize() * process.pageSize());
            before += bytes / process.pageSize() * process.pageSize();
        }
        assertEquals(before, process.lockedBytes());
    }

    private void leaks(RawContainer container, int expected, int pageShift, long size, int levels) {
        long before = process.lockedBytes();
        assertAnswer(expected, container.create(pageShift, size, levels));
        long leaked = host.isPowernv()
                ? tableBytes.of(pageShift, size, levels)
                : 0xffffffffL / process.pageSize() * process.pageSize();
        assertEquals(before + leaked, process.lockedBytes());
        process.leaks(leaked);
    }

    @Test
    @Scenario("G18")
    void mapDma_pastEndOfSmallTable_succeedsUpToSystemPageOfEntries() {
        RawContainer container = v2();
        long memory = process.memory(64 * KIB);
        assertAnswer(0, container.register(memory, 64 * KIB));
        assertAnswer(0, container.remove(0));
        int shift = systemPageShift();
        long page = 1L << shift;
        long size = 16 * page;
        long window = container.createWindow(shift, size, 1);
        long end = window + (host.isPowernv() ? page / 8 * page : size);
        assertAnswer(0, container.map(end - page, memory, page));
        assertAnswer(ENXIO, container.map(end, memory, page));
    }

    @Test
    @Scenario("G26")
    void setIommu_containerUsedBefore_nothingIsLeft() {
        RawGroup group = openGroup();
        RawContainer container = v2(group);
        long memory = process.memory(64 * KIB);
        assertAnswer(0, container.register(memory, 64 * KIB));
        container.createWindow(16, GIB, 1);
        assertAnswer(0, group.unsetContainer());
        assertAnswer(0, group.setContainer(container));
        assertAnswer(0, container.setIommu(VFIO_SPAPR_TCE_v2_IOMMU));
        assertAnswer(EPERM, container.map(SECOND_WINDOW, memory, 64 * KIB));
        assertAnswer(0, container.register(memory, 64 * KIB));
        assertAnswer(ENXIO, container.map(SECOND_WINDOW, memory, 64 * KIB));
        assertAnswer(0, container.map(0x10000, memory, 64 * KIB));
    }

    @Nested
    class TceCreateCalls {
        @Test
        @Scenario({"G1", "G2", "G27"})
        void tceCreate_twice_secondIsEnospc() {
            RawContainer container = v2();
            long before = process.lockedBytes();
            assertEquals(SECOND_WINDOW, container.createWindow(16, 4 * GIB, 1));
            long tables = tableBytes.ofDefaultWindow(container) + tableBytes.of(16, 4 * GIB, 1);
            assertEquals(before + tables, process.lockedBytes());
            assertAnswer(ENOSPC, container.create(16, 4 * GIB, 1));
            assertEquals(before + tables, process.lockedBytes());
        }

        @Test
        @Scenario("G3")
        void tceCreate_defaultWindowRemoved_startsInItsPlace() {
            assertEquals(inPlaceOfTheDefault(), withoutDefaultWindow().createWindow(16, 4 * GIB, 1));
        }

        @Test
        @Scenario("G5")
        void tceCreate_afterRemove_startsAtSameAddress() {
            RawContainer container = v2();
            container.createWindow(16, 4 * GIB, 1);
            long before = process.lockedBytes();
            assertAnswer(0, container.remove(SECOND_WINDOW));
            assertEquals(before - tableBytes.of(16, 4 * GIB, 1), process.lockedBytes());
            assertEquals(SECOND_WINDOW, container.createWindow(16, 4 * GIB, 1));
        }

        @Test
        @Scenario("G9")
        void tceCreate_unsupportedPageShift_einval() {
            RawContainer container = withoutDefaultWindow();
            long pageSizes = container.info().pageSizes();
            for (int shift = 0; shift < Long.SIZE; shift++) {
                if ((pageSizes & (1L << shift)) == 0) {
                    assertAnswer(EINVAL, container.create(shift, 4 * GIB, 1));
                }
            }
        }

        @Test
        @Scenario("G10")
        void tceCreate_16MPages_succeedsOnPower8AndLpar() {
            RawContainer container = withoutDefaultWindow();
            boolean has16M = host.platform() == Platform.PHB3 || host.platform() == Platform.PSERIES;
            assertAnswer(has16M ? 0 : EINVAL.negated(), container.create(24, 64 * GIB, 1));
        }

        @Test
        @Scenario("G11")
        void tceCreate_sizeNotPowerOfTwo_einval() {
            RawContainer container = withoutDefaultWindow();
            leaksInAnLpar(container, 16, 3 * GIB, 1);
            leaksInAnLpar(container, 16, GIB + 64 * KIB, 1);
        }

        @Test
        @Scenario("G12")
        void tceCreate_sizeZero_einval() {
            assertAnswer(EINVAL, withoutDefaultWindow().create(16, 0, 1));
        }

        @Test
        @Scenario("G13")
        void tceCreate_levelsOutOfRange_einval() {
            RawContainer container = withoutDefaultWindow();
            leaksInAnLpar(container, 16, GIB, 6);
            leaksInAnLpar(container, 16, GIB, -1);
            // An LPAR's kernel takes 0 for 1.
            assertAnswer(host.isPowernv() ? EINVAL.negated() : 0, container.create(16, GIB, 0));
        }

        /**
         * What a table costs and whether it can be had follows from three numbers. Tables between 4M and 16M a level
         * are left out, because it depends on how much memory of the host is in one piece.
         */
        @Test
        @Scenario({"G14", "G15", "G16", "G17"})
        void tceCreate_everyShapeOfTable_chargesItsLevels() {
            assumeTrue(host.isPowernv(), "in an LPAR, the hypervisor has the tables");
            RawContainer container = withoutDefaultWindow();
            for (int shift : new int[] {12, 16, 21, 24, 28, 30}) {
                if ((container.info().pageSizes() & (1L << shift)) == 0) {
                    continue;
                }
                for (long size : new long[] {GIB, 4 * GIB, 64 * GIB, TIB}) {
                    for (int levels = 1; levels <= 5; levels++) {
                        int levelShift = tableBytes.levelShift(shift, size, levels);
                        if ((levelShift - 3) * levels + shift >= 55) {
                            leaks(container, EINVAL.negated(), shift, size, levels);
                        } else if (levelShift > 24) {
                            leaks(container, ENOMEM.negated(), shift, size, levels);
                        } else if (levelShift <= 22 && isSoonRemoved(shift, size)) {
                            long before = process.lockedBytes();
                            assertEquals(0, container.createWindow(shift, size, levels));
                            assertEquals(before + tableBytes.of(shift, size, levels), process.lockedBytes());
                            assertAnswer(0, container.remove(0));
                            assertEquals(before, process.lockedBytes());
                        }
                    }
                }
            }
        }

        @Test
        @Scenario("G14")
        void tceCreate_fiveLevels_einvalAndChargeLeaks() {
            leaks(withoutDefaultWindow(), EINVAL.negated(), 16, GIB, 5);
        }

        @Test
        @Scenario({"G15", "G16"})
        void tceCreate_levelLargerThan16M_enomemOnPowernv() {
            RawContainer container = withoutDefaultWindow();
            if (host.isPowernv()) {
                leaks(container, ENOMEM.negated(), 12, 16 * GIB, 1);
                assertEquals(0, container.createWindow(12, 16 * GIB, 2));
            } else {
                leaks(container, EINVAL.negated(), 12, 16 * GIB, 2);
                assertEquals(SECOND_WINDOW, container.createWindow(12, 16 * GIB, 1));
            }
        }

        @Test
        @Scenario("G17")
        void tceCreate_tableBeyond55Bits_einval() {
            RawContainer container = withoutDefaultWindow();
            // A level has at least a system page of entries: 2 levels are 26 bits with pages of 64K, 3 are 27 with 4K.
            int levels = systemPageShift() == 16 ? 2 : 3;
            if (host.platform() == Platform.PHB4 || host.platform() == Platform.PHB5) {
                leaks(container, EINVAL.negated(), 30, GIB, levels);
            } else {
                assertAnswer(EINVAL, container.create(30, GIB, levels));
            }
        }

        @Test
        @Scenario("G19")
        void tceCreate_flagsOrShortArgsz_einval() {
            RawContainer container = v2();
            assertAnswer(EINVAL, container.call(container.creation(16, GIB, 1).flags(1)));
            assertAnswer(EINVAL, container.call(container.creation(16, GIB, 1).argsz(STRUCT_BYTES - 8)));
            assertAnswer(EFAULT, container.ioctl(VFIO_IOMMU_SPAPR_TCE_CREATE, 0));
        }

        @Test
        @Scenario("G20")
        void tceCreate_readOnlyStruct_efaultAndWindowExists(@TempDir Path directory) throws IOException {
            RawContainer container = withoutDefaultWindow();
            Path file = directory.resolve("create");
            Files.write(file, container.creation(16, GIB, 1).struct().toArray(ValueLayout.JAVA_BYTE));
            try (Arena arena = Arena.ofConfined();
                    FileChannel channel = FileChannel.open(file)) {
                MemorySegment create = channel.map(FileChannel.MapMode.READ_ONLY, 0, STRUCT_BYTES, arena);
                assertAnswer(EFAULT, container.call(new TceCreate(create)));
            }
            assertAnswer(0, container.remove(inPlaceOfTheDefault()));
        }

        @Test
        @Scenario("G21")
        void tceCreate_limitOfDefaultWindowOnly_enomem() {
            RawContainer container = v2();
            long before = process.lockedBytes();
            process.mayLock(tableBytes.ofDefaultWindow(container));
            assertAnswer(ENOMEM, container.create(16, GIB, 1));
            assertEquals(before + tableBytes.ofDefaultWindow(container), process.lockedBytes());
            process.mayLock(tableBytes.of(16, GIB, 1));
            assertEquals(SECOND_WINDOW, container.createWindow(16, GIB, 1));
        }

        @Test
        @Scenario("G22")
        void tceCreate_defaultWindowRemoved_chargesItsTableOnly() {
            RawContainer container = withoutDefaultWindow();
            long before = process.lockedBytes();
            process.mayLock(tableBytes.of(16, GIB, 1));
            assertEquals(inPlaceOfTheDefault(), container.createWindow(16, GIB, 1));
            assertEquals(before + tableBytes.of(16, GIB, 1), process.lockedBytes());
        }
    }

    @Nested
    class TceRemoveCalls {
        @Test
        @Scenario("G4")
        void tceRemove_defaultWindowTwice_einval() {
            RawContainer container = withoutDefaultWindow();
            assertAnswer(EINVAL, container.remove(0));
        }

        @Test
        @Scenario({"G6", "G7", "G8"})
        void tceRemove_addressInsideWindow_removesIt() {
            RawContainer container = v2();
            container.createWindow(16, 4 * GIB, 1);
            long end = container.info().size();
            assertAnswer(EINVAL, container.remove(end));
            assertAnswer(EINVAL, container.remove(SECOND_WINDOW + 4 * GIB));
            assertAnswer(0, container.remove(SECOND_WINDOW + 0x12345));
            assertAnswer(0, container.remove(end / 2));
            assertAnswer(EINVAL, container.remove(end / 2));
        }

        @Test
        @Scenario("G23")
        void tceRemove_liveMappings_releasesThem() {
            RawContainer container = v2();
            long before = process.lockedBytes();
            long memory = process.memory(MIB);
            assertAnswer(0, container.register(memory, MIB));
            assertAnswer(0, container.map(0x100000, memory, MIB));
            assertAnswer(0, container.remove(0));
            assertAnswer(0, container.unregister(memory, MIB));
            assertEquals(before, process.lockedBytes());
        }

        @Test
        @Scenario("G24")
        void tceRemove_flagsOrShortArgsz_einval() {
            RawContainer container = v2();
            assertAnswer(EINVAL, container.remove(0, 8, 0));
            assertAnswer(EINVAL, container.remove(0, REMOVE_STRUCT_BYTES, 2));
            assertAnswer(EFAULT, container.ioctl(VFIO_IOMMU_SPAPR_TCE_REMOVE, 0));
        }

        @Test
        @Scenario("G25")
        void tceRemove_pendingDefaultWindow_onlyByItsStart() {
            RawContainer container = v2();
            long before = process.lockedBytes();
            assertAnswer(EINVAL, container.remove(0x1000));
            assertAnswer(0, container.remove(0));
            assertEquals(before, process.lockedBytes());
        }
    }
}
