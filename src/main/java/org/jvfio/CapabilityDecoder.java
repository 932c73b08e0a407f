package org.jvfio;

import static org.jvfio.uapi.vfio_h.*;

import org.jspecify.annotations.Nullable;

/**
 * Decodes the registers of a capability. All methods return null if the registers reach behind the capability's space.
 */
final class CapabilityDecoder {
    private static final int MIN_PAYLOAD = 128;
    private static final int DVSEC_ID = 8;
    private static final int SERIAL_NUMBER = 4;

    private final ConfigBytes config;

    CapabilityDecoder(ConfigBytes config) {
        this.config = config;
    }

    /** Where the registers of a list's capabilities end. */
    int end(boolean extended) {
        return (int) (extended ? config.size() : Math.min(config.size(), ConfigSpace.EXTENDED));
    }

    @Nullable
    PciCapability standard(int offset, int id) {
        int space = end(false) - offset;
        return switch (id) {
            case PCI_CAP_ID_PM -> space < PCI_PM_SIZEOF ? null : powerManagement(offset);
            case PCI_CAP_ID_MSI -> space < PCI_MSI_DATA_32 + Short.BYTES ? null : msi(offset);
            case PCI_CAP_ID_MSIX -> space < PCI_CAP_MSIX_SIZEOF ? null : msix(offset);
            case PCI_CAP_ID_EXP -> space < PCI_CAP_EXP_ENDPOINT_SIZEOF_V1 ? null : express(offset);
            case PCI_CAP_ID_VPD -> space < PCI_CAP_VPD_SIZEOF ? null : new PciCapability.VitalProductData(offset);
            case PCI_CAP_ID_VNDR -> vendorSpecific(offset, space);
            default -> new PciCapability.Other(offset, id, 0);
        };
    }

    @Nullable
    PciCapability extended(int offset, int id, int version) {
        int space = end(true) - offset;
        return switch (id) {
            case PCI_EXT_CAP_ID_ERR -> space < PCI_ERR_CAP ? null : errorReporting(offset);
            case PCI_EXT_CAP_ID_DSN -> space < SERIAL_NUMBER + Long.BYTES ? null : serialNumber(offset);
            case PCI_EXT_CAP_ID_VNDR -> extendedVendorSpecific(offset, space);
            case PCI_EXT_CAP_ID_DVSEC -> designatedVendorSpecific(offset, space);
            default -> new PciCapability.Other(offset, id, version);
        };
    }

    private PciCapability powerManagement(int offset) {
        int capabilities = readShort(offset + PCI_PM_PMC);
        int control = readShort(offset + PCI_PM_CTRL);
        return new PciCapability.PowerManagement(
                offset,
                capabilities & PCI_PM_CAP_VER_MASK,
                (capabilities & PCI_PM_CAP_D1) != 0,
                (capabilities & PCI_PM_CAP_D2) != 0,
                (control & PCI_PM_CTRL_NO_SOFT_RESET) != 0,
                PowerState.of(control & PCI_PM_CTRL_STATE_MASK));
    }

    private PciCapability msi(int offset) {
        int flags = readShort(offset + PCI_MSI_FLAGS);
        return new PciCapability.Msi(
                offset,
                1 << ((flags & PCI_MSI_FLAGS_QMASK) >> 1),
                (flags & PCI_MSI_FLAGS_64BIT) != 0,
                (flags & PCI_MSI_FLAGS_MASKBIT) != 0);
    }

    private PciCapability msix(int offset) {
        int table = config.readInt(offset + PCI_MSIX_TABLE);
        int pending = config.readInt(offset + PCI_MSIX_PBA);
        return new PciCapability.Msix(
                offset,
                (readShort(offset + PCI_MSIX_FLAGS) & PCI_MSIX_FLAGS_QSIZE) + 1,
                table & PCI_MSIX_TABLE_BIR,
                Integer.toUnsignedLong(table & PCI_MSIX_TABLE_OFFSET),
                pending & PCI_MSIX_PBA_BIR,
                Integer.toUnsignedLong(pending & PCI_MSIX_PBA_OFFSET));
    }

