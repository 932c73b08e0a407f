package org.jvfio.cli;

import java.util.List;
import java.util.Locale;
import org.jvfio.Bar;
import org.jvfio.Device;
import org.jvfio.DeviceCondition;
import org.jvfio.Eeh;
import org.jvfio.EehError;
import org.jvfio.RecoveryResult;
import org.jvfio.VfioException;

/** {@code jvfio eeh inject}: injects an error, and recovers the device from it. */
final class EehInjectCommand extends Command {
    private static final int NOTHING_FROZE = 3;
    private static final String DEFAULT = "load-config-address";

    EehInjectCommand() {
        super("eeh inject", "inject an error into a device's PE, and recover the device");
    }

    // Those that this command can trigger: it reads, and writes nothing.
    private static final List<EehError.Function> LOADS = List.of(
            EehError.Function.LOAD_CONFIG_ADDRESS,
            EehError.Function.LOAD_CONFIG_DATA,
            EehError.Function.LOAD_MEMORY_ADDRESS,
            EehError.Function.LOAD_MEMORY_DATA);

    private static List<String> functions() {
        return LOADS.stream().map(EehInjectCommand::name).toList();
    }

    private static String name(EehError.Function function) {
        return function.name().toLowerCase(Locale.ROOT).replace('_', '-');
    }

    @Override
    void describe(CommandSyntax syntax) {
        EehDevice.describe(syntax)
                .choice("error", "KIND", functions(), "which access fails (default: " + DEFAULT + ")")
                .flag("wide", "in the 64-bit address space (default: the 32-bit one)")
                .about("Injects the error, reads configuration space or the first register of a"
                        + " memory BAR, prints the condition of the device,"
                        + " recovers it, and gives the group back. The error freezes the PE for real: all its devices"
                        + " stop.")
                .status(0, "the PE froze, and the device was recovered")
                .status(NOTHING_FROZE, "the platform accepted the error, and nothing froze")
                .json(JsonShape.object("an injected error and the recovery")
                        .with("device", JsonShape.string("its PCI address"))
                        .with("error", JsonShape.word("the injected error", functions()))
                        .with("condition", EehDevice.conditionShape("of the device with the error"))
                        .with("evidence", JsonShape.string("what was looked at"))
                        .with("means", EehRecoverCommand.meansShape("what made it respond; NONE if nothing froze"))
                        .with("resets", JsonShape.integer("resets that this took")))
                .example("jvfio eeh inject 0001:01:00.0", "freeze its PE by an access to configuration space");
    }

    private static void readRegister(Device device) {
        Bar bar = device.configSpace().bars().stream()
                .filter(each -> each.kind() != Bar.Kind.IO)
                .findFirst()
                .orElseThrow(() -> new VfioException(
                        VfioException.Kind.UNSUPPORTED,
                        "load from a memory BAR of " + device,
                        "it has none",
                        "inject an error of configuration space"));
        device.bar(bar.index()).unchecked().readInt(0);
    }

    @Override
    int run(Invocation in) throws Failure {
        String wanted = in.value("error").orElse(DEFAULT);
        EehError.Function function = LOADS.stream()
                .filter(each -> name(each).equals(wanted))
                .findFirst()
                .orElseThrow(() -> Failure.usage(
                        "there is no error '%s'%s".formatted(wanted, Suggestion.of(wanted, functions()))));
        EehError error = EehError.of(in.has("wide") ? EehError.Width.BITS_64 : EehError.Width.BITS_32, function);
        try (EehDevice chosen = EehDevice.of(in);
                Device device = chosen.open()) {
            Eeh eeh = chosen.eeh("inject " + error);
            eeh.inject(error);
            if (function.name().startsWith("LOAD_MEMORY")) {
                readRegister(device);
            }
            DeviceCondition condition = device.condition();
            Step step = EehDevice.step(chosen.address()).fact("error", name(function), "injected", error.toString());
            EehDevice.tell(step, condition);
            RecoveryResult result = device.recover();
            EehRecoverCommand.tell(step, result).print(in.out(), in.json());
            return condition.isResponding() ? NOTHING_FROZE : 0;
        }
    }
}
