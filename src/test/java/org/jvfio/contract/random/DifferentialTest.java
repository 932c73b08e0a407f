package org.jvfio.contract.random;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;
import org.jvfio.contract.ContractTest;
import org.jvfio.contract.host.ContractHost;

/**
 * Whatever is called in whatever order: an emulated host like this one, and one that stops at hazards, answers the
 * same.
 */
@ContractTest
class DifferentialTest {
    private static final int STEPS = 100;

    private final ContractHost host;

    DifferentialTest(ContractHost host) {
        this.host = host;
    }

    @Test
    void randomCalls_hostAndEmulator_sameResults() {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        DifferentialCommand command = DifferentialCommand.of(host, new PrintStream(out, true, StandardCharsets.UTF_8));
        assertTrue(command.runSeeds(1, host.randomSequences(), STEPS), () -> out.toString(StandardCharsets.UTF_8));
    }
}
