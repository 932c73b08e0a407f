package org.jvfio.observe.fault;

/** What a descriptor refers to. */
public enum FileKind {
    /** {@code /dev/vfio/vfio}. */
    CONTAINER,
    /** {@code /dev/vfio/N}. */
    GROUP,
    /** What {@code VFIO_GROUP_GET_DEVICE_FD} returned. */
    DEVICE,
    /** What {@code eventfd(2)} returned. */
    EVENTFD,
    /** Any other file, such as one of sysfs. */
    OTHER
}
