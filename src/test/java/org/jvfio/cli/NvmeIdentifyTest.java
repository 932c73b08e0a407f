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
import org.jvfio.emulator.nvme.NamespaceOptions;
import org.jvfio.emulator.nvme.NvmeFault.Commands;
import org.jvfio.emulator.nvme.NvmeFault.Effect;
import org.jvfio.emulator.nvme.NvmeFault.Occurrence;
import org.jvfio.emulator.nvme.NvmeFaults;

/** A page that a drive refuses does not silence the rest of {@code jvfio nvme identify}. */
class NvmeIdentifyTest {
    private static final int GET_LOG_PAGE = 0x02;
    private static final int IDENTIFY = 0x06;
    private static final Effect.Status INTERNAL_ERROR = new Effect.Status(0, 0x06, false);
    private static final Effect.Status INVALID_NAMESPACE = new Effect.Status(0, 0x0b, false);

    private static EmulatedKernel host(EmulatedNvme.Builder drive) {
        return EmulatedKernel.boot(EmulatedMachine.power9().toBuilder()
                .withoutDevices()
                .device("0000:01:00.0", 0, drive::build)
                .build());
    }

    private static Ran identify(NvmeFaults faults, String more) {
        return Ran.on(host(EmulatedNvme.builder().faults(faults)), "nvme identify" + more)
                .ok();
    }

    private static EmulatedNvme.Builder sevenNamespaces() {
        EmulatedNvme.Builder drive = EmulatedNvme.builder();
        for (int id = 2; id <= 8; id++) {
            drive.namespace(NamespaceOptions.ofMemory(1 << 20).id(id).build());
        }
        return drive;
    }

    /** The fourth Identify is that of the first namespace, after those of the controller, the list and descriptors. */
    private static NvmeFaults denied() {
        return NvmeFaults.NONE.with(Commands.admin(IDENTIFY), new Occurrence.Nth(4), INVALID_NAMESPACE);
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

    @Test
    void identify_listedNamespaceDenied_othersPrinted() {
        EmulatedNvme.Builder drive = sevenNamespaces().faults(denied());
        String text = Ran.on(host(drive), "nvme identify").ok().out();
        assertTrue(text.contains("2: it is not active, though the controller lists it"), text);
        for (int id = 3; id <= 8; id++) {
            assertTrue(text.contains(id + ": 1M in"), text);
        }
        assertTrue(text.contains("spare 100 %"), text);
    }

    /** The hint has other namespaces than the one that does not work. */
    @Test
    void identify_namedNamespaceDenied_othersHinted() {
        NvmeFaults faults = NvmeFaults.NONE.with(Commands.admin(IDENTIFY), new Occurrence.Nth(3), INVALID_NAMESPACE);
        Ran ran = Ran.on(host(sevenNamespaces().faults(faults)), "nvme identify --namespace 2");
        assertEquals(1, ran.status());
        assertTrue(ran.err().contains("use one of [3, 4, 5, 6, 7, 8]"), ran.err());
    }
}
