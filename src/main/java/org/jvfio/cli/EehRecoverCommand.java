package org.jvfio.cli;

import org.jvfio.Device;
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
                .about("Does nothing to a device that responds once it is open. " + EehDevice.OPENING_THAWS)
                .json(JsonShape.object("the recovery of a device")
                        .with("device", JsonShape.string("its PCI address"))
                        .with("peState", JsonShape.string("state of the PE before it is opened; none without EEH"))
                        .with("condition", JsonShape.string("of the device before the recovery"))
                        .with("evidence", JsonShape.string("what was looked at"))
                        .with("means", JsonShape.string("what made it respond; NONE if it responded"))
                        .with("resets", JsonShape.integer("resets that this took")))
                .example("jvfio eeh recover 0001:01:00.0", "reset its PE if it is frozen");
    }

    @Override
    int run(Invocation in) throws Failure {
        try (EehDevice chosen = EehDevice.of(in)) {
            String state = chosen.peState();
            Step step = new Step("eeh", "PE of " + chosen.address())
                    .fact("device", chosen.address().toString(), "")
                    .fact("peState", state, "PE", state);
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
