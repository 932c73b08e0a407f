package org.jvfio.emulator.nvme;

import java.time.Duration;

/** The registers of a controller, except for its doorbells (NVM Express 1.4, 3.1). */
final class Registers {
    static final int CAPABILITIES = 0x00;
    static final int VERSION = 0x08;
    static final int MASK_SET = 0x0c;
    static final int MASK_CLEAR = 0x10;
    static final int CONFIGURATION = 0x14;
    static final int STATUS = 0x1c;
    static final int ADMIN_QUEUE_SIZES = 0x24;
    static final int ADMIN_SUBMISSION_QUEUE = 0x28;
    static final int ADMIN_COMPLETION_QUEUE = 0x30;
    static final int READY_TIMEOUTS = 0x68;
    static final int DOORBELLS = 0x1000;

    static final int VERSION_1_4 = 0x00010400;

    static final int ENABLE = 1;
    static final int READY = 1;
    static final int FATAL = 1 << 1;
    static final int SHUTDOWN_OCCURRING = 1 << 2;
    static final int SHUTDOWN_COMPLETE = 1 << 3;

    private static final int CONTIGUOUS_QUEUES_SHIFT = 16;
    private static final int TIMEOUT_SHIFT = 24;
    private static final int STRIDE_SHIFT = 32;
    private static final int COMMAND_SETS_SHIFT = 37;
    private static final int SMALLEST_PAGE_SHIFT = 48;
    private static final int LARGEST_PAGE_SHIFT = 52;
    private static final int READY_WITH_MEDIA_SHIFT = 59;
    private static final int QUEUE_SIZE_MASK = 0xfff;
    private static final int COMMAND_SETS_ALL = 6;

    private final long capabilities;
    private final Configuration.Limits limits;
    private final boolean anyArbitration;
    private final boolean keepsReserved;
    private final int mediaTimeout;
    private int configuration;
    private int status;
    private int adminQueueSizes;
    private long adminSubmissionQueue;
    private long adminCompletionQueue;

    /**
     * Creates registers in the power-on state.
     *
     * @param wrong the bits of CAP that are flipped
     */
    Registers(Configuration configuration, long wrong) {
        limits = configuration.limits();
        anyArbitration = configuration.has(Deviation.ANY_ARBITRATION);
        keepsReserved = configuration.has(Deviation.KEEPS_RESERVED_AQA);
        mediaTimeout = units(configuration.mediaTimeout());
        capabilities = ((limits.queueEntries() - 1)
                        | 1L << CONTIGUOUS_QUEUES_SHIFT
                        | (long) units(configuration.readyTimeout()) << TIMEOUT_SHIFT
                        | (long) limits.doorbellStride() << STRIDE_SHIFT
                        | (long) limits.commandSets() << COMMAND_SETS_SHIFT
                        | pageField(limits.minPageShift()) << SMALLEST_PAGE_SHIFT
                        | pageField(limits.maxPageShift()) << LARGEST_PAGE_SHIFT
                        | (mediaTimeout == 0 ? 0 : 1L << READY_WITH_MEDIA_SHIFT))
                ^ wrong;
    }

    /** Whether a specification up to 2.0 defines a register with an offset and size, implemented or not (3.1). */
    static boolean isDefined(int offset, int size) {
        return switch (offset) {
            case CAPABILITIES, ADMIN_SUBMISSION_QUEUE, ADMIN_COMPLETION_QUEUE, 0x48, 0x50 -> size >= Integer.BYTES;
            case CAPABILITIES + 4, ADMIN_SUBMISSION_QUEUE + 4, ADMIN_COMPLETION_QUEUE + 4, 0x4c, 0x54 ->
                size == Integer.BYTES;
            case VERSION, MASK_SET, MASK_CLEAR, CONFIGURATION, STATUS, 0x20, ADMIN_QUEUE_SIZES -> size == Integer.BYTES;
            case 0x38, 0x3c, 0x40, 0x44, 0x58, 0x5c, 0x60, 0x64, READY_TIMEOUTS -> size == Integer.BYTES;
            default -> false;
        };
    }

    private static int units(Duration timeout) {
        return (int) Configuration.timeoutUnits(timeout);
    }

    private static long pageField(int shift) {
        return (long) shift - Configuration.SMALLEST_PAGE_SHIFT;
    }

