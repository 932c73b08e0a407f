package org.jvfio;

import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import java.util.WeakHashMap;
import org.jvfio.kernel.Kernel;

/**
 * The groups for which an LPAR's kernel creates no windows until the next boot, because firmware has refused one
 * ({@code failed_ddw_pdn_list} of {@code arch/powerpc/platforms/pseries/iommu.c}). Each further call would leave the
 * charge of its table behind, so none is made. It does not refer to the kernel, so that a forgotten one becomes
 * unreachable. Guarded by itself.
 */
final class FailedWindows {
    private static final Map<Kernel, FailedWindows> OF_KERNELS = new WeakHashMap<>();

    private final Set<Integer> groups = new HashSet<>();

    private FailedWindows() {}

    /** Those of a kernel, which all containers of the process share. */
    static FailedWindows of(Kernel kernel) {
        synchronized (OF_KERNELS) {
            return OF_KERNELS.computeIfAbsent(kernel, _ -> new FailedWindows());
        }
    }

    /** The kernel has returned ENODEV for a group. */
    synchronized void add(int group) {
        groups.add(group);
    }

    synchronized boolean contains(int group) {
        return groups.contains(group);
    }
}
