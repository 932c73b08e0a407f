/**
 * VFIO on POWER for Java programs: containers, groups, devices, DMA windows and DMA memory of the SPAPR TCE IOMMU.
 *
 * <p>A {@link org.jvfio.Container} takes the IOMMU group of a device from the host, has {@linkplain
 * org.jvfio.DmaWindow windows} of bus addresses, and {@linkplain org.jvfio.DmaMemory memory} that is mapped in them; a
 * {@link org.jvfio.Device} is driven through its {@linkplain org.jvfio.Region regions}. All of it works on a {@link
 * org.jvfio.kernel.Kernel}, be it Linux or an emulated one. What cannot be done is a {@link org.jvfio.VfioException}.
 */
@NullMarked
package org.jvfio;

import org.jspecify.annotations.NullMarked;
