package org.jvfio.emulator;

import org.jspecify.annotations.Nullable;
import org.jvfio.emulator.device.EmulatedCapability;
import org.jvfio.emulator.device.EmulatedDevice;

/** Checks that the methods of a device which describe it return something, which nothing makes an implementation do. */
final class DeviceProperties {
    private final String address;
    private final EmulatedDevice device;

    private DeviceProperties(String address, EmulatedDevice device) {
        this.address = address;
        this.device = device;
    }

    /**
     * Checks them before anything uses them.
     *
     * @param hasOwnRom whether the ROM is the device's
     * @throws IllegalArgumentException if one returns null; the message names the device and the method
     */
    static void requireAll(String address, EmulatedDevice device, boolean hasOwnRom) {
        new DeviceProperties(address, device).requireAll(hasOwnRom);
    }

    private void requireAll(boolean hasOwnRom) {
        require("identity()", device.identity());
        require("interrupts()", device.interrupts());
        require("files()", device.files());
        require("capabilities()", device.capabilities());
        for (EmulatedCapability each : device.capabilities()) {
            require("capabilities(), in the list", each);
        }
        if (hasOwnRom) {
            require("rom()", device.rom());
        }
        require("barBytes()", device.barBytes());
        long[] bars = device.barBytes();
        for (int bar = 0; bar < bars.length; bar++) {
            if (bars[bar] != 0) {
                require("barKind(" + bar + ")", device.barKind(bar));
            }
        }
    }

    private void require(String method, @Nullable Object returned) {
        if (returned == null) {
            throw new IllegalArgumentException("the device at %s, of %s, returns null from %s"
                    .formatted(address, device.getClass().getName(), method));
        }
    }
}
