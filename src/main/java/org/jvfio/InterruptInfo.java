package org.jvfio;

import static org.jvfio.uapi.vfio_h.VFIO_IRQ_INFO_AUTOMASKED;
import static org.jvfio.uapi.vfio_h.VFIO_IRQ_INFO_EVENTFD;
import static org.jvfio.uapi.vfio_h.VFIO_IRQ_INFO_MASKABLE;
import static org.jvfio.uapi.vfio_h.VFIO_IRQ_INFO_NORESIZE;

import java.lang.foreign.Arena;
import org.jvfio.VfioException.Kind;
import org.jvfio.ioctl.GetIrqInfo;
import org.jvfio.kernel.Errno;

/**
 * The interrupts of one type that a device has ({@code VFIO_DEVICE_GET_IRQ_INFO}).
 *
 * @param count the number of vectors; 0 if it has none of this type
 * @param eventfd whether they can be enabled ({@code VFIO_IRQ_INFO_EVENTFD})
 * @param maskable whether {@link Interrupts#mask} and {@link Interrupts#unmask} work
 * @param automasked whether the kernel masks a vector at each interrupt
 * @param resizable whether the kernel can enable more vectors later; this library enables all at once
 */
public record InterruptInfo(int count, boolean eventfd, boolean maskable, boolean automasked, boolean resizable) {

    static InterruptInfo of(Descriptor descriptor, InterruptType type, PciAddress device) {
        try (Arena arena = Arena.ofConfined()) {
            GetIrqInfo info = GetIrqInfo.of(arena, type.index());
            int answer = info.call(descriptor);
            if (answer == Errno.EINVAL.negated() && type == InterruptType.ERROR) {
                // Linux up to 7.2 has this type for PCI Express devices only.
                return new InterruptInfo(0, false, false, false, false);
            }
            if (answer != 0) {
                throw VfioException.failed(
                        "get the description of " + type + " of " + device, info, answer, Cause.of(answer, Cause::of));
            }
            if (info.count() < 0) {
                throw new VfioException(
                        Kind.KERNEL_REFUSED,
                        "get the description of " + type + " of " + device,
                        "the kernel's answer is malformed: it has %s vectors"
                                .formatted(Integer.toUnsignedString(info.count())),
                        "update the kernel");
            }
            int flags = info.flags();
            return new InterruptInfo(
                    info.count(),
                    (flags & VFIO_IRQ_INFO_EVENTFD) != 0,
                    (flags & VFIO_IRQ_INFO_MASKABLE) != 0,
                    (flags & VFIO_IRQ_INFO_AUTOMASKED) != 0,
                    (flags & VFIO_IRQ_INFO_NORESIZE) == 0);
        }
    }
}
