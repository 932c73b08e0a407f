package org.jvfio.cli;

import java.util.Arrays;
import java.util.Optional;
import org.jvfio.Device;
import org.jvfio.PeState;
import org.jvfio.RecoveryOptions;
import org.jvfio.RecoveryResult;

/** {@code jvfio eeh recover}: makes a device respond again. */
final class EehRecoverCommand extends Command {
    EehRecoverCommand() {
        super("eeh recover", "make a device respond again, by a reset of its PE or what works without EEH");
    }

    @Override
    void describe(CommandSyntax syntax) {
        EehDevice.describe(syntax)
                .flag("fundamental", "reset its PE by a fundamental reset (default: a hot reset)")
                .status(0, "the device responds")
                .about("Does nothing to a device that responds once it is open. " + EehDevice.OPENING_THAWS)
                .json(JsonShape.object("the recovery of a device")
                        .with("device", JsonShape.string("its PCI address"))
                        .with(
                                "peState",
                                EehDevice.peStateShape("of the PE before the device is opened; none without EEH"))
                        .withOptional("hint", JsonShape.string("what may have frozen it"))
                        .with("condition", EehDevice.conditionShape("of the device before the recovery"))
                        .with("evidence", JsonShape.string("what was looked at"))
                        .with("means", meansShape("what made it respond; NONE if it responded"))
                        .with("resets", JsonShape.integer("resets that this took")))
                .example("jvfio eeh recover 0001:01:00.0", "reset its PE if it is frozen");
    }

    static JsonShape meansShape(String text) {
        return JsonShape.word(
                text,
                Arrays.stream(RecoveryResult.Means.values()).map(Enum::toString).toList());
    }

    @Override
    int run(Invocation in) throws Failure {
        try (EehDevice chosen = EehDevice.of(in)) {
            Optional<PeState> pe = chosen.peState();
            String state = pe.map(PeState::toString).orElse(EehDevice.NO_EEH);
            Step step = EehDevice.step(chosen.address()).fact("peState", state, "PE", state);
            if (pe.filter(PeState::isFrozen).isPresent()) {
                EehDevice.hintAtIdleD3(step);
            }
            try (Device device = chosen.open()) {
                RecoveryResult result = device.recover(RecoveryOptions.DEFAULT.withFundamental(in.has("fundamental")));
                tell(EehDevice.tell(step, result.before()), result).print(in.out(), in.json());
            }
        }
        return 0;
    }

    static Step tell(Step step, RecoveryResult result) {
        return step.fact(
                        "means",
                        result.means().toString(),
                        "recovery",
                        result.means() == RecoveryResult.Means.NONE
                                ? "not needed"
                                : "%s, %d reset%s in %d ms"
                                        .formatted(
                                                result.means(),
                                                result.resets(),
                                                result.resets() == 1 ? "" : "s",
                                                result.took().toMillis()))
                .fact("resets", result.resets(), "");
    }
}
