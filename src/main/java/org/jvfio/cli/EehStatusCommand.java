package org.jvfio.cli;

import org.jvfio.Device;
import org.jvfio.DeviceCondition;

/** {@code jvfio eeh status}: the state of a device's PE, and whether the device responds. */
final class EehStatusCommand extends Command {
    EehStatusCommand() {
        super("eeh status", "print the state of a device's PE, and whether the device responds");
    }

    @Override
    void describe(CommandSyntax syntax) {
        EehDevice.describe(syntax)
                .about(
                        "Takes the group from the host and gives it back. The state of the PE is read before the device is"
                                + " opened. " + EehDevice.OPENING_THAWS)
                .json(JsonShape.object("the state of a device's PE")
                        .with("device", JsonShape.string("its PCI address"))
                        .with("peState", JsonShape.string("state of the PE before it is opened; none without EEH"))
                        .with("condition", JsonShape.string("of the device once it is open, as RESPONDING or FROZEN"))
                        .with("evidence", JsonShape.string("what was looked at")))
                .example("jvfio eeh status 0001:01:00.0", "print the state of its PE");
    }

    @Override
    int run(Invocation in) throws Failure {
        try (EehDevice chosen = EehDevice.of(in)) {
            String state = chosen.peState();
            Step step = new Step("eeh", "PE of " + chosen.address())
                    .fact("device", chosen.address().toString(), "")
                    .fact("peState", state, "PE", state);
            DeviceCondition condition;
            try (Device device = chosen.open()) {
                condition = device.condition();
            }
            EehDevice.tell(step, condition);
            if (condition.state() == DeviceCondition.State.FROZEN) {
                step.fact(
                        "hint",
                        "vfio-pci disable_idle_d3=1",
                        "hint",
                        "a PE that freezes right after binding, as the device wakes from D3hot: echo 'options vfio-pci"
                                + " disable_idle_d3=1' > /etc/modprobe.d/vfio-pci.conf, and load vfio-pci anew");
            }
            step.print(in.out(), in.json());
        }
        return 0;
    }
}
