package org.jvfio.contract;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.jvfio.contract.Contract.GIB;
import static org.jvfio.contract.Contract.KIB;
import static org.jvfio.contract.Contract.assertAnswer;
import static org.jvfio.emulator.Hazard.CREATE_CHARGE_LEAK;
import static org.jvfio.emulator.Hazard.MACHINE_CHECK;
import static org.jvfio.emulator.Hazard.PHB3_INVALIDATES_FOR_EVER;
import static org.jvfio.emulator.Hazard.REGISTER_NOTHING;
import static org.jvfio.emulator.Hazard.REGISTRATION_LEAK;
import static org.jvfio.emulator.Hazard.WINDOW_BELOW_ONE_PAGE;
import static org.jvfio.emulator.Hazard.WINDOW_OVERRUN;
import static org.jvfio.kernel.Errno.EINVAL;
import static org.jvfio.uapi.vfio_h.VFIO_PCI_BAR0_REGION_INDEX;
import static org.jvfio.uapi.vfio_h.VFIO_SPAPR_TCE_v2_IOMMU;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.jvfio.emulator.EmulatedKernel;
import org.jvfio.emulator.EmulatedMachine;
import org.jvfio.emulator.Hazard;
import org.jvfio.emulator.HazardPolicy;
import org.jvfio.emulator.HostHazard;
import org.jvfio.emulator.KernelVersion;

/**
 * The calls that Linux does not refuse and that harm its host: the emulated kernel stops them, by their name. None of
 * them is made on Linux.
 */
@EmulatorTest
class HazardTest {
    private static final long PAGE = 64 * KIB;

    private final List<EmulatedKernel> booted = new ArrayList<>();

    /** A process on a host that stops hazards, with a container of type 7 and registered memory. */
    private final class Prepared {
        private final EmulatedKernel kernel;
        private final VfioProcess process;
        private final Group group;
        private final Container container;
        private final long memory;

        private Prepared(EmulatedMachine.Builder machine) {
            kernel = EmulatedKernel.boot(machine.hazards(HazardPolicy.STOP).build());
            booted.add(kernel);
            process = EmulatedContractHost.process(kernel);
            group = process.openGroup(process.edus().getFirst().group());
            container = process.openContainer();
            assertAnswer(0, group.setContainer(container));
            assertAnswer(0, container.setIommu(VFIO_SPAPR_TCE_v2_IOMMU));
            memory = process.memory(2 * PAGE);
            assertAnswer(0, container.register(memory, PAGE));
        }
    }

    private static EmulatedMachine.Builder power8() {
        return Hosts.POWER8.toBuilder();
    }

    private static EmulatedMachine.Builder power9() {
        return Hosts.POWER9.toBuilder();
    }

    private static void assertStopped(Hazard hazard, Runnable call) {
        assertEquals(hazard, assertThrows(HostHazard.class, call::run).hazard());
    }

    @AfterEach
    void nothingIsLeft() {
        booted.forEach(EmulatedKernel::exit);
        booted.forEach(kernel -> assertEquals(0, kernel.lockedBytes()));
    }

    @Test
    @Scenario("D18")
    void mappingNothingAtBusAddress0SpinsOnPower8() {
        Prepared on = new Prepared(power8());
        assertStopped(PHB3_INVALIDATES_FOR_EVER, () -> on.container.map(0, on.memory, 0));
        assertStopped(PHB3_INVALIDATES_FOR_EVER, () -> on.container.unmap(0, 0));
        assertAnswer(0, on.container.map(0x1000, on.memory, 0));
    }

    @Test
    void mappingNothingAtBusAddress0IsNothingOnPower9() {
        Prepared on = new Prepared(power9());
        assertAnswer(0, on.container.map(0, on.memory, 0));
        assertAnswer(0, on.container.unmap(0, 0));
    }

    @Test
    @Scenario("F3")
    void aFirstPageThatFailsAtBusAddress0SpinsOnPower8() {
        Prepared on = new Prepared(power8());
        assertStopped(PHB3_INVALIDATES_FOR_EVER, () -> on.container.map(0, on.memory + PAGE, PAGE));
        assertAnswer(EINVAL, on.container.map(0x1000, on.memory + PAGE, PAGE));
    }

    @Test
    void aFirstPageThatFailsAtBusAddress0IsRefusedOnPower9() {
        Prepared on = new Prepared(power9());
        assertAnswer(EINVAL, on.container.map(0, on.memory + PAGE, PAGE));
    }

    @Test
    @Scenario("F2")
    void aSecondPageThatFailsAtBusAddress0IsRefusedOnPower8() {
        Prepared on = new Prepared(power8());
        assertAnswer(EINVAL, on.container.map(0, on.memory, 2 * PAGE));
    }

