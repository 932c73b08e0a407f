package org.jvfio.contract;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.jvfio.contract.Contract.GIB;
import static org.jvfio.contract.Contract.KIB;
import static org.jvfio.contract.Contract.MIB;
import static org.jvfio.contract.host.Answers.assertAnswer;
import static org.jvfio.uapi.vfio_h.O_RDWR;
import static org.jvfio.uapi.vfio_h.VFIO_DEVICE_FEATURE_GET;
import static org.jvfio.uapi.vfio_h.VFIO_DEVICE_FEATURE_PROBE;
import static org.jvfio.uapi.vfio_h.VFIO_DMA_MAP_FLAG_READ;
import static org.jvfio.uapi.vfio_h.VFIO_DMA_MAP_FLAG_WRITE;
import static org.jvfio.uapi.vfio_h.VFIO_PCI_ERR_IRQ_INDEX;
import static org.jvfio.uapi.vfio_h.VFIO_SPAPR_TCE_IOMMU;
import static org.jvfio.uapi.vfio_h.VFIO_SPAPR_TCE_v2_IOMMU;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.EnumSource.Mode;
import org.jvfio.contract.host.Buffers;
import org.jvfio.contract.host.Edu;
import org.jvfio.contract.host.EmulatedContractHost;
import org.jvfio.contract.host.Event;
import org.jvfio.contract.host.Hosts;
import org.jvfio.contract.host.RawContainer;
import org.jvfio.contract.host.RawDevice;
import org.jvfio.contract.host.RawGroup;
import org.jvfio.contract.host.VfioProcess;
import org.jvfio.emulator.EmulatedKernel;
import org.jvfio.emulator.EmulatedMachine;
import org.jvfio.emulator.HostDriver;
import org.jvfio.emulator.KernelVersion;
import org.jvfio.kernel.Errno;

/**
 * How versions of Linux differ for a program that uses VFIO. The versions of the constants of {@link KernelVersion} are
 * those from which on something differs. What 5.19 to 6.3 would answer cannot be seen, because they bind no device.
 */
@EmulatorTest
class VersionsTest {
    private static final long IOVA = 0x100000;
    private static final long PAGE = 64 * KIB;

    private final List<Host> hosts = new ArrayList<>();

    /** A process on a host with this version of Linux. */
    private static final class Host {
        private final EmulatedKernel kernel;
        private final VfioProcess process;
        private final List<EmulatedKernel> children = new ArrayList<>();

        private Host(EmulatedMachine machine) {
            kernel = EmulatedKernel.boot(machine);
            process = EmulatedContractHost.process(kernel);
        }

        private EmulatedKernel fork() {
            EmulatedKernel child = kernel.fork();
            children.add(child);
            return child;
        }

        private RawGroup group() {
            return process.openGroup(process.edus().getFirst().group());
        }

        /** A container with its group and this type of IOMMU, if the kernel lets it have it. */
        private int setIommu(int type) {
            RawContainer container = process.openContainer();
            int answer = group().setContainer(container);
            return answer == 0 ? container.setIommu(type) : answer;
        }

        private RawContainer container(RawGroup group, int type) {
            RawContainer container = process.openContainer();
            assertAnswer(0, group.setContainer(container));
            assertAnswer(0, container.setIommu(type));
            return container;
        }

        private RawContainer v2() {
            return container(group(), VFIO_SPAPR_TCE_v2_IOMMU);
        }

        private RawContainer enabledV1() {
            RawContainer container = container(group(), VFIO_SPAPR_TCE_IOMMU);
            assertAnswer(0, container.enable());
            return container;
        }
    }

    private Host host(EmulatedMachine machine) {
        Host host = new Host(machine);
        hosts.add(host);
        return host;
    }

    private Host power8(KernelVersion version) {
        return host(Hosts.POWER8.toBuilder().kernel(version).build());
    }

    private Host lpar(KernelVersion version) {
        return host(Hosts.PSERIES.toBuilder().kernel(version).build());
    }

