package org.jvfio.contract.random;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;
import org.jvfio.contract.ContractTest;
import org.jvfio.contract.host.ContractHost;

/** Whatever commands in whatever order: the host's NVMe drive and an emulated one like QEMU's answer the same. */
@ContractTest
class NvmeDifferentialTest {
    private static final int SEQUENCES = 5;
    private static final int STEPS = 100;

    private final ContractHost host;

    NvmeDifferentialTest(ContractHost host) {
        this.host = host;
    }

    @Test
    void randomCommands_driveOfHostAndPreset_sameAnswers() {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        NvmeDifferentialCommand command =
                new NvmeDifferentialCommand(host, new PrintStream(out, true, StandardCharsets.UTF_8));
        assertTrue(command.runSeeds(1, SEQUENCES, STEPS), () -> out.toString(StandardCharsets.UTF_8));
    }
}
