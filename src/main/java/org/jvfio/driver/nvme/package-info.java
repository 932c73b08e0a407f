/**
 * A driver of NVMe drives (NVM Express base specification, PCIe transport, NVM command set), written on the public API
 * alone.
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
 * <p>{@link org.jvfio.driver.nvme.NvmeNamespace} reads and writes any number of blocks, blocking or with a future. Under
 * it, an {@link org.jvfio.driver.nvme.NvmeRequest} is one command, prepared once and submitted to an {@link
 * org.jvfio.driver.nvme.NvmeQueue} as often as one likes, without allocating anything.
 *
 * <p>Whatever a controller answers, it reaches no memory that is not mapped for it, and this driver touches nothing but
 * its own: an answer that makes no sense ends the controller with a {@link org.jvfio.VfioException} that says which.
 */
@NullMarked
package org.jvfio.driver.nvme;

import org.jspecify.annotations.NullMarked;
