package org.jvfio.fuzz;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.jvfio.ConfigSpaceFuzz;
import org.jvfio.DeviceInfoFuzz;
import org.jvfio.driver.nvme.CompletionFuzz;
import org.jvfio.driver.nvme.IdentifyFuzz;
import org.jvfio.emulator.MachineFileFuzz;
import org.jvfio.observe.RecordFuzz;
import org.jvfio.observe.fault.FaultFileFuzz;

/** Each input of a corpus, and variants of it with some other bytes, is handled as documented. */
class CorpusTest {
    private static final int VARIANTS = 50;
    private static final int MAX_CHANGES = 4;

    /** What a target does with an input. */
    @FunctionalInterface
    interface Body {
        void fuzzerTestOneInput(byte[] bytes) throws Exception;
    }

    /**
     * A fuzz target.
     *
     * @param corpus the directory with its inputs
     */
    record Target(String corpus, Body body) {
        @Override
        public String toString() {
            return corpus;
        }
    }

    static Stream<Target> targets() {
        return Stream.of(
                new Target("ConfigSpaceFuzz", ConfigSpaceFuzz::fuzzerTestOneInput),
                new Target("DeviceInfoFuzz", DeviceInfoFuzz::fuzzerTestOneInput),
                new Target("IdentifyFuzz", IdentifyFuzz::fuzzerTestOneInput),
                new Target("CompletionFuzz", CompletionFuzz::fuzzerTestOneInput),
                new Target("MachineFileFuzz", MachineFileFuzz::fuzzerTestOneInput),
                new Target("RecordFuzz", RecordFuzz::fuzzerTestOneInput),
                new Target("FaultFileFuzz", FaultFileFuzz::fuzzerTestOneInput));
    }

    @ParameterizedTest
    @MethodSource("targets")
    void target_inputsOfItsCorpus_handled(Target target) throws Exception {
        List<Path> inputs = inputs(target.corpus());
        assertTrue(inputs.size() >= 4, target + " has " + inputs.size() + " inputs");
        for (Path input : inputs) {
            byte[] bytes = Files.readAllBytes(input);
            target.body().fuzzerTestOneInput(bytes);
            Random random = new Random(input.getFileName().hashCode());
            for (int variant = 0; variant < VARIANTS && bytes.length > 0; variant++) {
                byte[] changed = bytes.clone();
                for (int change = 0; change <= random.nextInt(MAX_CHANGES); change++) {
                    changed[random.nextInt(changed.length)] = (byte) random.nextInt();
                }
                target.body().fuzzerTestOneInput(changed);
            }
        }
    }

    private static List<Path> inputs(String corpus) throws IOException, URISyntaxException {
        Path directory = Path.of(Objects.requireNonNull(CorpusTest.class.getResource(corpus + "/"))
                .toURI());
        try (Stream<Path> files = Files.list(directory)) {
            return files.sorted().toList();
        }
    }
}
