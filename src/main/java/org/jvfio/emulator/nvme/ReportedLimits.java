package org.jvfio.emulator.nvme;

/**
 * The limits of commands that a controller reports now. QEMU's block layer limits a request in bytes, so that its
 * controller's limit of a range depends on the size of blocks: it is that of the largest blocks that were attached
 * since the machine started.
 */
final class ReportedLimits {
    private static final long MAX_REQUEST_BYTES = Integer.MAX_VALUE & -512L;

    private final boolean followsBlocks;
    private CommandLimits limits;

    ReportedLimits(Configuration configuration) {
        limits = configuration.commandLimits();
        followsBlocks = configuration.has(Deviation.RANGE_LIMIT_OF_LARGEST_BLOCKS) && limits.rangeBlocks() != 0;
    }

    CommandLimits now() {
        return limits;
    }

    /** A namespace is attached. */
    void attached(Namespace namespace) {
        long most = MAX_REQUEST_BYTES >>> namespace.blockShift();
        if (followsBlocks && most < limits.rangeBlocks()) {
            limits = new CommandLimits(
                    limits.verify(), limits.writeZeroes(), limits.ranges(), most, limits.ranges() * most);
        }
    }

    /** These namespaces are still, or again, attached. */
    void attached(NamespaceList namespaces) {
        namespaces.all().stream().filter(Namespace::isAttached).forEach(this::attached);
    }
}
