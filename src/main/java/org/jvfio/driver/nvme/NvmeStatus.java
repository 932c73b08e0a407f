package org.jvfio.driver.nvme;

/**
 * How a command ended: the status field of a completion, or what the driver says of a command that the controller did not
 * complete.
 *
 * @param type the status code type: 0 generic, 1 of the command, 2 of media and data, 3 of the path, 7 of the vendor
 * @param code the status code
 * @param doNotRetry whether the same command would fail again
 */
public record NvmeStatus(int type, int code, boolean doNotRetry) {
    /** The command did what it was asked. */
    public static final NvmeStatus SUCCESS = new NvmeStatus(0, 0, false);
    /** The driver ended the command: it was late, or the controller was reset with the command under way. */
    public static final NvmeStatus ABORTED_BY_HOST = new NvmeStatus(3, 0x71, false);
    /** The controller is disabled, and did not complete the command. */
    public static final NvmeStatus NO_PATH = new NvmeStatus(3, 0x70, true);

    private static final int GENERIC = 0;
    private static final int OF_COMMAND = 1;
    private static final int MEDIA = 2;
    private static final int PATH = 3;

    /** The 15 bits that stand beside the phase bit. */
    static NvmeStatus of(int field) {
        return field == 0 ? SUCCESS : new NvmeStatus(field >>> 8 & 0x7, field & 0xff, (field >>> 14 & 1) != 0);
    }

    /** The same as the field of a completion. */
    int field() {
        return type << 8 | code | (doNotRetry ? 1 << 14 : 0);
    }

    /** Whether the command did what it was asked. */
    public boolean isSuccess() {
        return type == 0 && code == 0;
    }

    /** Whether the same command may succeed when it is submitted again. */
    public boolean isRetryable() {
        return !isSuccess() && !doNotRetry;
    }

    /** The status in words, with its numbers. */
    @Override
    public String toString() {
        return "%s (status %d/0x%02x%s)".formatted(words(), type, code, doNotRetry ? ", do not retry" : "");
    }

    private String words() {
        return switch (type) {
            case GENERIC -> generic();
            case OF_COMMAND -> ofCommand();
            case MEDIA -> media();
            case PATH -> path();
            default -> "an error of the vendor's own";
        };
    }

    private String generic() {
        return switch (code) {
            case 0x00 -> "success";
            case 0x01 -> "no such command";
            case 0x02 -> "a field of the command is invalid";
            case 0x03 -> "the command's identifier is in use";
            case 0x04 -> "the data could not be transferred";
            case 0x05 -> "aborted, the power is going";
            case 0x06 -> "an internal error of the controller";
            case 0x07 -> "aborted on request";
            case 0x08 -> "aborted, its queue was deleted";
            case 0x09, 0x0a -> "a fused command failed";
            case 0x0b -> "no such namespace, or in no format that can be used";
            case 0x0c -> "commands came in a wrong order";
            case 0x0d -> "a scatter list has a wrong segment";
            case 0x0e -> "a scatter list has a wrong length";
            case 0x0f -> "the data is longer or shorter than its scatter list";
            case 0x13 -> "the address of the data has a wrong offset";
            case 0x15 -> "the operation was denied";
            case 0x1c -> "aborted, the drive is being sanitized";
            case 0x1d -> "aborted, a sanitize operation failed";
            case 0x20 -> "the namespace is write protected";
            case 0x21 -> "the command was interrupted";
            case 0x22 -> "a transient error of the transport";
            case 0x80 -> "blocks beyond the end of the namespace";
            case 0x81 -> "beyond the capacity of the namespace";
            case 0x82 -> "the namespace is not ready";
            case 0x83 -> "the blocks are reserved by another host";
            case 0x84 -> "the namespace is being formatted";
            default -> "a generic error";
        };
    }

    private String ofCommand() {
        return switch (code) {
            case 0x00 -> "no such completion queue";
            case 0x01 -> "no such queue, or it exists already";
            case 0x02 -> "no such size of a queue";
            case 0x03 -> "too many aborts at a time";
            case 0x05 -> "too many requests for events at a time";
            case 0x08 -> "no such interrupt vector";
            case 0x09 -> "no such log page";
            case 0x0a -> "no such format";
            case 0x0c -> "queues of it are left";
            case 0x0d -> "the feature cannot be saved";
            case 0x0e -> "the feature cannot be changed";
            case 0x0f -> "the feature is not of a namespace";
            case 0x80 -> "attributes that do not go together";
            case 0x81 -> "protection information that is not valid";
            case 0x82 -> "blocks that may only be read";
            case 0x83 -> "more than the command may cover";
            default -> "an error of this command";
        };
    }

    private String media() {
        return switch (code) {
            case 0x80 -> "the medium could not be written";
            case 0x81 -> "the medium could not be read, and its error not corrected";
            case 0x82 -> "the guard of the data is wrong";
            case 0x83 -> "the application tag of the data is wrong";
            case 0x84 -> "the reference tag of the data is wrong";
            case 0x85 -> "the data does not compare";
            case 0x86 -> "the medium may not be accessed";
            case 0x87 -> "blocks that were deallocated or never written";
            default -> "an error of the medium";
        };
    }

    private String path() {
        return switch (code) {
            case 0x00 -> "an internal error of the path";
            case 0x01 -> "the path is lost for good";
            case 0x02 -> "the path is lost";
            case 0x03 -> "the path is changing";
            case 0x60 -> "the controller lost the path";
            case 0x70 -> "the controller is disabled";
            case 0x71 -> "ended by the driver";
            default -> "an error of the path";
        };
    }
}
