package org.jvfio;

import static org.jvfio.uapi.vfio_h.*;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.locks.Lock;

/**
 * The configuration space of a device, read register by register. What the kernel shows is not always what the device has:
 *
 * <ul>
 *   <li>ids, header type, class and status are as the device has them, and cannot be written;
 *   <li>the command register is the device's, but for {@link PciCommand#INTX_DISABLE};
 *   <li>BARs, the interrupt line and the pin are the kernel's copy: writes reach no hardware, and reading a BAR gives what was
 *       written, with the bits below its size as zero. {@link #bars} finds sizes so;
 *   <li>of the capabilities, those that the kernel does not know are left out; {@link PciCapability} tells for each what a driver
 *       may write. MSI and MSI-X are enabled by {@link Device#enableInterrupts} alone.
 * </ul>
 *
 * <p>{@link Device#config} reads and writes the registers that have no method here. All methods throw {@link VfioException}
 * if the kernel refuses or what is read makes no sense, and {@link IllegalStateException} if the device is closed.
 */
public final class ConfigSpace {
    /** Where the extended capabilities begin, in bytes. */
    static final int EXTENDED = 0x100;

    // What a load gives from a device that does not answer, as when its PE is frozen.
    private static final short NO_ANSWER = -1;
    private static final int FIRST_CAPABILITY = 0x40;
    private static final int BARS = 6;
    private static final int SMALLEST_PAYLOAD = 128;
    private static final int DVSEC_ID = 8;
    private static final int SERIAL_NUMBER = 4;

    private final Region region;
    private final String device;
    private final Lock lock;

    ConfigSpace(Region region, String device, Lock lock) {
        this.region = region;
        this.device = device;
        this.lock = lock;
    }

    /** The vendor's number, 16 bits. */
    public int vendorId() {
        return readShort(PCI_VENDOR_ID);
    }

    /** The vendor's number for the device, 16 bits. */
    public int deviceId() {
        return readShort(PCI_DEVICE_ID);
    }

    /** The number of who made the board or system, 16 bits; 0 if there is none. */
    public int subsystemVendorId() {
        return readShort(PCI_SUBSYSTEM_VENDOR_ID);
    }

    /** That one's number for it, 16 bits. */
    public int subsystemId() {
        return readShort(PCI_SUBSYSTEM_ID);
    }

    /** What it is for: base class, subclass and programming interface, 8 bits each; 0x010802 is an NVMe drive. */
    public int classCode() {
        return region.readInt(PCI_CLASS_REVISION) >>> Byte.SIZE;
    }

    /** Its revision, 8 bits. */
    public int revision() {
        return readByte(PCI_REVISION_ID);
    }

    /** Whether it is one of several functions at its slot. */
    public boolean isMultifunction() {
        return (readByte(PCI_HEADER_TYPE) & PCI_HEADER_TYPE_MFD) != 0;
    }

    /** What it may do. */
    public Set<PciCommand> command() {
        return PciCommand.of(region.readShort(PCI_COMMAND));
    }

    /**
     * Sets bits of the command register.
     *
     * @throws VfioException if the device does not answer, and as all methods
     */
    public void enable(PciCommand... bits) {
        lock.lock();
        try {
            short command = region.readShort(PCI_COMMAND);
            if (!isAnswer(command)) {
                throw new VfioException(
                        "set up " + device,
                        "it does not answer: it is dead, or its PE is frozen",
                        "look at the PE's state");
            }
            region.writeShort(PCI_COMMAND, (short) (command | PciCommand.bits(bits)));
        } finally {
            lock.unlock();
        }
    }

    /** Clears bits of the command register. A device that does not answer is left as it is. */
    public void disable(PciCommand... bits) {
        lock.lock();
        try {
            short command = region.readShort(PCI_COMMAND);
            int mask = PciCommand.bits(bits);
            if (isAnswer(command) && (command & mask) != 0) {
                region.writeShort(PCI_COMMAND, (short) (command & ~mask));
            }
        } finally {
            lock.unlock();
        }
    }

    /** The kernel answers for INTX_DISABLE itself, also when the device does not. */
    private static boolean isAnswer(short command) {
        return (short) (command | PCI_COMMAND_INTX_DISABLE) != NO_ANSWER;
    }

    /** The status register, 16 bits. Its error bits cannot be cleared by way of VFIO. */
    public int status() {
        return readShort(PCI_STATUS);
    }

    /** What firmware or the kernel wrote there of the line's number, 8 bits; a driver may write it too. */
    public int interruptLine() {
        return readByte(PCI_INTERRUPT_LINE);
    }

