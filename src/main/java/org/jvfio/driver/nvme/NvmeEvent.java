package org.jvfio.driver.nvme;

import java.util.List;

/**
 * An asynchronous event that a controller reported (NVM Express base specification 1.4, 5.2).
 *
 * @param type the event type: 0 error, 1 SMART / health, 2 notice, 6 I/O command set, 7 vendor specific
 * @param information the event information, whose meaning depends on the type
 * @param logPage the log page with details; the driver has read it, so that the next event can come
 * @param changedNamespaces the identifiers in log page 04h, Changed Namespace List, which reading clears; empty for
 *     other events, and if there are more than 1024
 */
public record NvmeEvent(int type, int information, int logPage, List<Integer> changedNamespaces) {
    /** Log page 04h. */
    static final int LOG_NAMESPACES = 4;

    private static final int ERROR = 0;
    private static final int HEALTH = 1;
    private static final int NOTICE = 2;
    private static final int IO_COMMAND_SET = 6;

    public NvmeEvent {
        changedNamespaces = List.copyOf(changedNamespaces);
    }

    /** An event that is not about namespaces. */
    public NvmeEvent(int type, int information, int logPage) {
        this(type, information, logPage, List.of());
    }

    static NvmeEvent of(int dword0) {
        return new NvmeEvent(dword0 & 0x7, dword0 >>> 8 & 0xff, dword0 >>> 16 & 0xff);
    }

    /** The event with the identifiers of its log page. */
    NvmeEvent with(List<Integer> namespaces) {
        return new NvmeEvent(type, information, logPage, namespaces);
    }

    /** The specification's name of the event, and the log page. */
    @Override
    public String toString() {
        String name = switch (type << 8 | information) {
            case ERROR << 8 -> "Write to Invalid Doorbell Register";
            case ERROR << 8 | 1 -> "Invalid Doorbell Write Value";
            case ERROR << 8 | 2 -> "Diagnostic Failure";
            case ERROR << 8 | 3 -> "Persistent Internal Error";
            case ERROR << 8 | 4 -> "Transient Internal Error";
            case ERROR << 8 | 5 -> "Firmware Image Load Error";
            case HEALTH << 8 -> "NVM Subsystem Reliability";
            case HEALTH << 8 | 1 -> "Temperature Threshold";
            case HEALTH << 8 | 2 -> "Spare Below Threshold";
            case NOTICE << 8 -> "Namespace Attribute Changed";
            case NOTICE << 8 | 1 -> "Firmware Activation Starting";
            case NOTICE << 8 | 2 -> "Telemetry Log Changed";
            case NOTICE << 8 | 3 -> "Asymmetric Namespace Access Change";
            case NOTICE << 8 | 4 -> "Predictable Latency Event Aggregate Log Change";
            case NOTICE << 8 | 5 -> "LBA Status Information Alert";
            case NOTICE << 8 | 6 -> "Endurance Group Event Aggregate Log Page Change";
            case IO_COMMAND_SET << 8 -> "Reservation Log Page Available";
            case IO_COMMAND_SET << 8 | 1 -> "Sanitize Operation Completed";
            case IO_COMMAND_SET << 8 | 2 -> "Sanitize Operation Completed With Unexpected Deallocation";
            default -> "event type %xh, information %02xh".formatted(type, information);
        };
        return "%s (log page %02xh)".formatted(name, logPage);
    }
}
