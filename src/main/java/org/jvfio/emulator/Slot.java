package org.jvfio.emulator;

import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.jvfio.emulator.device.EmulatedDevice;

/** A PCI function: its address, group, device and driver, a ROM that replaces the device's own, and its oddities. */
record Slot(
        String address,
        int group,
        Supplier<? extends EmulatedDevice> device,
        HostDriver driver,
        @Nullable ExpansionRom rom,
        FunctionOptions options) {

    int domain() {
        return Integer.parseInt(address, 0, 4, 16);
    }

    Slot withRom(ExpansionRom newRom) {
        return new Slot(address, group, device, driver, newRom, options);
    }

    Slot withOptions(FunctionOptions newOptions) {
        return new Slot(address, group, device, driver, rom, newOptions);
    }
}
