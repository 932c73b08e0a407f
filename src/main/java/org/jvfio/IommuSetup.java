package org.jvfio;

import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.jvfio.VfioException.Kind;
import org.jvfio.ioctl.GetTceInfo;
import org.jvfio.ioctl.ValueIoctl;
import org.jvfio.kernel.Errno;
import org.jvfio.kernel.Kernel;

/**
 * The kind of IOMMU that a container has, and what it offers: {@code VFIO_CHECK_EXTENSION}, {@code VFIO_SET_IOMMU},
 * {@code VFIO_IOMMU_SPAPR_TCE_GET_INFO} and {@code VFIO_IOMMU_ENABLE}. Guarded by the container's lock.
 */
final class IommuSetup {
    private final Kernel kernel;
    private final Descriptor descriptor;
    private final boolean hasV2;
    private final HostPlatform platform;
    private @Nullable TceInfo info;
    // Read without the lock; it does not change as long as there are windows and memory.
    private volatile SpaprTceVersion version = SpaprTceVersion.V2;

    private IommuSetup(Kernel kernel, Descriptor descriptor, boolean hasV2, HostPlatform platform) {
        this.kernel = kernel;
        this.descriptor = descriptor;
        this.hasV2 = hasV2;
        this.platform = platform;
    }

    /** Checks that the kernel has the SPAPR TCE IOMMU. */
    static IommuSetup of(Kernel kernel, Descriptor descriptor, String operation) {
        boolean hasV2 = hasExtension(descriptor, operation, SpaprTceVersion.V2.type());
        if (!hasV2 && !hasExtension(descriptor, operation, SpaprTceVersion.V1.type())) {
            throw new VfioException(
                    Kind.HOST_SETUP,
                    operation,
                    "this kernel has VFIO, but not the SPAPR TCE IOMMU",
                    "on POWER, load it: modprobe vfio_iommu_spapr_tce");
        }
        return new IommuSetup(kernel, descriptor, hasV2, HostPlatform.of(kernel));
    }

    static boolean hasExtension(Descriptor descriptor, String operation, int extension) {
        ValueIoctl call = ValueIoctl.checkExtension(extension);
        int result = call.call(descriptor);
        if (result < 0) {
            throw VfioException.failed(operation, call, result, Cause.of(result, Cause::of));
        }
        return result > 0;
    }

    /**
     * Sets the IOMMU of a container that has got its first group.
     *
     * @return by how many bytes the locked memory of the process has grown
     */
    long setUp(Group group) {
        long lockedBefore = LockedMemory.of(kernel).locked();
        version = setIommu(group);
        TceInfo offered = getInfo();
        if (version == SpaprTceVersion.V1) {
            enable(group, offered);
        }
        info = offered;
        return LockedMemory.of(kernel).locked() - lockedBefore;
    }

    /** V2, unless the kernel has none, or none for this group's platform, which then creates no windows. */
    private SpaprTceVersion setIommu(Group group) {
        int refused = 0;
        if (hasV2) {
            refused = ValueIoctl.setIommu(SpaprTceVersion.V2.type()).call(descriptor);
            if (refused == 0) {
                version = SpaprTceVersion.V2;
                if (getInfo().maxWindows() != 0) {
                    return SpaprTceVersion.V2;
                }
                // Linux 4.2 to 4.11 sets V2 for any group.
                group.enterAgain(descriptor);
            }
        }
        // The error of V2 says more than that of V1.
        boolean v2Refused = refused != 0;
        if (!v2Refused || refused == Errno.EINVAL.negated() || refused == Errno.EPERM.negated()) {
            int result = ValueIoctl.setIommu(SpaprTceVersion.V1.type()).call(descriptor);
            if (result == 0) {
                return SpaprTceVersion.V1;
            }
            refused = v2Refused ? refused : result;
        }
        throw VfioException.failed(
                "use SPAPR TCE for IOMMU group " + group.number(),
                ValueIoctl.setIommu((v2Refused ? SpaprTceVersion.V2 : SpaprTceVersion.V1).type()),
                refused,
                Cause.of(refused, KnownCauses::setIommu));
    }

    /** Charges all that V1 can ever pin, the whole window, to locked memory. */
    private void enable(Group group, TceInfo offered) {
        String operation = "enable the window of IOMMU group " + group.number();
        long bytes = offered.defaultWindow().map(IovaRange::size).orElse(0L);
        LockedMemory locked = LockedMemory.of(kernel);
        locked.require(() -> operation, bytes);
        ValueIoctl call = ValueIoctl.enable();
        int result = call.call(descriptor);
        if (result != 0) {
            throw VfioException.failed(
                    operation,
                    call,
                    result,
                    result == Errno.ENOMEM.negated()
                            ? LockedMemory.of(kernel).noMemory(bytes)
                            : Cause.of(result, Cause::of));
        }
    }

    private TceInfo getInfo() {
        try (Arena arena = Arena.ofConfined()) {
            GetTceInfo call = GetTceInfo.of(arena);
            int result = call.call(descriptor);
            if (result != 0) {
                throw VfioException.failed("ask what the IOMMU offers", call, result, Cause.of(result, Cause::of));
            }
            Optional<IovaRange> defaultWindow = call.defaultWindowSize() == 0
                    ? Optional.empty()
                    : Optional.of(new IovaRange(call.defaultWindowStart(), call.defaultWindowSize()));
            if (version == SpaprTceVersion.V1) {
                int levels = DmaWindows.LEVELS_OF_DEFAULT_WINDOW;
                return new TceInfo(defaultWindow, List.of(PageSize.SIZE_4K), 1, levels, platform.isPowernv(levels));
            }
            return new TceInfo(
                    defaultWindow,
                    pageSizes(call.pageSizes()),
                    call.maxWindows(),
                    call.levels(),
                    platform.isPowernv(call.levels()));
        }
    }

    private static List<PageSize> pageSizes(long bitmap) {
        List<PageSize> sizes = new ArrayList<>();
        for (long rest = bitmap; rest != 0; rest &= rest - 1) {
            sizes.add(PageSize.ofShift(Long.numberOfTrailingZeros(rest)));
        }
        return sizes;
    }

    /** @throws IllegalStateException if no group is attached */
    TceInfo info() {
        if (info == null) {
            throw new IllegalStateException("the container has no group attached");
        }
        return info;
    }

    SpaprTceVersion version() {
        return version;
    }

    /** Whether memory has to be registered before it is mapped. */
    boolean registersMemory() {
        return version == SpaprTceVersion.V2;
    }

    /** The last group has left, and the IOMMU with it. */
    void detached() {
        info = null;
    }
}