    @AfterEach
    void theHostHasAllBackWhenItsProcessesEnd() {
        for (Host host : hosts) {
            host.children.forEach(EmulatedKernel::exit);
            EmulatedContractHost.exit(host.kernel);
        }
    }

    private static void assertAnswered(String expected, long actual) {
        boolean number = expected.matches("[0-9]+");
        assertAnswer(number ? Long.parseLong(expected) : Errno.valueOf(expected).negated(), actual);
    }

    @ParameterizedTest
    @EnumSource(KernelVersion.class)
    @Scenario("K5")
    void openGroup_byVersion_enoentFrom519To63(KernelVersion version) {
        int descriptor = power8(version).process.open("/dev/vfio/0", O_RDWR);
        boolean broken = version.atLeast(KernelVersion.V5_19) && version.before(KernelVersion.V6_4);
        assertTrue(broken ? descriptor == Errno.ENOENT.negated() : descriptor >= 0);
    }

    @ParameterizedTest
    @CsvSource({
        "V4_1, 0",
        "V4_2, 0",
        "V4_10, 0",
        "V4_12, EPERM",
        "V5_0, EPERM",
        "V6_4, 0",
        "V6_11, 0",
        "V6_12, 0",
        "V7_2, 0"
    })
    void setIommu_v1OnBridgeWithWindowsByVersion_result(KernelVersion version, String answer) {
        assertAnswered(answer, power8(version).setIommu(VFIO_SPAPR_TCE_IOMMU));
    }

    @ParameterizedTest
    @CsvSource({
        "V4_1, ENODEV",
        "V4_2, 0",
        "V4_10, 0",
        "V4_12, 0",
        "V5_0, 0",
        "V6_4, 0",
        "V6_11, 0",
        "V6_12, 0",
        "V7_2, 0"
    })
    void setIommu_v2OnBridgeWithWindowsByVersion_result(KernelVersion version, String answer) {
        Host host = power8(version);
        assertAnswer(answer.equals("0") ? 1 : 0, host.process.openContainer().checkExtension(7));
        assertAnswered(answer, host.setIommu(VFIO_SPAPR_TCE_v2_IOMMU));
    }

    @ParameterizedTest
    @CsvSource({"V4_12, EPERM", "V5_0, EPERM", "V6_4, EINVAL", "V6_11, 0", "V6_12, 0", "V7_2, 0"})
    void setIommu_v2InLparByVersion_result(KernelVersion version, String answer) {
        assertAnswered(answer, lpar(version).setIommu(VFIO_SPAPR_TCE_v2_IOMMU));
    }

    @ParameterizedTest
    @CsvSource({"V4_12, 0", "V5_0, 0", "V6_4, 0", "V6_11, 0", "V6_12, 0", "V7_2, 0"})
    void setIommu_v1InLparByVersion_result(KernelVersion version, String answer) {
        assertAnswered(answer, lpar(version).setIommu(VFIO_SPAPR_TCE_IOMMU));
    }

    @ParameterizedTest
    @CsvSource({"V4_1, EBUSY", "V4_2, 0", "V4_10, 0", "V6_4, EBUSY", "V6_12, EBUSY", "V7_2, EBUSY"})
    @Scenario("D26")
    void setContainer_secondGroupOfV1ByVersion_result(KernelVersion version, String answer) {
        Host host = power8(version);
        RawContainer container = host.enabledV1();
        RawGroup other = host.process.openGroup(1);
        if (version == KernelVersion.V4_1) {
            assertAnswer(0, container.disable());
        }
        assertAnswered(answer, other.setContainer(container));
        if (answer.equals("0")) {
            Buffers buffers = new Buffers(host.process);
            assertAnswer(0, container.map(IOVA, buffers.memory(), Buffers.BYTES));
            Edu edu = Edu.mastering(other.device("0001:01:00.0"));
            edu.readMemory(IOVA, Edu.BUFFER_BYTES);
            edu.writeMemory(IOVA + PAGE, Edu.BUFFER_BYTES);
            buffers.assertCopied();
        }
    }

