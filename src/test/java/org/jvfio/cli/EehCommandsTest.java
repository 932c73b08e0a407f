package org.jvfio.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Map;
import org.junit.jupiter.api.Test;
import org.jvfio.emulator.EehState;
import org.jvfio.emulator.EmulatedKernel;
import org.jvfio.emulator.EmulatedMachine;

class EehCommandsTest {
    private static final String EMULATED = " --kernel emulated --json";

    private final EmulatedKernel process = EmulatedKernel.boot(EmulatedMachine.power8());

    private Map<?, ?> json(String line, String command) {
        return (Map<?, ?>) Ran.on(process, line + EMULATED).ok().json(command);
    }

    @Test
    void eehStatus_healthyDevice_normalAndResponding() {
        Map<?, ?> told = json("eeh status 0000:01:00.0", "eeh status");
        assertEquals("normal", told.get("peState"));
        assertEquals("RESPONDING", told.get("condition"));
        assertEquals(0, process.openDescriptors());
    }

    /** A PE that nobody has opened: what an administrator sees after binding. */
    @Test
    void eehStatus_frozenPe_status3WithAHintAndLeftAlone() {
        process.host().disablePe(0);
        Ran ran = Ran.on(process, "eeh status 0000:01:00.0" + EMULATED);
        assertEquals(3, ran.status());
        Map<?, ?> told = (Map<?, ?>) ran.json("eeh status");
        assertEquals("frozen", told.get("peState"));
        assertEquals("FROZEN", told.get("condition"));
        assertEquals("vfio-pci", told.get("driver"));
        assertEquals("vfio-pci disable_idle_d3=1", told.get("hint"));
        String evidence = String.valueOf(told.get("evidence"));
        assertTrue(
                evidence.matches("its PE is frozen \\(EEH state 2\\); the kernel log: .* EEH: Unable to recover.*"),
                evidence);
        assertEquals(EehState.STOPPED, process.host().group(0).state());
        assertEquals(0, Ran.on(process, "eeh status 0001:01:00.0" + EMULATED).status());
        assertEquals(0, process.openDescriptors());
    }

    @Test
    void eehStatus_withoutEeh_saysNone() {
        EmulatedKernel lpar = EmulatedKernel.boot(EmulatedMachine.pseries());
        Ran ran = Ran.on(lpar, "eeh status 0001:00:01.0" + EMULATED);
        assertEquals(0, ran.status());
        assertEquals("none", ((Map<?, ?>) ran.json("eeh status")).get("peState"));
    }

    @Test
    void eehStatus_noSuchDevice_status1() {
        Ran ran = Ran.on(process, "eeh status 0009:01:00.0 --kernel emulated");
        assertEquals(1, ran.status());
        assertTrue(ran.err().contains("there is no such PCI device"), ran.err());
        assertEquals(2, Ran.on(process, "eeh status nowhere --kernel emulated").status());
        assertEquals(2, Ran.on(process, "eeh status --kernel emulated").status());
    }

    @Test
    void eehInject_platformThatFreezesNothing_status3() {
        EmulatedKernel qemu = EmulatedKernel.boot(
                EmulatedMachine.power8().toBuilder().freezes(false).build());
        Ran ran = Ran.on(qemu, "eeh inject 0000:01:00.0" + EMULATED);
        assertEquals(3, ran.status());
        assertEquals("NONE", ((Map<?, ?>) ran.json("eeh inject")).get("means"));
        assertEquals(0, qemu.openDescriptors());
    }

    @Test
    void eehRecover_frozenPe_openingThawsIt() {
        process.host().freezePe(0);
        assertEquals(3, Ran.on(process, "eeh status 0000:01:00.0" + EMULATED).status());
        Map<?, ?> told = json("eeh recover 0000:01:00.0", "eeh recover");
        assertEquals("frozen", told.get("peState"));
        assertEquals("NONE", told.get("means"), "opening it was enough");
        assertEquals("vfio-pci disable_idle_d3=1", told.get("hint"));
        assertEquals(0, Ran.on(process, "eeh status 0000:01:00.0" + EMULATED).status());
    }

    /** The state is known, so that nothing is guessed. */
    @Test
    void device_frozenPe_saysThatItIsFrozen() {
        process.host().freezePe(1);
        Ran ran = Ran.on(process, "device 0001:01:00.0 --kernel emulated");
        assertTrue(ran.err().contains("reads all ones; its PE is frozen (EEH state 2); the kernel log: ["), ran.err());
    }

    @Test
    void eehRecover_peThatTheHostHasGivenUp_status1() {
        process.host().disablePe(0);
        Ran ran = Ran.on(process, "eeh recover 0000:01:00.0 --kernel emulated");
        assertEquals(1, ran.status());
        assertTrue(ran.err().contains("it does not respond after 3 resets"), ran.err());
        assertEquals(0, process.openDescriptors());
    }

    @Test
    void eehInject_errorsOfLoads_frozenAndRecovered() {
        for (String error : new String[] {"load-config-address", "load-memory-data"}) {
            Map<?, ?> told = json("eeh inject 0000:01:00.0 --error " + error, "eeh inject");
            assertEquals("FROZEN", told.get("condition"));
            assertEquals("PE_RESET", told.get("means"));
            assertEquals(0, process.openDescriptors());
        }
    }

    @Test
    void eehRecover_respondingDevice_notNeeded() {
        assertEquals("NONE", json("eeh recover 0000:01:00.0", "eeh recover").get("means"));
    }

    @Test
    void eehInject_withoutEeh_saysSo() {
        EmulatedKernel without = EmulatedKernel.boot(
                EmulatedMachine.power8().toBuilder().eeh(false).build());
        Ran ran = Ran.on(without, "eeh inject 0000:01:00.0 --kernel emulated");
        assertEquals(1, ran.status());
        assertTrue(ran.err().contains("the kernel has no EEH"), ran.err());
        assertEquals(0, without.openDescriptors());
    }
}
