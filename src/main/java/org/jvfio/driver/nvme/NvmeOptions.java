package org.jvfio.driver.nvme;

import java.time.Duration;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.function.Consumer;
import org.jvfio.DmaWindow;

/**
 * How a controller is driven. Immutable; each method with an argument gives other options.
 *
 * <pre>{@code
 * NvmeOptions.DEFAULT.queuePairs(4).completion(NvmeCompletion.MSIX)
 * }</pre>
 *
 * @param queuePairs how many pairs of I/O queues to ask for, 1 to 65535; the controller may have fewer
 * @param queueDepth entries of each I/O queue, 2 to 65536; one fewer commands are under way at a time, and fewer still if
 *     the controller's queues are shorter
 * @param completion how completions are noticed
 * @param commandTimeout after which a command is aborted, and the controller reset if that does not help
 * @param adminTimeout after which a command of the driver's own makes the controller be reset, or be given up if it is
 *     being opened or reset
 * @param maxTransferBytes the most that one command transfers, 4096 to {@link #MAX_TRANSFER_BYTES}; the controller may
 *     take less at a time (MDTS). Each entry of an I/O queue has memory for a list of as many pages of the controller as
 *     a command can have, 8 bytes a page: with pages of 4096 bytes 1 KiB if it takes 512 KiB, 4 KiB for 2 MiB, 68 KiB for
 *     32 MiB
 * @param pageBytes the controller's memory page (CC.MPS), a power of two; the page nearest to 4096 that it has if empty. It
 *     has nothing to do with the pages of the IOMMU
 * @param retries how often a command that may be retried is tried again by {@link NvmeNamespace}; a {@link NvmeRequest} is
 *     never
 * @param window the DMA window of the queues and of {@link NvmeController#allocate}; the default window if empty, or the
 *     only one there is
 * @param events is told of the controller's asynchronous events, by a thread of the driver, which it must not hold up. What it
 *     throws goes to the {@linkplain Thread#getUncaughtExceptionHandler uncaught exception handler}
 */
public record NvmeOptions(
        int queuePairs,
        int queueDepth,
        NvmeCompletion completion,
        Duration commandTimeout,
        Duration adminTimeout,
        int maxTransferBytes,
        OptionalInt pageBytes,
        int retries,
        Optional<DmaWindow> window,
        Consumer<NvmeEvent> events) {
    /** The most pairs of I/O queues that a controller can have. */
    public static final int MAX_QUEUE_PAIRS = (1 << 16) - 1;

    /** The most that one command can be let transfer: 65536 blocks of 4096 bytes, with lists of 516 KiB. */
    public static final int MAX_TRANSFER_BYTES = 1 << 28;

    private static final int MAX_ENTRIES = 1 << 16;
    private static final int MIN_TRANSFER = 1 << 12;
    private static final Duration MAX_TIMEOUT = Duration.ofDays(1);

    /**
     * One pair of queues of 128 entries, polled; 30 seconds for a command, up to 2 MiB in it: more is
     * too much for some controllers that say that they have no limit, QEMU's among them.
     */
    public static final NvmeOptions DEFAULT = new NvmeOptions(
            1,
            128,
            NvmeCompletion.POLLED,
            Duration.ofSeconds(30),
            Duration.ofSeconds(30),
            2 << 20,
            OptionalInt.empty(),
            2,
            Optional.empty(),
            event -> {});

    public NvmeOptions {
        requireRange("pairs of queues", queuePairs, 1, MAX_QUEUE_PAIRS);
        requireRange("entries of a queue", queueDepth, 2, MAX_ENTRIES);
        requireRange("bytes of a transfer at most", maxTransferBytes, MIN_TRANSFER, MAX_TRANSFER_BYTES);
        requireRange("retries", retries, 0, Integer.MAX_VALUE);
        requireTimeout(commandTimeout);
        requireTimeout(adminTimeout);
        if (pageBytes.isPresent() && Integer.bitCount(pageBytes.getAsInt()) != 1) {
            throw new IllegalArgumentException(
                    "controller pages of " + pageBytes.getAsInt() + " bytes: use a power of two");
        }
    }

    private static void requireTimeout(Duration timeout) {
        if (timeout.compareTo(Duration.ofMillis(1)) < 0 || timeout.compareTo(MAX_TIMEOUT) > 0) {
            throw new IllegalArgumentException(
                    "a timeout of " + timeout + " for a command: use 1 millisecond to 1 day");
        }
    }

    private static void requireRange(String what, int value, int least, int most) {
        if (value < least || value > most) {
            throw new IllegalArgumentException("%d %s: use %d to %d".formatted(value, what, least, most));
        }
    }

    /** Options in the making. */
    private static final class Draft {
        private int queuePairs;
        private int queueDepth;
        private NvmeCompletion completion;
        private Duration commandTimeout;
        private Duration adminTimeout;
        private int maxTransferBytes;
        private OptionalInt pageBytes;
        private int retries;
        private Optional<DmaWindow> window;
        private Consumer<NvmeEvent> events;

        private Draft(NvmeOptions of) {
            queuePairs = of.queuePairs;
            queueDepth = of.queueDepth;
            completion = of.completion;
            commandTimeout = of.commandTimeout;
            adminTimeout = of.adminTimeout;
            maxTransferBytes = of.maxTransferBytes;
            pageBytes = of.pageBytes;
            retries = of.retries;
            window = of.window;
            events = of.events;
        }
    }

    private NvmeOptions with(Consumer<Draft> change) {
        Draft draft = new Draft(this);
        change.accept(draft);
        return new NvmeOptions(
                draft.queuePairs,
                draft.queueDepth,
                draft.completion,
                draft.commandTimeout,
                draft.adminTimeout,
                draft.maxTransferBytes,
                draft.pageBytes,
                draft.retries,
                draft.window,
                draft.events);
    }

    /** The same with so many pairs of I/O queues. */
    public NvmeOptions queuePairs(int count) {
        return with(draft -> draft.queuePairs = count);
    }

    /** The same with I/O queues of so many entries. */
    public NvmeOptions queueDepth(int entries) {
        return with(draft -> draft.queueDepth = entries);
    }

    /** The same with completions noticed in this way. */
    public NvmeOptions completion(NvmeCompletion how) {
        return with(draft -> draft.completion = how);
    }

    /** The same with such a timeout. */
    public NvmeOptions commandTimeout(Duration timeout) {
        return with(draft -> draft.commandTimeout = timeout);
    }

    /** The same with such a timeout of the driver's own commands. */
    public NvmeOptions adminTimeout(Duration timeout) {
        return with(draft -> draft.adminTimeout = timeout);
    }

    /** The same with at most so many bytes in a command. */
    public NvmeOptions maxTransferBytes(int bytes) {
        return with(draft -> draft.maxTransferBytes = bytes);
    }

    /** The same with this memory page of the controller. */
    public NvmeOptions pageBytes(int bytes) {
        return with(draft -> draft.pageBytes = OptionalInt.of(bytes));
    }

    /** The same with so many retries. */
    public NvmeOptions retries(int count) {
        return with(draft -> draft.retries = count);
    }

    /** The same with DMA through this window of the device's container. */
    public NvmeOptions window(DmaWindow of) {
        return with(draft -> draft.window = Optional.of(of));
    }

    /** The same with this listener of the controller's events, which must not take long: it holds up timeouts. */
    public NvmeOptions events(Consumer<NvmeEvent> listener) {
        return with(draft -> draft.events = listener);
    }
}