    @ParameterizedTest
    @CsvSource({"V4_1, EINVAL", "V4_2, ENXIO", "V4_10, ENXIO", "V6_4, ENXIO", "V6_12, ENXIO", "V7_2, ENXIO"})
    @Scenario({"D4", "D22"})
    void mapDma_outsideWindowByVersion_errno(KernelVersion version, String answer) {
        Host host = power8(version);
        RawContainer container = host.enabledV1();
        assertAnswered(answer, container.map(2 * GIB, host.process.memory(PAGE), PAGE));
        assertAnswered(answer, container.unmap(2 * GIB, PAGE));
    }

    @ParameterizedTest
    @CsvSource({"V4_1, EBUSY", "V4_2, 0", "V4_10, 0", "V6_4, 0", "V6_12, 0", "V7_2, 0"})
    void mapDma_overMappingByVersion_ebusyOrReplaces(KernelVersion version, String answer) {
        Host host = power8(version);
        RawContainer container = host.enabledV1();
        long memory = host.process.memory(2 * PAGE);
        assertAnswer(0, container.map(IOVA + PAGE, memory, PAGE));
        assertAnswered(answer, container.map(IOVA, memory, 2 * PAGE));
        // Of a call that failed half way nothing stays, and nothing goes that was there before.
        assertEquals(
                answer.equals("0") ? 32 : 16,
                host.kernel.host().group(0).windows().getFirst().mappedPages());
    }

    @ParameterizedTest
    @CsvSource({"V4_1, 0", "V4_2, EFAULT", "V4_10, EFAULT", "V6_4, EFAULT", "V6_12, EFAULT", "V7_2, EFAULT"})
    @Scenario("D13")
    void mapDma_readOnlyMemoryByVersion_efaultFrom42(KernelVersion version, String answer) {
        Host host = power8(version);
        RawContainer container = host.enabledV1();
        long memory = host.process.readOnlyMemory(PAGE);
        assertAnswered(answer, container.map(IOVA, memory, PAGE, VFIO_DMA_MAP_FLAG_READ));
        assertAnswer(Errno.EFAULT, container.map(IOVA + PAGE, memory, PAGE, VFIO_DMA_MAP_FLAG_WRITE));
    }

    @ParameterizedTest
    @EnumSource(names = {"V4_12", "V5_0", "V6_11", "V6_12", "V7_2"})
    @Scenario("D28")
    void dmaRead_mappedForWritingInLpar_notCopied(KernelVersion version) {
        copyThroughMappingsForWriting(lpar(version)).assertNotCopied();
    }

    @ParameterizedTest
    @EnumSource(names = {"V4_2", "V4_10", "V4_12", "V5_0"})
    @Scenario("D28")
    void dmaRead_mappedForWritingInLentTable_copies(KernelVersion version) {
        copyThroughMappingsForWriting(
                        host(Hosts.POWER7.toBuilder().kernel(version).build()))
                .assertCopied();
    }

    private static Buffers copyThroughMappingsForWriting(Host host) {
        RawGroup group = host.group();
        RawContainer container = host.container(group, VFIO_SPAPR_TCE_IOMMU);
        assertAnswer(0, container.enable());
        Buffers buffers = new Buffers(host.process);
        assertAnswer(0, container.map(IOVA, buffers.memory(), Buffers.BYTES, VFIO_DMA_MAP_FLAG_WRITE));
        Edu edu = Edu.mastering(group.device(host.process.edus().getFirst().address()));
        edu.readMemory(IOVA, Edu.BUFFER_BYTES);
        edu.writeMemory(IOVA + PAGE, Edu.BUFFER_BYTES);
        return buffers;
    }

    /** Linux says nothing of an LPAR's windows, and has no bypass to switch. */
    @ParameterizedTest
    @EnumSource(names = {"V4_12", "V5_0", "V6_4", "V6_11", "V6_12", "V7_2"})
    void unsetContainer_lpar_nothingLogged(KernelVersion version) {
        Host host = lpar(version);
        RawGroup group = host.group();
        host.container(group, VFIO_SPAPR_TCE_IOMMU);
        assertEquals(false, host.kernel.host().group(1).bypass());
        assertAnswer(0, group.unsetContainer());
        assertEquals(false, host.kernel.host().group(1).bypass());
        assertEquals(List.of(), host.kernel.host().log());
    }

