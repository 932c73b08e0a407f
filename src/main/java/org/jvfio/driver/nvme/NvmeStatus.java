package org.jvfio.driver.nvme;

import java.util.Map;
import org.jvfio.VfioException.Kind;

/**
 * The status of a completed command: the status field of the completion queue entry, or the path related status that
 * the driver sets where the controller did not complete the command. The names are those of the NVM Express base
 * specification 1.4, 4.6.1.
 *
 * @param type the status code type (SCT), 0 to 7
 * @param code the status code (SC), 0 to 255
 * @param doNotRetry whether the same command would fail again (DNR)
 */
public record NvmeStatus(int type, int code, boolean doNotRetry) {
    /** Successful Completion. */
    public static final NvmeStatus SUCCESS = new NvmeStatus(0, 0, false);
    /** Command Aborted By Host: set by the driver when it reset the controller with the command in flight. */
    public static final NvmeStatus ABORTED_BY_HOST = new NvmeStatus(3, 0x71, false);
    /** Host Pathing Error: set by the driver when the controller was disabled with the command in flight. */
    public static final NvmeStatus HOST_PATHING_ERROR = new NvmeStatus(3, 0x70, true);

    private static final int VENDOR_SPECIFIC = 7;

    private static final int INVALID_OPCODE = 0x001;
    private static final int OPERATION_DENIED = 0x015;
    private static final int SANITIZE_IN_PROGRESS = 0x01d;
    private static final int WRITE_PROTECTED = 0x020;
    private static final int NAMESPACE_NOT_READY = 0x082;
    private static final int FORMAT_IN_PROGRESS = 0x084;
    private static final int ACCESS_DENIED = 0x286;

    private static final Map<Integer, String> TYPES = Map.of(
            0, "Generic Command Status",
            1, "Command Specific Status",
            2, "Media and Data Integrity Error",
            3, "Path Related Status");

    /** The names by {@code SCT << 8 | SC}. */
    private static final Map<Integer, String> NAMES = Map.ofEntries(
            Map.entry(0x000, "Successful Completion"),
            Map.entry(0x001, "Invalid Command Opcode"),
            Map.entry(0x002, "Invalid Field in Command"),
            Map.entry(0x003, "Command ID Conflict"),
            Map.entry(0x004, "Data Transfer Error"),
            Map.entry(0x005, "Commands Aborted due to Power Loss Notification"),
            Map.entry(0x006, "Internal Error"),
            Map.entry(0x007, "Command Abort Requested"),
            Map.entry(0x008, "Command Aborted due to SQ Deletion"),
            Map.entry(0x009, "Command Aborted due to Failed Fused Command"),
            Map.entry(0x00a, "Command Aborted due to Missing Fused Command"),
            Map.entry(0x00b, "Invalid Namespace or Format"),
            Map.entry(0x00c, "Command Sequence Error"),
            Map.entry(0x00d, "Invalid SGL Segment Descriptor"),
            Map.entry(0x00e, "Invalid Number of SGL Descriptors"),
            Map.entry(0x00f, "Data SGL Length Invalid"),
            Map.entry(0x010, "Metadata SGL Length Invalid"),
            Map.entry(0x011, "SGL Descriptor Type Invalid"),
            Map.entry(0x012, "Invalid Use of Controller Memory Buffer"),
            Map.entry(0x013, "PRP Offset Invalid"),
            Map.entry(0x014, "Atomic Write Unit Exceeded"),
            Map.entry(0x015, "Operation Denied"),
            Map.entry(0x016, "SGL Offset Invalid"),
            Map.entry(0x018, "Host Identifier Inconsistent Format"),
            Map.entry(0x019, "Keep Alive Timer Expired"),
            Map.entry(0x01a, "Keep Alive Timeout Invalid"),
            Map.entry(0x01b, "Command Aborted due to Preempt and Abort"),
            Map.entry(0x01c, "Sanitize Failed"),
            Map.entry(0x01d, "Sanitize In Progress"),
            Map.entry(0x01e, "SGL Data Block Granularity Invalid"),
            Map.entry(0x01f, "Command Not Supported for Queue in CMB"),
            Map.entry(0x020, "Namespace is Write Protected"),
            Map.entry(0x021, "Command Interrupted"),
            Map.entry(0x022, "Transient Transport Error"),
            Map.entry(0x080, "LBA Out of Range"),
            Map.entry(0x081, "Capacity Exceeded"),
            Map.entry(0x082, "Namespace Not Ready"),
            Map.entry(0x083, "Reservation Conflict"),
            Map.entry(0x084, "Format In Progress"),
            Map.entry(0x100, "Completion Queue Invalid"),
            Map.entry(0x101, "Invalid Queue Identifier"),
            Map.entry(0x102, "Invalid Queue Size"),
            Map.entry(0x103, "Abort Command Limit Exceeded"),
            Map.entry(0x105, "Asynchronous Event Request Limit Exceeded"),
            Map.entry(0x106, "Invalid Firmware Slot"),
            Map.entry(0x107, "Invalid Firmware Image"),
            Map.entry(0x108, "Invalid Interrupt Vector"),
            Map.entry(0x109, "Invalid Log Page"),
            Map.entry(0x10a, "Invalid Format"),
            Map.entry(0x10b, "Firmware Activation Requires Conventional Reset"),
            Map.entry(0x10c, "Invalid Queue Deletion"),
            Map.entry(0x10d, "Feature Identifier Not Saveable"),
            Map.entry(0x10e, "Feature Not Changeable"),
            Map.entry(0x10f, "Feature Not Namespace Specific"),
            Map.entry(0x110, "Firmware Activation Requires NVM Subsystem Reset"),
            Map.entry(0x111, "Firmware Activation Requires Controller Level Reset"),
            Map.entry(0x112, "Firmware Activation Requires Maximum Time Violation"),
            Map.entry(0x113, "Firmware Activation Prohibited"),
            Map.entry(0x114, "Overlapping Range"),
            Map.entry(0x115, "Namespace Insufficient Capacity"),
            Map.entry(0x116, "Namespace Identifier Unavailable"),
            Map.entry(0x118, "Namespace Already Attached"),
            Map.entry(0x119, "Namespace Is Private"),
            Map.entry(0x11a, "Namespace Not Attached"),
            Map.entry(0x11b, "Thin Provisioning Not Supported"),
            Map.entry(0x11c, "Controller List Invalid"),
            Map.entry(0x11d, "Device Self-test In Progress"),
            Map.entry(0x11e, "Boot Partition Write Prohibited"),
            Map.entry(0x11f, "Invalid Controller Identifier"),
            Map.entry(0x120, "Invalid Secondary Controller State"),
            Map.entry(0x121, "Invalid Number of Controller Resources"),
            Map.entry(0x122, "Invalid Resource Identifier"),
            Map.entry(0x123, "Sanitize Prohibited While Persistent Memory Region is Enabled"),
            Map.entry(0x124, "ANA Group Identifier Invalid"),
            Map.entry(0x125, "ANA Attach Failed"),
            Map.entry(0x180, "Conflicting Attributes"),
            Map.entry(0x181, "Invalid Protection Information"),
            Map.entry(0x182, "Attempted Write to Read Only Range"),
            Map.entry(0x183, "Command Size Limit Exceeded"),
            Map.entry(0x280, "Write Fault"),
            Map.entry(0x281, "Unrecovered Read Error"),
            Map.entry(0x282, "End-to-end Guard Check Error"),
            Map.entry(0x283, "End-to-end Application Tag Check Error"),
            Map.entry(0x284, "End-to-end Reference Tag Check Error"),
            Map.entry(0x285, "Compare Failure"),
            Map.entry(0x286, "Access Denied"),
            Map.entry(0x287, "Deallocated or Unwritten Logical Block"),
            Map.entry(0x300, "Internal Path Error"),
            Map.entry(0x301, "Asymmetric Access Persistent Loss"),
            Map.entry(0x302, "Asymmetric Access Inaccessible"),
            Map.entry(0x303, "Asymmetric Access Transition"),
            Map.entry(0x360, "Controller Pathing Error"),
            Map.entry(0x370, "Host Pathing Error"),
            Map.entry(0x371, "Command Aborted By Host"));

