package org.jvfio.cli;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.jvfio.Container;
import org.jvfio.Device;
import org.jvfio.DeviceCondition;
import org.jvfio.Eeh;
import org.jvfio.Group;
import org.jvfio.PciAddress;
import org.jvfio.PeState;
import org.jvfio.VfioException;
import org.jvfio.kernel.Kernel;

/** The device of an {@code eeh} command, with its group alone in a container. */
final class EehDevice implements AutoCloseable {
    /** In place of a PE's state. */
    static final String NO_EEH = "none";

    static final String OPENING_THAWS = "Opening a device thaws its PE and resets its function, as for any driver.";

    private final Container container;
    private final Group group;
    private final PciAddress address;

    private EehDevice(Container container, Group group, PciAddress address) {
        this.container = container;
        this.group = group;
        this.address = address;
    }

    static CommandSyntax describe(CommandSyntax syntax) {
        return HostChoice.addTo(syntax).argument("DEVICE", "a PCI address, as in 0001:01:00.0");
    }

    static EehDevice of(Invocation in) throws Failure {
        HostChoice choice = HostChoice.of(in);
        PciAddress address = Devices.address(in.arguments().getFirst());
        Kernel kernel = choice.open(in);
        Container container = Container.open(kernel);
        try {
            return new EehDevice(container, container.attach(address), address);
        } catch (RuntimeException e) {
            container.close();
            throw e;
        }
    }

    Eeh eeh(String operation) {
        return container
                .eeh()
                .orElseThrow(() -> new VfioException(
                        VfioException.Kind.UNSUPPORTED,
                        operation,
                        "the kernel has no EEH for " + address,
                        "use a host with EEH, booted without eeh=off"));
    }

    /** The state of the PE before the device is opened, which thaws it. */
    Optional<PeState> peState() {
        return container.eeh().map(Eeh::state);
    }

    static JsonShape peStateShape(String text) {
        List<String> words = new ArrayList<>(
                Arrays.stream(PeState.values()).map(PeState::toString).toList());
        words.add(NO_EEH);
        return JsonShape.word(text, words);
    }

    static JsonShape conditionShape(String text) {
        return JsonShape.word(
                text,
                Arrays.stream(DeviceCondition.State.values())
                        .map(Enum::toString)
                        .toList());
    }

    static Step step(PciAddress address) {
        return new Step("eeh", "PE of " + address).fact("device", address.toString(), "");
    }

    /** A PE that is frozen before any driver has used the device. */
    static void hintAtIdleD3(Step step) {
        step.fact(
                "hint",
                "vfio-pci disable_idle_d3=1",
                "hint",
                "if it freezes right after binding, as the device wakes from D3hot:",
                "echo 'options vfio-pci disable_idle_d3=1' > /etc/modprobe.d/vfio-pci.conf, and load vfio-pci anew");
    }

    Device open() {
        return group.openDevice(address);
    }

    PciAddress address() {
        return address;
    }

    static Step tell(Step step, DeviceCondition condition) {
        return step.fact("condition", condition.state().toString(), "condition", List.of(condition.toString()))
                .fact("evidence", condition.evidence(), "");
    }

    @Override
    public void close() {
        container.close();
    }
}
