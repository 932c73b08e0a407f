package org.jvfio.cli.host;

import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;
import org.jvfio.IommuGroup;
import org.jvfio.PciFunction;

/**
 * An IOMMU group and its functions.
 *
 * @param hasNode whether {@code /dev/vfio/N} exists
 * @param users the processes that have it open
 */
public record HostGroup(IommuGroup group, List<HostFunction> functions, boolean hasNode, List<HostProcess> users) {

    /** Whether a driver can take it now. */
    public enum State {
        /** It can. */
        READY("ready"),
        /** It could, if one of its devices were bound to vfio-pci. */
        UNBOUND("not bound to vfio-pci"),
        /** A driver of the host uses one of its devices. */
        NOT_VIABLE("not viable"),
        /** A process has it. */
        IN_USE("in use");

        private final String words;

        State(String words) {
            this.words = words;
        }

        /** As results have it. */
        public String words() {
            return words;
        }
    }

    public HostGroup {
        functions = List.copyOf(functions);
        users = List.copyOf(users);
    }

    public int number() {
        return group.number();
    }

    public String node() {
        return "/dev/vfio/" + group.number();
    }

    public State state() {
        if (group.functions().stream().anyMatch(PciFunction::holdsGroup)) {
            return State.NOT_VIABLE;
        }
        if (!users.isEmpty()) {
            return State.IN_USE;
        }
        return hasNode ? State.READY : State.UNBOUND;
    }

    /** The state with its reason. */
    public String explain() {
        return switch (state()) {
            case READY, UNBOUND -> state().words();
            case NOT_VIABLE ->
                "not viable: the host drives "
                        + group.functions().stream()
                                .filter(PciFunction::holdsGroup)
                                .map(PciFunction::toString)
                                .collect(Collectors.joining(", "));
            case IN_USE ->
                "in use by " + users.stream().map(HostProcess::toString).collect(Collectors.joining(", "));
        };
    }

    /** The number of its PE in hexadecimal, if the platform names the group so. */
    public Optional<String> pe() {
        return group.pe().isPresent()
                ? Optional.of(Integer.toHexString(group.pe().getAsInt()))
                : Optional.empty();
    }
}
