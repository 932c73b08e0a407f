package org.jvfio.emulator.nvme;

import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * What a controller is made of.
 *
 * @param serial its serial number
 * @param queuePairs how many I/O queues of each kind it has
 * @param queueEntries the most entries of an I/O queue
 * @param mdts the most data of a command, as log2 of pages of 4 KiB; 0 for no limit
 * @param messages how many MSI messages it can send; 0 if it has no MSI
 * @param vectors how many MSI-X vectors it has; 0 if it has no MSI-X
 * @param readyTimeout how long the host is to wait for it to get ready, in units of {@link #TIMEOUT_UNIT}
 * @param media its namespaces, the first one is number 1
 * @param faults what goes wrong with it
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
    /** What CAP.TO counts. */
    static final Duration TIMEOUT_UNIT = Duration.ofMillis(500);

    static final long SMALLEST_PAGE = 1L << 12;
    static final long LARGEST_PAGE = 1L << 16;
    private static final int MAX_BLOCKS = 1 << 16;

    /** A namespace: its size, where its bytes are (null for memory), and the size of its blocks. */
    record Medium(long bytes, @Nullable Path image, int blockBytes) {
        private Store open() {
            return image == null ? new MemoryStore(bytes) : new ImageStore(image, bytes);
        }
    }

    Configuration {
        media = List.copyOf(media);
    }

    /** The most data of a command in bytes, whether or not MDTS limits it. */
    long mostBytes() {
        return mdts == 0 ? (long) MAX_BLOCKS << Namespace.FORMATS[1] : SMALLEST_PAGE << mdts;
    }

    /** How many interrupt vectors a completion queue can choose from: the line is one. */
    int interruptVectors() {
        return Math.max(1, Math.max(messages, vectors));
    }

    /** The files that namespaces are in. */
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
