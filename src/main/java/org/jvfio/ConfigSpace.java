package org.jvfio;

import static org.jvfio.uapi.vfio_h.PCI_CLASS_REVISION;
import static org.jvfio.uapi.vfio_h.PCI_COMMAND;
import static org.jvfio.uapi.vfio_h.PCI_COMMAND_INTX_DISABLE;
import static org.jvfio.uapi.vfio_h.PCI_DEVICE_ID;
import static org.jvfio.uapi.vfio_h.PCI_HEADER_TYPE;
import static org.jvfio.uapi.vfio_h.PCI_HEADER_TYPE_MFD;
import static org.jvfio.uapi.vfio_h.PCI_INTERRUPT_LINE;
import static org.jvfio.uapi.vfio_h.PCI_INTERRUPT_PIN;
import static org.jvfio.uapi.vfio_h.PCI_PM_CTRL;
import static org.jvfio.uapi.vfio_h.PCI_PM_CTRL_STATE_MASK;
import static org.jvfio.uapi.vfio_h.PCI_REVISION_ID;
import static org.jvfio.uapi.vfio_h.PCI_STATUS;
import static org.jvfio.uapi.vfio_h.PCI_SUBSYSTEM_ID;
import static org.jvfio.uapi.vfio_h.PCI_SUBSYSTEM_VENDOR_ID;
import static org.jvfio.uapi.vfio_h.PCI_VENDOR_ID;
import static org.jvfio.uapi.vfio_h.PCI_VPD_ADDR;
import static org.jvfio.uapi.vfio_h.PCI_VPD_ADDR_F;
import static org.jvfio.uapi.vfio_h.PCI_VPD_ADDR_MASK;
import static org.jvfio.uapi.vfio_h.PCI_VPD_DATA;

import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import org.jvfio.VfioException.Kind;

/**
 * The configuration space of a device, decoded. Each call reads the registers anew. vfio-pci virtualizes some of them
 * ({@code vfio_pci_config.c}):
 *
 * <ul>
 *   <li>vendor and device id are the kernel's copy; class, revision, subsystem, header type and status come from the
 *       device. None of them can be written;
 *   <li>the command register is the device's, except for {@link PciCommand#INTX_DISABLE};
 *   <li>BARs, interrupt line and interrupt pin are the kernel's copy: a write does not reach the device. A BAR reads as
 *       it was written, with the bits below its size as zeros, by which {@link #bars} finds the sizes;
 *   <li>capabilities that the kernel does not know are removed from the list; {@link PciCapability} says which
 *       registers of the others can be written. MSI and MSI-X are enabled by {@link Device#enableInterrupts} alone.
 * </ul>
 *
 * <p>{@link Device#config} reads and writes the registers that have no method here. All methods throw {@link
 * VfioException} if the kernel refuses, and {@link IllegalStateException} if the device is closed.
 */
public final class ConfigSpace {
    /** The offset of the first extended capability, in bytes. */
    static final int EXTENDED = 0x100;

    /** The types of which the extended list has none. */
    private static final Set<Class<? extends PciCapability>> STANDARD = Set.of(
            PciCapability.PowerManagement.class,
            PciCapability.Msi.class,
            PciCapability.Msix.class,
            PciCapability.Express.class,
            PciCapability.VitalProductData.class);

    private static final short ALL_ONES_16 = -1;

    private final Region region;
    private final Device device;

    ConfigSpace(Region region, Device device) {
        this.region = region;
        this.device = device;
    }

    /** The vendor id, 16 bits. */
    public int vendorId() {
        return readShort(PCI_VENDOR_ID);
    }

    /** The device id, 16 bits. */
    public int deviceId() {
        return readShort(PCI_DEVICE_ID);
    }

    /** The vendor id of the board or system, 16 bits; 0 if there is none. */
    public int subsystemVendorId() {
        return readShort(PCI_SUBSYSTEM_VENDOR_ID);
    }

    /** The id that this vendor has assigned, 16 bits. */
    public int subsystemId() {
        return readShort(PCI_SUBSYSTEM_ID);
    }

