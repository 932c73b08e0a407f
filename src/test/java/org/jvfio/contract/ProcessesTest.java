package org.jvfio.contract;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.jvfio.contract.Contract.GIB;
import static org.jvfio.contract.Contract.KIB;
import static org.jvfio.contract.Contract.assertAnswer;
import static org.jvfio.kernel.Errno.EBADF;
import static org.jvfio.kernel.Errno.EBUSY;
import static org.jvfio.kernel.Errno.EINVAL;
import static org.jvfio.kernel.Errno.EMFILE;
import static org.jvfio.kernel.Errno.EPERM;
import static org.jvfio.uapi.vfio_h.O_RDWR;
import static org.jvfio.uapi.vfio_h.VFIO_GROUP_FLAGS_VIABLE;
import static org.jvfio.uapi.vfio_h.VFIO_SPAPR_TCE_IOMMU;
import static org.jvfio.uapi.vfio_h.VFIO_SPAPR_TCE_v2_IOMMU;

import java.lang.foreign.MemorySegment;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.jvfio.emulator.EmulatedKernel;
import org.jvfio.uapi.vfio_iommu_spapr_tce_create;

/** A container belongs to the memory of the process that first changed it. */
@EmulatorTest
class ProcessesTest {
    private static final long IOVA = 0x100000;
    private static final long PAGE = 64 * KIB;

    private final EmulatedKernel kernel = EmulatedKernel.boot(Hosts.POWER8);
    private final VfioProcess parent = EmulatedContractHost.process(kernel);
    private final Group group = parent.openGroup(0);

    @AfterEach
    void nothingIsLeft() {
        parent.end();
    }

    private Container container(int type) {
        Container container = parent.openContainer();
        assertAnswer(0, group.setContainer(container));
        assertAnswer(0, container.setIommu(type));
        return container;
    }

    /** The same open file, in a child. */
    private Container inChild(EmulatedKernel child, Container container) {
        return new Container(EmulatedContractHost.process(child), container.descriptor());
    }

    @Test
    @Scenario("C15")
    void aChildMapsNothingInAnEnabledContainer() {
        Container container = container(VFIO_SPAPR_TCE_IOMMU);
        assertAnswer(0, container.enable());
        EmulatedKernel child = kernel.fork();
        Container inherited = inChild(child, container);
        assertAnswer(EPERM, inherited.map(IOVA, inherited.process.memory(PAGE), PAGE));
        assertAnswer(EPERM, inherited.unmap(IOVA, PAGE));
        assertAnswer(EPERM, inherited.disable());
        child.exit();
    }

    @Test
    @Scenario("C16")
    void aContainerThatNobodyHasChangedIsAnyones() {
        Container container = container(VFIO_SPAPR_TCE_v2_IOMMU);
        EmulatedKernel child = kernel.fork();
        Container inherited = inChild(child, container);
        assertAnswer(1, inherited.checkExtension(VFIO_SPAPR_TCE_v2_IOMMU));
        assertEquals(container.info(), inherited.info());
        child.exit();
    }

    @Test
    @Scenario("C17")
    void aContainerThatWasChangedTellsOthersNothing() {
        Container container = container(VFIO_SPAPR_TCE_v2_IOMMU);
        container.createWindow(16, GIB, 1);
        EmulatedKernel child = kernel.fork();
        Container inherited = inChild(child, container);
        assertAnswer(EPERM, inherited.getInfo(inherited.infoStruct(32)));
        assertAnswer(1, inherited.checkExtension(VFIO_SPAPR_TCE_v2_IOMMU));
        child.exit();
    }

    @Test
    @Scenario("E28")
    void aChildRegistersNothingInItsParentsContainer() {
        Container container = container(VFIO_SPAPR_TCE_v2_IOMMU);
        assertAnswer(0, container.register(parent.memory(PAGE), PAGE));
        EmulatedKernel child = kernel.fork();
        Container inherited = inChild(child, container);
        assertAnswer(EPERM, inherited.register(inherited.process.memory(PAGE), PAGE));
        child.exit();
    }

    @Test
    @Scenario("F13")
    void aChildMapsNothingInItsParentsContainer() {
        Container container = container(VFIO_SPAPR_TCE_v2_IOMMU);
        long memory = parent.memory(PAGE);
        assertAnswer(0, container.register(memory, PAGE));
        EmulatedKernel child = kernel.fork();
        assertAnswer(EPERM, inChild(child, container).map(IOVA, memory, PAGE));
        assertAnswer(0, container.map(IOVA, memory, PAGE));
        child.exit();
    }

