/**
 * The VFIO ioctls: one class for each call, and the only place where its struct is filled.
 *
 * <p>A call is a record over its struct. {@code of(allocator, ...)} allocates and fills one, {@code fill} fills it
 * again, {@code new TceCreate(struct)} decodes one that exists. {@link org.jvfio.ioctl.Ioctl#call} returns what the
 * kernel returned: 0, a positive value, or a negated errno. Accessors read what the kernel wrote. {@code toString} is
 * the call as text, as in {@code VFIO_IOMMU_SPAPR_TCE_CREATE(page_shift 16, window_size 0x40000000, levels 1)}; {@code
 * argsz} and {@code flags} are printed if they differ from what {@code fill} sets.
 *
 * <p>Nothing is checked here: {@code argsz} and {@code flags} can be set to any value, so that tests can make invalid
 * calls. Names, units and values are those of {@code linux/vfio.h}. The records may be shared by threads as their
 * segments may; the caller keeps two threads from using one struct at a time.
 */
@NullMarked
package org.jvfio.ioctl;

import org.jspecify.annotations.NullMarked;
