package org.example.driver;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;
import org.jvfio.Device;
import org.jvfio.VfioException;
import org.jvfio.junit.AllPresets;
import org.jvfio.junit.EmulatedHost;
import org.jvfio.junit.FaultPlan;
import org.jvfio.junit.RepeatWithSeeds;
import org.jvfio.junit.VfioDevice;
import org.jvfio.observe.fault.FaultInjection;
import org.jvfio.observe.fault.FaultPoint.On;
import org.jvfio.observe.sanitize.Finding;

@EmulatedHost("power9")
class CopierTest {
    private static final String TEXT = "Hello, POWER";

    @Test
    void copy_aText_arrives(@VfioDevice("edu") Device device) {
        try (Copier copier = new Copier(device)) {
            assertEquals(TEXT, copier.copy(TEXT));
        }
    }

    /** On every machine that JVFIO emulates, from POWER5 to POWER11 and in an LPAR. */
    @AllPresets
    void copy_onEachPreset_arrives(@VfioDevice("edu") Device device) {
        try (Copier copier = new Copier(device)) {
            assertEquals(TEXT, copier.copy(TEXT));
        }
    }

    @Test
    @FaultPlan("src/test/faults/refused-map.json")
    void open_mapIsRefused_nothingIsLeft(@VfioDevice("edu") Device device, FaultInjection faults) {
        assertThrows(VfioException.class, () -> new Copier(device));
        assertEquals(1, faults.happened().size());
    }

    /** Whatever DMA and registers do, the driver fails with an exception or copies what was asked. */
    @RepeatWithSeeds(
            value = 20,
            on = {On.DMA_READ, On.REGISTER_READ})
    @EmulatedHost(
            value = "power9",
            allow = {Finding.Kind.NEVER_WRITTEN, Finding.Kind.DMA_OUTSIDE_BUFFER, Finding.Kind.UNMAPPED_DMA})
    void copy_randomFaults_failsOrArrives(@VfioDevice("edu") Device device) {
        try (Copier copier = new Copier(device)) {
            copier.copy(TEXT);
        } catch (VfioException expected) {
            assertTrue(expected.getMessage() != null);
        }
    }
}
