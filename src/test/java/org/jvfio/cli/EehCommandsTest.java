package org.jvfio.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Map;
import org.junit.jupiter.api.Test;
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