    /** The host's table is lent at once before 6.4, and with its first use from then on. */
    @ParameterizedTest
    @EnumSource(names = {"V4_12", "V5_0", "V6_4"})
    void enable_lentTableInLpar_chargesTheWindowOnly(KernelVersion version) {
        Host host = lpar(version);
        RawContainer container = host.enabledV1();
        assertEquals(GIB, host.process.lockedBytes());
        if (version.before(KernelVersion.V6_4)) {
            assertAnswer(0, container.map(IOVA, host.process.memory(PAGE), PAGE));
            assertEquals(GIB, host.process.lockedBytes());
        }
    }

    @ParameterizedTest
    @CsvSource({"V4_1, 0", "V4_2, EPERM", "V4_10, EPERM", "V6_4, EPERM", "V6_12, EPERM", "V7_2, EPERM"})
    @Scenario("D1")
    void mapDma_notEnabledByVersion_epermFrom42(KernelVersion version, String answer) {
        Host host = power8(version);
        RawContainer container = host.container(host.group(), VFIO_SPAPR_TCE_IOMMU);
        assertAnswered(answer, container.map(IOVA, host.process.memory(PAGE), PAGE));
    }

    @ParameterizedTest
    @EnumSource(
            value = KernelVersion.class,
            mode = Mode.EXCLUDE,
            names = {"V4_1", "V5_19"})
    void setIommu_v2ByVersion_createsDefaultWindowBefore410(KernelVersion version) {
        Host host = power8(version);
        host.v2();
        long table = 8 * MIB;
        assertEquals(version.before(KernelVersion.V4_10) ? table : 0, host.process.lockedBytes());
    }

    @ParameterizedTest
    @EnumSource(
            value = KernelVersion.class,
            mode = Mode.EXCLUDE,
            names = {"V4_1", "V5_19"})
    void tceRemove_unusedDefaultWindowByVersion_loggedBefore410(KernelVersion version) {
        Host host = power8(version);
        RawContainer container = host.v2();
        int before = host.kernel.host().log().size();
        assertAnswer(0, container.remove(0));
        List<String> log = host.kernel.host().log();
        assertEquals(
                version.before(KernelVersion.V4_10),
                log.subList(before, log.size()).stream().anyMatch(line -> line.endsWith("Removing DMA window #0")));
        assertEquals(0, host.process.lockedBytes());
    }

    @ParameterizedTest
    @CsvSource({"V4_2, 0", "V4_10, EBUSY", "V4_12, EBUSY", "V5_0, EBUSY", "V6_4, EBUSY", "V6_12, EBUSY", "V7_2, EBUSY"})
    @Scenario("E3")
    void registerMemory_sameRangeTwiceByVersion_ebusyFrom410(KernelVersion version, String answer) {
        Host host = power8(version);
        RawContainer container = host.v2();
        long memory = host.process.memory(PAGE);
        assertAnswer(0, container.register(memory, PAGE));
        assertAnswered(answer, container.register(memory, PAGE));
    }

    @ParameterizedTest
    @CsvSource({"V4_2, EBUSY", "V4_10, EBUSY", "V4_12, EBUSY", "V5_0, 0", "V6_4, 0", "V6_11, 0", "V6_12, 0", "V7_2, 0"})
    @Scenario("E21")
    void unregisterMemory_mappedByVersion_ebusyBefore50(KernelVersion version, String answer) {
        Host host = power8(version);
        RawContainer container = host.v2();
        long memory = host.process.memory(PAGE);
        assertAnswer(0, container.register(memory, PAGE));
        assertAnswer(0, container.map(IOVA, memory, PAGE));
        assertAnswered(answer, container.unregister(memory, PAGE));
        assertAnswered(answer.equals("0") ? "ENOENT" : "EBUSY", container.unregister(memory, PAGE));
    }

