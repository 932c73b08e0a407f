package org.jvfio.driver.nvme;

import java.time.Duration;
import org.jvfio.VfioException;

/** What the register CAP says, checked. */
record Capabilities(long register) {
    private static final int MIN_PAGE_SHIFT = 12;
    // The shift is a field of 4 bits above 12; a driver has no use for more than 1 MiB.
    private static final int MAX_PAGE_SHIFT = 20;
    private static final Duration TIMEOUT_UNIT = Duration.ofMillis(500);

    /** Refuses what this driver, or any, cannot work with. */
    static Capabilities of(String asked, long register) {
        Capabilities capabilities = new Capabilities(register);
        if (capabilities.leastPageShift() > capabilities.mostPageShift()) {
            throw unusable(
                    asked,
                    register,
                    "its smallest page, 2^%d bytes, is larger than its largest, 2^%d"
                            .formatted(capabilities.leastPageShift(), capabilities.mostPageShift()));
        }
        if (capabilities.leastPageShift() > MAX_PAGE_SHIFT) {
            throw unusable(
                    asked,
                    register,
                    "its smallest page has 2^%d bytes, and this driver takes up to 2^%d"
                            .formatted(capabilities.leastPageShift(), MAX_PAGE_SHIFT));
        }
        if (capabilities.queueEntries() < 2) {
            throw unusable(asked, register, "its queues have a single entry (MQES 0)");
        }
        if (!capabilities.hasNvmCommands()) {
            throw unusable(asked, register, "it does not have the NVM command set");
        }
        return capabilities;
    }

    private static VfioException unusable(String asked, long register, String reason) {
        return new VfioException(
                asked,
                reason + " [CAP = 0x%016x]".formatted(register),
                "use another drive, or newer firmware of this one");
    }

    /** The entries that an I/O queue may have: MQES, which is one less. */
    int queueEntries() {
        return (int) (register & 0xffff) + 1;
    }

    /** How long enabling and disabling may take: TO. */
    Duration timeout() {
        return TIMEOUT_UNIT.multipliedBy(Math.max(1, register >>> 24 & 0xff));
    }

    /** The distance of two doorbells in bytes: 4 << DSTRD. */
    int doorbellStride() {
        return 4 << (register >>> 32 & 0xf);
    }

    private boolean hasNvmCommands() {
        return (register >>> 37 & 1) != 0;
    }

    /** MPSMIN, as a shift of bytes. */
    int leastPageShift() {
        return MIN_PAGE_SHIFT + (int) (register >>> 48 & 0xf);
    }

    /** MPSMAX, as a shift of bytes. */
    int mostPageShift() {
        return MIN_PAGE_SHIFT + (int) (register >>> 52 & 0xf);
    }

    /** Whether the register CRTO has timeouts of its own: CRMS. */
    boolean hasReadyTimeouts() {
        return (register >>> 59 & 0x3) != 0;
    }

    /** The page that is nearest to 4096 bytes of those that it has, or the one that is asked for. */
    int pageShift(String asked, int wantedBytes) {
        int shift = Integer.numberOfTrailingZeros(wantedBytes);
        if (shift < leastPageShift() || shift > Math.min(MAX_PAGE_SHIFT, mostPageShift())) {
            throw new VfioException(
                    asked,
                    "it has no pages of %d bytes, only from 2^%d to 2^%d"
                            .formatted(wantedBytes, leastPageShift(), mostPageShift()),
                    "leave the choice to the driver, or take one of those");
        }
        return shift;
    }
}
