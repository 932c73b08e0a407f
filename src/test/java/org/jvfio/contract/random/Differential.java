package org.jvfio.contract.random;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.function.Supplier;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.jvfio.contract.host.PciDevice;
import org.jvfio.contract.host.ScriptSession;
import org.jvfio.contract.host.ScriptedProcess;
import org.jvfio.contract.host.SecondProcess;
import org.jvfio.emulator.EmulatedKernel;
import org.jvfio.emulator.EmulatedMachine;
import org.jvfio.emulator.GroupView;
import org.jvfio.emulator.Hazard;
import org.jvfio.emulator.HostHazard;

/**
 * Runs the same calls on the emulated kernel and on another one, and compares what each answers, what it writes into
 * the struct and how much memory is locked, call by call; and in the end, when all is closed, what was logged of
 * windows and bypass, and what is left.
 *
 * <p>A call that the emulated kernel stops as a {@linkplain HostHazard hazard} is not made on the other one.
 */
public final class Differential {
    private static final Pattern OWNERSHIP =
            Pattern.compile("Setting up window#|Removing DMA window #|abling 64-bit DMA bypass");

    private final Supplier<EmulatedMachine> machine;
    private final List<PciDevice> devices;
    private final Supplier<ScriptedProcess> other;
    private final Map<String, Integer> leftOut = new TreeMap<>();
    private final Map<String, Map<String, Integer>> answers = new TreeMap<>();
    private long calls;

    /**
     * The first call that was answered otherwise.
     *
     * @param step how many calls of the sequence were made or left out before it
     * @param call it, or what was looked at when all calls were made
     */
    public record Difference(int step, String call, String emulated, String other) {
        private static final Pattern LOCKED = Pattern.compile("; locked .*");

        /** The difference of two answers, without the locked memory if that is the same. */
        static Difference of(int step, String call, String emulated, String other) {
            String withoutLocked = LOCKED.matcher(emulated).replaceFirst("");
            String otherWithoutLocked = LOCKED.matcher(other).replaceFirst("");
            return withoutLocked.equals(otherWithoutLocked)
                    ? new Difference(step, call, emulated, other)
                    : new Difference(step, call, withoutLocked, otherWithoutLocked);
        }
    }

    /**
     * Compares with one kernel.
     *
     * @param machine what the emulated host is made of when a sequence begins: as the other one
     * @param devices the devices that vfio-pci has, each alone in its group
     * @param other starts a process of the other kernel
     */
    public Differential(Supplier<EmulatedMachine> machine, List<PciDevice> devices, Supplier<ScriptedProcess> other) {
        this.machine = machine;
        this.devices = devices;
        this.other = other;
    }

    /** Why calls were left out, and how many for that reason, of all sequences. */
    public Map<String, Integer> leftOut() {
        return leftOut;
    }

    /** How often each call got each answer, of all sequences. */
    public Map<String, Map<String, Integer>> answers() {
        return answers;
    }

    /** How many calls were made on both kernels, of all sequences. */
    public long calls() {
        return calls;
    }

    /** Runs a sequence: the first difference, if there is one. */
    public Optional<Difference> run(List<String> sequence) {
        EmulatedKernel kernel = EmulatedKernel.boot(machine.get());
        try (Side emulated = new Side(emulated(kernel));
                Side compared = new Side(other.get())) {
            for (int step = 0; step < sequence.size(); step++) {
                Optional<Difference> difference = compare(step, sequence.get(step), emulated, compared);
                if (difference.isPresent()) {
                    return difference;
                }
            }
            return end(sequence.size(), kernel, emulated, compared);
        }
    }

    /**
     * Runs a sequence to its end, whatever differs: what is answered by both, call by call, and whatever is left out.
     */
    public List<Difference> answers(List<String> sequence) {
        List<Difference> all = new ArrayList<>();
        EmulatedKernel kernel = EmulatedKernel.boot(machine.get());
        try (Side emulated = new Side(emulated(kernel));
                Side compared = new Side(other.get())) {
            for (String call : sequence) {
                String expected;
                String actual = "";
                try {
                    expected = emulated.run(call);
                    actual = compared.run(call);
                } catch (HostHazard hazard) {
                    expected = words(hazard.hazard());
                }
                all.add(new Difference(all.size(), call, expected, actual));
            }
        }
        return all;
    }

    private static ScriptedProcess emulated(EmulatedKernel kernel) {
        return ScriptedProcess.of(kernel, () -> {});
    }

