package org.jvfio.emulator;

import org.jvfio.emulator.device.EmulatedDevice;

/** The devices of a machine that has not been booted. */
public final class Slots {
    private Slots() {}

    /** Makes a device, by the order in which they were put in, from 0. */
    public static EmulatedDevice device(EmulatedMachine machine, int slot) {
        return machine.slots().get(slot).device().get();
    }
}
