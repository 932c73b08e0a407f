package org.jvfio.emulator;

/** {@code /dev/vfio/vfio}, opened. */
final class ContainerFile extends OpenFile {
    private final VfioContainer container;

    ContainerFile(VfioContainer container) {
        this.container = container;
    }

    VfioContainer container() {
        return container;
    }

    @Override
    int ioctl(int request, Argument argument) {
        return container.ioctl(request, argument);
    }
}
