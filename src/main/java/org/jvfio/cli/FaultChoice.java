package org.jvfio.cli;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Optional;
import org.jvfio.emulator.EmulatedKernel;
import org.jvfio.emulator.EmulatedMachine;
import org.jvfio.kernel.FileErrors;
import org.jvfio.kernel.Kernel;
import org.jvfio.observe.fault.FaultInjection;
import org.jvfio.observe.fault.Faults;

/** The faults that a user means with {@code --faults} and {@code --fault-seed}, on the emulated host. */
final class FaultChoice {
    private static final String FILE = "faults";
    private static final String SEED = "fault-seed";

    private FaultChoice() {}

    /** Adds the options. */
    static CommandSyntax addTo(CommandSyntax syntax) {
        return syntax.option(
                        FILE,
                        "FILE",
                        "have the faults of this JSON file happen on the emulated host (Faults.read in the javadoc)")
                .option(SEED, "NUMBER", "have random faults happen on the emulated host, the same ones for a number");
    }

    /**
     * Refuses faults on a host that is not emulated.
     *
     * @throws Failure if the user asks for them
     */
    static void requireNone(Invocation in) throws Failure {
        for (String option : new String[] {FILE, SEED}) {
            if (in.has(option)) {
                throw Failure.usage("--%s is for an emulated host; leave it out, or --kernel linux".formatted(option));
            }
        }
    }

    /**
     * Boots a host with the faults, each of which is reported on standard error when it happens.
     *
     * @throws Failure if the plan cannot be used
     * @throws IllegalArgumentException if the machine cannot be booted, or lacks a device that the plan names
     */
    static Kernel boot(Invocation in, EmulatedMachine machine) throws Failure {
        Optional<Faults> plan = plan(in);
        if (plan.isEmpty()) {
            return in.boot().apply(machine);
        }
        FaultInjection faults = new FaultInjection(plan.get(), text -> in.err().println("jvfio: fault: " + text));
        EmulatedKernel process = EmulatedKernel.boot(machine, faults.devices());
        return faults.around(process, process.host());
    }

    private static Optional<Faults> plan(Invocation in) throws Failure {
        Optional<String> file = in.value(FILE);
        if (file.isPresent() && in.has(SEED)) {
            throw Failure.usage("--%s and --%s exclude each other".formatted(FILE, SEED));
        }
        if (file.isEmpty()) {
            return in.has(SEED) ? Optional.of(Faults.random(in.number(SEED, 0, 0, Long.MAX_VALUE))) : Optional.empty();
        }
        try {
            return Optional.of(Faults.read(Path.of(file.get())));
        } catch (IOException e) {
            throw Failure.failed("cannot read the faults " + file.get() + ": " + FileErrors.reason(e));
        } catch (IllegalArgumentException wrong) {
            throw Failure.failed("cannot use the faults: " + wrong.getMessage());
        }
    }
}
