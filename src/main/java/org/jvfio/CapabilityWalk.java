package org.jvfio;

import static org.jvfio.uapi.vfio_h.PCI_CAPABILITY_LIST;
import static org.jvfio.uapi.vfio_h.PCI_CAP_ID_EXP;
import static org.jvfio.uapi.vfio_h.PCI_CAP_ID_PCIX;
import static org.jvfio.uapi.vfio_h.PCI_CAP_LIST_NEXT;
import static org.jvfio.uapi.vfio_h.PCI_STATUS;
import static org.jvfio.uapi.vfio_h.PCI_STATUS_CAP_LIST;
import static org.jvfio.uapi.vfio_h.PCI_STD_HEADER_SIZEOF;

import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;

/**
 * Walks the capability lists of a configuration space as Linux does ({@code pci_find_capability}): a list ends at an
 * invalid pointer or header, and what was found before is kept. Each walk ends, whatever the device returns. lspci
 * finds the same, except that it follows a pointer into the header, or from the extended list into the first 256 bytes,
 * and prints what is there as a capability; here the list ends at such a pointer, as in Linux.
 */
final class CapabilityWalk {
    /** Capabilities begin behind the header. */
    private static final int FIRST = PCI_STD_HEADER_SIZEOF;

    private static final int HEADER_BYTES = 4;
    private static final int NO_CAPABILITY_ID = 0xff;
    private static final int NO_CAPABILITY = -1;

    private final ConfigBytes config;
    private final CapabilityDecoder decoder;
    private final List<PciCapability> found = new ArrayList<>();
    private final List<CapabilityDefect> defects = new ArrayList<>();
    private boolean canBeExtended;

    CapabilityWalk(ConfigBytes config) {
        this.config = config;
        this.decoder = new CapabilityDecoder(config);
    }

    /** In the order of the lists. */
    List<PciCapability> found() {
        return found;
    }

    /** In the order in which they were met. */
    List<CapabilityDefect> defects() {
        return defects;
    }

    /** Walks the list in the first 256 bytes. */
    CapabilityWalk standard() {
        if ((config.readShort(PCI_STATUS) & PCI_STATUS_CAP_LIST) == 0) {
            return this;
        }
        BitSet visited = new BitSet();
        int link = PCI_CAPABILITY_LIST;
        while (true) {
            // The lowest 2 bits are reserved.
            int offset = config.readByte(link) & 0xfc;
            if (offset == 0 || isInvalid(false, link, offset, FIRST, visited)) {
                return this;
            }
            int id = Byte.toUnsignedInt(config.readByte(offset));
            if (id == NO_CAPABILITY_ID) {
                defects.add(new CapabilityDefect(false, offset, "there is no capability: its id reads 0xff"));
                return this;
            }
            canBeExtended |= id == PCI_CAP_ID_EXP || id == PCI_CAP_ID_PCIX;
            PciCapability capability = decoder.standard(offset, id);
            if (capability == null) {
                tooShort(false, offset, id);
                capability = new PciCapability.Other(offset, id, 0);
            }
            found.add(capability);
            link = offset + PCI_CAP_LIST_NEXT;
        }
    }

    /**
     * Walks the list of extended capabilities, if the kernel shows more than the first 256 bytes and {@link #standard}
     * has found the PCI Express or PCI-X capability of a function that can have some.
     */
    CapabilityWalk extended() {
        if (config.size() < ConfigSpace.EXTENDED + HEADER_BYTES) {
            return this;
        }
        if (!canBeExtended) {
            int header = config.readInt(ConfigSpace.EXTENDED);
            if (header != 0 && header != NO_CAPABILITY) {
                defects.add(new CapabilityDefect(
                        true, ConfigSpace.EXTENDED, "it is not read, as no PCI Express or PCI-X capability was found"));
            }
            return this;
        }
        BitSet visited = new BitSet();
        int link = ConfigSpace.EXTENDED;
        int offset = ConfigSpace.EXTENDED;
        while (offset != 0 && !isInvalid(true, link, offset, ConfigSpace.EXTENDED, visited)) {
            int header = config.readInt(offset);
            if (header == NO_CAPABILITY || header == 0) {
                // At the beginning it says that there is no list.
                if (offset != ConfigSpace.EXTENDED) {
                    defects.add(new CapabilityDefect(
                            true,
                            offset,
                            "there is no capability: its header reads " + (header == 0 ? "zeros" : "all ones")));
                }
                return this;
            }
            int id = header & 0xffff;
            int version = header >>> 16 & 0xf;
            PciCapability capability = decoder.extended(offset, id, version);
            if (capability == null) {
                tooShort(true, offset, id);
                capability = new PciCapability.Other(offset, id, version);
            }
            found.add(capability);
            link = offset;
            offset = header >>> 20 & ~0x3;
        }
        return this;
    }

    private boolean isInvalid(boolean extended, int link, int offset, int first, BitSet visited) {
        if (offset < first) {
            defects.add(new CapabilityDefect(
                    extended, link, "the pointer leads to 0x%x, outside the list".formatted(offset)));
        } else if (visited.get(offset)) {
            defects.add(new CapabilityDefect(extended, link, "the pointer leads back to 0x%x".formatted(offset)));
        } else if (offset > config.size() - HEADER_BYTES) {
            defects.add(new CapabilityDefect(
                    extended, link, "the pointer leads to 0x%x, behind the configuration space".formatted(offset)));
        } else {
            visited.set(offset);
            return false;
        }
        return true;
    }

    private void tooShort(boolean extended, int offset, int id) {
        defects.add(new CapabilityDefect(
                extended,
                offset,
                "the registers of the capability with id 0x%x reach behind 0x%x".formatted(id, decoder.end(extended))));
    }
}