    private Optional<Difference> compare(int step, String call, Side emulated, Side compared) {
        String expected;
        try {
            expected = emulated.run(call);
        } catch (HostHazard hazard) {
            leftOut.merge(words(hazard.hazard()), 1, Integer::sum);
            return Optional.empty();
        }
        String actual = compared.run(call);
        calls++;
        answers.computeIfAbsent(CallNotation.name(call), _ -> new TreeMap<>())
                .merge(expected.replaceFirst("^-1 ", "").replaceAll("[; ].*", ""), 1, Integer::sum);
        return expected.equals(actual) ? Optional.empty() : Optional.of(Difference.of(step, call, expected, actual));
    }

    public static String words(Hazard hazard) {
        return hazard + ": " + hazard.harm() + " (" + hazard.where() + ")";
    }

    /** Closes all in the opposite order, and looks at what is left. */
    private Optional<Difference> end(int step, EmulatedKernel kernel, Side emulated, Side compared) {
        List<String> last = emulated.closing();
        for (PciDevice device : devices) {
            last.addAll(List.of("open last /dev/vfio/" + device.group(), "status last", "close last"));
        }
        for (String call : last) {
            Optional<Difference> difference = compare(step, call, emulated, compared);
            if (difference.isPresent()) {
                return difference;
            }
        }
        String log = emulated.ownership();
        String otherLog = compared.ownership();
        if (!log.equals(otherLog)) {
            return Optional.of(new Difference(step, "the kernel's log", log, otherLog));
        }
        String left = left(kernel);
        return left.isEmpty()
                ? Optional.empty()
                : Optional.of(new Difference(step, "when all is closed", left, "nothing is left"));
    }

    /** What the emulated kernel has lost, but for what the real one loses too. */
    private String left(EmulatedKernel kernel) {
        List<String> left = new ArrayList<>();
        if (kernel.openDescriptors() != 0) {
            left.add(kernel.openDescriptors() + " descriptors");
        }
        List<Hazard> hazards = kernel.host().hazards();
        if (kernel.registeredRegions() != 0 && !hazards.contains(Hazard.REGISTRATION_LEAK)) {
            left.add(kernel.registeredRegions() + " regions of memory");
        }
        if (kernel.lockedBytes() != 0
                && !hazards.contains(Hazard.REGISTRATION_LEAK)
                && !hazards.contains(Hazard.CREATE_CHARGE_LEAK)) {
            left.add(kernel.lockedBytes() + " bytes locked");
        }
        for (int number : kernel.host().groups()) {
            GroupView group = kernel.host().group(number);
            boolean powernv = kernel.host().machine().platform().isPowernv();
            if (!group.ownedByHost() || group.open() || group.windows().size() != 1 || group.bypass() != powernv) {
                left.add(group.toString());
            }
        }
        return String.join(", ", left);
    }

    /** One of the two kernels, with a process for one sequence, and a second one if the sequence has calls in it. */
    private static final class Side implements AutoCloseable {
        private final ScriptedProcess process;
        private final ScriptSession session;
        private @Nullable SecondProcess second;

        private Side(ScriptedProcess process) {
            this.process = process;
            session = new ScriptSession(process.kernel(), process.lockable());
            var _ = process.newMessages().get();
        }

        private String run(String call) {
            if (call.startsWith(CallNotation.IN_SECOND)) {
                return second().run(call.substring(CallNotation.IN_SECOND.length()));
            }
            if (CallNotation.name(call).equals(CallNotation.PASS)) {
                String file = CallNotation.arguments(call).getFirst();
                return second().receive(file, session.descriptor(file));
            }
            return session.run(call);
        }

        private SecondProcess second() {
            SecondProcess running = second;
            if (running == null) {
                running = process.second().get();
                second = running;
            }
            return running;
        }

        /** Calls that close all, the second process's first. */
        private List<String> closing() {
            List<String> calls = new ArrayList<>();
            if (second != null) {
                second.openFiles().reversed().forEach(file -> calls.add(CallNotation.IN_SECOND + "close " + file));
            }
            session.openFiles().reversed().forEach(file -> calls.add("close " + file));
            return calls;
        }

        /** What the kernel logged of windows and bypass. */
        private String ownership() {
            return process.newMessages().get().stream()
                    .filter(line -> OWNERSHIP.matcher(line).find())
                    .collect(Collectors.joining("; "));
        }

        @Override
        public void close() {
            if (second != null) {
                second.end();
            }
            process.end().accept(session.end());
        }
    }
}
