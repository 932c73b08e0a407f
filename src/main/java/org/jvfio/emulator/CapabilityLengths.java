package org.jvfio.emulator;

import java.util.Map;
import org.jvfio.uapi.vfio_h;

/**
 * The length of each capability as vfio-pci computes it from its registers: {@code pci_cap_length}, {@code
 * vfio_cap_len} and their kind for extended capabilities in {@code vfio_pci_config.c}. A length of 0 hides it.
 */
final class CapabilityLengths {
    private static final int AGP_BYTES = 12;
    private static final int PCIX_COMMAND = 2;
    /** The version in the command register of PCI-X. */
    private static final int PCIX_VERSION = 3 << 12;

    private static final int HYPER_TRANSPORT_TYPE = 3;
    /** Types of HyperTransport capabilities with 3 bits: host and slave. */
    private static final int HYPER_TRANSPORT_SHORT = 0xe0;

    private static final int HYPER_TRANSPORT_SHORT_BYTES = 24;
    private static final int HYPER_TRANSPORT_LONG_BYTES = 28;
    private static final int MSI_BYTES = 10;
    private static final int MSI_64_BYTES = 4;
    private static final int MSI_MASK_BYTES = 10;
    private static final int ACS_BYTES = 8;
    private static final int MAX_EGRESS_BITS = 256;
    private static final int REBAR_BYTES = 8;
    private static final int ARBITRATION_ALIGNMENT = 16;

    private static final Map<Integer, Integer> STANDARD = Map.of(
            vfio_h.PCI_CAP_ID_PM, vfio_h.PCI_PM_SIZEOF,
            vfio_h.PCI_CAP_ID_AGP, AGP_BYTES,
            vfio_h.PCI_CAP_ID_VPD, vfio_h.PCI_CAP_VPD_SIZEOF,
            vfio_h.PCI_CAP_ID_MSIX, vfio_h.PCI_CAP_MSIX_SIZEOF,
            vfio_h.PCI_CAP_ID_AF, vfio_h.PCI_CAP_AF_SIZEOF);

    private static final Map<Integer, Integer> EXTENDED = Map.of(
            vfio_h.PCI_EXT_CAP_ID_ERR, vfio_h.PCI_ERR_ROOT_COMMAND,
            vfio_h.PCI_EXT_CAP_ID_DSN, vfio_h.PCI_EXT_CAP_DSN_SIZEOF,
            vfio_h.PCI_EXT_CAP_ID_PWR, vfio_h.PCI_EXT_CAP_PWR_SIZEOF,
            vfio_h.PCI_EXT_CAP_ID_ARI, vfio_h.PCI_EXT_CAP_ARI_SIZEOF,
            vfio_h.PCI_EXT_CAP_ID_ATS, vfio_h.PCI_EXT_CAP_ATS_SIZEOF,
            vfio_h.PCI_EXT_CAP_ID_SRIOV, vfio_h.PCI_EXT_CAP_SRIOV_SIZEOF,
            vfio_h.PCI_EXT_CAP_ID_MCAST, vfio_h.PCI_EXT_CAP_MCAST_ENDPOINT_SIZEOF,
            vfio_h.PCI_EXT_CAP_ID_PRI, vfio_h.PCI_EXT_CAP_PRI_SIZEOF,
            vfio_h.PCI_EXT_CAP_ID_LTR, vfio_h.PCI_EXT_CAP_LTR_SIZEOF);

    private final ConfigRegisters registers;

    CapabilityLengths(ConfigRegisters registers) {
        this.registers = registers;
    }

    /** The bytes of a capability in the first 256 bytes; 0 if vfio-pci hides it. */
    int standard(int id, int place) {
        Integer fixed = STANDARD.get(id);
        if (fixed != null) {
            return fixed;
        }
        return switch (id) {
            case vfio_h.PCI_CAP_ID_MSI -> {
                int flags = registers.getShort(place + vfio_h.PCI_MSI_FLAGS);
                yield MSI_BYTES
                        + ((flags & vfio_h.PCI_MSI_FLAGS_64BIT) != 0 ? MSI_64_BYTES : 0)
                        + ((flags & vfio_h.PCI_MSI_FLAGS_MASKBIT) != 0 ? MSI_MASK_BYTES : 0);
            }
            case vfio_h.PCI_CAP_ID_PCIX ->
                isPcixVersion2(place) ? vfio_h.PCI_CAP_PCIX_SIZEOF_V2 : vfio_h.PCI_CAP_PCIX_SIZEOF_V0;
            case vfio_h.PCI_CAP_ID_HT ->
                (registers.getByte(place + HYPER_TRANSPORT_TYPE) & HYPER_TRANSPORT_SHORT) != 0
                        ? HYPER_TRANSPORT_SHORT_BYTES
                        : HYPER_TRANSPORT_LONG_BYTES;
            case vfio_h.PCI_CAP_ID_VNDR -> registers.getByte(place + vfio_h.PCI_CAP_FLAGS);
            case vfio_h.PCI_CAP_ID_EXP -> express(place);
            case vfio_h.PCI_CAP_ID_SATA ->
                (registers.getByte(place + vfio_h.PCI_SATA_REGS) & vfio_h.PCI_SATA_REGS_MASK)
                                == vfio_h.PCI_SATA_REGS_INLINE
                        ? vfio_h.PCI_SATA_SIZEOF_LONG
                        : vfio_h.PCI_SATA_SIZEOF_SHORT;
            default -> 0;
        };
    }

