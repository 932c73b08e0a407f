package org.jvfio.contract.random;

import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;
import org.jvfio.contract.host.ContractHost;
import org.jvfio.contract.host.LinuxContractHost;
import org.jvfio.contract.random.Differential.Difference;

/**
 * What {@code scripts/power diff} runs in the guest: random sequences of calls on its kernel and on the emulated one,
 * and for each that is answered otherwise the first difference, shrunk.
 */
public final class DifferentialCommand {
    private static final String SEEDS = "seeds";

    private final ContractHost host;
    private final PrintStream out;
    private final Differential differential;

    public DifferentialCommand(ContractHost host, Differential differential, PrintStream out) {
        this.host = host;
        this.differential = differential;
        this.out = out;
    }

    /** Compares a host with the emulated one that is like it. */
    public static DifferentialCommand of(ContractHost host, PrintStream out) {
        return new DifferentialCommand(host, new Differential(host::mirror, host.devices(), host::startScripted), out);
    }

    /**
     * Runs it: {@code seeds FIRST COUNT STEPS}, or {@code calls FILE} for calls written by hand, one a line. The exit
     * status is 1 if anything differs.
     */
    public static void main(String[] arguments) throws IOException {
        DifferentialCommand command = of(new LinuxContractHost(), System.out);
        boolean equal = arguments[0].equals(SEEDS)
                ? command.runSeeds(
                        Long.parseLong(arguments[1]), Integer.parseInt(arguments[2]), Integer.parseInt(arguments[3]))
                : command.runCalls(Files.readAllLines(Path.of(arguments[1])));
        System.exit(equal ? 0 : 1);
    }

    /** Runs the sequences of these seeds: whether all were answered alike. */
    public boolean runSeeds(long first, int count, int steps) {
        int differing = 0;
        for (long seed = first; seed < first + count; seed++) {
            List<String> sequence = new CallGenerator(host, seed).sequence(steps);
            Optional<Difference> difference = differential.run(sequence);
            if (difference.isPresent()) {
                differing++;
                Shrinking.Shrunk shrunk = Shrinking.shrink(differential::run, sequence, difference.get());
                out.printf(
                        "seed %d differs after %d of %d calls; as few as show it:%n",
                        seed, difference.get().step() + 1, steps);
                print(shrunk.sequence(), shrunk.difference());
                out.printf("  again: --first-seed %d --seeds 1 --steps %d%n", seed, steps);
            } else if ((seed - first + 1) % 10 == 0) {
                out.printf("%d seeds, %d calls, %d differ%n", seed - first + 1, differential.calls(), differing);
            }
        }
        summarize();
        out.printf(
                "%s: %d seeds of %d calls each from seed %d on, %d calls made on both kernels, %d seeds differ%n",
                host, count, steps, first, differential.calls(), differing);
        return differing == 0;
    }

    /** Runs calls to their end and shows all answers: whether both kernels gave the same. */
    public boolean runCalls(List<String> lines) {
        List<String> calls = lines.stream()
                .map(String::strip)
                .filter(line -> !line.isEmpty() && !line.startsWith("#"))
                .toList();
        int differing = 0;
        for (Difference answer : differential.answers(calls)) {
            if (answer.other().isEmpty()) {
                out.printf("%s%n  left out  %s%n", answer.call(), answer.emulated());
            } else if (answer.emulated().equals(answer.other())) {
                out.printf("%s = %s%n", answer.call(), answer.other());
            } else {
                differing++;
                print(List.of(), answer);
            }
        }
        out.printf("%s: %d calls, %d answered otherwise%n", host, calls.size(), differing);
        return differing == 0;
    }

    private void print(List<String> sequence, Difference difference) {
        sequence.forEach(call -> out.println("    " + call));
        out.printf(
                "  %s%n    emulated  %s%n    %-8s  %s%n",
                difference.call(), difference.emulated(), "here", difference.other());
    }

    private void summarize() {
        differential.answers().forEach((call, answers) -> out.println("answers of " + call + ": " + counts(answers)));
        host.neverSent().forEach(reason -> out.println("left out: " + reason));
        differential.leftOut().forEach((reason, count) -> out.printf("left out, %d calls: %s%n", count, reason));
    }

    private static String counts(Map<String, Integer> answers) {
        return answers.entrySet().stream()
                .map(answer -> answer.getKey().strip() + " (" + answer.getValue() + ")")
                .collect(Collectors.joining(", "));
    }
}
