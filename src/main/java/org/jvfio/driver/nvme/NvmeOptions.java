package org.jvfio.driver.nvme;

import java.time.Duration;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.function.Consumer;
import org.jvfio.DmaWindow;
import org.jvfio.RecoveryOptions;

/**
 * How to drive a controller. Immutable.
 *
 * <pre>{@code
 * NvmeOptions.builder().queuePairs(4).completion(NvmeCompletion.MSIX).build()
 * }</pre>
 */
public final class NvmeOptions {
    /** The maximum number of pairs of I/O queues. */
    public static final int MAX_QUEUE_PAIRS = (1 << 16) - 1;

    /** The maximum of {@link Builder#maxTransferBytes}: 65536 blocks of 4096 bytes, with PRP lists of 516 KiB. */
    public static final int MAX_TRANSFER_BYTES = 1 << 28;

    /**
     * One pair of queues of 128 entries, polled; timeouts of 30 seconds; at most 2 MiB in a command, because some
     * controllers that report no limit, QEMU's among them, fail larger ones; 2 retries.
     */
    public static final NvmeOptions DEFAULT = builder().build();

    private static final int MAX_ENTRIES = 1 << 16;
    private static final int MIN_TRANSFER = 1 << 12;
    private static final Duration MIN_TIMEOUT = Duration.ofMillis(1);
    private static final Duration MAX_TIMEOUT = Duration.ofDays(1);

    private final int queuePairs;
    private final int queueDepth;
    private final NvmeCompletion completion;
    private final Duration commandTimeout;
    private final Duration adminTimeout;
    private final int maxTransferBytes;
    private final OptionalInt pageBytes;
    private final int retries;
    private final Optional<DmaWindow> window;
    private final Consumer<NvmeEvent> events;
    private final Optional<RecoveryOptions> recovery;
    private final Optional<Set<NvmeQuirk>> quirks;
    private final Duration notReadyTimeout;
    private final long bufferBytes;

    private NvmeOptions(Builder from) {
        queuePairs = from.queuePairs;
        queueDepth = from.queueDepth;
        completion = from.completion;
        commandTimeout = from.commandTimeout;
        adminTimeout = from.adminTimeout;
        maxTransferBytes = from.maxTransferBytes;
        pageBytes = from.pageBytes;
        retries = from.retries;
        window = from.window;
        events = from.events;
        recovery = from.recovery;
        quirks = from.quirks;
        notReadyTimeout = from.notReadyTimeout;
        bufferBytes = from.bufferBytes;
    }

    /** A builder with the values of {@link #DEFAULT}. */
    public static Builder builder() {
        return new Builder();
    }

    /** A builder with the values of these options. */
    public Builder toBuilder() {
        Builder builder = new Builder();
        builder.queuePairs = queuePairs;
        builder.queueDepth = queueDepth;
        builder.completion = completion;
        builder.commandTimeout = commandTimeout;
        builder.adminTimeout = adminTimeout;
        builder.maxTransferBytes = maxTransferBytes;
        builder.pageBytes = pageBytes;
        builder.retries = retries;
        builder.window = window;
        builder.events = events;
        builder.recovery = recovery;
        builder.quirks = quirks;
        builder.notReadyTimeout = notReadyTimeout;
        builder.bufferBytes = bufferBytes;
        return builder;
    }

    /** The number of pairs of I/O queues to request; the controller may grant fewer. */
    public int queuePairs() {
        return queuePairs;
    }

    /** The number of entries of each I/O queue. */
    public int queueDepth() {
        return queueDepth;
    }

    /** How completions are found. */
    public NvmeCompletion completion() {
        return completion;
    }

    /** The timeout of an I/O command. */
    public Duration commandTimeout() {
        return commandTimeout;
    }

    /** The timeout of an admin command of the driver. */
    public Duration adminTimeout() {
        return adminTimeout;
    }

    /** The maximum number of bytes of one command. */
    public int maxTransferBytes() {
        return maxTransferBytes;
    }

    /** The memory page size of the controller (CC.MPS) in bytes; empty for the supported one nearest to 4096. */
    public OptionalInt pageBytes() {
        return pageBytes;
    }

    /** How often {@link NvmeNamespace} retries a command, and the driver an admin command. */
    public int retries() {
        return retries;
    }

