package org.jvfio.emulator.device;

/**
 * Puts something around the devices of a host, which sees or changes what passes between a device and the host: {@link
 * org.jvfio.emulator.EmulatedKernel#boot(org.jvfio.emulator.EmulatedMachine, DeviceWrapper)}. {@link ForwardingDevice}
 * is the base for it.
 */
@FunctionalInterface
public interface DeviceWrapper {
    /** Leaves the devices as they are. */
    // No lambda: the JVM keeps those of an interface that is initialized with them out of its caches.
    DeviceWrapper NONE = new DeviceWrapper() {
        @Override
        public EmulatedDevice wrap(String address, EmulatedDevice device) {
            return device;
        }
    };

    /**
     * Called when the host is booted, once for each device.
     *
     * @param address domain, bus, device and function, for instance {@code 0000:01:00.0}
     * @param device the device, which is not plugged in yet
     * @return what the host calls in place of the device
     */
    EmulatedDevice wrap(String address, EmulatedDevice device);

    /** Puts another wrapper around what this one returns: the other one is next to the host. */
    default DeviceWrapper inside(DeviceWrapper outer) {
        return (address, device) -> outer.wrap(address, wrap(address, device));
    }
}
