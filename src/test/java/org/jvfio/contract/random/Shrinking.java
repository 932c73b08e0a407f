package org.jvfio.contract.random;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.Function;
import org.jvfio.contract.random.CallNotation.Kind;
import org.jvfio.contract.random.Differential.Difference;

/** Makes a sequence with a difference shorter and simpler, as long as it ends with the same difference. */
public final class Shrinking {
    private static final int MAX_RUNS = 150;

    private final Function<List<String>, Optional<Difference>> run;
    private final String name;
    private List<String> sequence;
    private Difference difference;
    private int runs;

    /** What is left. */
    public record Shrunk(List<String> sequence, Difference difference) {}

    private Shrinking(Function<List<String>, Optional<Difference>> run, List<String> sequence, Difference difference) {
        this.run = run;
        this.sequence = sequence;
        this.difference = difference;
        this.name = CallNotation.name(difference.call());
    }

    /**
     * Shrinks a sequence.
     *
     * @param run runs a sequence anew and answers its first difference
     */
    public static Shrunk shrink(
            Function<List<String>, Optional<Difference>> run, List<String> sequence, Difference difference) {
        Shrinking shrinking = new Shrinking(run, sequence, difference);
        int end = Math.min(sequence.size(), difference.step() + 1);
        if (shrinking.accept(sequence.subList(0, end))) {
            shrinking.dropCalls();
            shrinking.simplify();
            shrinking.dropCalls();
        }
        return new Shrunk(shrinking.sequence, shrinking.difference);
    }

    /** Takes a candidate if it differs in the same way. */
    private boolean accept(List<String> candidate) {
        if (runs >= MAX_RUNS || !givesItsNames(candidate)) {
            return false;
        }
        runs++;
        Optional<Difference> found = run.apply(candidate);
        boolean same = found.isPresent()
                && CallNotation.name(found.get().call()).equals(name)
                && found.get().emulated().equals(difference.emulated())
                && found.get().other().equals(difference.other());
        if (same) {
            difference = found.get();
            sequence = List.copyOf(candidate);
        }
        return same;
    }

    /** Whether each name is given before it is used. */
    private static boolean givesItsNames(List<String> candidate) {
        Set<String> given = new HashSet<>();
        for (String call : candidate) {
            List<Kind> kinds = CallNotation.of(call).kinds();
            List<String> arguments = CallNotation.arguments(call);
            for (int place = 0; place < arguments.size(); place++) {
                String word = arguments.get(place).replaceAll("\\+.*", "");
                boolean name = word.matches("[a-z][0-9]+");
                if (kinds.get(place) == Kind.NEW_NAME) {
                    given.add(word);
                } else if (name && !given.contains(word)) {
                    return false;
                }
            }
        }
        return true;
    }

    /** Runs of calls, shorter and shorter ones, from the end, so that uses go before what they use. */
    private void dropCalls() {
        for (int length = sequence.size() / 2; length > 0; length /= 2) {
            for (int end = sequence.size(); end > 0; end -= length) {
                int start = Math.max(0, end - length);
                List<String> candidate = new ArrayList<>(sequence.subList(0, start));
                candidate.addAll(sequence.subList(Math.min(end, sequence.size()), sequence.size()));
                var _ = accept(candidate);
            }
        }
    }

    private void simplify() {
        for (int place = 0; place < sequence.size(); place++) {
            for (String simpler : simpler(sequence.get(place))) {
                List<String> candidate = new ArrayList<>(sequence);
                candidate.set(place, simpler);
                if (accept(candidate)) {
                    break;
                }
            }
        }
    }

    /** A call without what is optional, or with smaller numbers. */
    private static List<String> simpler(String call) {
        List<String> simpler = new ArrayList<>();
        List<Kind> kinds = CallNotation.of(call).kinds();
        List<String> arguments = CallNotation.arguments(call);
        int required = CallNotation.of(call).required();
        if (arguments.size() > required) {
            simpler.add(CallNotation.call(CallNotation.name(call), arguments.subList(0, required)));
        }
        for (int place = 0; place < arguments.size(); place++) {
            String word = arguments.get(place);
            String small = switch (kinds.get(place)) {
                case IOVA -> "0x0";
                case BYTES -> "0x10000";
                case VADDR -> word.replaceAll("\\+.*", "");
                default -> word;
            };
            if (!small.equals(word)) {
                List<String> changed = new ArrayList<>(arguments);
                changed.set(place, small);
                simpler.add(CallNotation.call(CallNotation.name(call), changed));
            }
        }
        return simpler;
    }
}
