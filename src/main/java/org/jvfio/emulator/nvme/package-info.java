/**
 * An NVMe controller for emulated machines, as QEMU's {@code nvme} device is one, with faults for tests of drivers.
 * {@link org.jvfio.emulator.nvme.EmulatedNvme} is the device, {@link org.jvfio.emulator.nvme.NvmeModel} what machine files
 * know it by, {@link org.jvfio.emulator.nvme.NvmeFaults} what can go wrong.
 */
@NullMarked
package org.jvfio.emulator.nvme;

import org.jspecify.annotations.NullMarked;
