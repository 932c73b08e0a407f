package org.jvfio.emulator.device;

import java.util.Set;
import java.util.function.Supplier;

/**
 * A kind of device that a machine file can name: {@code "model": "edu"} is a device of the model with that name. Write
 * one to have devices of your own in machine files. It is found by {@link java.util.ServiceLoader}, with the class
 * loader of this class and the context class loader of the thread that reads the file: its module {@code provides
 * DeviceModel with} it, or, on the class path, its jar names it in {@code
 * META-INF/services/org.jvfio.emulator.device.DeviceModel}. Jars that are on neither path are named by {@link
 * org.jvfio.emulator.DeviceModels#withJars} or by {@code jvfio --device-models}. {@code AdderModel}, among the examples in
 * this project's tests, is one.
 *
 * <p>The project has {@link org.jvfio.emulator.edu.EduModel} and {@link org.jvfio.emulator.nvme.NvmeModel}.
 */
public interface DeviceModel {
    /** What machine files call it. No other model may have the same name. */
    String name();

    /**
     * The names of the options that it takes, beside those that every device has: {@code model}, {@code address},
     * {@code group} and {@code driver}. A machine file that gives a device another one is refused.
     */
    Set<String> options();

    /**
     * Reads the options of a device, and makes what makes the device: it is asked for one whenever a host is booted.
     *
     * @throws IllegalArgumentException if there cannot be such a device; the message need not name the file, which the
     *     reader of the file does
     */
    Supplier<? extends EmulatedDevice> configure(MachineOptions options);
}
