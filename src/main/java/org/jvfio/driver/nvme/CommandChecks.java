package org.jvfio.driver.nvme;

import org.jspecify.annotations.Nullable;
import org.jvfio.DmaDirection;

/** Rejects arguments of commands, before anything of a request changes. */
final class CommandChecks {
    private CommandChecks() {}

    /** The maximum number of blocks of one command. */
    static long maxBlocks(Operation operation, NvmeNamespace namespace) {
        return switch (operation) {
            case READ, WRITE, COMPARE -> namespace.maxTransferBlocks();
            case WRITE_ZEROES -> namespace.limits().writeZeroesBlocks();
            case VERIFY -> namespace.limits().verifyBlocks();
            case DEALLOCATE -> namespace.limits().deallocateBlocks();
            case COPY -> namespace.limits().copyBlocks();
            case FLUSH -> 1;
        };
    }

    /** Rejects blocks outside the namespace, or more than one command covers. */
    static void requireBlocks(Operation of, NvmeNamespace on, long first, long count) {
        if (of == Operation.FLUSH) {
            return;
        }
        on.checkRange(of, first, count);
        long max = maxBlocks(of, on);
        if (count > max) {
            throw invalid(of, on, first, count, "one command covers 1 to %d blocks".formatted(max));
        }
    }

    /**
     * Rejects buffers that do not suit a transfer.
     *
     * @param offset in the data buffer
     * @param metadata the buffer of separate metadata; null for none
     */
    static void requireBuffers(
            Operation of,
            NvmeNamespace on,
            long first,
            long count,
            NvmeBuffer data,
            long offset,
            @Nullable NvmeBuffer metadata,
            long metadataOffset) {
        requireBuffer(of, on, first, count, "buffer", on.transferBytes(count), data, offset);
        long size = on.separateBytes(count);
        if (metadata != null && size == 0) {
            throw invalid(
                    of,
                    on,
                    first,
                    count,
                    on.metadataBytes() == 0
                            ? "they have no metadata, and a buffer for it is given"
                            : "their metadata is transferred with their data, and a buffer for it is given");
        }
        if (metadata == null && size != 0) {
            throw invalid(
                    of,
                    on,
                    first,
                    count,
                    "their metadata, %d bytes of a block, needs a buffer of its own".formatted(on.metadataBytes()));
        }
        if (metadata != null) {
            requireBuffer(of, on, first, count, "metadata buffer", size, metadata, metadataOffset);
        }
    }

    private static void requireBuffer(
            Operation of,
            NvmeNamespace on,
            long first,
            long count,
            String what,
            long size,
            NvmeBuffer data,
            long offset) {
        if (offset < 0 || size > data.size() - offset) {
            throw invalid(
                    of,
                    on,
                    first,
                    count,
                    "they take %d bytes, and the %s has %d from offset %d".formatted(size, what, data.size(), offset));
        }
        if ((data.iova() + offset & 3) != 0) {
            throw invalid(
                    of,
                    on,
                    first,
                    count,
                    "the %s's bus address 0x%x is not a multiple of 4".formatted(what, data.iova() + offset));
        }
        if (data.direction() == (of == Operation.READ ? DmaDirection.TO_DEVICE : DmaDirection.FROM_DEVICE)) {
            throw invalid(
                    of,
                    on,
                    first,
                    count,
                    "the %s is mapped %s; map it BIDIRECTIONAL".formatted(what, data.direction()));
        }
    }

    /** Rejects a copy to blocks that it reads. */
    static void requireApart(NvmeNamespace on, long from, long count, long to) {
        on.checkRange(Operation.COPY, to, count);
        if (from < to + count && to < from + count) {
            throw invalid(Operation.COPY, on, from, count, "LBA %d to %d are among them".formatted(to, to + count - 1));
        }
    }

    private static IllegalArgumentException invalid(
            Operation of, NvmeNamespace on, long first, long count, String reason) {
        return new IllegalArgumentException("cannot " + of.describe(on, first, count) + ": " + reason);
    }
}