    /** The DMA window to map queues and buffers in; empty for the default window, or the only one. */
    public Optional<DmaWindow> window() {
        return window;
    }

    /** The listener of asynchronous events. */
    public Consumer<NvmeEvent> events() {
        return events;
    }

    /** How the controller is recovered when its PE freezes; empty if it fails then. */
    public Optional<RecoveryOptions> recovery() {
        return recovery;
    }

    /** The quirks that the drive is driven with; empty for those that {@link NvmeQuirks} has for it. */
    public Optional<Set<NvmeQuirk>> quirks() {
        return quirks;
    }

    /** How long a command is retried whose namespace is not ready, and the longest delay before a retry. */
    public Duration notReadyTimeout() {
        return notReadyTimeout;
    }

    /** The bytes of buffers that the program is going to allocate; 0 if it does not say. */
    public long bufferBytes() {
        return bufferBytes;
    }

    /** Builds {@link NvmeOptions}. Each method checks its argument and returns this builder. */
    public static final class Builder {
        private int queuePairs = 1;
        private int queueDepth = 128;
        private NvmeCompletion completion = NvmeCompletion.POLLED;
        private Duration commandTimeout = Duration.ofSeconds(30);
        private Duration adminTimeout = Duration.ofSeconds(30);
        private int maxTransferBytes = 2 << 20;
        private OptionalInt pageBytes = OptionalInt.empty();
        private int retries = 2;
        private Optional<DmaWindow> window = Optional.empty();
        private Consumer<NvmeEvent> events = event -> {};
        private Optional<RecoveryOptions> recovery = Optional.of(RecoveryOptions.DEFAULT);
        private Optional<Set<NvmeQuirk>> quirks = Optional.empty();
        private Duration notReadyTimeout = Duration.ofSeconds(30);
        private long bufferBytes;

        private Builder() {}

        /**
         * Sets the number of pairs of I/O queues to request; the controller may grant fewer.
         *
         * @param count 1 to {@link #MAX_QUEUE_PAIRS}
         * @throws IllegalArgumentException if it is out of range
         */
        public Builder queuePairs(int count) {
            requireRange("pairs of queues", count, 1, MAX_QUEUE_PAIRS);
            queuePairs = count;
            return this;
        }

        /**
         * Sets the number of entries of each I/O queue, which the controller may limit (CAP.MQES). One fewer commands
         * can be in flight.
         *
         * @param entries 2 to 65536
         * @throws IllegalArgumentException if it is out of range
         */
        public Builder queueDepth(int entries) {
            requireRange("entries of a queue", entries, 2, MAX_ENTRIES);
            queueDepth = entries;
            return this;
        }

        /** Sets how completions are found. */
        public Builder completion(NvmeCompletion how) {
            completion = Objects.requireNonNull(how, "completion");
            return this;
        }

        /**
         * Sets the time after which an I/O command is aborted, and the controller reset if that fails. It begins with
         * the driver's next check, which is made after a quarter of the timeout, and 50 ms at most.
         *
         * @param timeout 1 millisecond to 1 day
         * @throws IllegalArgumentException if it is out of range
         */
        public Builder commandTimeout(Duration timeout) {
            requireTimeout(timeout);
            commandTimeout = timeout;
            return this;
        }

        /**
         * Sets the time after which an admin command of the driver resets the controller, or disables it while it is
         * opened, reset or closed.
         *
         * @param timeout 1 millisecond to 1 day
         * @throws IllegalArgumentException if it is out of range
         */
        public Builder adminTimeout(Duration timeout) {
            requireTimeout(timeout);
            adminTimeout = timeout;
            return this;
        }

        /**
         * Sets the maximum number of bytes of one command, which the controller may limit (MDTS). Each entry of an I/O
         * queue has memory for a PRP list of that many bytes, 8 bytes for a page and at least 4 KiB: with pages of 4096
         * bytes 4 KiB for up to 2 MiB, 68 KiB for 32 MiB.
         *
         * @param bytes 4096 to {@link #MAX_TRANSFER_BYTES}
         * @throws IllegalArgumentException if it is out of range
         */
        public Builder maxTransferBytes(int bytes) {
            requireRange("bytes of a command", bytes, MIN_TRANSFER, MAX_TRANSFER_BYTES);
            maxTransferBytes = bytes;
            return this;
        }