    /** Base class, subclass and programming interface, 8 bits each; 0x010802 is an NVMe controller. */
    public int classCode() {
        return region.readInt(PCI_CLASS_REVISION) >>> Byte.SIZE;
    }

    /** The revision id, 8 bits. */
    public int revision() {
        return readByte(PCI_REVISION_ID);
    }

    /** Whether the device has several functions. */
    public boolean isMultifunction() {
        return (readByte(PCI_HEADER_TYPE) & PCI_HEADER_TYPE_MFD) != 0;
    }

    /** The bits that are set in the command register. */
    public Set<PciCommand> command() {
        return PciCommand.of(region.readShort(PCI_COMMAND));
    }

    /**
     * Sets bits of the command register.
     *
     * @throws VfioException if the device does not respond, and as all methods
     */
    public void enable(PciCommand... bits) {
        device.lock().lock();
        try {
            short command = region.readShort(PCI_COMMAND);
            if (!isResponse(command)) {
                throw silent("set bits of the command register of ");
            }
            region.writeShort(PCI_COMMAND, (short) (command | PciCommand.bits(bits)));
            device.driverConfig().command(PciCommand.bits(bits), 0);
        } finally {
            device.lock().unlock();
        }
    }

    /** Clears bits of the command register. Does nothing if the device does not respond. */
    public void disable(PciCommand... bits) {
        device.lock().lock();
        try {
            short command = region.readShort(PCI_COMMAND);
            int mask = PciCommand.bits(bits);
            device.driverConfig().command(0, mask);
            if (isResponse(command) && (command & mask) != 0) {
                region.writeShort(PCI_COMMAND, (short) (command & ~mask));
            }
        } finally {
            device.lock().unlock();
        }
    }

    /** INTX_DISABLE is the kernel's copy, so it can be clear although the device does not respond. */
    private static boolean isResponse(short command) {
        return (short) (command | PCI_COMMAND_INTX_DISABLE) != ALL_ONES_16;
    }

    /** The status register, 16 bits. VFIO does not allow its error bits to be cleared. */
    public int status() {
        return readShort(PCI_STATUS);
    }

    /** The interrupt line register, 8 bits, as firmware, the kernel or the driver wrote it. */
    public int interruptLine() {
        return readByte(PCI_INTERRUPT_LINE);
    }

    /** The interrupt pin: 1 to 4 for INTA to INTD; 0 if the device has no INTx, or the kernel cannot use it. */
    public int interruptPin() {
        return readByte(PCI_INTERRUPT_PIN);
    }

    /** The implemented BARs with their sizes. Writes the kernel's copy of the BARs, and restores it. */
    public List<Bar> bars() {
        device.lock().lock();
        try {
            return new BarSizing(region).bars();
        } finally {
            device.lock().unlock();
        }
    }

    /**
     * All capabilities: those in the first 256 bytes, then the extended ones, each in the order of its list. A
     * malformed list ends where it is malformed: {@link #capabilityDefects} says where and why. As in Linux, only a
     * function with the PCI Express or PCI-X capability has extended ones.
     *
     * @throws VfioException if the device does not respond, and as all methods
     */
    public List<PciCapability> capabilities() {
        return walk().extended().found();
    }

    /**
     * Where the capability lists are malformed; empty if they are not. The capabilities before such a place are valid.
     *
     * @throws VfioException if the device does not respond, and as all methods
     */
    public List<CapabilityDefect> capabilityDefects() {
        return walk().extended().defects();
    }

    /**
     * The first capability of a type. The extended list is read only for a type that it can have.
     *
     * @throws VfioException as {@link #capabilities}
     */
    public <T extends PciCapability> Optional<T> capability(Class<T> type) {
        CapabilityWalk walk = walk();
        Optional<T> first = first(walk, type);
        return first.isPresent() || STANDARD.contains(type) ? first : first(walk.extended(), type);
    }

