package org.jvfio;

import static org.jvfio.uapi.vfio_h.PCI_CAPABILITY_LIST;
import static org.jvfio.uapi.vfio_h.PCI_CAP_LIST_NEXT;
import static org.jvfio.uapi.vfio_h.PCI_STATUS;
import static org.jvfio.uapi.vfio_h.PCI_STATUS_CAP_LIST;

import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;

/**
 * Walks the capability lists of a configuration space, as Linux does ({@code pci_find_capability}): a list ends at an
 * invalid pointer or header, and what was found before is kept. Each walk ends, whatever the device returns.
 */
final class CapabilityWalk {
    private static final int FIRST = 0x40;
    private static final int NO_CAPABILITY_ID = 0xff;
    private static final int NO_CAPABILITY = -1;

    private final Region region;
    private final CapabilityDecoder decoder;
    private final List<PciCapability> found = new ArrayList<>();
    private final List<CapabilityDefect> defects = new ArrayList<>();

    CapabilityWalk(Region region) {
        this.region = region;
        this.decoder = new CapabilityDecoder(region);
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
        if ((region.readShort(PCI_STATUS) & PCI_STATUS_CAP_LIST) == 0) {
            return this;
        }
        BitSet visited = new BitSet();
        int link = PCI_CAPABILITY_LIST;
        while (true) {
            int offset = region.readByte(link) & 0xfc;
            if (offset == 0 || isInvalid(false, link, offset, FIRST, visited)) {
                return this;
            }
            int id = Byte.toUnsignedInt(region.readByte(offset));
            if (id == NO_CAPABILITY_ID) {
                defects.add(new CapabilityDefect(false, offset, "there is no capability: its id reads 0xff"));
                return this;
            }
            PciCapability capability = decoder.standard(offset, id);
            if (capability == null) {
                tooShort(false, offset, id);
                capability = new PciCapability.Other(offset, id, 0);
            }
            found.add(capability);
            link = offset + PCI_CAP_LIST_NEXT;
        }
    }

    /** Walks the list of extended capabilities, if the kernel shows more than the first 256 bytes. */
    CapabilityWalk extended() {
        if (region.size() <= ConfigSpace.EXTENDED) {
            return this;
        }
        BitSet visited = new BitSet();
        int link = ConfigSpace.EXTENDED;
        int offset = ConfigSpace.EXTENDED;
        while (offset != 0 && !isInvalid(true, link, offset, ConfigSpace.EXTENDED, visited)) {
            int header = region.readInt(offset);
            if (header == NO_CAPABILITY) {
                // At the beginning it says that there is no list.
                if (offset != ConfigSpace.EXTENDED) {
                    defects.add(
                            new CapabilityDefect(true, offset, "there is no capability: its header reads all ones"));
                }
                return this;
            }
            int id = header & 0xffff;
            // The null capability, id 0, has no registers; at the beginning, with no next one, it says that there is no
            // list.
            if (id != 0) {
                int version = header >>> 16 & 0xf;
                PciCapability capability = decoder.extended(offset, id, version);
                if (capability == null) {
                    tooShort(true, offset, id);
                    capability = new PciCapability.Other(offset, id, version);
                }
                found.add(capability);
            }
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
        } else if (offset > region.size() - Integer.BYTES) {
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
                "the registers of the capability with id 0x%x reach behind 0x%x"
                        .formatted(id, extended ? region.size() : ConfigSpace.EXTENDED)));
    }
}
