/**
 * Pictures of the DMA address space of an IOMMU group: {@link org.jvfio.cli.map.DmaSpace} follows what happens to it,
 * and {@link org.jvfio.cli.map.MapText} and {@link org.jvfio.cli.map.MapSvg} draw it.
 */
@NullMarked
package org.jvfio.cli.map;

import org.jspecify.annotations.NullMarked;
