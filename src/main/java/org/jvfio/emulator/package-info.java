/**
 * A POWER host emulated in Java: its kernel's VFIO, its SPAPR TCE driver, its PCI host bridges and devices. It stands
 * below the same line as Linux does, so a driver cannot tell, except that where a wrong call would hang or corrupt a
 * real host, this one stops the caller with a {@link org.jvfio.emulator.HostHazard}.
 *
 * <p>{@link org.jvfio.emulator.EmulatedKernel} is the kernel, as a process of the host has it, and {@link
 * org.jvfio.emulator.EmulatedMachine} what the host is made of. Its devices are plug-ins: each is an {@link
 * org.jvfio.emulator.device.EmulatedDevice}, and a {@link org.jvfio.emulator.device.DeviceModel} lets a machine file name it. Those of
 * the project are in {@link org.jvfio.emulator.edu} and {@link org.jvfio.emulator.nvme}.
 */
@NullMarked
package org.jvfio.emulator;

import org.jspecify.annotations.NullMarked;
