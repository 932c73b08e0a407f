package org.jvfio.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.net.URISyntaxException;
import java.nio.file.Path;
import java.util.Objects;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Records that were made before: they are still read, and the emulated host still gives their answers. */
class RecordedHostsTest {
    @ParameterizedTest
    @ValueSource(strings = {"demo-power8-emulated", "nvme-power8-emulated", "eeh-power8-emulated"})
    void check_earlierRecord_noDifference(String name) throws URISyntaxException {
        Path file = Path.of(Objects.requireNonNull(
                        RecordedHostsTest.class.getResource("/org/jvfio/observe/" + name + ".rec.gz"), name)
                .toURI());
        Ran shown = Ran.of("trace --from", file.toString()).ok();
        assertTrue(shown.out().contains("close(3</dev/"), shown.out());
        Ran checked = Ran.of("check", file.toString(), "--machine", "power8");
        assertEquals(0, checked.status(), checked.out() + checked.err());
    }
}