    /** Which pin is its line: 1 to 4 for INTA to INTD; 0 if it has none, or the kernel cannot use it. */
    public int interruptPin() {
        return readByte(PCI_INTERRUPT_PIN);
    }

    /** The BARs that there are, with their sizes. It writes to the kernel's copy of the BARs, and restores it. */
    public List<Bar> bars() {
        lock.lock();
        try {
            List<Bar> bars = new ArrayList<>();
            for (int index = 0; index < BARS; index++) {
                int register = PCI_BASE_ADDRESS_0 + index * Integer.BYTES;
                int low = region.readInt(register);
                int lowMask = mask(register, low);
                boolean io = (lowMask & PCI_BASE_ADDRESS_SPACE) == PCI_BASE_ADDRESS_SPACE_IO;
                boolean wide = !io && (lowMask & PCI_BASE_ADDRESS_MEM_TYPE_MASK) == PCI_BASE_ADDRESS_MEM_TYPE_64;
                int flags = io ? 0x3 : 0xf;
                long address = Integer.toUnsignedLong(low & ~flags);
                long mask = (lowMask & ~flags) | -1L << Integer.SIZE;
                if (wide && index + 1 < BARS) {
                    int high = region.readInt(register + Integer.BYTES);
                    mask = (long) mask(register + Integer.BYTES, high) << Integer.SIZE
                            | Integer.toUnsignedLong(lowMask & ~flags);
                    address |= (long) high << Integer.SIZE;
                } else if ((lowMask & ~flags) == 0) {
                    continue;
                }
                if (mask != 0) {
                    bars.add(new Bar(
                            index,
                            io ? Bar.Kind.IO : wide ? Bar.Kind.MEMORY_64 : Bar.Kind.MEMORY_32,
                            !io && (lowMask & PCI_BASE_ADDRESS_MEM_PREFETCH) != 0,
                            address,
                            -mask));
                }
                index += wide ? 1 : 0;
            }
            return bars;
        } finally {
            lock.unlock();
        }
    }

    /** What can be set of a BAR. */
    private int mask(int register, int value) {
        region.writeInt(register, -1);
        try {
            return region.readInt(register);
        } finally {
            region.writeInt(register, value);
        }
    }

    /**
     * All capabilities, those in the first 256 bytes first, each list in the order of its chain.
     *
     * @throws VfioException if a chain is malformed (it comes back to itself, or a capability reaches beyond its space) or the
     *     device does not answer; and as all methods
     */
    public List<PciCapability> capabilities() {
        List<PciCapability> found = new ArrayList<>();
        standardCapabilities(found);
        if (region.size() > EXTENDED) {
            extendedCapabilities(found);
        }
        return found;
    }

    /**
     * The first capability of a type.
     *
     * @throws VfioException as {@link #capabilities}
     */
    public <T extends PciCapability> Optional<T> capability(Class<T> type) {
        return capabilities().stream().filter(type::isInstance).map(type::cast).findFirst();
    }

    private void standardCapabilities(List<PciCapability> found) {
        int status = status();
        requireAnswer(status, 0xffff);
        if ((status & PCI_STATUS_CAP_LIST) == 0) {
            return;
        }
        Chain chain = new Chain(EXTENDED);
        int offset = readByte(PCI_CAPABILITY_LIST) & ~0x3;
        while (offset != 0) {
            chain.enter(offset, FIRST_CAPABILITY, Short.BYTES);
            int header = readShort(offset);
            requireAnswer(header, 0xffff);
            found.add(standardCapability(chain, offset, header & 0xff));
            offset = header >>> Byte.SIZE & ~0x3;
        }
    }

