package org.jvfio.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.net.URISyntaxException;
import java.nio.file.Path;
import java.util.Objects;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Records that were made before: they are still read, their programs make the same calls, and the emulated host gives
 * the same answers. Those of powernv8 and pseries are of Linux, in the virtual machines of {@code scripts/power}.
 */
class RecordedHostsTest {
    private static String file(String name) throws URISyntaxException {
        return Path.of(Objects.requireNonNull(
                                RecordedHostsTest.class.getResource("/org/jvfio/observe/" + name + ".rec.gz"), name)
                        .toURI())
                .toString();
    }

    @ParameterizedTest
    @ValueSource(strings = {"demo-power8-emulated", "nvme-power8-emulated", "eeh-power8-emulated"})
    void check_earlierRecord_noDifference(String name) throws URISyntaxException {
        Ran shown = Ran.of("trace --from", file(name)).ok();
        assertTrue(shown.out().contains("close(3</dev/"), shown.out());
        Ran checked = Ran.of("check", file(name), "--machine", "power8");
        assertEquals(0, checked.status(), checked.out() + checked.err());
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "demo-powernv8",
                "nvme-powernv8",
                "msix-powernv8",
                "recovery-powernv8",
                "inject-powernv8",
                "demo-pseries",
                "nvme-pseries",
                "msix-pseries",
                "recovery-pseries",
                "inject-pseries"
            })
    void check_recordOfLinux_noDifference(String name) throws URISyntaxException {
        Ran checked = Ran.of("check", file(name));
        assertEquals(0, checked.status(), checked.out() + checked.err());
        assertTrue(checked.out().contains("all answers are the same"), checked.out());
    }

    /** On QEMU's powernv8 nothing freezes, and its pseries has no EEH: the command reports that then as now. */
    @ParameterizedTest
    @CsvSource({
        "demo-powernv8, 0",
        "nvme-powernv8, 0",
        "msix-powernv8, 0",
        "inject-powernv8, 3",
        "demo-pseries, 0",
        "nvme-pseries, 0",
        "msix-pseries, 0",
        "inject-pseries, 1"
    })
    void replay_recordOfLinux_noDifference(String name, int status) throws URISyntaxException {
        Ran replayed = Ran.of("replay", file(name));
        assertEquals(status, replayed.status(), replayed.out() + replayed.err());
        assertTrue(replayed.err().contains("the replay does not differ from the "), replayed.err());
    }
}
