package org.jvfio.emulator.nvme;

/**
 * The status field of a completion entry without its phase tag: the status code in bits 0 to 7, its type in bits 8 to
 * 10, More in bit 13, Do Not Retry in bit 14 (NVM Express 1.4, 4.6.1).
 */
final class Status {
    /** More: the error log has an entry about it. */
    static final int MORE = 1 << 13;
    /** Do Not Retry: a retry is expected to fail, too. */
    static final int DO_NOT_RETRY = 1 << 14;

    /** CRD 1: the first Command Retry Delay Time. */
    static final int FIRST_RETRY_DELAY = 1 << 11;

    static final int SUCCESS = 0;
    static final int INVALID_COMMAND_OPCODE = DO_NOT_RETRY | 0x01;
    static final int INVALID_FIELD_IN_COMMAND = DO_NOT_RETRY | 0x02;
    static final int COMMAND_ID_CONFLICT = DO_NOT_RETRY | 0x03;
    static final int DATA_TRANSFER_ERROR = 0x04;
    static final int INTERNAL_ERROR = 0x06;
    static final int COMMAND_ABORT_REQUESTED = 0x07;
    static final int COMMAND_ABORTED_DUE_TO_SQ_DELETION = 0x08;
    static final int INVALID_NAMESPACE_OR_FORMAT = DO_NOT_RETRY | 0x0b;
    static final int COMMAND_SEQUENCE_ERROR = DO_NOT_RETRY | 0x0c;
    static final int DATA_SGL_LENGTH_INVALID = DO_NOT_RETRY | 0x0f;
    static final int PRP_OFFSET_INVALID = DO_NOT_RETRY | 0x13;
    static final int NAMESPACE_IS_WRITE_PROTECTED = DO_NOT_RETRY | 0x20;
    static final int FLEXIBLE_DATA_PLACEMENT_DISABLED = DO_NOT_RETRY | 0x29;
    static final int LBA_OUT_OF_RANGE = DO_NOT_RETRY | 0x80;

    static final int NAMESPACE_NOT_READY = 0x82;

    static final int COMPLETION_QUEUE_INVALID = DO_NOT_RETRY | 0x100;
    static final int INVALID_QUEUE_IDENTIFIER = DO_NOT_RETRY | 0x101;
    static final int INVALID_QUEUE_SIZE = DO_NOT_RETRY | 0x102;
    static final int ABORT_COMMAND_LIMIT_EXCEEDED = 0x103;
    static final int ASYNCHRONOUS_EVENT_REQUEST_LIMIT_EXCEEDED = 0x105;
    static final int INVALID_INTERRUPT_VECTOR = DO_NOT_RETRY | 0x108;
    static final int INVALID_LOG_PAGE = DO_NOT_RETRY | 0x109;
    static final int INVALID_FORMAT = DO_NOT_RETRY | 0x10a;
    static final int INVALID_QUEUE_DELETION = 0x10c;
    static final int FEATURE_IDENTIFIER_NOT_SAVEABLE = DO_NOT_RETRY | 0x10d;
    static final int FEATURE_NOT_CHANGEABLE = DO_NOT_RETRY | 0x10e;
    static final int FEATURE_NOT_NAMESPACE_SPECIFIC = DO_NOT_RETRY | 0x10f;
    static final int NAMESPACE_ALREADY_ATTACHED = DO_NOT_RETRY | 0x118;
    static final int NAMESPACE_IS_PRIVATE = DO_NOT_RETRY | 0x119;
    static final int NAMESPACE_NOT_ATTACHED = DO_NOT_RETRY | 0x11a;
    static final int CONTROLLER_LIST_INVALID = DO_NOT_RETRY | 0x11c;
    static final int IO_COMMAND_SET_NOT_SUPPORTED = DO_NOT_RETRY | 0x129;
    static final int IO_COMMAND_SET_COMBINATION_REJECTED = DO_NOT_RETRY | 0x12b;

    static final int INVALID_PROTECTION_INFORMATION = DO_NOT_RETRY | 0x181;
    static final int COMMAND_SIZE_LIMIT_EXCEEDED = DO_NOT_RETRY | 0x183;

    static final int WRITE_FAULT = 0x280;
    static final int UNRECOVERED_READ_ERROR = 0x281;
    static final int COMPARE_FAILURE = DO_NOT_RETRY | 0x285;

    /** No status: the command completes later. */
    static final int PENDING = -1;

    private Status() {}
}
