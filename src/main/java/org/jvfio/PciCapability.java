package org.jvfio;

/**
 * A capability in the configuration space of a device, with the values of its registers when it was read. The kernel
 * removes capabilities that it does not know from the list.
 */
public sealed interface PciCapability {

    /** Where it begins in configuration space, in bytes: below 0x100, or from there on if it is an extended one. */
    int offset();

    /**
     * Power management. A write of the power state is made by the kernel; the PME bits are a copy, and read as zeros.
     *
     * @param version the version of the specification
     * @param d1 whether the device has D1
     * @param d2 whether the device has D2
     * @param keepsState whether the device keeps its state in D3hot ({@code No_Soft_Reset})
     * @param state the power state
     */
    record PowerManagement(int offset, int version, boolean d1, boolean d2, boolean keepsState, PowerState state)
            implements PciCapability {}

    /**
     * Message signalled interrupts (MSI). They are enabled by {@link Device#enableInterrupts} alone.
     *
     * @param vectors the maximum number of vectors, 1 to 32
     * @param address64 whether the device can send messages to 64-bit addresses
     * @param maskable whether each vector has a mask bit
     */
    record Msi(int offset, int vectors, boolean address64, boolean maskable) implements PciCapability {}

    /**
     * Message signalled interrupts with a table (MSI-X). They are enabled by {@link Device#enableInterrupts} alone; the
     * kernel ignores writes of this capability, and writes of the table by {@code pwrite}.
     *
     * @param vectors the maximum number of vectors, 1 to 2048
     * @param tableBar the BAR with the table, which has 16 bytes for each vector
     * @param tableOffset where the table begins in that BAR, in bytes
     * @param pendingBar the BAR with the pending bits
     * @param pendingOffset where the pending bits begin in that BAR, in bytes
     */
    record Msix(int offset, int vectors, int tableBar, long tableOffset, int pendingBar, long pendingOffset)
            implements PciCapability {
        private static final int ENTRY_BYTES = 16;

        /** The size of the table in bytes. */
        public long tableBytes() {
            return (long) vectors * ENTRY_BYTES;
        }
    }

    /**
     * PCI Express. A driver can write the maximum read request size, and start a function level reset (FLR) if the
     * device has one; the maximum payload size is the kernel's copy, and the link registers are read only.
     *
     * @param version the version of the capability
     * @param kind the type of the function
     * @param resettable whether the function has FLR
     * @param maxPayloadSupported the maximum payload size that the device supports, in bytes
     * @param maxPayload the maximum payload size that is set, in bytes
     * @param maxReadRequest the maximum read request size that is set, in bytes
     * @param linkSpeed the generation of the link's speed: 1 for 2.5 GT/s, 2 for 5, 3 for 8, 4 for 16 ...; 0 without a
     *     link
     * @param linkWidth the lanes of the link; 0 without a link
     */
    record Express(
            int offset,
            int version,
            Kind kind,
            boolean resettable,
            int maxPayloadSupported,
            int maxPayload,
            int maxReadRequest,
            int linkSpeed,
            int linkWidth)
            implements PciCapability {
        /** The type of a PCI Express function. */
        public enum Kind {
            /** An endpoint. */
            ENDPOINT,
            /** An endpoint with I/O BARs. */
            LEGACY_ENDPOINT,
            /** An endpoint in the root complex. */
            INTEGRATED_ENDPOINT,
            /** A port, a bridge, or a reserved type. */
            OTHER
        }
    }

    /**
     * Vital product data (VPD): see {@link ConfigSpace#readVitalProductData}.
     *
     * @param offset where it begins in configuration space, in bytes
     */
    record VitalProductData(int offset) implements PciCapability {}

    /**
     * Advanced error reporting (AER), with the bits of the PCI Express specification. Status bits are cleared by
     * writing ones.
     *
     * @param uncorrectableStatus uncorrectable errors that have happened
     * @param uncorrectableMask uncorrectable errors that are not reported
     * @param uncorrectableSeverity uncorrectable errors that are fatal
     * @param correctableStatus correctable errors that have happened
     * @param correctableMask correctable errors that are not reported
     */
    record AdvancedErrorReporting(
            int offset,
            int uncorrectableStatus,
            int uncorrectableMask,
            int uncorrectableSeverity,
            int correctableStatus,
            int correctableMask)
            implements PciCapability {}

    /**
     * The device serial number.
     *
     * @param number 64 bits (EUI-64)
     */
    record SerialNumber(int offset, long number) implements PciCapability {}

    /**
     * Vendor-specific registers. A driver can read and write them; the kernel does not interpret them.
     *
     * @param vendorId the vendor id in a designated vendor-specific extended capability (DVSEC); 0 for the device's
     *     vendor
     * @param id the id that the vendor has assigned; 0 for a capability in the first 256 bytes, which has none
     * @param length bytes from {@code offset} on, header included
     */
    record VendorSpecific(int offset, int vendorId, int id, int length) implements PciCapability {}

    /**
     * A capability that is not decoded here, or whose registers do not fit into its space.
     *
     * @param id its id, 0 for a null capability, which has no registers; extended capabilities have ids of their own
     * @param version the version of an extended capability; 0 for others
     */
    record Other(int offset, int id, int version) implements PciCapability {
        /** Whether it is an extended one. */
        public boolean isExtended() {
            return offset >= ConfigSpace.EXTENDED;
        }
    }
}
