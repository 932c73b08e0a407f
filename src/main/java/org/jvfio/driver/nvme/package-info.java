/**
 * A driver for NVMe drives (NVM Express base specification 1.4, PCIe transport, NVM command set), built on the public
 * API alone.
 *
 * <pre>{@code
 * try (Device device = Device.open(kernel, address);
 *         NvmeController nvme = NvmeController.open(device, NvmeOptions.DEFAULT);
 *         NvmeBuffer buffer = nvme.allocate(1 << 20)) {
 *     NvmeNamespace disk = nvme.namespace(1);
 *     disk.read(0, (1 << 20) / disk.blockBytes(), buffer);
 * }
 * }</pre>
 *
 * <p>{@link org.jvfio.driver.nvme.NvmeNamespace} reads and writes any number of blocks, and waits or returns a future.
 * Below it, an {@link org.jvfio.driver.nvme.NvmeRequest} is one command, prepared once and submitted to an {@link
 * org.jvfio.driver.nvme.NvmeQueue} any number of times without allocation.
 *
 * <p>Whatever a controller answers, it can reach only memory that is mapped for it, and the driver accesses only its
 * own memory. An invalid answer disables the controller, and a {@link org.jvfio.VfioException} says what was invalid.
 */
@NullMarked
package org.jvfio.driver.nvme;

import org.jspecify.annotations.NullMarked;
