package org.jvfio.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.net.URISyntaxException;
import java.nio.file.Path;
import java.util.Objects;
import org.junit.jupiter.params.ParameterizedTest;
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
    @ValueSource(strings = {"demo-powernv8", "nvme-powernv8", "msix-powernv8", "recovery-powernv8", "inject-powernv8"})
    void check_recordOfLinux_noDifference(String name) throws URISyntaxException {
        Ran checked = Ran.of("check", file(name));
        assertEquals(0, checked.status(), checked.out() + checked.err());
        assertTrue(checked.out().contains("all answers are the same"), checked.out());
    }

    @ParameterizedTest
    @ValueSource(strings = {"demo-powernv8", "nvme-powernv8", "msix-powernv8", "inject-powernv8"})
    void replay_recordOfLinux_noDifference(String name) throws URISyntaxException {
        Ran replayed = Ran.of("replay", file(name));
        // On QEMU nothing freezes, which the command reports then as now.
        assertEquals(name.startsWith("inject") ? 3 : 0, replayed.status(), replayed.out() + replayed.err());
        assertTrue(replayed.err().contains("the replay made the "), replayed.err());
    }
}
