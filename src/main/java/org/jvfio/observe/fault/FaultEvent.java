package org.jvfio.observe.fault;

import java.util.EnumSet;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.jvfio.observe.fault.FaultPoint.On;

/**
 * Something that a fault can happen to.
 *
 * @param number the request number of an ioctl
 * @param from the first bus address, or the offset in the region
 * @param length bytes
 * @param vector of an interrupt; -1 otherwise
 */
record FaultEvent(
        On on,
        int number,
        @Nullable FileKind file,
        @Nullable String device,
        @Nullable DeviceArea area,
        long from,
        long length,
        int vector,
        @Nullable String path) {

    private static final Set<VfioRequest> RELEASES = EnumSet.of(
            VfioRequest.VFIO_IOMMU_UNMAP_DMA,
            VfioRequest.VFIO_IOMMU_SPAPR_UNREGISTER_MEMORY,
            VfioRequest.VFIO_IOMMU_SPAPR_TCE_REMOVE,
            VfioRequest.VFIO_DEVICE_SET_IRQS);

    static FaultEvent call(On on) {
        return new FaultEvent(on, 0, null, null, null, 0, 0, -1, null);
    }

    static FaultEvent open(String path) {
        return new FaultEvent(On.OPEN, 0, null, null, null, 0, 0, -1, path);
    }

    static FaultEvent onFile(On on, OpenFiles.OpenFile file, long length) {
        return new FaultEvent(on, 0, file.kind(), file.device(), null, 0, length, -1, null);
    }

    static FaultEvent ioctl(OpenFiles.OpenFile file, int number, long from, long length) {
        return new FaultEvent(On.IOCTL, number, file.kind(), file.device(), null, from, length, -1, null);
    }

    static FaultEvent positioned(On on, OpenFiles.OpenFile file, long fileOffset, long length) {
        boolean ofDevice = file.kind() == FileKind.DEVICE;
        return new FaultEvent(
                on,
                0,
                file.kind(),
                file.device(),
                ofDevice ? DeviceArea.at(fileOffset) : null,
                ofDevice ? DeviceArea.offset(fileOffset) : fileOffset,
                length,
                -1,
                null);
    }

    static FaultEvent register(On on, String device, int bar, long offset, int size) {
        return new FaultEvent(on, 0, null, device, DeviceArea.ofIndex(bar), offset, size, -1, null);
    }

    static FaultEvent dma(On on, String device, long busAddress, long length) {
        return new FaultEvent(on, 0, null, device, null, busAddress, length, -1, null);
    }

    static FaultEvent interrupt(String device, int vector) {
        return new FaultEvent(On.INTERRUPT, 0, null, device, null, 0, 0, vector, null);
    }

    boolean is(VfioRequest request) {
        return request.number() == number && request.file() == file;
    }

    /**
     * Whether a driver makes the call to give something back; without it, it cannot. A {@code close} is executed in any
     * case.
     */
    boolean isRelease() {
        return on == On.MUNMAP
                || (on.isPositioned() && area == DeviceArea.CONFIG)
                || RELEASES.stream().anyMatch(this::is);
    }

    /** As in {@code ioctl VFIO_IOMMU_MAP_DMA} or {@code dma-write of 16 bytes at 0x1000 of 0000:01:00.0}. */
    @Override
    public String toString() {
        StringBuilder text = new StringBuilder(Words.of(on));
        if (on == On.IOCTL) {
            String name = null;
            for (VfioRequest request : VfioRequest.values()) {
                name = is(request) ? request.name() : name;
            }
            text.append(' ').append(name != null ? name : "0x" + Integer.toHexString(number));
        }
        if (path != null) {
            text.append(" of ").append(path);
        }
        if (length > 0) {
            text.append(" of %d bytes at 0x%x".formatted(length, from));
        }
        if (vector >= 0) {
            text.append(" of vector ").append(vector);
        }
        if (area != null) {
            text.append(" of ").append(Words.of(area));
        }
        if (device != null) {
            text.append(" of ").append(device);
        }
        return text.toString();
    }
}
