package org.jvfio.ioctl;

import static org.jvfio.uapi.vfio_h.VFIO_CHECK_EXTENSION;
import static org.jvfio.uapi.vfio_h.VFIO_DEVICE_RESET;
import static org.jvfio.uapi.vfio_h.VFIO_GET_API_VERSION;
import static org.jvfio.uapi.vfio_h.VFIO_GROUP_UNSET_CONTAINER;
import static org.jvfio.uapi.vfio_h.VFIO_IOMMU_DISABLE;
import static org.jvfio.uapi.vfio_h.VFIO_IOMMU_ENABLE;
import static org.jvfio.uapi.vfio_h.VFIO_SET_IOMMU;

import org.jvfio.uapi.vfio_h;

/**
 * A call without a struct.
 *
 * @param name as in {@code linux/vfio.h}
 * @param request the request number
 * @param argument 0 if the call has none
 */
public record ValueIoctl(String name, int request, long argument) implements Ioctl {

    /** {@code VFIO_GET_API_VERSION} of a container: the version. */
    public static ValueIoctl getApiVersion() {
        return new ValueIoctl("VFIO_GET_API_VERSION", VFIO_GET_API_VERSION, 0);
    }

    /** {@code VFIO_CHECK_EXTENSION} of a container: above 0 if it has the extension, such as {@code VFIO_EEH}. */
    public static ValueIoctl checkExtension(long extension) {
        return new ValueIoctl("VFIO_CHECK_EXTENSION", VFIO_CHECK_EXTENSION, extension);
    }

    /** {@code VFIO_SET_IOMMU} of a container that has a group. */
    public static ValueIoctl setIommu(long type) {
        return new ValueIoctl("VFIO_SET_IOMMU", VFIO_SET_IOMMU, type);
    }

    /** {@code VFIO_IOMMU_ENABLE} of a container with {@code VFIO_SPAPR_TCE_IOMMU}. */
    public static ValueIoctl enable() {
        return new ValueIoctl("VFIO_IOMMU_ENABLE", VFIO_IOMMU_ENABLE, 0);
    }

    /** {@code VFIO_IOMMU_DISABLE} of a container with {@code VFIO_SPAPR_TCE_IOMMU}. */
    public static ValueIoctl disable() {
        return new ValueIoctl("VFIO_IOMMU_DISABLE", VFIO_IOMMU_DISABLE, 0);
    }

    /** {@code VFIO_GROUP_UNSET_CONTAINER} of a group. */
    public static ValueIoctl unsetContainer() {
        return new ValueIoctl("VFIO_GROUP_UNSET_CONTAINER", VFIO_GROUP_UNSET_CONTAINER, 0);
    }

    /** {@code VFIO_DEVICE_RESET} of a device. */
    public static ValueIoctl reset() {
        return new ValueIoctl("VFIO_DEVICE_RESET", VFIO_DEVICE_RESET, 0);
    }

    @Override
    public int call(IoctlFile file) {
        return file.ioctl(request, argument);
    }

    @Override
    public String toString() {
        CallText text = new CallText(name);
        boolean takesType = request == VFIO_SET_IOMMU || request == VFIO_CHECK_EXTENSION;
        return (takesType ? text.word(extension()) : argument == 0 ? text : text.hex("argument", argument)).toString();
    }

    /** The types of IOMMU are extensions too. */
    private String extension() {
        if (argument == vfio_h.VFIO_SPAPR_TCE_IOMMU) {
            return "VFIO_SPAPR_TCE_IOMMU";
        }
        if (argument == vfio_h.VFIO_SPAPR_TCE_v2_IOMMU) {
            return "VFIO_SPAPR_TCE_v2_IOMMU";
        }
        return argument == vfio_h.VFIO_EEH ? "VFIO_EEH" : Long.toString(argument);
    }
}
