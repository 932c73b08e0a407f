package org.jvfio.emulator.nvme;

/**
 * A known way in which real drives misbehave, for tests of drivers: {@link EmulatedNvme.Builder#oddities}. A {@link
 * DrivePreset} has those of a known drive.
 */
public enum DriveOddity {
    /** A read of CSTS within a second after CC.EN was cleared makes it hang for good, with CSTS.RDY set. */
    HANGS_ON_EARLY_READY_CHECK,
    /** It fails (CSTS.CFS) when it is enabled with an admin submission queue that is no multiple of 64 entries. */
    NEEDS_WHOLE_ADMIN_QUEUE,
    /** Identify knows namespaces and the controller alone, and returns Invalid Field for lists and all others. */
    NO_IDENTIFY_LISTS,
    /** Identify takes lists, and all others, for the controller's data structure. */
    CONFUSES_IDENTIFY_LISTS,
    /** It reads 4096 bytes of a range list (Dataset Management), however short it is. */
    OVER_READS_RANGES,
    /** It sends no MSI interrupts; MSI-X and INTx work. */
    SILENT_MSI,
    /** It sends no interrupts at all. */
    SILENT_INTERRUPTS,
    /** Its registers read all ones, and ignore writes, for 250 ms after a function reset. */
    LATE_REGISTERS,
    /** Write Zeroes succeeds and changes nothing. */
    IGNORES_WRITE_ZEROES,
    /** It drops all but the lowest 48 bits of bus addresses. */
    DMA_48_BITS,
    /** An I/O queue stalls if it gets commands within 50 ms after it was created. */
    SLOW_QUEUE_CREATION,
    /** It is degraded: it refuses Number of Queues with Internal Error. */
    REFUSES_QUEUES,
    /**
     * I/O commands return Namespace Not Ready for a second after it was first enabled. It reports a Command Retry Delay
     * Time of 100 ms, and selects it for hosts that have enabled that.
     */
    NOT_READY_AT_FIRST
}