        /**
         * Sets the memory page size of the controller (CC.MPS), which is independent of the IOMMU page size.
         *
         * @param bytes a power of two
         * @throws IllegalArgumentException if it is not a power of two
         */
        public Builder pageBytes(int bytes) {
            if (bytes <= 0 || Integer.bitCount(bytes) != 1) {
                throw new IllegalArgumentException("a memory page size of " + bytes + " bytes: use a power of two");
            }
            pageBytes = OptionalInt.of(bytes);
            return this;
        }

        /**
         * Sets how often {@link NvmeNamespace} retries a command whose status allows it, how often the driver retries
         * one of its admin commands, and how often it submits a command again that was in flight when the PE froze. An
         * {@link NvmeRequest} is not retried otherwise. Between two tries it waits as long as the controller asks for
         * (CRD, Command Retry Delay), but at most for {@link #notReadyTimeout}, or else for 1 ms, 2 ms and so on up to
         * 500 ms.
         *
         * @param count at least 0
         * @throws IllegalArgumentException if it is negative
         */
        public Builder retries(int count) {
            requireRange("retries", count, 0, Integer.MAX_VALUE);
            retries = count;
            return this;
        }

        /** Sets the DMA window to map the queues and the buffers of {@link NvmeController#allocate} in. */
        public Builder window(DmaWindow of) {
            window = Optional.of(of);
            return this;
        }

        /**
         * Sets the listener of asynchronous events. It runs in the thread of the driver that checks timeouts, so it
         * must return quickly. An exception that it throws goes to the {@linkplain Thread#getUncaughtExceptionHandler
         * uncaught exception handler} of that thread.
         */
        public Builder events(Consumer<NvmeEvent> listener) {
            events = Objects.requireNonNull(listener, "listener");
            return this;
        }

        /**
         * Sets how the controller is recovered when its PE freezes ({@link org.jvfio.Device#recover}): how long that
         * may take, and how often the device is reset. The recovery runs in the thread of the driver that checks
         * timeouts, which is blocked by the listener; the listener must not call the controller.
         */
        public Builder recovery(RecoveryOptions how) {
            recovery = Optional.of(how);
            return this;
        }

        /** Leaves a frozen PE alone: the controller fails, and all commands in flight with it. */
        public Builder withoutRecovery() {
            recovery = Optional.empty();
            return this;
        }

        /** Sets the quirks that the drive is driven with, in place of those that {@link NvmeQuirks} has for it. */
        public Builder quirks(Set<NvmeQuirk> known) {
            quirks = Optional.of(Set.copyOf(known));
            return this;
        }

        /**
         * Sets how long {@link NvmeNamespace}, and the driver for its admin commands, retries a command that the
         * controller rejects because the namespace is not ready, or is being formatted or sanitized; that is not
         * counted by {@link #retries}. After power on some drives take half a minute.
         *
         * @param timeout 1 millisecond to 1 day
         * @throws IllegalArgumentException if it is out of range
         */
        public Builder notReadyTimeout(Duration timeout) {
            requireTimeout(timeout);
            notReadyTimeout = timeout;
            return this;
        }

        /**
         * Sets how many bytes the program is going to allocate ({@link NvmeController#allocate}), in one piece or in
         * whole pages. {@link NvmeController#open} then checks before it locks anything that the process may lock them
         * beside the queues and the table of the window, and names the limit that suffices for all of it.
         *
         * @param bytes at least 0
         * @throws IllegalArgumentException if it is negative
         */
        public Builder bufferBytes(long bytes) {
            if (bytes < 0) {
                throw new IllegalArgumentException(bytes + " bytes of buffers: use at least 0");
            }
            bufferBytes = bytes;
            return this;
        }

        /** Builds the options. */
        public NvmeOptions build() {
            return new NvmeOptions(this);
        }

        private static void requireTimeout(Duration timeout) {
            if (timeout.compareTo(MIN_TIMEOUT) < 0 || timeout.compareTo(MAX_TIMEOUT) > 0) {
                throw new IllegalArgumentException(
                        "a timeout of " + timeout + " for a command: use 1 millisecond to 1 day");
            }
        }

        private static void requireRange(String what, int value, int min, int max) {
            if (value < min || value > max) {
                throw new IllegalArgumentException("%d %s: use %d to %d".formatted(value, what, min, max));
            }
        }
    }
}
