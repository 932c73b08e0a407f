package org.jvfio.observe;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.InputStream;
import java.util.Objects;
import java.util.Optional;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.jvfio.PciAddress;

/** Records of {@link RecoverySession} on Linux. */
class RecoveredHostsTest {
    @ParameterizedTest
    @CsvSource({"recovery-powernv8, 0000:01:00.0"})
    void replay_recoveryOnLinux_noDifference(String name, String address) throws IOException {
        Recording recording;
        try (InputStream in =
                Objects.requireNonNull(RecoveredHostsTest.class.getResourceAsStream(name + ".rec.gz"), name)) {
            recording = Recording.read(name, in.readAllBytes());
        }
        assertTrue(
                recording.events().stream()
                        .anyMatch(event -> event instanceof Recording.End end
                                && CallPrinter.withResult(end.call()).contains("RESET")),
                "nothing is reset in the record");
        ReplayedKernel kernel = ReplayedKernel.of(recording);
        RecoverySession.run(kernel, PciAddress.parse(address));
        assertEquals(Optional.empty(), kernel.end());
    }
}
