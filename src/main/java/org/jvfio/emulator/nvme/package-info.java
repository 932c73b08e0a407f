/**
 * An NVMe controller for emulated machines, modelled on QEMU's {@code nvme} device, with fault injection for tests of
 * drivers. {@link org.jvfio.emulator.nvme.EmulatedNvme} is the device, {@link org.jvfio.emulator.nvme.NvmeModel} makes
 * it available to machine files, {@link org.jvfio.emulator.nvme.NvmeFaults} are its faults.
 */
@NullMarked
package org.jvfio.emulator.nvme;

import org.jspecify.annotations.NullMarked;
