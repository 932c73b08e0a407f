package org.jvfio.emulator.device;

/**
 * How a PCI device interrupts.
 *
 * @param line whether it has an interrupt line (INTA)
 * @param messages how many MSI messages it can send: a power of two up to 32, or 0 if it has no MSI
 * @param vectors how many MSI-X vectors it has: up to 2048, or 0 if it has no MSI-X
 * @param tableBar the BAR that the MSI-X table and its pending bits are in
 * @param tableOffset where the table begins in that BAR, in bytes, a multiple of 8; it has 16 bytes for each vector
 * @param pendingOffset where the pending bits begin in that BAR, in bytes, a multiple of 8
 */
public record DeviceInterrupts(
        boolean line, int messages, int vectors, int tableBar, long tableOffset, long pendingOffset) {
    /** A device that never interrupts. */
    public static final DeviceInterrupts NONE = new DeviceInterrupts(false, 0, 0, 0, 0, 0);

    /** The size of the largest MSI-X table. */
    public static final int MAX_VECTORS = 2048;

    private static final int MAX_MESSAGES = 32;
    private static final int LAST_BAR = 5;

    public DeviceInterrupts {
        if (messages != 0 && (messages < 0 || messages > MAX_MESSAGES || Integer.bitCount(messages) != 1)) {
            throw new IllegalArgumentException(messages + " MSI messages: a device has 1, 2, 4, 8, 16, 32 or none");
        }
        if (vectors < 0 || vectors > MAX_VECTORS) {
            throw new IllegalArgumentException(vectors + " MSI-X vectors: a device has 0 to " + MAX_VECTORS);
        }
        if (tableBar < 0 || tableBar > LAST_BAR) {
            throw new IllegalArgumentException("an MSI-X table in BAR " + tableBar + ": there are BARs 0 to 5");
        }
        if (tableOffset < 0 || tableOffset % 8 != 0 || pendingOffset < 0 || pendingOffset % 8 != 0) {
            throw new IllegalArgumentException(
                    "an MSI-X table at 0x%x with pending bits at 0x%x: both are multiples of 8"
                            .formatted(tableOffset, pendingOffset));
        }
    }

    /** A line, and MSI with so many messages (0 for none). */
    public static DeviceInterrupts of(boolean line, int messages) {
        return new DeviceInterrupts(line, messages, 0, 0, 0, 0);
    }
}