    @Test
    @Scenario("G28")
    void aFailedCallMakesTheContainerTheCallers() {
        Container container = container(VFIO_SPAPR_TCE_v2_IOMMU);
        MemorySegment refused = container.creation(16, GIB, 1);
        vfio_iommu_spapr_tce_create.flags(refused, 1);
        assertAnswer(EINVAL, container.create(refused));
        EmulatedKernel child = kernel.fork();
        Container inherited = inChild(child, container);
        assertAnswer(EPERM, inherited.create(16, GIB, 1));
        assertAnswer(EPERM, inherited.remove(0));
        child.exit();
    }

    @Test
    void aGroupIsBusyForOtherProcessesToo() {
        EmulatedKernel other = kernel.newProcess();
        assertAnswer(EBUSY, other.open("/dev/vfio/0", O_RDWR));
        other.exit();
    }

    @Test
    void aProcessThatIsGivenAContainerMakesItItsOwn() {
        Container container = container(VFIO_SPAPR_TCE_v2_IOMMU);
        EmulatedKernel other = kernel.newProcess();
        int descriptor = other.receive(kernel, container.descriptor());
        Container given = new Container(EmulatedContractHost.process(other), descriptor);
        assertAnswer(0, given.register(given.process.memory(PAGE), PAGE));
        assertNotEquals(0, other.lockedBytes());
        assertAnswer(EPERM, container.register(parent.memory(PAGE), PAGE));
        assertAnswer(0, container.close());
        given.info();
        other.exit();
        assertEquals(VFIO_GROUP_FLAGS_VIABLE, group.flags() & VFIO_GROUP_FLAGS_VIABLE);
    }

    @Test
    void aProcessIsGivenWhatIsOpenAndHasRoom() {
        EmulatedKernel other = kernel.newProcess();
        assertAnswer(EBADF, other.receive(kernel, -1));
        VfioProcess receiver = EmulatedContractHost.process(other);
        receiver.withoutFreeDescriptors(() -> assertAnswer(EMFILE, other.receive(kernel, group.descriptor())));
        assertThrows(
                IllegalArgumentException.class,
                () -> EmulatedKernel.boot(Hosts.POWER8).receive(kernel, group.descriptor()));
        other.exit();
    }

    @Test
    void aProcessThatEndsGivesAllBack() {
        EmulatedKernel other = kernel.newProcess();
        VfioProcess killed = EmulatedContractHost.process(other);
        Group taken = killed.openGroup(1);
        Container container = killed.openContainer();
        assertAnswer(0, taken.setContainer(container));
        assertAnswer(0, container.setIommu(VFIO_SPAPR_TCE_v2_IOMMU));
        long memory = killed.memory(PAGE);
        assertAnswer(0, container.register(memory, PAGE));
        assertAnswer(0, container.map(IOVA, memory, PAGE));
        taken.device(killed.edus().get(1).address());
        other.exit();
        assertEquals(0, other.lockedBytes());
        Group again = parent.openGroup(1);
        assertEquals(VFIO_GROUP_FLAGS_VIABLE, again.flags());
    }

    @Test
    void whatAChildHasOpenOutlivesItsParent() {
        Container container = container(VFIO_SPAPR_TCE_v2_IOMMU);
        EmulatedKernel child = kernel.fork();
        assertAnswer(0, group.close());
        assertAnswer(EBUSY, parent.open("/dev/vfio/0", O_RDWR));
        container.info();
        child.exit();
        assertAnswer(EINVAL, container.getInfo(container.infoStruct(32)));
    }

    /** A process that ended and left its container, with memory of it mapped, to a child. */
    private final class Ended {
        private final EmulatedKernel kernel = ProcessesTest.this.kernel.newProcess();
        private final EmulatedKernel child;

        private Ended(boolean unregisters) {
            VfioProcess process = EmulatedContractHost.process(kernel);
            Container container = process.openContainer();
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
    void aContainerKeepsWhatItsEndedProcessRegistered() {
        Ended ended = new Ended(false);
        assertEquals(1, ended.kernel.registeredRegions());
        assertNotEquals(0, kernel.host().userMemoryBytes());
        ended.child.exit();
        assertEquals(0, ended.kernel.registeredRegions());
        assertEquals(0, kernel.host().userMemoryBytes());
        assertEquals(List.of(), warnings());
    }

    @Test
    void theKernelFindsALeakWhenTheLastContainerOfAnEndedProcessIsClosed() {
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
