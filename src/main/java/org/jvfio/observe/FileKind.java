package org.jvfio.observe;

/** What an open file is: it decides what a request of {@code ioctl} means. */
enum FileKind {
    CONTAINER,
    GROUP,
    DEVICE,
    EVENTFD,
    OTHER;

    /** The name that eventfds have in a record. */
    static final String EVENTFD_NAME = "eventfd";

    /**
     * The kind of a file.
     *
     * @param name the path that was opened, the PCI address of a device, or {@link #EVENTFD_NAME}
     */
    static FileKind of(String name) {
        if (name.equals("/dev/vfio/vfio")) {
            return CONTAINER;
        }
        if (name.startsWith("/dev/vfio/")) {
            return GROUP;
        }
        if (name.equals(EVENTFD_NAME)) {
            return EVENTFD;
        }
        return name.startsWith("/") ? OTHER : DEVICE;
    }
}