    @ParameterizedTest
    @EnumSource(
            value = KernelVersion.class,
            mode = Mode.EXCLUDE,
            names = {"V4_1", "V5_19"})
    void close_registeredMemoryByVersion_staysLockedBefore410(KernelVersion version) {
        Host host = power8(version);
        RawGroup group = host.group();
        RawContainer container = host.container(group, VFIO_SPAPR_TCE_v2_IOMMU);
        assertAnswer(0, container.register(host.process.memory(PAGE), PAGE));
        assertAnswer(0, container.close());
        assertAnswer(0, group.close());
        assertEquals(version.before(KernelVersion.V4_10) ? PAGE : 0, host.process.lockedBytes());
    }

    /** A container of Linux 4.2, whose process paid its default window, and in which a child has mapped memory. */
    private final class Shared {
        private static final long TABLE = 8 * MIB;

        private final Host host = power8(KernelVersion.V4_2);
        private final RawGroup group = host.group();
        private final RawContainer container = host.container(group, VFIO_SPAPR_TCE_v2_IOMMU);
        private final EmulatedKernel child = host.fork();
        private final RawContainer inherited =
                new RawContainer(EmulatedContractHost.process(child), container.descriptor());

        private Shared() {
            long memory = inherited.process().memory(PAGE);
            assertAnswer(0, inherited.register(memory, PAGE));
            assertAnswer(0, inherited.map(IOVA, memory, PAGE));
            assertCharged(TABLE, PAGE);
        }

        private void assertCharged(long parentBytes, long childBytes) {
            assertEquals(parentBytes, host.kernel.lockedBytes());
            assertEquals(childBytes, child.lockedBytes());
        }

        private List<String> warnings() {
            return host.kernel.host().log().stream()
                    .filter(line -> line.startsWith("WARNING"))
                    .toList();
        }
    }

    @Test
    void unsetContainer_byParentBefore410_refundsTheParent() {
        Shared shared = new Shared();
        assertAnswer(0, shared.group.unsetContainer());
        shared.assertCharged(0, PAGE);
        assertEquals(List.of(), shared.warnings());
    }

    @Test
    void unsetContainer_byChildBefore410_warnsOfRefund() {
        Shared shared = new Shared();
        assertAnswer(0, new RawGroup(shared.inherited.process(), shared.group.descriptor()).unsetContainer());
        shared.assertCharged(Shared.TABLE, 0);
        assertEquals(List.of("WARNING: drivers/vfio/vfio_iommu_spapr_tce.c decrement_locked_vm"), shared.warnings());
    }

    @Test
    void closeGroup_parentIsLastBefore410_refundsTheParent() {
        Shared shared = new Shared();
        assertAnswer(0, shared.child.close(shared.group.descriptor()));
        shared.assertCharged(Shared.TABLE, PAGE);
        assertAnswer(0, shared.group.close());
        shared.assertCharged(0, PAGE);
    }

    @Test
    void exit_childAfterGroupClosedBefore410_noRefundNoWarning() {
        Shared shared = new Shared();
        assertAnswer(0, shared.group.close());
        shared.child.exit();
        shared.assertCharged(Shared.TABLE, 0);
        assertEquals(List.of(), shared.warnings());
        assertEquals(0, shared.child.registeredRegions());
        assertEquals(0, shared.host.kernel.host().userMemoryBytes());
    }

    @Test
    void disable_byChildBefore410_refundsTheChild() {
        Host host = power8(KernelVersion.V4_2);
        RawContainer container = host.container(host.group(), VFIO_SPAPR_TCE_IOMMU);
        assertAnswer(0, container.enable());
        assertEquals(2 * GIB + Shared.TABLE, host.kernel.lockedBytes());
        EmulatedKernel child = host.fork();
        RawContainer inherited = new RawContainer(EmulatedContractHost.process(child), container.descriptor());
        assertAnswer(0, inherited.disable());
        assertEquals(0, child.lockedBytes());
        assertEquals(2 * GIB + Shared.TABLE, host.kernel.lockedBytes());
    }

