package org.jvfio.cli;

import java.util.List;
import org.jvfio.emulator.EmulatedMachine;

/** {@code jvfio machine show}: an emulated machine as a file of {@code --machine}. */
final class MachineShowCommand extends Command {
    MachineShowCommand() {
        super("machine show", "print an emulated machine as JSON that --machine reads");
    }

    @Override
    void describe(CommandSyntax syntax) {
        syntax.argument("MACHINE", "a preset: " + String.join(", ", EmulatedMachine.presets()) + "; or a JSON file")
                .about("Print a preset, change what should be different, and use the file as a machine of your own.")
                .about("Of a JSON file, hazards, and of its devices ROMs, oddities and the options of their model are"
                        + " left out; a note on standard error names those that the machine has.")
                .example("jvfio machine show power9 > mine.json", "begin a machine of your own")
                .example("jvfio demo --machine mine.json", "use it");
    }

    @Override
    int run(Invocation in) throws Failure {
        EmulatedMachine machine = HostChoice.named(in.arguments().getFirst(), List.of());
        in.out().println(Json.text(machine.describe()));
        machine.notDescribed()
                .forEach((address, options) -> in.err()
                        .println("jvfio: this leaves out of %s: %s; copy what you need from %s"
                                .formatted(
                                        address.isEmpty() ? "the machine" : "the device " + address,
                                        Words.all(options),
                                        in.arguments().getFirst())));
        return 0;
    }
}
