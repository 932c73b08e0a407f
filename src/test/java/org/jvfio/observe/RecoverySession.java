package org.jvfio.observe;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Optional;
import org.jvfio.Container;
import org.jvfio.Device;
import org.jvfio.Eeh;
import org.jvfio.PciAddress;
import org.jvfio.kernel.Kernel;
import org.jvfio.kernel.linux.LinuxKernel;

/** A recovery of a device, by EEH where the kernel has it. */
final class RecoverySession {
    private RecoverySession() {}

    /** Records the recovery on this host: the device's address, and the file of the record. */
    public static void main(String[] arguments) throws IOException {
        RecordOptions options = RecordOptions.of(Path.of(arguments[1]));
        try (Observer observer = Observer.record(options, "recovery of " + arguments[0])) {
            run(observer.observe(LinuxKernel.open()), PciAddress.parse(arguments[0]));
        }
    }

    static void run(Kernel kernel, PciAddress address) {
        try (Container container = Container.open(kernel);
                Device device = container.attach(address).openDevice(address)) {
            int identity = device.bar(0).unchecked().readInt(0);
            device.enableBusMastering();
            Optional<Eeh> eeh = container.eeh();
            if (eeh.isPresent()) {
                eeh.get().state();
                reset(eeh.get());
                eeh.get().state();
            } else if (device.isResettable()) {
                device.reset();
            } else {
                device.hotReset();
            }
            device.enableMemory();
            if (device.bar(0).unchecked().readInt(0) != identity) {
                throw new IllegalStateException("the device is another one after its recovery");
            }
        }
    }

    /** Resets the PE whether it is frozen or not: QEMU's bridges freeze nothing, and there is nothing to recover. */
    static void reset(Eeh eeh) {
        eeh.hotReset();
        eeh.endReset();
        eeh.configure();
    }
}
