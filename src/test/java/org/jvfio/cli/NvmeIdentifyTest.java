package org.jvfio.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.jvfio.emulator.EmulatedKernel;
import org.jvfio.emulator.EmulatedMachine;
import org.jvfio.emulator.nvme.EmulatedNvme;
import org.jvfio.emulator.nvme.NvmeFault.Commands;
import org.jvfio.emulator.nvme.NvmeFault.Effect;
import org.jvfio.emulator.nvme.NvmeFault.Occurrence;
import org.jvfio.emulator.nvme.NvmeFaults;

/** A page that a drive refuses does not silence the rest of {@code jvfio nvme identify}. */
class NvmeIdentifyTest {
    private static final int GET_LOG_PAGE = 0x02;
    private static final int IDENTIFY = 0x06;
    private static final Effect.Status INTERNAL_ERROR = new Effect.Status(0, 0x06, false);

    private static Ran identify(NvmeFaults faults, String more) {
        EmulatedKernel host = EmulatedKernel.boot(EmulatedMachine.power9().toBuilder()
                .withoutDevices()
                .device(
                        "0000:01:00.0",
                        0,
                        () -> EmulatedNvme.builder().faults(faults).build())
                .build());
        return Ran.on(host, "nvme identify" + more).ok();
    }

    @Test
    void identify_healthRefused_restPrinted() {
        NvmeFaults faults = NvmeFaults.NONE.with(Commands.admin(GET_LOG_PAGE), Occurrence.always(), INTERNAL_ERROR);
        String text = identify(faults, "").out();
        assertTrue(text.contains("1: 512M in"), text);
        assertTrue(text.contains("unavailable    health: the controller returned Internal Error"), text);
        Map<String, Object> data = identify(faults, " --json").json("nvme identify");
        assertFalse(data.containsKey("health"));
        assertEquals(
                List.of("health: the controller returned Internal Error (SCT 0h, SC 06h, DNR)"),
                data.get("unavailable"));
    }

    @Test
    void identify_listRefused_namespacesPrinted() {
        // The first Identify is that of the controller.
        NvmeFaults faults = NvmeFaults.NONE.with(Commands.admin(IDENTIFY), new Occurrence.Nth(2), INTERNAL_ERROR);
        String text = identify(faults, "").out();
        assertTrue(text.contains("1: 512M in"), text);
        assertTrue(text.contains("spare 100 %"), text);
    }

    @Test
    void identify_noNamespaceIdentified_restPrinted() {
        NvmeFaults faults = NvmeFaults.NONE;
        for (int number = 2; number <= 20; number++) {
            faults = faults.with(Commands.admin(IDENTIFY), new Occurrence.Nth(number), INTERNAL_ERROR);
        }
        String text = identify(faults, "").out();
        assertTrue(text.contains("unavailable    namespaces: the controller returned Internal Error"), text);
        assertTrue(text.contains("spare 100 %"), text);
    }
}