    private PciCapability standardCapability(Chain chain, int offset, int id) {
        return switch (id) {
            case PCI_CAP_ID_PM -> {
                chain.requireInside(offset, PCI_PM_SIZEOF);
                int capabilities = readShort(offset + PCI_PM_PMC);
                int control = readShort(offset + PCI_PM_CTRL);
                yield new PciCapability.PowerManagement(
                        offset,
                        capabilities & PCI_PM_CAP_VER_MASK,
                        (capabilities & PCI_PM_CAP_D1) != 0,
                        (capabilities & PCI_PM_CAP_D2) != 0,
                        (control & PCI_PM_CTRL_NO_SOFT_RESET) != 0,
                        PowerState.of(control & PCI_PM_CTRL_STATE_MASK));
            }
            case PCI_CAP_ID_MSI -> {
                chain.requireInside(offset, PCI_MSI_DATA_32 + Short.BYTES);
                int flags = readShort(offset + PCI_MSI_FLAGS);
                yield new PciCapability.Msi(
                        offset,
                        1 << ((flags & PCI_MSI_FLAGS_QMASK) >> 1),
                        (flags & PCI_MSI_FLAGS_64BIT) != 0,
                        (flags & PCI_MSI_FLAGS_MASKBIT) != 0);
            }
            case PCI_CAP_ID_MSIX -> {
                chain.requireInside(offset, PCI_CAP_MSIX_SIZEOF);
                int table = region.readInt(offset + PCI_MSIX_TABLE);
                int pending = region.readInt(offset + PCI_MSIX_PBA);
                yield new PciCapability.Msix(
                        offset,
                        (readShort(offset + PCI_MSIX_FLAGS) & PCI_MSIX_FLAGS_QSIZE) + 1,
                        table & PCI_MSIX_TABLE_BIR,
                        Integer.toUnsignedLong(table & PCI_MSIX_TABLE_OFFSET),
                        pending & PCI_MSIX_PBA_BIR,
                        Integer.toUnsignedLong(pending & PCI_MSIX_PBA_OFFSET));
            }
            case PCI_CAP_ID_EXP -> {
                chain.requireInside(offset, PCI_CAP_EXP_ENDPOINT_SIZEOF_V1);
                yield express(offset);
            }
            case PCI_CAP_ID_VPD -> {
                chain.requireInside(offset, PCI_CAP_VPD_SIZEOF);
                yield new PciCapability.VitalProductData(offset);
            }
            case PCI_CAP_ID_VNDR -> {
                int length = readByte(offset + PCI_CAP_FLAGS);
                chain.requireInside(offset, length);
                yield new PciCapability.VendorSpecific(offset, 0, 0, length);
            }
            default -> new PciCapability.Other(offset, id, 0);
        };
    }