    /** Decodes the status field without the phase tag, 15 bits. */
    static NvmeStatus of(int field) {
        return field == 0 ? SUCCESS : new NvmeStatus(field >>> 8 & 0x7, field & 0xff, (field >>> 14 & 1) != 0);
    }

    /** Encodes the status field without the phase tag. */
    int field() {
        return type << 8 | code | (doNotRetry ? 1 << 14 : 0);
    }

    /** Whether the command succeeded. */
    public boolean isSuccess() {
        return type == 0 && code == 0;
    }

    /** Whether the same command may succeed when it is submitted again. */
    public boolean isRetryable() {
        return !isSuccess() && !doNotRetry;
    }

    /** Whether type and code are those of another status. */
    boolean hasCodeOf(NvmeStatus other) {
        return type == other.type && code == other.code;
    }

    /** The kind of failure that an error status is. */
    Kind kind() {
        return switch (type << 8 | code) {
            case INVALID_OPCODE -> Kind.UNSUPPORTED;
            case SANITIZE_IN_PROGRESS, NAMESPACE_NOT_READY, FORMAT_IN_PROGRESS -> Kind.BUSY;
            case OPERATION_DENIED, WRITE_PROTECTED, ACCESS_DENIED -> Kind.PERMISSION;
            default -> Kind.DEVICE_ERROR;
        };
    }

    /** The specification's name of the status; its type if the code is reserved or vendor specific. */
    public String name() {
        String name = NAMES.get(type << 8 | code);
        if (name != null) {
            return name;
        }
        return type == VENDOR_SPECIFIC ? "Vendor Specific" : TYPES.getOrDefault(type, "Reserved");
    }

    /** The name with the numbers, as in {@code LBA Out of Range (SCT 0h, SC 80h, DNR)}. */
    @Override
    public String toString() {
        return "%s (SCT %xh, SC %02xh%s)".formatted(name(), type, code, doNotRetry ? ", DNR" : "");
    }
}