    /**
     * Reads 4 bytes.
     *
     * @param mask the interrupt mask
     */
    int read(int offset, int mask) {
        return switch (offset) {
            case CAPABILITIES -> (int) capabilities;
            case CAPABILITIES + 4 -> (int) (capabilities >>> Integer.SIZE);
            case VERSION -> VERSION_1_4;
            case MASK_SET, MASK_CLEAR -> mask;
            case CONFIGURATION -> configuration;
            case STATUS -> status;
            case ADMIN_QUEUE_SIZES -> adminQueueSizes;
            case READY_TIMEOUTS -> mediaTimeout;
            case ADMIN_SUBMISSION_QUEUE -> (int) adminSubmissionQueue;
            case ADMIN_SUBMISSION_QUEUE + 4 -> (int) (adminSubmissionQueue >>> Integer.SIZE);
            case ADMIN_COMPLETION_QUEUE -> (int) adminCompletionQueue;
            case ADMIN_COMPLETION_QUEUE + 4 -> (int) (adminCompletionQueue >>> Integer.SIZE);
            default -> 0;
        };
    }

    /** Writes 4 bytes of AQA, ASQ or ACQ; other registers ignore the write. */
    void writeAdminQueues(int offset, int value) {
        switch (offset) {
            case ADMIN_QUEUE_SIZES ->
                adminQueueSizes = keepsReserved ? value : value & (QUEUE_SIZE_MASK << Short.SIZE | QUEUE_SIZE_MASK);
            case ADMIN_SUBMISSION_QUEUE -> adminSubmissionQueue = low(adminSubmissionQueue, value);
            case ADMIN_SUBMISSION_QUEUE + 4 -> adminSubmissionQueue = high(adminSubmissionQueue, value);
            case ADMIN_COMPLETION_QUEUE -> adminCompletionQueue = low(adminCompletionQueue, value);
            case ADMIN_COMPLETION_QUEUE + 4 -> adminCompletionQueue = high(adminCompletionQueue, value);
            default -> {
                // Read-only, reserved, or of a feature that CAP does not report.
            }
        }
    }

    private static long low(long register, int value) {
        return register >>> Integer.SIZE << Integer.SIZE | Integer.toUnsignedLong(value);
    }

    private static long high(long register, int value) {
        return (long) value << Integer.SIZE | Integer.toUnsignedLong((int) register);
    }

    /** A function reset also clears the addresses of the admin queues. */
    void powerOn() {
        configuration = 0;
        status = 0;
        adminQueueSizes = 0;
        adminSubmissionQueue = 0;
        adminCompletionQueue = 0;
    }

    int configuration() {
        return configuration;
    }

    void configuration(int value) {
        configuration = value;
    }

    int status() {
        return status;
    }

    void status(int value) {
        status = value;
    }

    /** Whether commands are processed. */
    boolean isRunning() {
        return status == READY;
    }

    /** The memory page size that the host has set, in bytes. */
    long pageBytes() {
        return 1L << (Configuration.SMALLEST_PAGE_SHIFT + (configuration >>> 7 & 0xf));
    }

    /** The size of the admin submission queue in entries. */
    int adminSubmissions() {
        return (adminQueueSizes & QUEUE_SIZE_MASK) + 1;
    }

    /** The size of the admin completion queue in entries. */
    int adminCompletions() {
        return (adminQueueSizes >>> Short.SIZE & QUEUE_SIZE_MASK) + 1;
    }

    /** The bus address of the admin submission queue. */
    long adminSubmissionQueue() {
        return adminSubmissionQueue;
    }

    /** The bus address of the admin completion queue. */
    long adminCompletionQueue() {
        return adminCompletionQueue;
    }

    /** The maximum entries of an I/O queue. */
    int queueEntries() {
        return limits.queueEntries();
    }

    /** Whether CC.IOSQES and CC.IOCQES are valid. */
    boolean hasEntrySizes() {
        return (configuration >>> 16 & 0xf) == Command.ENTRY_SHIFT
                && (configuration >>> 20 & 0xf) == CompletionQueue.ENTRY_SHIFT;
    }

    private int commandSets() {
        return configuration >>> 4 & 0x7;
    }

    /** Whether the host has selected all supported I/O command sets. */
    boolean hasAllCommandSets() {
        return commandSets() == COMMAND_SETS_ALL;
    }

    /** Whether commands are processed although the host has requested a shutdown. */
    boolean isReady() {
        return (status & (READY | FATAL)) == READY;
    }

    /** Whether the host has set a supported configuration. */
    boolean isEnableable() {
        long page = pageBytes();
        return (limits.commandSets() >>> commandSets() & 1) != 0
                && (anyArbitration || (configuration >>> 11 & 0x7) == 0)
                && page >= 1L << limits.minPageShift()
                && page <= 1L << limits.maxPageShift()
                && adminSubmissions() > 1
                && adminCompletions() > 1
                && (adminSubmissionQueue & (page - 1)) == 0
                && (adminCompletionQueue & (page - 1)) == 0;
    }
}
