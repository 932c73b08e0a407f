/**
 * What a device model of the emulated host implements and uses: {@link org.jvfio.emulator.device.EmulatedDevice} is the
 * model, {@link org.jvfio.emulator.device.DeviceBus} its access to DMA, interrupts and time, {@link
 * org.jvfio.emulator.device.DeviceModel} its name in machine files.
 */
@NullMarked
package org.jvfio.emulator.device;

import org.jspecify.annotations.NullMarked;
