package org.jvfio.emulator.nvme;

import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * The configuration of a controller.
 *
 * @param serial its serial number
 * @param queuePairs the number of I/O queue pairs
 * @param queueEntries the maximum entries of an I/O queue
 * @param mdts the maximum data transfer size, as log2 of pages of 4 KiB; 0 for no limit
 * @param messages the number of MSI messages; 0 for no MSI
 * @param vectors the number of MSI-X vectors; 0 for no MSI-X
 * @param readyTimeout CAP.TO: how long the host waits for CSTS.RDY, in units of {@link #TIMEOUT_UNIT}
 * @param media its namespaces, from identifier 1
 * @param faults its faults
 */
record Configuration(
        String serial,
        int queuePairs,
        int queueEntries,
        int mdts,
        int messages,
        int vectors,
        Duration readyTimeout,
        List<Medium> media,
        NvmeFaults faults) {
    /** The unit of CAP.TO. */
    static final Duration TIMEOUT_UNIT = Duration.ofMillis(500);

    static final long SMALLEST_PAGE = 1L << 12;
    static final long LARGEST_PAGE = 1L << 16;
    private static final int MAX_BLOCKS = 1 << 16;

    /** A namespace: its size, its image file (null for memory), and its block size. */
    record Medium(long bytes, @Nullable Path image, int blockBytes) {
        private Store open() {
            return image == null ? new MemoryStore(bytes) : new ImageStore(image, bytes);
        }
    }

    Configuration {
        media = List.copyOf(media);
    }

    /** The maximum data of a command in bytes, whether or not MDTS limits it. */
    long maxBytes() {
        return mdts == 0 ? (long) MAX_BLOCKS << Namespace.FORMATS[1] : SMALLEST_PAGE << mdts;
    }

    /** The number of interrupt vectors that a completion queue can use; INTx counts as one. */
    int interruptVectors() {
        return Math.max(1, Math.max(messages, vectors));
    }

    /** The image files of the namespaces. */
    List<Path> images() {
        return media.stream()
                .flatMap(medium -> Stream.ofNullable(medium.image()))
                .toList();
    }

    List<Namespace> open() {
        List<Namespace> namespaces = new ArrayList<>();
        for (Medium medium : media) {
            namespaces.add(new Namespace(namespaces.size() + 1, medium.open(), medium.blockBytes(), serial));
        }
        return List.copyOf(namespaces);
    }
}