    @ParameterizedTest
    @CsvSource({"V4_2, 0", "V4_10, EPERM", "V4_12, EPERM", "V5_0, EPERM", "V6_4, EPERM", "V6_12, EPERM", "V7_2, EPERM"})
    void tceGetInfo_otherProcessByVersion_epermFrom410(KernelVersion version, String answer) {
        Host host = power8(version);
        RawContainer container = host.v2();
        container.createWindow(16, GIB, 1);
        EmulatedKernel child = host.fork();
        RawContainer inherited = new RawContainer(EmulatedContractHost.process(child), container.descriptor());
        assertAnswered(answer, inherited.getInfo(32));
    }

    @ParameterizedTest
    @CsvSource({
        "V4_1, EINVAL",
        "V4_2, EINVAL",
        "V4_10, EINVAL",
        "V6_4, 1",
        "V6_11, 1",
        "V6_12, 1",
        "V7_2, 1",
    })
    @Scenario({"D7", "D21"})
    void mapDma_misalignedIovaByVersion_einvalOrOne(KernelVersion version, String answer) {
        Host host = power8(version);
        RawContainer container = host.container(host.group(), VFIO_SPAPR_TCE_IOMMU);
        assertAnswer(0, container.enable());
        assertAnswered(answer, container.map(IOVA + 0x800, host.process.memory(PAGE), 0x1000));
        assertAnswered(answer, container.unmap(IOVA + 0x800, 0x1000));
    }

    /** Between 4.12 and 6.12 it is not checked. */
    @ParameterizedTest
    @CsvSource({"V4_1, EINVAL", "V4_2, EINVAL", "V4_10, EINVAL", "V7_2, 1"})
    @Scenario("D23")
    void unmapDma_pastEndOfWindowByVersion_einvalOrOne(KernelVersion version, String answer) {
        Host host = power8(version);
        RawContainer container = host.container(host.group(), VFIO_SPAPR_TCE_IOMMU);
        assertAnswer(0, container.enable());
        assertAnswered(answer, container.unmap(2 * GIB - 0x1000, 0x2000));
    }

    @ParameterizedTest
    @EnumSource(
            value = KernelVersion.class,
            mode = Mode.EXCLUDE,
            names = {"V4_1", "V5_19"})
    @Scenario("H4")
    void unsetContainer_oneOfTwoGroupsByVersion_clearsMappingsFrom611(KernelVersion version) {
        Host host = power8(version);
        RawGroup group = host.group();
        RawContainer container = host.container(group, VFIO_SPAPR_TCE_v2_IOMMU);
        RawGroup other = host.process.openGroup(1);
        assertAnswer(0, other.setContainer(container));
        Buffers buffers = new Buffers(host.process);
        assertAnswer(0, container.register(buffers.memory(), Buffers.BYTES));
        assertAnswer(0, container.map(IOVA, buffers.memory(), Buffers.BYTES));
        Edu edu = Edu.mastering(group.device(host.process.edus().getFirst().address()));
        edu.readMemory(IOVA, Edu.BUFFER_BYTES);
        assertAnswer(0, other.unsetContainer());
        edu.writeMemory(IOVA + PAGE, Edu.BUFFER_BYTES);
        if (version.atLeast(KernelVersion.V6_11)) {
            buffers.assertNothingWritten();
        } else {
            buffers.assertCopied();
        }
    }

    @ParameterizedTest
    @CsvSource({"V4_1, 0", "V4_2, 0", "V4_10, 0", "V4_12, 0", "V5_0, 0", "V6_4, EPERM", "V6_12, EPERM", "V7_2, EPERM"})
    @Scenario({"A19", "A20"})
    void setContainer_hostDriverInGroupByVersion_epermFrom64(KernelVersion version, String answer) {
        Host host = host(Hosts.POWER8.toBuilder()
                .device("0000:01:00.1", 0, Hosts::edu, HostDriver.OTHER)
                .kernel(version)
                .build());
        RawGroup group = host.group();
        assertEquals(0, group.flags());
        RawContainer container = host.process.openContainer();
        assertAnswered(answer, group.setContainer(container));
        if (answer.equals("0")) {
            int type = version == KernelVersion.V4_1 ? VFIO_SPAPR_TCE_IOMMU : VFIO_SPAPR_TCE_v2_IOMMU;
            assertAnswer(0, container.setIommu(type));
            assertAnswer(Errno.EINVAL, group.getDevice("0000:01:00.0"));
        }
    }

