package org.jvfio.driver.nvme;

import java.time.Duration;
import org.jvfio.VfioException;

/**
 * The Identify Controller data structure (CNS 01h).
 *
 * @param vendorId PCI Vendor ID (VID)
 * @param serial serial number (SN); characters that are not printable are question marks in all strings
 * @param model model number (MN)
 * @param firmware firmware revision (FR)
 * @param qualifiedName NVM subsystem NVMe qualified name (SUBNQN); empty if there is none
 * @param controllerId controller identifier in its subsystem (CNTLID)
 * @param version version of the specification (VER, or the VS register where that is zero), as in {@code 1.4.0}
 * @param mostNamespaces maximum namespace identifier (NN)
 * @param transferPages maximum data transfer size as log2 of pages of CAP.MPSMIN (MDTS); 0 for no limit
 * @param volatileCache whether there is a volatile write cache, which {@link NvmeNamespace#flush} commits (VWC)
 * @param canCompare whether Compare is supported (ONCS bit 0)
 * @param canVerify whether Verify is supported (ONCS bit 7)
 * @param canCopy whether Copy with source ranges of format 0 is supported (ONCS bit 8, OCFS bit 0)
 * @param canWriteZeroes whether Write Zeroes is supported (ONCS bit 3)
 * @param canDeallocate whether Dataset Management is supported (ONCS bit 2)
 * @param sharesSubsystem whether the NVM subsystem may have more than one controller (CMIC bit 1)
 * @param errorLogEntries maximum number of entries of the error log (ELPE + 1)
 * @param abortLimit maximum number of Abort commands in flight (ACL + 1)
 * @param eventLimit maximum number of Asynchronous Event Requests in flight (AERL + 1)
 * @param notices optional asynchronous events supported (OAES), in the bits of the event configuration
 * @param warningKelvin warning composite temperature threshold in kelvins (WCTEMP); 0 if not reported
 * @param criticalKelvin critical composite temperature threshold in kelvins (CCTEMP); 0 if not reported
 * @param shutdownTimeout how long a shutdown may take (RTD3E, at least 5 and at most 60 seconds)
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
        boolean canCompare,
        boolean canVerify,
        boolean canCopy,
        boolean canWriteZeroes,
        boolean canDeallocate,
        boolean sharesSubsystem,
        int errorLogEntries,
        int abortLimit,
        int eventLimit,
        int notices,
        int warningKelvin,
        int criticalKelvin,
        Duration shutdownTimeout) {
    // As in Linux: the default where RTD3E is zero, and a maximum.
    private static final Duration SHUTDOWN = Duration.ofSeconds(5);
    private static final Duration MAX_SHUTDOWN = Duration.ofSeconds(60);

    /**
     * Validates and decodes the data structure.
     *
     * @param versionRegister the VS register
     * @throws VfioException if the entry sizes are not those that this driver uses
     */
    static NvmeIdentity of(String operation, ControllerData data, int versionRegister) {
        requireEntrySize(operation, "submission", data.unsignedByte(512), 6);
        requireEntrySize(operation, "completion", data.unsignedByte(513), 4);
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
                (optional & 1) != 0,
                (optional & 1 << 7) != 0,
                (optional & 1 << 8) != 0 && (data.unsignedShort(534) & 1) != 0,
                (optional & 1 << 3) != 0,
                (optional & 1 << 2) != 0,
                (data.unsignedByte(76) & 1 << 1) != 0,
                data.unsignedByte(262) + 1,
                data.unsignedByte(258) + 1,
                data.unsignedByte(259) + 1,
                data.integer(92),
                data.unsignedShort(266),
                data.unsignedShort(268),
                shutdown(Integer.toUnsignedLong(data.integer(88))));
    }

    private static Duration shutdown(long micros) {
        Duration reported = Duration.ofNanos(1000 * micros);
        if (reported.compareTo(SHUTDOWN) < 0) {
            return SHUTDOWN;
        }
        return reported.compareTo(MAX_SHUTDOWN) > 0 ? MAX_SHUTDOWN : reported;
    }

    private static void requireEntrySize(String operation, String queue, int sizes, int shift) {
        // A zero, which the specification does not allow, can only mean the one size there is.
        if (sizes != 0 && ((sizes & 0xf) > shift || sizes >>> 4 < shift)) {
            throw new VfioException(
                    VfioException.Kind.DEVICE_ERROR,
                    operation,
                    "the entries of its %s queues have 2^%d to 2^%d bytes, and NVMe requires 2^%d"
                            .formatted(queue, sizes & 0xf, sizes >>> 4, shift),
                    "use another drive, or newer firmware");
        }
    }
}
