package org.jvfio.driver.nvme;

/**
 * Something that a controller told without being asked (an asynchronous event).
 *
 * @param type 0 error, 1 SMART or health, 2 notice, 6 I/O command set, 7 vendor specific
 * @param information what it is, by type
 * @param logPage the log page that has more, which the driver has read so that the next event can come
 */
public record NvmeEvent(int type, int information, int logPage) {
    private static final int ERROR = 0;
    private static final int HEALTH = 1;
    private static final int NOTICE = 2;

    static NvmeEvent of(int dword0) {
        return new NvmeEvent(dword0 & 0x7, dword0 >>> 8 & 0xff, dword0 >>> 16 & 0xff);
    }

    /** The event in words. */
    @Override
    public String toString() {
        String words = switch (type << 8 | information) {
            case ERROR << 8 -> "a doorbell of no queue was written";
            case ERROR << 8 | 1 -> "a doorbell was written with no value for it";
            case ERROR << 8 | 2 -> "a diagnosis failed";
            case ERROR << 8 | 3 -> "the controller has a lasting internal error";
            case ERROR << 8 | 4 -> "the controller had an internal error";
            case ERROR << 8 | 5 -> "an image of the firmware could not be loaded";
            case HEALTH << 8 -> "the drive is not reliable any more";
            case HEALTH << 8 | 1 -> "a temperature is beyond its threshold";
            case HEALTH << 8 | 2 -> "the spare is below its threshold";
            case NOTICE << 8 -> "a namespace has changed";
            case NOTICE << 8 | 1 -> "the firmware is about to be changed";
            default -> "an event of type %d, information 0x%02x".formatted(type, information);
        };
        return "%s (log page 0x%02x)".formatted(words, logPage);
    }
}
