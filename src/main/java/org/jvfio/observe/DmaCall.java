package org.jvfio.observe;

/** A call of a record that changed the DMA address space of a container. */
public sealed interface DmaCall {
    /** The container: unique in the record, from 1. */
    int container();

    /** When it ended, in nanoseconds since the record began. */
    long nanos();

    /** A group entered the container ({@code VFIO_GROUP_SET_CONTAINER}). */
    record Attached(int container, long nanos, int group) implements DmaCall {}

    /** The last group left the container, or the container was closed: its windows went, with all their mappings. */
    record Released(int container, long nanos) implements DmaCall {}

    /**
     * A window was created, or the kernel told of the default one ({@code VFIO_IOMMU_SPAPR_TCE_CREATE} or {@code
     * VFIO_IOMMU_SPAPR_TCE_GET_INFO}).
     *
     * @param start the first bus address
     * @param size bytes
     */
    record WindowCreated(int container, long nanos, long start, long size, int pageShift) implements DmaCall {}

    /** The window at a bus address was removed ({@code VFIO_IOMMU_SPAPR_TCE_REMOVE}). */
    record WindowRemoved(int container, long nanos, long start) implements DmaCall {}

    /**
     * Memory was mapped ({@code VFIO_IOMMU_MAP_DMA}).
     *
     * @param iova the first bus address
     * @param size bytes
     * @param reads whether the device may read it
     * @param writes whether the device may write it
     */
    record Mapped(int container, long nanos, long iova, long size, boolean reads, boolean writes) implements DmaCall {}

    /** Bus addresses were unmapped ({@code VFIO_IOMMU_UNMAP_DMA}), whether or not anything was mapped there. */
    record Unmapped(int container, long nanos, long iova, long size) implements DmaCall {}
}
