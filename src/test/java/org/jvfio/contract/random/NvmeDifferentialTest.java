package org.jvfio.contract.random;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.EnumSet;
import java.util.Optional;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.jvfio.contract.ContractTest;
import org.jvfio.contract.host.ContractHost;
import org.jvfio.emulator.nvme.EmulatedNvme;
import org.jvfio.emulator.nvme.NvmeFault.Commands;
import org.jvfio.emulator.nvme.NvmeFault.Effect;
import org.jvfio.emulator.nvme.NvmeFault.Occurrence;
import org.jvfio.emulator.nvme.NvmeFaults;
import org.jvfio.emulator.nvme.OptionalCommand;

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

    /** A drive that is not quite like QEMU's. */
    enum Planted {
        FEWER_QUEUES {
            @Override
            EmulatedNvme.Builder change(EmulatedNvme.Builder drive) {
                return drive.queuePairs(8);
            }
        },
        OTHER_STATUS {
            @Override
            EmulatedNvme.Builder change(EmulatedNvme.Builder drive) {
                return faulty(drive, Commands.io(VERIFY), new Effect.Status(2, 0x81, false));
            }
        },
        OTHER_DATA {
            @Override
            EmulatedNvme.Builder change(EmulatedNvme.Builder drive) {
                return faulty(drive, Commands.io(READ), new Effect.DataBits(1));
            }
        },
        NO_COMMAND {
            @Override
            EmulatedNvme.Builder change(EmulatedNvme.Builder drive) {
                return drive.commands(EnumSet.complementOf(EnumSet.of(OptionalCommand.COPY)));
            }
        };

        private static final int READ = 0x02;
        private static final int VERIFY = 0x0c;

        abstract EmulatedNvme.Builder change(EmulatedNvme.Builder drive);

        private static EmulatedNvme.Builder faulty(EmulatedNvme.Builder drive, Commands commands, Effect effect) {
            return drive.faults(NvmeFaults.NONE.with(commands, Occurrence.always(), effect));
        }
    }

    @ParameterizedTest
    @EnumSource(Planted.class)
    void randomCommands_presetThatDiffers_differenceFound(Planted planted) {
        try (NvmeDifferential differential = new NvmeDifferential(host, planted::change)) {
            assertTrue(LongStream.rangeClosed(1, SEQUENCES)
                    .mapToObj(seed ->
                            differential.run(differential.generator(seed).sequence(STEPS)))
                    .anyMatch(Optional::isPresent));
        }
    }
}