    @ParameterizedTest
    @CsvSource({"V6_12, ENOTTY", "V7_2, EINVAL", "V7_3, EINVAL"})
    void feature_numberThatOnlyNewKernelsKnow_einvalFrom72(KernelVersion version, Errno answer) {
        Host host = power8(version);
        RawGroup group = host.group();
        host.container(group, VFIO_SPAPR_TCE_v2_IOMMU);
        RawDevice device = group.device(host.process.edus().getFirst().address());
        assertAnswer(answer, device.feature(VFIO_DEVICE_FEATURE_GET | 12));
        assertAnswer(answer, device.feature(VFIO_DEVICE_FEATURE_PROBE | 12));
    }

    @ParameterizedTest
    @CsvSource({"V4_12, EINVAL", "V6_12, EINVAL", "V7_2, EINVAL", "V7_3, 0"})
    void setIrqs_errorIndexOfConventionalDevice_refusedUpToLinux72(KernelVersion version, String answer) {
        Host host = power8(version);
        RawGroup group = host.group();
        host.container(group, VFIO_SPAPR_TCE_v2_IOMMU);
        RawDevice edu = group.device(host.process.edus().getFirst().address());
        int event = new Event(host.process).descriptor();
        assertAnswered(answer, edu.interrupts(VFIO_PCI_ERR_IRQ_INDEX).trigger(event));
    }

    @ParameterizedTest
    @CsvSource({"V4_1, EINVAL", "V5_0, EINVAL", "V6_4, EBADFD", "V6_12, EBADFD", "V7_2, EBADFD"})
    @Scenario("A23")
    void setContainer_otherFileByVersion_ebadfdFrom64(KernelVersion version, String answer) {
        Host host = power8(version);
        assertAnswered(answer, host.group().setContainer(host.process.open("/dev/null", O_RDWR)));
    }

    @ParameterizedTest
    @CsvSource({"V4_1, EINVAL", "V5_0, EINVAL", "V6_4, EBADF", "V6_12, EBADF", "V7_2, EBADF"})
    @Scenario({"A22", "A24"})
    void setContainer_badDescriptorByVersion_groupCheckedFirstBefore519(KernelVersion version, String answer) {
        Host host = power8(version);
        RawGroup group = host.group();
        assertAnswered(answer, group.setContainer(-1));
        assertAnswer(Errno.EBADF, group.setContainer(9999));
        assertAnswer(0, group.setContainer(host.process.openContainer()));
        assertAnswered(answer, group.setContainer(9999));
    }

    @ParameterizedTest
    @CsvSource({"V4_1, EINVAL", "V5_0, EINVAL", "V6_4, ENODEV", "V6_12, ENODEV", "V7_2, ENODEV"})
    @Scenario("B4")
    void getDeviceFd_wrongNameWithoutContainerByVersion_enodevFrom64(KernelVersion version, String answer) {
        assertAnswered(answer, power8(version).group().getDevice("0000:01:00.7"));
    }

    @ParameterizedTest
    @EnumSource(
            value = KernelVersion.class,
            mode = Mode.EXCLUDE,
            names = {"V5_19"})
    void setContainer_byVersion_bypassEndsFrom64(KernelVersion version) {
        Host host = power8(version);
        RawContainer container = host.process.openContainer();
        assertAnswer(0, host.group().setContainer(container));
        assertEquals(
                version.before(KernelVersion.V6_4), host.kernel.host().group(0).bypass());
        boolean type7 = version.atLeast(KernelVersion.V4_2);
        assertAnswer(0, container.setIommu(type7 ? VFIO_SPAPR_TCE_v2_IOMMU : VFIO_SPAPR_TCE_IOMMU));
        assertEquals(false, host.kernel.host().group(0).bypass());
    }
}
