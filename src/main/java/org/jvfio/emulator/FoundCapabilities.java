package org.jvfio.emulator;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jvfio.uapi.vfio_h;

/**
 * What the PCI core of Linux finds in the configuration space of a function at boot, with the tolerance of its own walk
 * of the lists: {@code __pci_find_next_cap_ttl}, {@code pci_find_ext_capability}, {@code pci_cfg_space_size} and what
 * the probe of a device makes of them. A capability that a broken list hides does not exist for the host.
 */
final class FoundCapabilities {
    /** {@code PCI_FIND_CAP_TTL}. */
    private static final int MAX_CAPABILITIES = 48;

    private static final int NO_CAPABILITY = 0xff;
    private static final int LINK_MASK = 0xfc;
    private static final int EXTENDED_LINK_MASK = 0xffc;
    private static final int EXTENDED_LINK_SHIFT = 20;
    private static final int EXTENDED_ID_MASK = 0xffff;
    /** The least size of an extended capability. */
    private static final int MIN_EXTENDED_BYTES = 8;

    private static final int PCIX_STATUS = 4;
    /** {@code PCI_X_STATUS_266MHZ} and {@code PCI_X_STATUS_533MHZ}: a function of PCI-X 2.0. */
    private static final int PCIX_FAST = 3 << 30;

    private static final int MAX_POWER_VERSION = 3;
    private static final int ALL_ONES = -1;

    private final ConfigRegisters registers;
    private final Map<Integer, Integer> offsets = new HashMap<>();
    private final int configBytes;
    private final boolean hasVirtualFunctions;
    private final int messages;
    private final int vectors;
    private final int table;

    /** Finds them in the registers as they are after power on. */
    FoundCapabilities(ConfigRegisters registers) {
        this.registers = registers;
        walk();
        configBytes = sizeOfConfig();
        hasVirtualFunctions = isExpress() && hasExtended(vfio_h.PCI_EXT_CAP_ID_SRIOV);
        int msi = offset(vfio_h.PCI_CAP_ID_MSI);
        int flags = registers.getShort(msi + vfio_h.PCI_MSI_FLAGS);
        messages = msi == 0 ? 0 : 1 << ((flags & vfio_h.PCI_MSI_FLAGS_QMASK) >> 1);
        int msix = offset(vfio_h.PCI_CAP_ID_MSIX);
        int control = registers.getShort(msix + vfio_h.PCI_MSIX_FLAGS);
        vectors = msix == 0 ? 0 : (control & vfio_h.PCI_MSIX_FLAGS_QSIZE) + 1;
        table = registers.getInt(msix + vfio_h.PCI_MSIX_TABLE);
    }

    private void walk() {
        if ((registers.getShort(vfio_h.PCI_STATUS) & vfio_h.PCI_STATUS_CAP_LIST) == 0) {
            return;
        }
        int place = registers.getByte(vfio_h.PCI_CAPABILITY_LIST) & LINK_MASK;
        for (int left = MAX_CAPABILITIES; left > 0 && place >= vfio_h.PCI_STD_HEADER_SIZEOF; left--) {
            int id = registers.getByte(place);
            if (id == NO_CAPABILITY) {
                return;
            }
            offsets.putIfAbsent(id, place);
            place = registers.getByte(place + vfio_h.PCI_CAP_LIST_NEXT) & LINK_MASK;
        }
    }

    private int sizeOfConfig() {
        int pcix = offset(vfio_h.PCI_CAP_ID_PCIX);
        boolean extended = isExpress() || (pcix != 0 && (registers.getInt(pcix + PCIX_STATUS) & PCIX_FAST) != 0);
        return extended && registers.getInt(vfio_h.PCI_CFG_SPACE_SIZE) != ALL_ONES
                ? vfio_h.PCI_CFG_SPACE_EXP_SIZE
                : vfio_h.PCI_CFG_SPACE_SIZE;
    }

    private boolean hasExtended(int id) {
        int place = vfio_h.PCI_CFG_SPACE_SIZE;
        int most = (configBytes - vfio_h.PCI_CFG_SPACE_SIZE) / MIN_EXTENDED_BYTES;
        for (int left = most; left > 0 && place >= vfio_h.PCI_CFG_SPACE_SIZE; left--) {
            int header = registers.getInt(place);
            if (header == 0) {
                return false;
            }
            if ((header & EXTENDED_ID_MASK) == id) {
                return true;
            }
            place = (header >>> EXTENDED_LINK_SHIFT) & EXTENDED_LINK_MASK;
        }
        return false;
    }

    /** The offset of the first capability of an id in the first 256 bytes, or 0 if none is found. */
    int offset(int id) {
        return offsets.getOrDefault(id, 0);
    }

    boolean isExpress() {
        return offset(vfio_h.PCI_CAP_ID_EXP) != 0;
    }

    /** The size of configuration space: 256 or 4096 bytes. */
    int configBytes() {
        return configBytes;
    }

    /** Whether it has the SR-IOV capability. */
    boolean hasVirtualFunctions() {
        return hasVirtualFunctions;
    }

    /** The number of MSI messages; 0 for no MSI. */
    int messages() {
        return messages;
    }

    /** The number of MSI-X vectors; 0 for no MSI-X. */
    int vectors() {
        return vectors;
    }

    /** The BAR where Linux looks for the MSI-X table, 0 to 7; without meaning where there are no vectors. */
    int tableBar() {
        return table & vfio_h.PCI_MSIX_TABLE_BIR;
    }

    /** Where Linux looks for the MSI-X table in its BAR, in bytes. */
    long tableOffset() {
        return Integer.toUnsignedLong(table & vfio_h.PCI_MSIX_TABLE_OFFSET);
    }

    /** Whether it has power states other than D0: {@code pci_pm_init}. */
    boolean managesPower() {
        int place = offset(vfio_h.PCI_CAP_ID_PM);
        return place != 0
                && (registers.getShort(place + vfio_h.PCI_PM_PMC) & vfio_h.PCI_PM_CAP_VER_MASK) <= MAX_POWER_VERSION;
    }

    /**
     * How Linux can reset the function, best first: {@code pci_reset_fn_methods}.
     *
     * @param resetsBus whether a reset of its bus resets it alone
     */
    List<String> resetMethods(boolean resetsBus) {
        List<String> methods = new ArrayList<>();
        int express = offset(vfio_h.PCI_CAP_ID_EXP);
        if (express != 0 && (registers.getInt(express + vfio_h.PCI_EXP_DEVCAP) & vfio_h.PCI_EXP_DEVCAP_FLR) != 0) {
            methods.add("flr");
        }
        int advanced = offset(vfio_h.PCI_CAP_ID_AF);
        int both = vfio_h.PCI_AF_CAP_FLR | vfio_h.PCI_AF_CAP_TP;
        if (advanced != 0 && (registers.getByte(advanced + vfio_h.PCI_AF_CAP) & both) == both) {
            methods.add("af_flr");
        }
        int control = offset(vfio_h.PCI_CAP_ID_PM) + vfio_h.PCI_PM_CTRL;
        if (managesPower() && (registers.getShort(control) & vfio_h.PCI_PM_CTRL_NO_SOFT_RESET) == 0) {
            methods.add("pm");
        }
        if (resetsBus) {
            methods.add("bus");
        }
        return methods;
    }
}
