package org.jvfio.emulator.nvme;

import java.util.EnumSet;
import java.util.Set;

/**
 * A way in which a controller differs from NVM Express 1.4, or uses a liberty that it gives where {@link EmulatedNvme}
 * by default does not. All of them are those of QEMU's controller, from hw/nvme in its sources and from raw commands to
 * QEMU 10.0.2; see {@link DrivePreset#QEMU}.
 */
enum Deviation {
    /** CC.AMS with an arbitration mechanism that CAP.AMS does not offer is accepted; 1.4, 3.1.5 leaves it undefined. */
    ANY_ARBITRATION,
    /** Commands are processed after CC.SHN was set (3.1.5: not to be submitted), and clearing CC.SHN clears SHST. */
    WORKS_AFTER_SHUTDOWN,
    /** Clearing CC.EN clears the whole of CC. */
    RESET_CLEARS_CONFIGURATION,
    /** AQA keeps its reserved bits. */
    KEEPS_RESERVED_AQA,
    /** Features keep their values in a controller reset; 5.21 wants the saved or default values of all. */
    KEEPS_FEATURES,
    /** The error log is always empty, and More is never set in a status (5.14.1.1). */
    NO_ERROR_LOG,
    /** The health log reports a spare and its threshold of 0 %, and no power cycle (5.14.1.2). */
    NO_SPARE,
    /** The health log of namespace 0 is refused with Invalid Namespace or Format, and of a valid identifier, too. */
    HEALTH_LOG_OF_ATTACHED_NAMESPACES,
    /** A page without a log is Invalid Field in Command, not Invalid Log Page (5.14). */
    UNKNOWN_LOG_IS_INVALID_FIELD,
    /** An invalid identifier in Delete I/O Completion Queue is Completion Queue Invalid (5.5: Invalid Identifier). */
    DELETED_QUEUE_IS_INVALID_COMPLETION_QUEUE,
    /** The interrupt vector is checked before Physically Contiguous, and entry sizes for completion queues only. */
    VECTOR_BEFORE_CONTIGUOUS,
    /** A fused operation is refused without Do Not Retry. */
    FUSED_MAY_BE_RETRIED,
    /** The namespace is checked before the opcode, and Flush before everything else. */
    NAMESPACE_BEFORE_OPCODE,
    /** PRP entry 1 and the pointer to a PRP list may be unaligned (4.3: a dword, a qword). */
    UNALIGNED_PRP,
    /** MDTS and the limit of Verify count pages of CC.MPS (5.15.2.2: of CAP.MPSMIN). */
    LIMITS_IN_HOST_PAGES,
    /** Save is checked before the feature is; Arbitration, Power Management and interrupt features are fixed. */
    FIXED_FEATURES,
    /** The default of the write cache is reported as disabled, and reserved selections read the current value,
     * as the default and the saved one of Write Atomicity do. */
    PLAIN_DEFAULTS,
    /** Ranges of Dataset Management that are too long, or not in the namespace, are skipped (NVM 1.0, 3.2.3). */
    SKIPS_INVALID_RANGES,
    /** Asynchronous Event Requests complete last first, and equal events are all reported. */
    NEWEST_REQUEST_FIRST,
    /**
     * Reading the changed namespaces clears them also with Retain Asynchronous Event; each is reported once (5.14.1.4).
     */
    READ_CLEARS_CHANGED_NAMESPACES,
    /** Changed namespaces are reported whether Set Features has enabled the event (5.21.1.11) or not. */
    ALWAYS_TELLS_OF_NAMESPACES,
    /** The limit of a range of Dataset Management is of bytes, and that of the largest blocks there were. */
    RANGE_LIMIT_OF_LARGEST_BLOCKS,
    /** Reading the log page of an event discards the masked events of its type. */
    READ_DISCARDS_EVENTS,
    /** A metadata pointer of zero transfers no metadata. */
    NO_METADATA_POINTER,
    /** Deallocated blocks keep their data though Identify says that they read zeros: of an image without discard. */
    DEALLOCATION_KEEPS_DATA,
    /** Namespace attachment, Format NVM, directives, timestamps and host behavior exist, and more of Identify. */
    MORE_COMMANDS;

    static final Set<Deviation> NONE = Set.of();

    static final Set<Deviation> QEMU = Set.copyOf(EnumSet.allOf(Deviation.class));
}
