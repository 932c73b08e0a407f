package org.jvfio.cli;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jvfio.PciAddress;
import org.jvfio.PciFunction;
import org.jvfio.cli.host.Host;

/** {@code jvfio doctor}: what keeps a driver from running, and what mends it. It changes nothing. */
final class DoctorCommand extends Command {
    private static final long DEFAULT_JOB = 256L << 20;
    private static final int WARNINGS = 1;
    private static final int CANNOT_WORK = 2;

    DoctorCommand() {
        super("doctor", "check whether a driver can run here, and print what to do if not");
    }

    @Override
    void describe(CommandSyntax syntax) {
        HostChoice.addTo(syntax)
                .optionalArgument("DEVICE", "the device's PCI address (default: check the host only)")
                .option("memory", "BYTES", "check the limit of locked memory for this much DMA memory (default: 256M)")
                .about("Checks the architecture, kernel, page size, modules, device files, locked memory, IOMMU groups,"
                        + " EEH, power management and Java, for the user that runs it. It only reads; the files"
                        + " in /dev/vfio are opened and closed.")
                .status(0, "a driver can run")
                .status(WARNINGS, "a driver can run, with warnings")
                .status(CANNOT_WORK, "a driver cannot run, or the command line is invalid")
                .json(JsonShape.object("the findings")
                        .with("host", HostReport.hostShape())
                        .withOptional("device", JsonShape.string("PCI address"))
                        .with("findings", JsonShape.list("in the order of the checks", Finding.shape()))
                        .with(
                                "verdict",
                                JsonShape.word("whether a driver can run", List.of("ready", "warnings", "cannot work")))
                        .with("next", JsonShape.strings("commands that use the device; empty if none can")))
                .example("jvfio doctor", "check this host")
                .example("jvfio doctor 0001:01:00.0 --memory 4G", "check it for a driver with 4 GiB of DMA memory");
    }

    @Override
    int run(Invocation in) throws Failure {
        HostChoice choice = HostChoice.of(in);
        long memory = in.bytes("memory", DEFAULT_JOB);
        Optional<PciAddress> device = in.arguments().isEmpty()
                ? Optional.empty()
                : Optional.of(Devices.address(in.arguments().getFirst()));
        Host host = new Host(choice.inspect(in));
        HostChecks checks = new HostChecks(host, !choice.isLinux(), memory);
        List<Finding> findings = checks.run(device);
        Finding.Severity worst =
                findings.stream().map(Finding::severity).max(Enum::compareTo).orElse(Finding.Severity.OK);
        int status = worst == Finding.Severity.ERROR ? CANNOT_WORK : worst == Finding.Severity.WARNING ? WARNINGS : 0;
        List<String> next = device.isPresent() && status != CANNOT_WORK
                ? next(host.function(device.get()).function())
                : List.of();
        String verdict = List.of("ready", "warnings", "cannot work").get(status);
        if (in.json()) {
            var data = Json.object("host", HostReport.host(host, !choice.isLinux()));
            device.ifPresent(address -> data.put("device", address.toString()));
            data.put("findings", findings.stream().map(Finding::data).toList());
            data.put("verdict", verdict);
            data.put("next", next);
            in.out().println(Json.text(data));
            return status;
        }
        findings.forEach(finding -> finding.lines(in.terminal()).forEach(in.out()::println));
        in.out().println();
        long errors = count(findings, Finding.Severity.ERROR);
        long warnings = count(findings, Finding.Severity.WARNING);
        String subject = device.map(address -> "A driver of " + address).orElse("A driver");
        in.out()
                .println(in.terminal()
                        .bold(
                                status == CANNOT_WORK
                                        ? "%s cannot run: %s.".formatted(subject, Words.count(errors, "error"))
                                        : "%s can run%s."
                                                .formatted(
                                                        subject,
                                                        warnings == 0
                                                                ? ""
                                                                : ", with " + Words.count(warnings, "warning"))));
        next.forEach(command -> in.out().println("next: " + command));
        return status;
    }

    /** What the device can be used with: the driver that the project has for it, and the shell. */
    private static List<String> next(PciFunction function) {
        List<String> commands = new ArrayList<>();
        if (DeviceKind.EDU.matches(function)) {
            commands.add("jvfio demo --device " + function.address());
        } else if (DeviceKind.NVME.matches(function)) {
            commands.add("jvfio nvme identify --device " + function.address());
        }
        commands.add("jvfio shell " + function.address());
        return commands;
    }

    private static long count(List<Finding> findings, Finding.Severity severity) {
        return findings.stream()
                .filter(finding -> finding.severity() == severity)
                .count();
    }
}