    /** Whether a PCI-X capability is one of version 2, which has extended capabilities. */
    boolean isPcixVersion2(int place) {
        return (registers.getShort(place + PCIX_COMMAND) & PCIX_VERSION) != 0;
    }

    private int express(int place) {
        int flags = registers.getShort(place + vfio_h.PCI_EXP_FLAGS);
        boolean integrated = (flags & vfio_h.PCI_EXP_FLAGS_TYPE) >> 4 == vfio_h.PCI_EXP_TYPE_RC_END;
        if ((flags & vfio_h.PCI_EXP_FLAGS_VERS) == 1) {
            return integrated ? vfio_h.PCI_CAP_EXP_RC_ENDPOINT_SIZEOF_V1 : vfio_h.PCI_CAP_EXP_ENDPOINT_SIZEOF_V1;
        }
        return integrated ? vfio_h.PCI_CAP_EXP_RC_ENDPOINT_SIZEOF_V2 : vfio_h.PCI_CAP_EXP_ENDPOINT_SIZEOF_V2;
    }

    /** The bytes of an extended capability; 0 if vfio-pci hides it. */
    int extended(int id, int place) {
        Integer fixed = EXTENDED.get(id);
        if (fixed != null) {
            return fixed;
        }
        return switch (id) {
            case vfio_h.PCI_EXT_CAP_ID_VNDR ->
                registers.getInt(place + vfio_h.PCI_VSEC_HDR) >>> vfio_h.PCI_VSEC_HDR_LEN_SHIFT;
            case vfio_h.PCI_EXT_CAP_ID_DVSEC ->
                registers.getInt(place + vfio_h.PCI_DVSEC_HEADER1) >>> vfio_h.PCI_VSEC_HDR_LEN_SHIFT;
            case vfio_h.PCI_EXT_CAP_ID_VC, vfio_h.PCI_EXT_CAP_ID_VC9, vfio_h.PCI_EXT_CAP_ID_MFVC -> channels(place);
            case vfio_h.PCI_EXT_CAP_ID_ACS -> accessControl(place);
            case vfio_h.PCI_EXT_CAP_ID_REBAR -> {
                int bars = registers.getByte(place + vfio_h.PCI_REBAR_CTRL) & vfio_h.PCI_REBAR_CTRL_NBAR_MASK;
                yield Integer.BYTES + (bars >> vfio_h.PCI_REBAR_CTRL_NBAR_SHIFT) * REBAR_BYTES;
            }
            case vfio_h.PCI_EXT_CAP_ID_DPA ->
                vfio_h.PCI_DPA_BASE_SIZEOF
                        + (registers.getByte(place + vfio_h.PCI_DPA_CAP) & vfio_h.PCI_DPA_CAP_SUBSTATE_MASK)
                        + 1;
            case vfio_h.PCI_EXT_CAP_ID_TPH -> steering(place);
            default -> 0;
        };
    }

    private int channels(int place) {
        int extended = registers.getInt(place + vfio_h.PCI_VC_PORT_CAP1) & vfio_h.PCI_VC_CAP1_EVCC;
        int arbitration = registers.getInt(place + vfio_h.PCI_VC_PORT_CAP2);
        int phases = 0;
        if ((arbitration & vfio_h.PCI_VC_CAP2_128_PHASE) != 0) {
            phases = 128;
        } else if ((arbitration & vfio_h.PCI_VC_CAP2_64_PHASE) != 0) {
            phases = 64;
        } else if ((arbitration & vfio_h.PCI_VC_CAP2_32_PHASE) != 0) {
            phases = 32;
        }
        int bytes = vfio_h.PCI_CAP_VC_BASE_SIZEOF + (1 + extended) * vfio_h.PCI_CAP_VC_PER_VC_SIZEOF;
        // 4 bits for each phase.
        return phases == 0
                ? bytes
                : ((bytes + ARBITRATION_ALIGNMENT - 1) & -ARBITRATION_ALIGNMENT) + phases * 4 / Byte.SIZE;
    }

    private int accessControl(int place) {
        if ((registers.getByte(place + vfio_h.PCI_ACS_CAP) & vfio_h.PCI_ACS_EC) == 0) {
            return ACS_BYTES;
        }
        int bits = registers.getByte(place + vfio_h.PCI_ACS_EGRESS_BITS);
        int whole = bits == 0 ? MAX_EGRESS_BITS : (bits + Integer.SIZE - 1) & -Integer.SIZE;
        return ACS_BYTES + whole / Byte.SIZE;
    }

    private int steering(int place) {
        int capability = registers.getInt(place + vfio_h.PCI_TPH_CAP);
        if ((capability & vfio_h.PCI_TPH_CAP_LOC_MASK) != vfio_h.PCI_TPH_LOC_CAP) {
            return vfio_h.PCI_TPH_BASE_SIZEOF;
        }
        int last = (capability & vfio_h.PCI_TPH_CAP_ST_MASK) >> vfio_h.PCI_TPH_CAP_ST_SHIFT;
        return vfio_h.PCI_TPH_BASE_SIZEOF + (last + 1) * Short.BYTES;
    }
}
