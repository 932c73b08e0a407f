package org.jvfio.driver.nvme;

import java.util.ArrayList;
import java.util.List;

/**
 * An entry of the Error Information log page (01h).
 *
 * @param number a number that grows with each error over the life of the controller (Error Count)
 * @param queue the submission queue of the command; 65535 if the error is not of a command
 * @param command the command identifier
 * @param status the status of the command
 * @param parameterLocation the byte of the command that the error is about in bits 7:0, its bit in bits 10:8; 65535 if
 *     it is not of a field
 * @param lba the first logical block of the error
 * @param namespaceId the namespace of the error
 */
public record NvmeErrorEntry(
        long number, int queue, int command, NvmeStatus status, int parameterLocation, long lba, long namespaceId) {
    /** The size of an entry. */
    static final int BYTES = 64;

    /** The entries of a log page, without those that were never used. */
    static List<NvmeErrorEntry> list(ControllerData data, int count) {
        List<NvmeErrorEntry> entries = new ArrayList<>();
        for (int at = 0; at < count * BYTES; at += BYTES) {
            if (data.longInteger(at) != 0) {
                entries.add(new NvmeErrorEntry(
                        data.longInteger(at),
                        data.unsignedShort(at + 8),
                        data.unsignedShort(at + 10),
                        NvmeStatus.of(data.unsignedShort(at + 12) >>> 1),
                        data.unsignedShort(at + 14),
                        data.longInteger(at + 16),
                        Integer.toUnsignedLong(data.integer(at + 24))));
            }
        }
        return List.copyOf(entries);
    }
}
