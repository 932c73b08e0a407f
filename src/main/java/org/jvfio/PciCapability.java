package org.jvfio;

/**
 * A capability in a device's configuration space, as it was when it was read. Capabilities that the kernel does not know are
 * not seen: it takes them out of the chain.
 */
public sealed interface PciCapability {

    /** Where it begins in configuration space, in bytes: below 256, or from there on if it is an extended one. */
    int offset();

    /**
     * Power management. The kernel changes the power state when it is written; PME is in its copy only, and off.
     *
     * @param version of the specification
     * @param d1 whether the device has D1
     * @param d2 whether the device has D2
     * @param keepsState whether a device that comes back from D3hot is as it was
     * @param state what it has now
     */
    record PowerManagement(int offset, int version, boolean d1, boolean d2, boolean keepsState, PowerState state)
            implements PciCapability {}

    /**
     * Message signalled interrupts. A driver enables them with {@link Device#enableInterrupts}, never here.
     *
     * @param vectors how many the device can send, 1 to 32
     * @param address64 whether messages may go to 64-bit addresses
     * @param maskable whether each vector has a mask bit
     */
    record Msi(int offset, int vectors, boolean address64, boolean maskable) implements PciCapability {}

    /**
     * Message signalled interrupts by a table. A driver enables them with {@link Device#enableInterrupts}; the kernel lets
     * neither this capability nor, by {@code pread} and {@code pwrite}, the table be written.
     *
     * @param vectors how many the device can send, 1 to 2048
     * @param tableBar the BAR that has the table, of 16 bytes for each vector
     * @param tableOffset bytes into that BAR
     * @param pendingBar the BAR that has the pending bits
     * @param pendingOffset bytes into that BAR
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
     * PCI Express. The kernel lets a driver write the maximum read request size, and start a function reset, where the device
     * has that; the maximum payload is in its copy only, the link is read only.
     *
     * @param version of the capability
     * @param kind what the function is
     * @param resettable whether the function can be reset alone (FLR)
     * @param maxPayloadSupported bytes in a packet, at most, that the device could take
     * @param maxPayload bytes in a packet, at most, as it is set
     * @param maxReadRequest bytes that a read may ask for, as it is set
     * @param linkSpeed generation of the link's speed: 1 for 2.5 GT/s, 2 for 5, 3 for 8, 4 for 16 ...; 0 without a link
     * @param linkWidth lanes of the link; 0 without one
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
        /** What a PCI Express function is. */
        public enum Kind {
            /** An endpoint. */
            ENDPOINT,
            /** An endpoint with I/O BARs. */
            LEGACY_ENDPOINT,
            /** An endpoint in the root complex. */
            INTEGRATED_ENDPOINT,
            /** A port, a bridge, or of a kind that is reserved. */
            OTHER
        }
    }

    /**
     * Vital product data, of which {@link ConfigSpace#readVitalProductData} reads 4 bytes.
     *
     * @param offset of the capability
     */
    record VitalProductData(int offset) implements PciCapability {}

    /**
     * Advanced error reporting. Bits are those of the PCI Express specification; status bits are cleared by writing ones.
     *
     * @param uncorrectableStatus errors that were seen
     * @param uncorrectableMask errors that are not reported
     * @param uncorrectableSeverity errors that count as fatal
     * @param correctableStatus corrected errors that were seen
     * @param correctableMask corrected errors that are not reported
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
     * The device's serial number.
     *
     * @param number 64 bits (EUI-64)
     */
    record SerialNumber(int offset, long number) implements PciCapability {}

    /**
     * Registers that the vendor defines. The kernel lets a driver read and write them as they are.
     *
     * @param vendorId 0 for the device's own vendor; of a designated vendor's extended capability (DVSEC) that one's
     * @param id the vendor's number for it; 0 for a standard capability, which has none
     * @param length bytes from {@code offset} on, the header among them
     */
    record VendorSpecific(int offset, int vendorId, int id, int length) implements PciCapability {}

    /**
     * One that is not read here.
     *
     * @param id its number; those of extended capabilities are another list
     * @param version of an extended capability; 0 of another
     */
    record Other(int offset, int id, int version) implements PciCapability {
        /** Whether it is an extended one. */
        public boolean isExtended() {
            return offset >= ConfigSpace.EXTENDED;
        }
    }
}
