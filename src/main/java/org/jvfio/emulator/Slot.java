package org.jvfio.emulator;

import java.util.List;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.jvfio.emulator.device.EmulatedDevice;

/**
 * A PCI function: its address, group, device and driver, a ROM that replaces the device's own, and its oddities.
 *
 * @param modelOptions the options that a machine file gives to the model of the device
 */
record Slot(
        String address,
        int group,
        Supplier<? extends EmulatedDevice> device,
        HostDriver driver,
        @Nullable ExpansionRom rom,
        FunctionOptions options,
        List<String> modelOptions) {
    /** What readers of {@code /dev/vfio} and sysfs take for the number of a group: nine digits. */
    private static final int MAX_GROUP = 999_999_999;

    Slot {
        if (!address.matches("[0-9a-f]{4}:[0-9a-f]{2}:[0-1][0-9a-f]\\.[0-7]")) {
            throw new IllegalArgumentException("'" + address + "' is not a PCI address; write it like 0000:01:00.0");
        }
        requireGroup(group);
        if (device == null) {
            throw new IllegalArgumentException(
                    "the supplier of the device at " + address + " is null; it makes the device");
        }
    }

    static int requireGroup(int group) {
        if (group < 0 || group > MAX_GROUP) {
            throw new IllegalArgumentException("the number of an IOMMU group is 0 to " + MAX_GROUP + ", not " + group);
        }
        return group;
    }

    int domain() {
        return Integer.parseInt(address, 0, 4, 16);
    }

    Slot withRom(ExpansionRom newRom) {
        return new Slot(address, group, device, driver, newRom, options, modelOptions);
    }

    Slot withOptions(FunctionOptions newOptions) {
        return new Slot(address, group, device, driver, rom, newOptions, modelOptions);
    }

    Slot withModelOptions(List<String> names) {
        return new Slot(address, group, device, driver, rom, options, names);
    }
}
