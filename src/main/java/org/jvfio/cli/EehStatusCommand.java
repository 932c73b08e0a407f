package org.jvfio.cli;

import org.jvfio.DeviceCondition;
import org.jvfio.PciAddress;
import org.jvfio.PciFunction;
import org.jvfio.PeState;
import org.jvfio.kernel.Kernel;

/** {@code jvfio eeh status}: the state of a device's PE, and whether the device responds. */
final class EehStatusCommand extends Command {
    private static final int SILENT = 3;

    EehStatusCommand() {
        super("eeh status", "print the state of a device's PE, and whether the device responds");
    }

    @Override
    void describe(CommandSyntax syntax) {
        EehDevice.describe(syntax)
                .about("Reads sysfs and the kernel log, whatever driver the device is bound to, and changes nothing.")
                .status(0, "the device responds")
                .status(SILENT, "the device does not respond, or its PE is frozen")
                .json(JsonShape.object("the state of a device's PE")
                        .with("device", JsonShape.string("its PCI address"))
                        .withOptional("driver", JsonShape.string("the driver that it is bound to"))
                        .with("peState", EehDevice.peStateShape("state of the PE; none without EEH"))
                        .with("condition", EehDevice.conditionShape("what the device does"))
                        .with("evidence", JsonShape.string("what was looked at"))
                        .withOptional("hint", JsonShape.string("what may have frozen it")))
                .example("jvfio eeh status 0001:01:00.0", "print the state of its PE");
    }

    @Override
    int run(Invocation in) throws Failure {
        HostChoice choice = HostChoice.of(in);
        PciAddress address = Devices.address(in.arguments().getFirst());
        Kernel kernel = choice.open(in);
        DeviceCondition condition = DeviceCondition.read(kernel, address);
        PciFunction function = PciFunction.at(kernel, address);
        Step step = EehDevice.step(address);
        function.driver().ifPresent(driver -> step.fact("driver", driver, "driver", driver));
        String state = condition.pe().map(PeState::toString).orElse(EehDevice.NO_EEH);
        step.fact("peState", state, "PE", state);
        EehDevice.tell(step, condition);
        if (condition.state() == DeviceCondition.State.FROZEN && function.isForVfio()) {
            EehDevice.hintAtIdleD3(step);
        }
        step.print(in.out(), in.json());
        return condition.isResponding() ? 0 : SILENT;
    }
}
