package org.jvfio.emulator.device;

import java.util.List;
import java.util.Set;
import java.util.function.Supplier;

/**
 * A kind of device that a machine file can name: {@code "model": "edu"} is a device of the model with that name. Write
 * one to have devices of your own in machine files. It is found by {@link java.util.ServiceLoader}, with the class
 * loader of this class and the context class loader of the thread that reads the file: its module {@code provides
 * DeviceModel with} it, or, on the class path, its jar names it in {@code
 * META-INF/services/org.jvfio.emulator.device.DeviceModel}. Jars that are on neither path are named by {@link
 * org.jvfio.emulator.DeviceModels#withJars} or by {@code jvfio --device-models}. {@code AdderModel}, among the examples
 * in this project's tests, is one.
 *
 * <p>The project has {@link org.jvfio.emulator.edu.EduModel} and {@link org.jvfio.emulator.nvme.NvmeModel}.
 */
public interface DeviceModel {
    /** Its name in machine files, which is unique. */
    String name();

    /**
     * The names of its options, in addition to those of every device: {@code model}, {@code address}, {@code group},
     * {@code driver}, {@code hostUse}, {@code rom}, and those of {@link org.jvfio.emulator.FunctionOptions}: {@code
     * vpd}, {@code config}, {@code bars}, {@code silentMicros}, {@code windowsFailed} and {@code extendedConfig}. A
     * machine file with any other option is rejected.
     */
    Set<String> options();

    /**
     * Reads the options of a device and returns its factory, which is called whenever a host is booted.
     *
     * @throws IllegalArgumentException if the options are invalid; the message need not name the file, the caller adds
     *     it
     */
    Supplier<? extends EmulatedDevice> configure(MachineOptions options);

    /**
     * Checks the devices of this model in a machine file against each other, after each has been configured; by default
     * they may be any.
     *
     * @param devices the options of each, in the order of the file
     * @throws IllegalArgumentException if they contradict each other
     */
    default void checkTogether(List<MachineOptions> devices) {
        // They do not depend on each other.
    }
}
