package org.jvfio.observe;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.InputStream;
import java.util.Objects;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.jvfio.PciAddress;
import org.jvfio.VfioException;

/** Records of {@link RecoverySession} on Linux. */
class RecoveredHostsTest {
    private static Recording recording(String name) throws IOException {
        try (InputStream in =
                Objects.requireNonNull(RecoveredHostsTest.class.getResourceAsStream(name + ".rec.gz"), name)) {
            return Recording.read(name, in.readAllBytes());
        }
    }

    @Test
    void replay_recoveryByEeh_noDifference() throws IOException {
        Recording recording = recording("recovery-powernv8");
        assertTrue(
                recording.events().stream()
                        .anyMatch(event -> event instanceof Recording.End end
                                && CallPrinter.withResult(end.call())
                                        .contains("VFIO_EEH_PE_OP(VFIO_EEH_PE_RESET_HOT)) = 0")),
                "no PE is reset in the record");
        ReplayedKernel kernel = ReplayedKernel.of(recording);
        RecoverySession.run(kernel, PciAddress.parse("0000:01:00.0"));
        assertEquals(Optional.empty(), kernel.end());
    }

    /** QEMU's pseries has no EEH for VFIO, and its edu device no reset of its own. */
    @Test
    void replay_recoveryThatTheHostRefuses_sameRefusal() throws IOException {
        ReplayedKernel kernel = ReplayedKernel.of(recording("recovery-pseries"));
        VfioException refused =
                assertThrows(VfioException.class, () -> RecoverySession.run(kernel, PciAddress.parse("0001:00:00.0")));
        assertTrue(refused.getMessage().contains("neither the bus nor the slot can be reset"), refused.getMessage());
        assertEquals(Optional.empty(), kernel.end());
    }
}
