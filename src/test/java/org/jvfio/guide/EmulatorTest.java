package org.jvfio.guide;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.jvfio.Device;
import org.jvfio.DeviceCondition;
import org.jvfio.PciAddress;
import org.jvfio.emulator.EmulatedHost;
import org.jvfio.emulator.EmulatedKernel;
import org.jvfio.emulator.EmulatedMachine;
import org.jvfio.emulator.GroupView;
import org.jvfio.emulator.KernelVersion;

/** The listings of the page "The emulated kernel, and how true it is". */
class EmulatorTest {
    @Test
    void machine_builder_changesAPreset() {
        // @start region="machine"
        EmulatedMachine machine = EmulatedMachine.power9().toBuilder()
                .kernel(KernelVersion.V6_4)
                .memlockBytes(64 << 20)
                .eeh(false)
                .build();
        EmulatedKernel kernel = EmulatedKernel.boot(machine);
        // @end
        assertTrue(kernel.host().machine().release().startsWith("6.4"));
    }

    @Test
    void host_frozenPe_isSeenFromBothSides() {
        EmulatedKernel kernel = EmulatedKernel.boot(EmulatedMachine.power8());
        try (Device device = Device.open(kernel, PciAddress.parse("0000:01:00.0"))) {
            // @start region="host"
            EmulatedHost host = kernel.host();
            GroupView group = host.group(0);
            boolean bypass = group.bypass(); // false: the process has taken the group

            host.freezePe(0);
            DeviceCondition condition = device.condition(); // FROZEN, and what was looked at
            List<String> log = host.log(); // as dmesg shows it
            // @end
            assertFalse(bypass);
            assertEquals(DeviceCondition.State.FROZEN, condition.state());
            assertTrue(log.stream().anyMatch(line -> line.contains("Disabling 64-bit DMA bypass")), log.toString());
        }
        assertTrue(kernel.host().group(0).bypass());
    }
}
