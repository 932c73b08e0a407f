package org.jvfio.emulator.nvme;

import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * The configuration of a controller.
 *
 * @param names its names
 * @param limits the limits that its registers and Identify report
 * @param messages the number of MSI messages; 0 for no MSI
 * @param vectors the number of MSI-X vectors; 0 for no MSI-X
 * @param readyTimeout CAP.TO: how long the host waits for CSTS.RDY, in units of {@link #TIMEOUT_UNIT}
 * @param mediaTimeout CRTO.CRWMT: how long it waits instead, also in those units; zero without this register
 * @param namespaces its namespaces
 * @param commands the optional commands that it supports
 * @param commandLimits the limits of commands without data transfer
 * @param deviations where it differs from the specification
 * @param oddities what makes it like a known drive
 * @param faults its faults
 */
record Configuration(
        Names names,
        Limits limits,
        int messages,
        int vectors,
        Duration readyTimeout,
        Duration mediaTimeout,
        List<NamespaceOptions> namespaces,
        Set<OptionalCommand> commands,
        CommandLimits commandLimits,
        Set<Deviation> deviations,
        Oddities oddities,
        NvmeFaults faults) {
    /** The unit of CAP.TO. */
    static final Duration TIMEOUT_UNIT = Duration.ofMillis(500);

    /** As {@link Duration#dividedBy(Duration)}, which initializes {@code BigDecimal}: a short command would notice. */
    static long timeoutUnits(Duration timeout) {
        return timeout.toMillis() / TIMEOUT_UNIT.toMillis();
    }

    static final int SMALLEST_PAGE_SHIFT = 12;
    private static final int MAX_BLOCKS = 1 << 16;
    private static final int MAX_BLOCK_BYTES = 4096 + 64;

    private static final int DOORBELLS = 0x1000;
    private static final int TABLE_ENTRY_BYTES = 16;
    private static final long BAR_PART = 1 << 12;

    /**
     * Names.
     *
     * @param model its model number
     * @param subsystem the name of the subsystem that it shares with others; null if it is the only controller
     * @param controllerId its identifier in the subsystem
     * @param controllers the number of controllers of the subsystem, with identifiers from 0
     */
    record Names(String serial, String model, @Nullable String subsystem, int controllerId, int controllers) {}

    /**
     * Limits.
     *
     * @param queuePairs the number of I/O queue pairs
     * @param queueEntries the maximum entries of an I/O queue
     * @param mdts the maximum data transfer size, as log2 of the smallest pages; 0 for no limit
     * @param minPageShift log2 of the smallest memory page
     * @param maxPageShift log2 of the largest memory page
     * @param commandSets the field CAP.CSS
     * @param doorbellStride the field CAP.DSTRD: doorbells are 4 bytes shifted by it apart
     */
    record Limits(
            int queuePairs,
            int queueEntries,
            int mdts,
            int minPageShift,
            int maxPageShift,
            int commandSets,
            int doorbellStride) {}

    Configuration {
        namespaces = List.copyOf(namespaces);
        deviations = Set.copyOf(deviations);
    }

    boolean has(Deviation deviation) {
        return deviations.contains(deviation);
    }

    /** The maximum data of a command in bytes, whether or not MDTS limits it. */
    long maxBytes() {
        return limits.mdts() == 0 ? (long) MAX_BLOCKS * MAX_BLOCK_BYTES : 1L << (limits.mdts() + largestLimitShift());
    }

    private int largestLimitShift() {
        return has(Deviation.LIMITS_IN_HOST_PAGES) ? limits.maxPageShift() : limits.minPageShift();
    }

    /** A limit of log2 of pages in bytes; 0 is no limit. */
    long limitBytes(int shift, long hostPageBytes) {
        if (shift == 0) {
            return Long.MAX_VALUE;
        }
        return (has(Deviation.LIMITS_IN_HOST_PAGES) ? hostPageBytes : 1L << limits.minPageShift()) << shift;
    }

    /** The most ranges of contiguous pages that a command's data can have. */
    long maxPages() {
        return Math.max(maxBytes() >>> limits.minPageShift(), 1) + 1;
    }

    /** The number of interrupt vectors that a completion queue can use; INTx counts as one. */
    int interruptVectors() {
        return Math.max(1, Math.max(messages, vectors));
    }

    /** The offset of the MSI-X table in BAR 0, behind the doorbells. */
    int tableOffset() {
        return (int) align(DOORBELLS + 2L * (limits.queuePairs() + 1) * (Integer.BYTES << limits.doorbellStride()));
    }

    /** The offset of the pending bits of MSI-X. */
    int pendingOffset() {
        return (int) align(tableOffset() + (long) vectors * TABLE_ENTRY_BYTES);
    }

    /** The size of BAR 0, a power of two. */
    long barBytes() {
        long used =
                vectors == 0 ? tableOffset() : pendingOffset() + Math.ceilDiv(vectors, Long.SIZE) * (long) Long.BYTES;
        return Long.highestOneBit(2 * used - 1);
    }

    private static long align(long bytes) {
        return (bytes + BAR_PART - 1) & -BAR_PART;
    }

    /** The image files of the namespaces. */
    List<Path> images() {
        return namespaces.stream()
                .flatMap(each -> Stream.ofNullable(each.image()))
                .toList();
    }

    /** The name that unique identifiers are derived from, the same one in all controllers of a subsystem. */
    String subsystem() {
        String shared = names.subsystem();
        return shared == null ? names.serial() : shared;
    }

    NamespaceList open() {
        BitSet used = new BitSet();
        namespaces.forEach(each -> used.set(each.id()));
        used.set(0);
        List<Namespace> opened = new ArrayList<>();
        for (NamespaceOptions each : namespaces) {
            int id = each.id() == 0 ? used.nextClearBit(1) : each.id();
            used.set(id);
            boolean isPlain = each.format().metadataBytes() == 0 && !has(Deviation.MORE_COMMANDS);
            opened.add(new Namespace(id, each, isPlain ? BlockFormat.PLAIN : BlockFormat.ALL, subsystem()));
        }
        return new NamespaceList(opened);
    }
}
