package org.jvfio.driver.nvme;

import java.time.Duration;
import org.jvfio.VfioException;

/**
 * What a controller says of itself (Identify, CNS 1).
 *
 * @param vendorId the PCI vendor
 * @param serial its serial number; characters that cannot be printed are question marks, here and below
 * @param model its model
 * @param firmware the revision of its firmware
 * @param qualifiedName its NVMe qualified name (SUBNQN), empty if it has none
 * @param controllerId its number in its subsystem
 * @param version the version of the specification that it follows, as in {@code 1.4.0}
 * @param mostNamespaces the highest number of a namespace
 * @param transferPages the most pages of CAP.MPSMIN that one command transfers, as a power of two; 0 is no limit
 * @param volatileCache whether it has a cache that {@link NvmeNamespace#flush} matters for
 * @param canWriteZeroes whether it has the command
 * @param canDeallocate whether it has the command (dataset management)
 * @param abortLimit how many aborts it takes at a time
 * @param eventLimit how many requests for events it takes at a time
 * @param notices the kinds of notices that it sends (OAES), as bits of the event configuration
 * @param warningKelvin the temperature from which it warns, in kelvins; 0 if it does not say
 * @param criticalKelvin the critical temperature in kelvins; 0 if it does not say
 * @param shutdownTimeout how long a shutdown may take
 */
public record NvmeIdentity(
        int vendorId,
        String serial,
        String model,
        String firmware,
        String qualifiedName,
        int controllerId,
        String version,
        long mostNamespaces,
        int transferPages,
        boolean volatileCache,
        boolean canWriteZeroes,
        boolean canDeallocate,
        int abortLimit,
        int eventLimit,
        int notices,
        int warningKelvin,
        int criticalKelvin,
        Duration shutdownTimeout) {
    // What Linux takes where the controller does not say, and what it takes at most.
    private static final Duration SHUTDOWN = Duration.ofSeconds(5);
    private static final Duration MAX_SHUTDOWN = Duration.ofSeconds(60);

    /** Checks and reads the 4096 bytes of the identify command. */
    static NvmeIdentity of(String asked, ControllerData data, int versionRegister) {
        requireEntrySize(asked, "submission", data.unsignedByte(512), 6);
        requireEntrySize(asked, "completion", data.unsignedByte(513), 4);
        int optional = data.unsignedShort(520);
        int version = data.integer(80) == 0 ? versionRegister : data.integer(80);
        return new NvmeIdentity(
                data.unsignedShort(0),
                data.text(4, 20),
                data.text(24, 40),
                data.text(64, 8),
                data.text(768, 256),
                data.unsignedShort(78),
                "%d.%d.%d".formatted(version >>> 16, version >>> 8 & 0xff, version & 0xff),
                Integer.toUnsignedLong(data.integer(516)),
                data.unsignedByte(77),
                (data.unsignedByte(525) & 1) != 0,
                (optional & 1 << 3) != 0,
                (optional & 1 << 2) != 0,
                data.unsignedByte(258) + 1,
                data.unsignedByte(259) + 1,
                data.integer(92),
                data.unsignedShort(266),
                data.unsignedShort(268),
                shutdown(Integer.toUnsignedLong(data.integer(88))));
    }

    private static Duration shutdown(long micros) {
        Duration said = Duration.ofNanos(1000 * micros);
        if (said.compareTo(SHUTDOWN) < 0) {
            return SHUTDOWN;
        }
        return said.compareTo(MAX_SHUTDOWN) > 0 ? MAX_SHUTDOWN : said;
    }

    private static void requireEntrySize(String asked, String queue, int sizes, int shift) {
        if ((sizes & 0xf) > shift || sizes >>> 4 < shift) {
            throw new VfioException(
                    asked,
                    "the entries of its %s queues have 2^%d to 2^%d bytes, where NVMe has 2^%d"
                            .formatted(queue, sizes & 0xf, sizes >>> 4, shift),
                    "use another drive, or newer firmware");
        }
    }
}