    private PciCapability.Express express(int offset) {
        int flags = readShort(offset + PCI_EXP_FLAGS);
        int device = region.readInt(offset + PCI_EXP_DEVCAP);
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
                SMALLEST_PAYLOAD << (device & PCI_EXP_DEVCAP_PAYLOAD),
                SMALLEST_PAYLOAD << ((control & PCI_EXP_DEVCTL_PAYLOAD) >> 5),
                SMALLEST_PAYLOAD << ((control & PCI_EXP_DEVCTL_READRQ) >> 12),
                hasLink ? link & PCI_EXP_LNKSTA_CLS : 0,
                hasLink ? (link & PCI_EXP_LNKSTA_NLW) >> PCI_EXP_LNKSTA_NLW_SHIFT : 0);
    }

    private void extendedCapabilities(List<PciCapability> found) {
        Chain chain = new Chain((int) region.size());
        int offset = EXTENDED;
        while (offset != 0) {
            chain.enter(offset, EXTENDED, Integer.BYTES);
            int header = region.readInt(offset);
            requireAnswer(header, -1);
            int id = header & 0xffff;
            // An id of 0 is a hole that keeps the chain together; a header of 0 at its beginning says that there is
            // none.
            if (id != 0) {
                found.add(extendedCapability(chain, offset, id, header >>> 16 & 0xf));
            }
            offset = header >>> 20 & ~0x3;
        }
    }

    private PciCapability extendedCapability(Chain chain, int offset, int id, int version) {
        return switch (id) {
            case PCI_EXT_CAP_ID_ERR -> {
                chain.requireInside(offset, PCI_ERR_CAP);
                yield new PciCapability.AdvancedErrorReporting(
                        offset,
                        region.readInt(offset + PCI_ERR_UNCOR_STATUS),
                        region.readInt(offset + PCI_ERR_UNCOR_MASK),
                        region.readInt(offset + PCI_ERR_UNCOR_SEVER),
                        region.readInt(offset + PCI_ERR_COR_STATUS),
                        region.readInt(offset + PCI_ERR_COR_MASK));
            }
            case PCI_EXT_CAP_ID_DSN -> {
                chain.requireInside(offset, SERIAL_NUMBER + Long.BYTES);
                yield new PciCapability.SerialNumber(
                        offset,
                        Integer.toUnsignedLong(region.readInt(offset + SERIAL_NUMBER))
                                | (long) region.readInt(offset + SERIAL_NUMBER + Integer.BYTES) << Integer.SIZE);
            }
            case PCI_EXT_CAP_ID_VNDR -> {
                chain.requireInside(offset, PCI_VSEC_HDR + Integer.BYTES);
                int header = region.readInt(offset + PCI_VSEC_HDR);
                int length = header >>> PCI_VSEC_HDR_LEN_SHIFT;
                chain.requireInside(offset, length);
                yield new PciCapability.VendorSpecific(offset, 0, header & 0xffff, length);
            }
            case PCI_EXT_CAP_ID_DVSEC -> {
                chain.requireInside(offset, DVSEC_ID + Short.BYTES);
                int header = region.readInt(offset + PCI_VSEC_HDR);
                int length = header >>> PCI_VSEC_HDR_LEN_SHIFT;
                chain.requireInside(offset, length);
                yield new PciCapability.VendorSpecific(offset, header & 0xffff, readShort(offset + DVSEC_ID), length);
            }
            default -> new PciCapability.Other(offset, id, version);
        };
    }

    /** What was visited of a chain, so that a walk of it ends. */
    private final class Chain {
        private final int end;
        private final List<Integer> visited = new ArrayList<>();

        private Chain(int end) {
            this.end = end;
        }

        void enter(int offset, int first, int headerBytes) {
            if (offset < first) {
                throw malformed("it leads to 0x%x, in the header".formatted(offset));
            }
            if (visited.contains(offset)) {
                throw malformed("it comes back to 0x%x".formatted(offset));
            }
            visited.add(offset);
            requireInside(offset, headerBytes);
        }

        void requireInside(int offset, int bytes) {
            if (offset + bytes > end) {
                throw malformed("a capability of %d bytes begins at 0x%x, and the space ends at 0x%x"
                        .formatted(bytes, offset, end));
            }
        }

        private VfioException malformed(String reason) {
            return new VfioException(
                    "read the capabilities of " + device,
                    "the chain of them is malformed: " + reason,
                    "reset the device, or update its firmware");
        }
    }

    private void requireAnswer(int value, int noAnswer) {
        if (value == noAnswer) {
            throw new VfioException(
                    "read the capabilities of " + device,
                    "its configuration space reads all ones: it is gone, or its PE is frozen",
                    "look at the PE's state");
        }
    }

    /**
     * What power the device has.
     *
     * @throws VfioException if it has no power management, and as {@link #capabilities}
     */
    public PowerState powerState() {
        return powerManagement("ask").state();
    }

    /**
     * Gives the device more or less power; the kernel waits until it is so. In any state but D0 its BARs are not accessible.
     *
     * @throws VfioException if the device has no such state, and as {@link #capabilities}
     */
    public void setPowerState(PowerState state) {
        lock.lock();
        try {
            PciCapability.PowerManagement capability = powerManagement("set");
            if ((state == PowerState.D1 && !capability.d1()) || (state == PowerState.D2 && !capability.d2())) {
                throw new VfioException("set the power state of " + device, "it has no " + state, "use D0 or D3_HOT");
            }
            int register = capability.offset() + PCI_PM_CTRL;
            int control = readShort(register);
            region.writeShort(register, (short) ((control & ~PCI_PM_CTRL_STATE_MASK) | state.number()));
        } finally {
            lock.unlock();
        }
    }

    private PciCapability.PowerManagement powerManagement(String verb) {
        return capability(PciCapability.PowerManagement.class)
                .orElseThrow(() -> new VfioException(
                        verb + " the power state of " + device,
                        "it has no power management capability",
                        "leave it at full power"));
    }

    /**
     * Reads 4 bytes of vital product data, the first of them in the lowest bits. The kernel reads them, so it may take some
     * milliseconds.
     *
     * @param address bytes from the beginning, a multiple of 4 up to 0x7ffc
     * @throws VfioException if the device has no such data there, and as {@link #capabilities}
     */
    public int readVitalProductData(int address) {
        String asked = "read vital product data of %s at 0x%x".formatted(device, address);
        if (address < 0 || address > PCI_VPD_ADDR_MASK || address % Integer.BYTES != 0) {
            throw new VfioException(asked, "there are no 4 bytes of it", "use a multiple of 4 up to 0x7ffc");
        }
        lock.lock();
        try {
            int offset = capability(PciCapability.VitalProductData.class)
                    .orElseThrow(() -> new VfioException(asked, "the device has none", "see its capabilities"))
                    .offset();
            region.writeShort(offset + PCI_VPD_ADDR, (short) address);
            if ((readShort(offset + PCI_VPD_ADDR) & PCI_VPD_ADDR_F) == 0) {
                throw new VfioException(asked, "the kernel could not read it", "read up to its end tag only");
            }
            return region.readInt(offset + PCI_VPD_DATA);
        } finally {
            lock.unlock();
        }
    }

    private int readByte(int offset) {
        return Byte.toUnsignedInt(region.readByte(offset));
    }

    private int readShort(int offset) {
        return Short.toUnsignedInt(region.readShort(offset));
    }
}
