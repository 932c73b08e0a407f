package org.jvfio.emulator;

/** An open {@code /dev/vfio/vfio}. */
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