    @Test
    @Scenario("F5")
    void pagesThatMemoryDoesNotHaveSpinAtBusAddress0OnPower8() {
        Prepared on = new Prepared(power8().pages4K());
        assertAnswer(0, on.container.remove(0));
        assertEquals(0, on.container.createWindow(16, GIB, 1));
        assertStopped(PHB3_INVALIDATES_FOR_EVER, () -> on.container.map(0, on.memory, PAGE));
        assertAnswer(EINVAL, on.container.map(PAGE, on.memory, PAGE));
    }

    @Test
    void mappingPastTheEndOfAWindowCorruptsMemory() {
        for (EmulatedMachine.Builder machine : List.of(power8(), power9().kernel(KernelVersion.V7_2))) {
            Prepared on = new Prepared(machine);
            long end = on.container.info().size();
            assertStopped(WINDOW_OVERRUN, () -> on.container.map(end - 0x1000, on.memory, 0x2000));
            assertStopped(WINDOW_OVERRUN, () -> on.container.map(0, on.memory, -0x1000));
        }
    }

    @Test
    @Scenario("D23")
    void unmappingPastTheEndOfAWindowCorruptsMemoryUpTo612() {
        Prepared on = new Prepared(power9());
        long end = on.container.info().size();
        assertStopped(WINDOW_OVERRUN, () -> on.container.unmap(end - 0x1000, 0x2000));
        Prepared later = new Prepared(power9().kernel(KernelVersion.V7_2));
        assertAnswer(1, later.container.unmap(end - 0x1000, 0x2000));
    }

    @Test
    @Scenario("E21")
    void unregisteringMappedMemoryLeaksIt() {
        Prepared on = new Prepared(power9());
        assertAnswer(0, on.container.map(0, on.memory, PAGE));
        assertStopped(REGISTRATION_LEAK, () -> on.container.unregister(on.memory, PAGE));
        assertAnswer(0, on.container.unmap(0, PAGE));
        assertAnswer(0, on.container.unregister(on.memory, PAGE));
    }

    @Test
    @Scenario("E15")
    void registeringNothingWarns() {
        Prepared on = new Prepared(power9());
        assertStopped(REGISTER_NOTHING, () -> on.container.register(on.memory, 0));
    }

    @Test
    @Scenario({"G14", "G15", "G17"})
    void aTableThatCannotBeMadeStaysCharged() {
        Prepared on = new Prepared(power9());
        assertAnswer(0, on.container.remove(0));
        assertStopped(CREATE_CHARGE_LEAK, () -> on.container.create(16, GIB, 5));
        assertStopped(CREATE_CHARGE_LEAK, () -> on.container.create(12, 16 * GIB, 1));
        assertStopped(CREATE_CHARGE_LEAK, () -> on.container.create(30, GIB, 2));
        assertEquals(PAGE, on.kernel.lockedBytes());
    }

    @Test
    @Scenario({"G11", "G13"})
    void anLparsTableThatCannotBeMadeStaysCharged() {
        Prepared on = new Prepared(Hosts.PSERIES.toBuilder());
        assertStopped(CREATE_CHARGE_LEAK, () -> on.container.create(16, 3 * GIB, 1));
        assertStopped(CREATE_CHARGE_LEAK, () -> on.container.create(16, GIB, 2));
    }

    @Test
    void aWindowOfLessThanAPageShiftsByANegativeCount() {
        Prepared on = new Prepared(power9());
        assertStopped(WINDOW_BELOW_ONE_PAGE, () -> on.container.create(16, 32 * KIB, 1));
    }

    @Test
    void registersOfAnotherSizeThanTheDevicesAreAMachineCheck() {
        Prepared on = new Prepared(power9());
        Device device = on.group.device(on.process.edus().getFirst().address());
        long bar = device.offset(VFIO_PCI_BAR0_REGION_INDEX);
        MemorySegment one = on.process.struct(ValueLayout.JAVA_BYTE);
        MemorySegment eight = on.process.struct(ValueLayout.JAVA_LONG);
        assertStopped(MACHINE_CHECK, () -> device.pread(one, bar));
        assertStopped(MACHINE_CHECK, () -> device.pread(eight, bar));
        assertStopped(MACHINE_CHECK, () -> device.pwrite(one, bar + 0x80));
    }

    @Test
    void aStoppedCallNamesHazardPlatformAndItself() {
        Prepared on = new Prepared(power8());
        HostHazard stopped = assertThrows(HostHazard.class, () -> on.container.map(0, on.memory, 0));
        assertEquals(
                "VFIO_IOMMU_MAP_DMA(iova=0x0, size=0x0): " + PHB3_INVALIDATES_FOR_EVER.harm()
                        + " [PHB3_INVALIDATES_FOR_EVER; " + PHB3_INVALIDATES_FOR_EVER.where() + "]",
                stopped.getMessage());
    }
}