    private PciCapability express(int offset) {
        int flags = readShort(offset + PCI_EXP_FLAGS);
        int device = config.readInt(offset + PCI_EXP_DEVCAP);
        int control = readShort(offset + PCI_EXP_DEVCTL);
        int link = readShort(offset + PCI_EXP_LNKSTA);
        int kind = (flags & PCI_EXP_FLAGS_TYPE) >> 4;
        boolean hasLink = kind != PCI_EXP_TYPE_RC_END && kind != PCI_EXP_TYPE_RC_EC;
        return new PciCapability.Express(
                offset,
                flags & PCI_EXP_FLAGS_VERS,
                switch (kind) {
                    case PCI_EXP_TYPE_ENDPOINT -> PciCapability.Express.Kind.ENDPOINT;
                    case PCI_EXP_TYPE_LEG_END -> PciCapability.Express.Kind.LEGACY_ENDPOINT;
                    case PCI_EXP_TYPE_RC_END -> PciCapability.Express.Kind.INTEGRATED_ENDPOINT;
                    default -> PciCapability.Express.Kind.OTHER;
                },
                (device & PCI_EXP_DEVCAP_FLR) != 0,
                MIN_PAYLOAD << (device & PCI_EXP_DEVCAP_PAYLOAD),
                MIN_PAYLOAD << ((control & PCI_EXP_DEVCTL_PAYLOAD) >> 5),
                MIN_PAYLOAD << ((control & PCI_EXP_DEVCTL_READRQ) >> 12),
                hasLink ? link & PCI_EXP_LNKSTA_CLS : 0,
                hasLink ? (link & PCI_EXP_LNKSTA_NLW) >> PCI_EXP_LNKSTA_NLW_SHIFT : 0);
    }

    private @Nullable PciCapability vendorSpecific(int offset, int space) {
        int length = Byte.toUnsignedInt(config.readByte(offset + PCI_CAP_FLAGS));
        return space < length ? null : new PciCapability.VendorSpecific(offset, 0, 0, length);
    }

    private PciCapability errorReporting(int offset) {
        return new PciCapability.AdvancedErrorReporting(
                offset,
                config.readInt(offset + PCI_ERR_UNCOR_STATUS),
                config.readInt(offset + PCI_ERR_UNCOR_MASK),
                config.readInt(offset + PCI_ERR_UNCOR_SEVER),
                config.readInt(offset + PCI_ERR_COR_STATUS),
                config.readInt(offset + PCI_ERR_COR_MASK));
    }

    private PciCapability serialNumber(int offset) {
        return new PciCapability.SerialNumber(
                offset,
                Integer.toUnsignedLong(config.readInt(offset + SERIAL_NUMBER))
                        | (long) config.readInt(offset + SERIAL_NUMBER + Integer.BYTES) << Integer.SIZE);
    }

    private @Nullable PciCapability extendedVendorSpecific(int offset, int space) {
        if (space < PCI_VSEC_HDR + Integer.BYTES) {
            return null;
        }
        int header = config.readInt(offset + PCI_VSEC_HDR);
        int length = header >>> PCI_VSEC_HDR_LEN_SHIFT;
        return space < length ? null : new PciCapability.VendorSpecific(offset, 0, header & 0xffff, length);
    }

    private @Nullable PciCapability designatedVendorSpecific(int offset, int space) {
        if (space < DVSEC_ID + Short.BYTES) {
            return null;
        }
        int header = config.readInt(offset + PCI_VSEC_HDR);
        int length = header >>> PCI_VSEC_HDR_LEN_SHIFT;
        return space < length
                ? null
                : new PciCapability.VendorSpecific(offset, header & 0xffff, readShort(offset + DVSEC_ID), length);
    }

    private int readShort(int offset) {
        return Short.toUnsignedInt(config.readShort(offset));
    }
}
