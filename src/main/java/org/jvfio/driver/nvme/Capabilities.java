package org.jvfio.driver.nvme;

import java.time.Duration;
import org.jvfio.VfioException;
import org.jvfio.VfioException.Kind;

/** The controller capabilities (CAP), validated. */
record Capabilities(long register) {
    private static final int MIN_PAGE_SHIFT = 12;
    // MPSMIN and MPSMAX can express 128 MiB; the driver supports up to 1 MiB.
    private static final int MAX_PAGE_SHIFT = 20;
    private static final int DEFAULT_PAGE_BYTES = 1 << 12;
    private static final Duration TIMEOUT_UNIT = Duration.ofMillis(500);

    /**
     * Validates a value of the register.
     *
     * @throws VfioException if it contradicts the specification, or this driver does not support it
     */
    static Capabilities of(String operation, long register) {
        Capabilities capabilities = new Capabilities(register);
        if (capabilities.minPageShift() > capabilities.maxPageShift()) {
            throw unusable(
                    Kind.DEVICE_ERROR,
                    operation,
                    register,
                    "its minimum page size, 2^%d bytes, exceeds its maximum, 2^%d"
                            .formatted(capabilities.minPageShift(), capabilities.maxPageShift()));
        }
        if (capabilities.minPageShift() > MAX_PAGE_SHIFT) {
            throw unusable(
                    Kind.UNSUPPORTED,
                    operation,
                    register,
                    "its minimum page size is 2^%d bytes, and this driver supports up to 2^%d"
                            .formatted(capabilities.minPageShift(), MAX_PAGE_SHIFT));
        }
        if (capabilities.queueEntries() < 2) {
            throw unusable(Kind.DEVICE_ERROR, operation, register, "its queues have a single entry (MQES 0)");
        }
        if (!capabilities.hasNvmCommands()) {
            throw unusable(Kind.UNSUPPORTED, operation, register, "it does not support the NVM command set");
        }
        return capabilities;
    }

    private static VfioException unusable(Kind kind, String operation, long register, String reason) {
        return new VfioException(
                kind,
                operation,
                reason + " [CAP = 0x%016x]".formatted(register),
                "use another drive, or newer firmware of this one");
    }

    /** The maximum number of entries of an I/O queue: MQES, which is zero-based. */
    int queueEntries() {
        return (int) (register & 0xffff) + 1;
    }

    /** TO: how long enabling and disabling may take. */
    Duration timeout() {
        return TIMEOUT_UNIT.multipliedBy(Math.max(1, register >>> 24 & 0xff));
    }

    /** The distance of two doorbells in bytes: 4 << DSTRD. */
    int doorbellStride() {
        return 4 << (register >>> 32 & 0xf);
    }

    private boolean hasNvmCommands() {
        return canSelectNvm() || hasCommandSets();
    }

    /** Whether the NVM command set alone can be selected (CSS bit 0). */
    boolean canSelectNvm() {
        // A zero, which the specification does not allow, can only mean the NVM command set.
        return (commandSets() & 1) != 0 || commandSets() == 0;
    }

    private int commandSets() {
        return (int) (register >>> 37 & 0xff);
    }

    /** Whether namespaces can have other I/O command sets than NVM (CSS bit 6). */
    boolean hasCommandSets() {
        return (commandSets() & 1 << 6) != 0;
    }

    /** MPSMIN, as log2 of bytes. */
    int minPageShift() {
        return MIN_PAGE_SHIFT + (int) (register >>> 48 & 0xf);
    }

    /** MPSMAX, as log2 of bytes. */
    int maxPageShift() {
        return MIN_PAGE_SHIFT + (int) (register >>> 52 & 0xf);
    }

    /** Whether the register CRTO has timeouts of its own: CRMS. */
    boolean hasReadyTimeouts() {
        return (register >>> 59 & 0x3) != 0;
    }

    /** The supported memory page size that is nearest to 4096 bytes. */
    int defaultPageBytes() {
        return Math.clamp(DEFAULT_PAGE_BYTES, 1 << minPageShift(), 1 << Math.min(maxPageShift(), MAX_PAGE_SHIFT));
    }

    /**
     * Log2 of a memory page size.
     *
     * @throws VfioException if the controller or this driver does not support the size
     */
    int pageShift(String operation, int pageBytes) {
        int shift = Integer.numberOfTrailingZeros(pageBytes);
        if (shift < minPageShift() || shift > Math.min(MAX_PAGE_SHIFT, maxPageShift())) {
            throw new VfioException(
                    Kind.UNSUPPORTED,
                    operation,
                    "it has no pages of %d bytes, only from 2^%d to 2^%d"
                            .formatted(pageBytes, minPageShift(), maxPageShift()),
                    "omit the page size, or choose one of those");
        }
        return shift;
    }
}
