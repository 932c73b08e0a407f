/**
 * A POWER host emulated in Java: its kernel's VFIO and SPAPR TCE driver, its PCI host bridges and devices. It
 * implements {@link org.jvfio.kernel.Kernel} as Linux does, so a driver cannot distinguish the two, with one exception:
 * where a wrong call would hang or corrupt a real host, the emulated one throws {@link org.jvfio.emulator.HostHazard}.
 *
 * <p>{@link org.jvfio.emulator.EmulatedKernel} is the kernel as seen by one process, {@link
 * org.jvfio.emulator.EmulatedMachine} the description of the host. Devices are plug-ins: each implements {@link
 * org.jvfio.emulator.device.EmulatedDevice}, and a {@link org.jvfio.emulator.device.DeviceModel} makes it available to
 * machine files. The project's own are in {@link org.jvfio.emulator.edu} and {@link org.jvfio.emulator.nvme}. What real
 * functions have besides their device, such as malformed capability lists, vital product data or I/O ports, is in
 * {@link org.jvfio.emulator.FunctionOptions}; {@link org.jvfio.emulator.EmulatedHost#unplug} pulls a device out of its
 * slot.
 */
@NullMarked
package org.jvfio.emulator;

import org.jspecify.annotations.NullMarked;
