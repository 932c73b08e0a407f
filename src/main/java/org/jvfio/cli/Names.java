package org.jvfio.cli;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Optional;
import org.jvfio.cli.host.PciIds;
import org.jvfio.kernel.FileErrors;

/** The names of devices that a command uses: those of {@code --pci-ids}, or the system's. */
final class Names {
    private Names() {}

    static CommandSyntax addTo(CommandSyntax syntax) {
        return syntax.option(
                "pci-ids", "FILE", "take the names of devices from this file (default: the system's pci.ids)");
    }

    static PciIds of(Invocation in) throws Failure {
        Optional<String> file = in.value("pci-ids");
        if (file.isEmpty()) {
            return PciIds.ofSystem();
        }
        try {
            return PciIds.read(Path.of(file.get()));
        } catch (IOException e) {
            throw Failure.failed("cannot read " + file.get() + ": " + FileErrors.reason(e));
        }
    }
}
