package org.jvfio.emulator;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.jvfio.kernel.Errno;
import org.jvfio.uapi.vfio_h;

/** A container: {@code struct vfio_container} of {@code drivers/vfio/container.c}. Its groups keep it alive. */
final class VfioContainer {
    private final EmulatedHost host;
    private final List<IommuGroup> groups = new ArrayList<>();
    // Written with the host's lock held; read without it, too.
    private volatile @Nullable SpaprTce iommu;

    VfioContainer(EmulatedHost host) {
        this.host = host;
    }

    @Nullable
    SpaprTce iommu() {
        return iommu;
    }

    int ioctl(int request, Argument argument) {
        return switch (request) {
            case vfio_h.VFIO_GET_API_VERSION -> vfio_h.VFIO_API_VERSION;
            case vfio_h.VFIO_CHECK_EXTENSION ->
                host.machine().spaprModule() ? SpaprTce.checkExtension(host, argument.value()) : 0;
            case vfio_h.VFIO_SET_IOMMU -> setIommu(argument);
            default -> {
                SpaprTce driver = iommu;
                yield driver == null ? Errno.EINVAL.negated() : driver.ioctl(request, argument);
            }
        };
    }

    private int setIommu(Argument argument) {
        if (groups.isEmpty() || iommu != null) {
            return Errno.EINVAL.negated();
        }
        long type = argument.value();
        if (!host.machine().spaprModule() || SpaprTce.checkExtension(host, type) == 0) {
            return Errno.ENODEV.negated();
        }
        if (type != vfio_h.VFIO_SPAPR_TCE_IOMMU && type != vfio_h.VFIO_SPAPR_TCE_v2_IOMMU) {
            host.kernelLog().add("tce_vfio: Wrong IOMMU type");
            return Errno.EINVAL.negated();
        }
        SpaprTce driver = new SpaprTce(host, this, type == vfio_h.VFIO_SPAPR_TCE_v2_IOMMU);
        List<IommuGroup> attached = new ArrayList<>();
        for (IommuGroup group : groups) {
            int answer = driver.attach(group, argument.mm());
            if (answer != 0) {
                attached.forEach(each -> driver.detach(each, argument.mm()));
                driver.release();
                return answer;
            }
            attached.add(group);
        }
        iommu = driver;
        host.lock().add(driver.lock());
        return 0;
    }

    /** {@code vfio_container_attach_group}. */
    int add(IommuGroup group, Mm caller) {
        SpaprTce driver = iommu;
        if (driver != null) {
            int answer = driver.attach(group, caller);
            if (answer != 0) {
                return answer;
            }
        }
        groups.addFirst(group);
        return 0;
    }

    /** Detaches the group from the IOMMU. */
    void remove(IommuGroup group, @Nullable Mm caller) {
        groups.remove(group);
        SpaprTce driver = iommu;
        if (driver != null) {
            driver.detach(group, caller);
        }
    }

    /** Without a group the IOMMU is released with its windows and registrations, and another type may be set. */
    void releaseIfEmpty() {
        SpaprTce driver = iommu;
        if (groups.isEmpty() && driver != null) {
            driver.release();
            iommu = null;
            host.lock().remove(driver.lock());
        }
    }
}
