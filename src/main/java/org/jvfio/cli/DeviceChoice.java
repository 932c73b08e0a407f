package org.jvfio.cli;

import java.util.List;
import java.util.Optional;
import org.jvfio.IommuGroup;
import org.jvfio.PciAddress;
import org.jvfio.PciFunction;
import org.jvfio.kernel.Kernel;

/** The device of a kind that a user chooses with {@code --device} or {@code --group}, or the first one there is. */
final class DeviceChoice {
    private final DeviceKind kind;
    private final boolean emulated;
    private final Optional<PciAddress> address;
    private final Optional<Integer> group;

    private DeviceChoice(DeviceKind kind, boolean emulated, Optional<PciAddress> address, Optional<Integer> group) {
        this.kind = kind;
        this.emulated = emulated;
        this.address = address;
        this.group = group;
    }

    /** Adds the options. */
    static CommandSyntax addTo(CommandSyntax syntax, DeviceKind kind) {
        return syntax.either(
                "device",
                "ADDRESS",
                "use the %s at this PCI address, such as 0000:01:00.0 (default: the first one)".formatted(kind.title()),
                "group",
                "GROUP",
                "use the first %s of this IOMMU group".formatted(kind.title()));
    }

    /**
     * Reads the options.
     *
     * @throws Failure if they name no address and no number, or no host
     */
    static DeviceChoice of(Invocation in, DeviceKind kind) throws Failure {
        boolean emulated = !HostChoice.of(in).isLinux();
        String asked = in.has("group") ? "--group" : "--device";
        try {
            return new DeviceChoice(
                    kind,
                    emulated,
                    Optional.ofNullable(in.line().getOptionValue("device")).map(PciAddress::parse),
                    Optional.ofNullable(in.line().getOptionValue("group")).map(DeviceChoice::number));
        } catch (IllegalArgumentException e) {
            throw new Failure(Failure.USAGE, asked + ": " + e.getMessage());
        }
    }

    /** The group that is named. */
    Optional<Integer> group() {
        return group;
    }

    private static Integer number(String text) {
        if (!text.matches("[0-9]{1,9}")) {
            throw new IllegalArgumentException("'" + text + "' is not the number of an IOMMU group, such as 0");
        }
        return Integer.valueOf(text);
    }

    /**
     * The function.
     *
     * @throws Failure if it is of another kind, or there is none
     * @throws org.jvfio.VfioException if there is no such device or group
     */
    PciFunction find(Kernel kernel) throws Failure {
        if (address.isPresent()) {
            PciFunction function = PciFunction.at(kernel, address.get());
            if (!kind.matches(function)) {
                throw new Failure(
                        Failure.FAILED,
                        "cannot use %s: it is %s of class %06x, and this drives %s; %s"
                                .formatted(
                                        function.address(),
                                        function.id(),
                                        function.classCode(),
                                        kind.driven(),
                                        present(kernel)));
            }
            return function;
        }
        List<PciFunction> functions =
                group.isPresent() ? IommuGroup.of(kernel, group.get()).functions() : PciFunction.all(kernel);
        return functions.stream()
                .filter(kind::matches)
                .findFirst()
                .orElseThrow(() -> new Failure(
                        Failure.FAILED,
                        "there is no %s %s; %s"
                                .formatted(
                                        kind.title(),
                                        group.map(number -> "in IOMMU group " + number)
                                                .orElse("on this host"),
                                        group.isPresent() ? present(kernel) : kind.source(emulated))));
    }

    private String present(Kernel kernel) {
        return PciFunction.all(kernel).stream()
                .filter(kind::matches)
                .findFirst()
                .map(one -> "there is one at " + one.address())
                .orElse("this host has none");
    }
}
