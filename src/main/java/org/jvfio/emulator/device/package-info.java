/**
 * The plug-in interface for emulated devices: {@link org.jvfio.emulator.device.EmulatedDevice} is the device, {@link
 * org.jvfio.emulator.device.DeviceBus} its access to DMA, interrupts and time, {@link
 * org.jvfio.emulator.device.DeviceModel} makes it available to machine files.
 */
@NullMarked
package org.jvfio.emulator.device;

import org.jspecify.annotations.NullMarked;
