package org.jvfio.cli;

import java.util.OptionalLong;
import org.jvfio.ByteSize;
import org.jvfio.LockedMemory;
import org.jvfio.cli.host.Host;

/** The check of {@link HostChecks} whether a user may lock enough memory for a driver. */
final class LockedMemoryCheck {
    /** The default window of powernv, in bytes; LPARs have one of 1 or 2 GiB. */
    private static final long DEFAULT_WINDOW = 2L << 30;

    private static final long LPAR_WINDOW = 1L << 30;
    private static final long ENTRY = 8;
    private static final long SMALL_PAGE = 4096;
    private static final String ID = "locked-memory";

    private final Host host;
    private final long page;

    LockedMemoryCheck(Host host) {
        this.host = host;
        this.page = host.pageSize().bytes();
    }

    /**
     * The finding.
     *
     * @param job bytes of DMA memory that the driver needs
     */
    Finding of(long job) {
        LockedMemory memory = LockedMemory.of(host.kernel());
        long needed =
                host.hasVersion1() ? window() : windows(job) + host.pageSize().roundUp(job);
        String figure = host.hasVersion1()
                ? "a driver needs %s of locked memory, which is all of the default window, whatever it maps"
                        .formatted(ByteSize.format(needed))
                : "%s of DMA memory need %s of locked memory, with the tables of the default window and one more"
                        .formatted(ByteSize.format(job), ByteSize.format(needed));
        OptionalLong remaining = memory.remaining();
        if (remaining.isEmpty() || remaining.getAsLong() >= needed) {
            return Finding.ok(ID, figure + "; " + memory);
        }
        long limit = Math.ceilDiv(needed + memory.locked(), 1024);
        String[] fixes = {
            "in this shell, if the hard limit allows it: ulimit -l " + limit,
            "for a user at each login, as root: jvfio setup --user NAME --memlock %dK --apply".formatted(limit),
            "in a systemd unit: LimitMEMLOCK=%dK".formatted(limit)
        };
        String what = "%s, so that %s remain; %s".formatted(memory, ByteSize.format(remaining.getAsLong()), figure);
        if (host.hasVersion1()) {
            return Finding.error(ID, what, "The IOMMU cannot be enabled, and nothing can be mapped.", fixes);
        }
        return remaining.getAsLong() < table(DEFAULT_WINDOW, SMALL_PAGE) + page
                ? Finding.error(
                        ID, what, "That is less than the table of the default window: nothing can be mapped.", fixes)
                : Finding.warning(ID, what, "The driver gets ENOMEM when it registers its memory.", fixes);
    }

    private long window() {
        return host.isLpar() ? LPAR_WINDOW : DEFAULT_WINDOW;
    }

    private long windows(long job) {
        return table(DEFAULT_WINDOW, SMALL_PAGE) + table(Math.max(job, page), page);
    }

    /** The TCE table of a window, as it is charged: on powernv twice, for the userspace view beside it. */
    private long table(long window, long pageBytes) {
        long entries = Math.max(ENTRY * Math.ceilDiv(powerOfTwo(window), pageBytes), page);
        return host.isPowernv() ? 2 * entries : entries;
    }

    private static long powerOfTwo(long bytes) {
        long highest = Long.highestOneBit(bytes);
        return highest == bytes ? bytes : highest << 1;
    }
}
