package org.jvfio.emulator.device;

/**
 * The interrupts of a PCI device.
 *
 * @param line whether it has INTx (pin INTA)
 * @param messages the number of MSI messages: a power of two up to 32, or 0 for no MSI
 * @param vectors the number of MSI-X vectors: up to 2048, or 0 for no MSI-X
 * @param tableBar the BAR with the MSI-X table and its pending bits, 0 to 5
 * @param tableOffset the offset of the table in that BAR in bytes, a multiple of 8; it has 16 bytes for each vector
 * @param pendingOffset the offset of the pending bits in that BAR in bytes, a multiple of 8; they have 8 bytes for 64
 *     vectors, and do not overlap the table
 */
public record DeviceInterrupts(
        boolean line, int messages, int vectors, int tableBar, long tableOffset, long pendingOffset) {
    /** A device that never interrupts. */
    public static final DeviceInterrupts NONE = new DeviceInterrupts(false, 0, 0, 0, 0, 0);

    /** The maximum number of MSI-X vectors. */
    public static final int MAX_VECTORS = 2048;

    private static final int MAX_MESSAGES = 32;
    private static final long ENTRY_BYTES = 16;
    private static final int LAST_BAR = 5;

    public DeviceInterrupts {
        if (messages != 0 && (messages < 0 || messages > MAX_MESSAGES || Integer.bitCount(messages) != 1)) {
            throw new IllegalArgumentException(messages + " MSI messages: the number is 0 or a power of two up to 32");
        }
        if (vectors < 0 || vectors > MAX_VECTORS) {
            throw new IllegalArgumentException(vectors + " MSI-X vectors: the range is 0 to " + MAX_VECTORS);
        }
        if (tableBar < 0 || tableBar > LAST_BAR) {
            throw new IllegalArgumentException("an MSI-X table in BAR " + tableBar + ": the range is 0 to 5");
        }
        if (tableOffset < 0 || tableOffset % 8 != 0 || pendingOffset < 0 || pendingOffset % 8 != 0) {
            throw new IllegalArgumentException(
                    "an MSI-X table at 0x%x with pending bits at 0x%x: both are multiples of 8"
                            .formatted(tableOffset, pendingOffset));
        }
        long tableEnd = tableOffset + vectors * ENTRY_BYTES;
        long pendingEnd = pendingOffset + Math.ceilDiv(vectors, Long.SIZE) * (long) Long.BYTES;
        if (vectors > 0 && tableOffset < pendingEnd && pendingOffset < tableEnd) {
            throw new IllegalArgumentException(
                    "an MSI-X table from 0x%x to 0x%x and pending bits from 0x%x to 0x%x of BAR %d: they overlap"
                            .formatted(tableOffset, tableEnd, pendingOffset, pendingEnd, tableBar));
        }
    }

    /** INTx, and MSI with a number of messages (0 for no MSI). */
    public static DeviceInterrupts of(boolean line, int messages) {
        return new DeviceInterrupts(line, messages, 0, 0, 0, 0);
    }
}
