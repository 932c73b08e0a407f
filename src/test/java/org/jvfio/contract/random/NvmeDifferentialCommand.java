package org.jvfio.contract.random;

import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;
import org.jvfio.contract.host.ContractHost;
import org.jvfio.contract.host.LinuxContractHost;
import org.jvfio.contract.random.Differential.Difference;

/**
 * What {@code scripts/power diff --nvme} runs in the guest: random commands on its NVMe drive and on an emulated one
 * like QEMU's, and for each sequence that is answered otherwise the first difference, with as few lines as show it.
 */
public final class NvmeDifferentialCommand {
    private static final String SEEDS = "seeds";
    private static final int MAX_RUNS = 60;

    private final ContractHost host;
    private final PrintStream out;

    public NvmeDifferentialCommand(ContractHost host, PrintStream out) {
        this.host = host;
        this.out = out;
    }

    /**
     * Runs it: {@code seeds FIRST COUNT STEPS}, or {@code calls FILE} for lines written by hand. The exit status is 1
     * if anything differs.
     */
    public static void main(String[] arguments) throws IOException {
        NvmeDifferentialCommand command = new NvmeDifferentialCommand(new LinuxContractHost(), System.out);
        boolean equal = arguments[0].equals(SEEDS)
                ? command.runSeeds(
                        Long.parseLong(arguments[1]), Integer.parseInt(arguments[2]), Integer.parseInt(arguments[3]))
                : command.runLines(Files.readAllLines(Path.of(arguments[1])));
        System.exit(equal ? 0 : 1);
    }

    /** Runs the sequences of these seeds: whether all were answered alike. */
    public boolean runSeeds(long first, int count, int steps) {
        int differing = 0;
        try (NvmeDifferential differential = new NvmeDifferential(host)) {
            for (long seed = first; seed < first + count; seed++) {
                List<String> sequence = differential.generator(seed).sequence(steps);
                Optional<Difference> difference = differential.run(sequence);
                if (difference.isPresent()) {
                    differing++;
                    report(seed, sequence, differential, difference.get());
                } else if ((seed - first + 1) % 10 == 0) {
                    out.printf(
                            "%d seeds, %d commands, %d differ%n", seed - first + 1, differential.commands(), differing);
                }
            }
            differential
                    .answers()
                    .forEach((kind, answers) -> out.println("answers of " + kind + ": " + counts(answers)));
            NvmeCallGenerator.neverSent().forEach(reason -> out.println("left out: " + reason));
            out.printf(
                    "%s: %d seeds of %d commands each from seed %d on, %d run on both drives, %d seeds differ%n",
                    host, count, steps, first, differential.commands(), differing);
        }
        return differing == 0;
    }

    private void report(long seed, List<String> sequence, NvmeDifferential differential, Difference difference) {
        List<String> shortest = new ArrayList<>(sequence.subList(0, difference.step() + 1));
        Difference shown = difference;
        int runs = 0;
        for (int length = shortest.size() / 2; length > 0; length /= 2) {
            for (int end = shortest.size() - 1; end > 0 && runs < MAX_RUNS; end -= length) {
                List<String> candidate = new ArrayList<>(shortest.subList(0, Math.max(0, end - length)));
                candidate.addAll(shortest.subList(end, shortest.size()));
                runs++;
                Optional<Difference> found = differential.run(candidate);
                if (found.isPresent()
                        && found.get().step() == candidate.size() - 1
                        && found.get().emulated().equals(difference.emulated())
                        && found.get().other().equals(difference.other())) {
                    shortest = candidate;
                    shown = found.get();
                }
            }
        }
        out.printf("seed %d differs after %d lines; as few as show it:%n", seed, difference.step() + 1);
        shortest.forEach(line -> out.println("    " + line));
        print(shown);
    }

    /** Runs lines to their end and shows all answers: whether both drives gave the same. */
    public boolean runLines(List<String> written) {
        List<String> lines = written.stream()
                .map(String::strip)
                .filter(line -> !line.isEmpty() && !line.startsWith("#"))
                .toList();
        int differing = 0;
        try (NvmeDifferential differential = new NvmeDifferential(host)) {
            for (Difference answer : differential.answers(lines)) {
                if (answer.emulated().equals(answer.other())) {
                    out.printf("%s = %s%n", answer.call(), answer.other());
                } else {
                    differing++;
                    print(answer);
                }
            }
        }
        out.printf("%s: %d lines, %d answered otherwise%n", host, lines.size(), differing);
        return differing == 0;
    }

    private void print(Difference difference) {
        out.printf(
                "  %s%n    emulated  %s%n    %-8s  %s%n",
                difference.call(), difference.emulated(), "here", difference.other());
    }

    private static String counts(Map<String, Integer> answers) {
        return answers.entrySet().stream()
                .map(answer -> answer.getKey().strip() + " (" + answer.getValue() + ")")
                .collect(Collectors.joining(", "));
    }
}