    private static <T extends PciCapability> Optional<T> first(CapabilityWalk walk, Class<T> type) {
        return walk.found().stream().filter(type::isInstance).map(type::cast).findFirst();
    }

    private CapabilityWalk walk() {
        if (!device.diagnosis().isResponding()) {
            throw silent("read the capabilities of ");
        }
        return new CapabilityWalk(ConfigBytes.of(region)).standard();
    }

    private VfioException silent(String asked) {
        return new VfioException(asked + device, device.diagnosis().allOnes());
    }

    /**
     * The power state of the device.
     *
     * @throws VfioException if it has no power management capability, and as {@link #capabilities}
     */
    public PowerState powerState() {
        return powerManagement("read").state();
    }

    /**
     * Sets the power state; the kernel waits until the device has reached it. BARs are accessible in D0 only.
     *
     * @throws VfioException if the device does not support this state, and as {@link #capabilities}
     */
    public void setPowerState(PowerState state) {
        Objects.requireNonNull(state, "state");
        device.lock().lock();
        try {
            PciCapability.PowerManagement capability = powerManagement("set");
            if ((state == PowerState.D1 && !capability.d1()) || (state == PowerState.D2 && !capability.d2())) {
                throw new VfioException(
                        Kind.UNSUPPORTED,
                        "set the power state of " + device,
                        "the device has no " + state,
                        "use D0 or D3_HOT");
            }
            int register = capability.offset() + PCI_PM_CTRL;
            int control = readShort(register);
            region.writeShort(register, (short) ((control & ~PCI_PM_CTRL_STATE_MASK) | state.number()));
        } finally {
            device.lock().unlock();
        }
    }

    private PciCapability.PowerManagement powerManagement(String verb) {
        return capability(PciCapability.PowerManagement.class)
                .orElseThrow(() -> absent(
                        verb + " the power state of " + device,
                        "the device has no power management capability",
                        "leave it in D0"));
    }

    /** A capability that was not found may stand behind a defect. */
    private VfioException absent(String asked, String reason, String hint) {
        String defects =
                walk().defects().stream().map(CapabilityDefect::toString).collect(Collectors.joining("; "));
        return new VfioException(
                Kind.UNSUPPORTED, asked, defects.isEmpty() ? reason : reason + " (" + defects + ")", hint);
    }

    /**
     * Reads 4 bytes of vital product data (VPD), the byte with the lowest address in bits 0 to 7. The kernel reads them
     * from the device, which can take some milliseconds.
     *
     * @param address bytes from the beginning of the data, a multiple of 4, at most 0x7ffc
     * @throws IllegalArgumentException if the address is another one
     * @throws VfioException if the device has no VPD, or none at this address, and as {@link #capabilities}
     */
    public int readVitalProductData(int address) {
        if (address < 0 || address > PCI_VPD_ADDR_MASK || address % Integer.BYTES != 0) {
            throw new IllegalArgumentException(
                    "VPD address 0x%x: it must be a multiple of 4, at most 0x7ffc".formatted(address));
        }
        device.lock().lock();
        try {
            int offset = capability(PciCapability.VitalProductData.class)
                    .orElseThrow(
                            () -> absent(asked(address), "the device has no VPD capability", "see its capabilities"))
                    .offset();
            region.writeShort(offset + PCI_VPD_ADDR, (short) address);
            if ((readShort(offset + PCI_VPD_ADDR) & PCI_VPD_ADDR_F) == 0) {
                throw new VfioException(
                        Kind.DEVICE_ERROR,
                        asked(address),
                        "the kernel could not read it",
                        "read up to its end tag only");
            }
            return region.readInt(offset + PCI_VPD_DATA);
        } finally {
            device.lock().unlock();
        }
    }

    private String asked(int address) {
        return "read vital product data of %s at 0x%x".formatted(device, address);
    }

    private int readByte(int offset) {
        return Byte.toUnsignedInt(region.readByte(offset));
    }

    private int readShort(int offset) {
        return Short.toUnsignedInt(region.readShort(offset));
    }
}
