package org.jvfio.contract;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.jvfio.contract.Contract.KIB;
import static org.jvfio.contract.host.Answers.assertAnswer;
import static org.jvfio.kernel.Errno.EBUSY;
import static org.jvfio.kernel.Errno.EINVAL;
import static org.jvfio.uapi.vfio_h.O_RDWR;
import static org.jvfio.uapi.vfio_h.VFIO_GROUP_FLAGS_VIABLE;
import static org.jvfio.uapi.vfio_h.VFIO_SPAPR_TCE_v2_IOMMU;

import java.nio.ByteOrder;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.jvfio.contract.host.Edu;
import org.jvfio.contract.host.EmulatedContractHost;
import org.jvfio.contract.host.Hosts;
import org.jvfio.contract.host.RawContainer;
import org.jvfio.contract.host.RawGroup;
import org.jvfio.contract.host.VfioProcess;
import org.jvfio.emulator.EehState;
import org.jvfio.emulator.EmulatedKernel;
import org.jvfio.emulator.edu.EmulatedEdu;

/** What a process leaves when it ends. */
@EmulatorTest
class EndedProcessesTest {
    private static final long IOVA = 0x100000;
    private static final long PAGE = 64 * KIB;
    private static final Duration LATENCY = Duration.ofMillis(50);

    private final EmulatedKernel kernel = EmulatedKernel.boot(Hosts.POWER8);
    private final VfioProcess parent = EmulatedContractHost.process(kernel);
    private final RawGroup group = parent.openGroup(0);

    @AfterEach
    void nothingIsLeft() {
        parent.end();
    }

    private RawContainer container(int type) {
        RawContainer container = parent.openContainer();
        assertAnswer(0, group.setContainer(container));
        assertAnswer(0, container.setIommu(type));
        return container;
    }

    @Test
    void exit_mappedAndRegistered_releasesAll() {
        EmulatedKernel other = kernel.newProcess();
        VfioProcess killed = EmulatedContractHost.process(other);
        RawGroup taken = killed.openGroup(1);
        RawContainer container = killed.openContainer();
        assertAnswer(0, taken.setContainer(container));
        assertAnswer(0, container.setIommu(VFIO_SPAPR_TCE_v2_IOMMU));
        long memory = killed.memory(PAGE);
        assertAnswer(0, container.register(memory, PAGE));
        assertAnswer(0, container.map(IOVA, memory, PAGE));
        taken.device(killed.edus().get(1).address());
        other.exit();
        assertEquals(0, other.lockedBytes());
        RawGroup again = parent.openGroup(1);
        assertEquals(VFIO_GROUP_FLAGS_VIABLE, again.flags());
    }

    /** The kernel resets the device when it closes it, which ends what the device does. */
    @Test
    void exit_transferInFlight_endsWithoutAFreeze() throws InterruptedException {
        EmulatedKernel host = EmulatedKernel.boot(Hosts.POWER8.toBuilder()
                .withoutDevices()
                .device("0000:01:00.0", 0, () -> new EmulatedEdu(ByteOrder.BIG_ENDIAN, -1, LATENCY))
                .build());
        EmulatedKernel other = host.newProcess();
        VfioProcess killed = EmulatedContractHost.process(other);
        RawGroup taken = killed.openGroup(0);
        RawContainer container = killed.openContainer();
        assertAnswer(0, taken.setContainer(container));
        assertAnswer(0, container.setIommu(VFIO_SPAPR_TCE_v2_IOMMU));
        long memory = killed.memory(PAGE);
        assertAnswer(0, container.register(memory, PAGE));
        assertAnswer(0, container.map(IOVA, memory, PAGE));
        Edu edu = Edu.mastering(taken.device("0000:01:00.0"));
        edu.writeRegister(0x80, 0x40000);
        edu.writeRegister(0x88, (int) IOVA);
        edu.writeRegister(0x90, 4096);
        edu.writeRegister(0x98, 3);
        other.exit();
        assertEquals(0, host.host().userMemoryBytes());
        Thread.sleep(2 * LATENCY.toMillis());
        assertEquals(List.of(), host.host().failedDma());
        assertEquals(EehState.NORMAL, host.host().group(0).state());
        EmulatedContractHost.exit(host);
    }

    @Test
    void exit_childHasGroupOpen_groupStaysBusy() {
        RawContainer container = container(VFIO_SPAPR_TCE_v2_IOMMU);
        EmulatedKernel child = kernel.fork();
        assertAnswer(0, group.close());
        assertAnswer(EBUSY, parent.open("/dev/vfio/0", O_RDWR));
        container.info();
        child.exit();
        assertAnswer(EINVAL, container.getInfo(32));
    }

    /** A process that ended and left its container, with memory of it mapped, to a child. */
    private final class Ended {
        private final EmulatedKernel kernel = EndedProcessesTest.this.kernel.newProcess();
        private final EmulatedKernel child;

        private Ended(boolean unregisters) {
            VfioProcess process = EmulatedContractHost.process(kernel);
            RawContainer container = process.openContainer();
            assertAnswer(0, process.openGroup(1).setContainer(container));
            assertAnswer(0, container.setIommu(VFIO_SPAPR_TCE_v2_IOMMU));
            long memory = process.memory(PAGE);
            assertAnswer(0, container.register(memory, PAGE));
            assertAnswer(0, container.map(IOVA, memory, PAGE));
            if (unregisters) {
                assertAnswer(0, container.unregister(memory, PAGE));
            }
            child = kernel.fork();
            kernel.exit();
        }
    }

    @Test
    void exit_containerLeftToChild_registrationStays() {
        Ended ended = new Ended(false);
        assertEquals(1, ended.kernel.registeredRegions());
        assertNotEquals(0, kernel.host().userMemoryBytes());
        ended.child.exit();
        assertEquals(0, ended.kernel.registeredRegions());
        assertEquals(0, kernel.host().userMemoryBytes());
        assertEquals(List.of(), warnings());
    }

    @Test
    void close_lastContainerOfEndedProcess_warnsOfLeak() {
        Ended ended = new Ended(true);
        assertEquals(List.of(), warnings());
        ended.child.exit();
        assertEquals(List.of("WARNING: arch/powerpc/mm/book3s64/mmu_context.c destroy_context"), warnings());
        new Ended(true).child.exit();
        assertEquals(1, warnings().size(), "it warns once");
    }

    private List<String> warnings() {
        return kernel.host().log().stream()
                .filter(line -> line.startsWith("WARNING"))
                .toList();
    }
}
