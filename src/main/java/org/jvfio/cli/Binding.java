package org.jvfio.cli;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.jvfio.PciAddress;
import org.jvfio.PciFunction;
import org.jvfio.cli.host.Host;
import org.jvfio.cli.host.HostFunction;
import org.jvfio.kernel.Errno;

/**
 * Changes of drivers: writes to sysfs, each of which can be undone. What is done is undone if a later step fails, so
 * that the devices have the drivers that they had.
 */
final class Binding {
    static final String VFIO_PCI = "vfio-pci";

    private static final String DEVICES = "/sys/bus/pci/devices/";
    private static final String DRIVERS = "/sys/bus/pci/drivers/";
    private static final String PROBE = "/sys/bus/pci/drivers_probe";
    private static final int POLLS_PER_SECOND = 20;

    /** A write to a file of sysfs. */
    record Write(String path, String text) {
        /** As a shell does it. */
        @Override
        public String toString() {
            return "echo %s > %s"
                    .formatted(text.isBlank() ? "" : text.strip(), path)
                    .replace("echo  >", "echo >");
        }
    }

    private final Host host;
    private final List<Write> done = new ArrayList<>();
    private final List<HostFunction> changed = new ArrayList<>();

    Binding(Host host) {
        this.host = host;
    }

    /** The writes that bind a function to vfio-pci; none if it is bound already. */
    static List<Write> bindWrites(HostFunction function) {
        if (function.function().driver().filter(VFIO_PCI::equals).isPresent()) {
            return List.of();
        }
        String address = function.address().toString();
        List<Write> writes = new ArrayList<>();
        writes.add(new Write(DEVICES + address + "/driver_override", VFIO_PCI + "\n"));
        if (function.function().driver().isPresent()) {
            writes.add(new Write(DEVICES + address + "/driver/unbind", address));
        }
        writes.add(new Write(PROBE, address));
        return writes;
    }

    /** The writes that give a function back to the driver that knows its ids. */
    static List<Write> unbindWrites(HostFunction function) {
        String address = function.address().toString();
        List<Write> writes = new ArrayList<>();
        writes.add(new Write(DEVICES + address + "/driver_override", "\n"));
        if (function.function().driver().isPresent()) {
            writes.add(new Write(DEVICES + address + "/driver/unbind", address));
        }
        writes.add(new Write(PROBE, address));
        return writes;
    }

    /**
     * Makes the writes for a function.
     *
     * @param driver the driver that it must have then; empty for any, or none
     * @throws Failure if a write fails, or another driver has it then; all that was done for this and other functions
     *     is undone
     */
    void apply(HostFunction function, List<Write> writes, Optional<String> driver) throws Failure {
        changed.add(function);
        for (Write write : writes) {
            Optional<Errno> error = host.files().write(write.path(), write.text());
            if (error.isPresent()) {
                throw undo("cannot change the driver of %s: '%s' failed: %s, %s%s"
                        .formatted(
                                function.address(),
                                write,
                                error.get(),
                                error.get().text(),
                                error.get() == Errno.EACCES || error.get() == Errno.EPERM ? "; run this as root" : ""));
            }
            done.add(write);
        }
        if (driver.isPresent()) {
            Optional<String> now =
                    PciFunction.at(host.kernel(), function.address()).driver();
            if (!now.equals(driver)) {
                throw undo("cannot bind %s to %s: the kernel refused, and it is bound to %s; see dmesg"
                        .formatted(function.address(), driver.get(), now.orElse("no driver")));
            }
        }
    }

    private Failure undo(String reason) {
        List<String> remains = new ArrayList<>();
        for (HostFunction function : changed.reversed()) {
            if (!restore(function)) {
                remains.add(function.address().toString());
            }
        }
        String undone = remains.isEmpty()
                ? "; everything is as it was"
                : "; %s could not be given back to its driver: see dmesg".formatted(String.join(", ", remains));
        return Failure.failed(reason + (done.isEmpty() ? "" : undone));
    }

    /** Gives a function the driver and the override that it had. */
    private boolean restore(HostFunction before) {
        PciAddress address = before.address();
        host.files()
                .write(
                        DEVICES + address + "/driver_override",
                        before.driverOverride().orElse("") + "\n");
        Optional<String> now = PciFunction.at(host.kernel(), address).driver();
        Optional<String> then = before.function().driver();
        if (now.equals(then)) {
            return true;
        }
        if (now.isPresent()) {
            host.files().write(DEVICES + address + "/driver/unbind", address.toString());
        }
        if (then.isPresent()) {
            host.files().write(DRIVERS + then.get() + "/bind", address.toString());
        }
        return PciFunction.at(host.kernel(), address).driver().equals(then);
    }

    /**
     * Waits until this user may open the node of a group, which udev may allow only some time after it exists.
     *
     * @return why it may not when the time is over
     */
    Optional<Errno> awaitNode(String node, long seconds) throws Failure {
        Optional<Errno> error = host.files().openError(node);
        for (long poll = 0;
                poll < seconds * POLLS_PER_SECOND && error.isPresent() && isTransient(error.get());
                poll++) {
            try {
                TimeUnit.MILLISECONDS.sleep(1000 / POLLS_PER_SECOND);
            } catch (InterruptedException _) {
                Thread.currentThread().interrupt();
                throw Failure.failed("interrupted while waiting for " + node);
            }
            error = host.files().openError(node);
        }
        return error;
    }

    private static boolean isTransient(Errno error) {
        return switch (error) {
            case ENOENT, ENXIO, ENODEV, EACCES, EPERM -> true;
            default -> false;
        };
    }
}
