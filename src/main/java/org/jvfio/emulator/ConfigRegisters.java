package org.jvfio.emulator;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jvfio.emulator.device.DeviceIdentity;
import org.jvfio.emulator.device.DeviceInterrupts;
import org.jvfio.emulator.device.EmulatedCapability;
import org.jvfio.emulator.device.EmulatedDevice;
import org.jvfio.uapi.vfio_h;

/**
 * The configuration space in the device itself: a type 0 header, the capabilities, and plain storage elsewhere, as in
 * QEMU's devices. {@link VfioConfig} is the user's view of it through vfio-pci.
 */
final class ConfigRegisters {
    /** The subsystem of all QEMU devices. */
    private static final int SUBSYSTEM_VENDOR = 0x1af4;

    private static final int SUBSYSTEM = 0x1100;

    private static final int COMMAND_WRITABLE = vfio_h.PCI_COMMAND_IO
            | vfio_h.PCI_COMMAND_MEMORY
            | vfio_h.PCI_COMMAND_MASTER
            | vfio_h.PCI_COMMAND_SERR
            | vfio_h.PCI_COMMAND_INTX_DISABLE;

    private static final int FIRST_PORT = 0x1000;
    /** The largest BAR of I/O ports. */
    private static final int MAX_PORTS = 0x100;

    private static final int FIRST_CAPABILITY = 0x40;

    /** The offsets of the power management and PCI Express capabilities, as in QEMU's NVMe controller. */
    private static final int POWER = 0x60;

    private static final int EXPRESS = 0x80;
    private static final int MSIX_BYTES = 12;
    private static final int MSI_BYTES = 14;
    private static final int EXPRESS_BYTES = 0x3c;
    private static final int EXPRESS_VERSION = 2;
    private static final int DEVICE_CAPABILITIES =
            vfio_h.PCI_EXP_DEVCAP_FLR | vfio_h.PCI_EXP_DEVCAP_RBER | vfio_h.PCI_EXP_DEVCAP_EXT_TAG;
    /** The error reporting that powernv firmware enables in every endpoint: all but correctable errors. */
    private static final int REPORTED_ERRORS =
            vfio_h.PCI_EXP_DEVCTL_NFERE | vfio_h.PCI_EXP_DEVCTL_FERE | vfio_h.PCI_EXP_DEVCTL_URRE;
    /** One lane of 2.5 GT/s. */
    private static final int LINK = 0x11;

    private static final int LINK_CAPABILITIES = LINK | 0x400;
    private static final int DEVICE_CAPABILITIES_2 = 0x00300000;

    private final ByteBuffer values;
    private final ByteBuffer initial;
    private final byte[] writable;
    private final PciBars bars;
    private final FoundCapabilities found;

    /**
     * The registers after power on.
     *
     * @param bars the BARs of the device
     * @param reportsErrors whether firmware makes a PCI Express device report errors
     * @throws IllegalArgumentException if they do not fit; the message completes "the device has ..."
     */
    ConfigRegisters(EmulatedDevice device, PciBars bars, int romBytes, boolean reportsErrors, FunctionOptions options) {
        this.bars = bars;
        int size = device.isExpress() && options.extendedConfig()
                ? vfio_h.PCI_CFG_SPACE_EXP_SIZE
                : vfio_h.PCI_CFG_SPACE_SIZE;
        values = ByteBuffer.allocate(size).order(ByteOrder.LITTLE_ENDIAN);
        writable = new byte[size];
        Arrays.fill(writable, vfio_h.PCI_STD_HEADER_SIZEOF, size, (byte) -1);
        header(device);
        List<EmulatedCapability> own = new ArrayList<>(device.capabilities());
        boolean managesPower = own.stream().anyMatch(each -> !each.isExtended() && each.id() == vfio_h.PCI_CAP_ID_PM);
        if (device.isExpress() && !managesPower) {
            own.addFirst(EmulatedCapability.powerManagement(false));
        }
        standard(device, own, reportsErrors, options.vitalProductData().isPresent());
        if (!device.isExpress() || options.extendedConfig()) {
            extended(own, size);
        }
        assignBars(romBytes);
        options.config().forEach((offset, value) -> {
            if (offset >= size) {
                throw new IllegalArgumentException(
                        "%d bytes of configuration space, so that none at 0x%x can be replaced"
                                .formatted(size, offset));
            }
            values.put(offset, value);
        });
        initial = ByteBuffer.wrap(values.array().clone()).order(ByteOrder.LITTLE_ENDIAN);
        found = new FoundCapabilities(this);
    }

    private void header(EmulatedDevice device) {
        DeviceIdentity identity = device.identity();
        values.putShort(vfio_h.PCI_VENDOR_ID, (short) identity.vendor());
        values.putShort(vfio_h.PCI_DEVICE_ID, (short) identity.device());
        values.putShort(vfio_h.PCI_COMMAND, (short) (vfio_h.PCI_COMMAND_MEMORY | vfio_h.PCI_COMMAND_SERR));
        values.putInt(vfio_h.PCI_CLASS_REVISION, identity.classCode() << 8 | identity.revision());
        values.putShort(vfio_h.PCI_SUBSYSTEM_VENDOR_ID, (short) SUBSYSTEM_VENDOR);
        values.putShort(vfio_h.PCI_SUBSYSTEM_ID, (short) SUBSYSTEM);
        values.put(vfio_h.PCI_INTERRUPT_PIN, (byte) (device.interrupts().line() ? 1 : 0));
        writable(vfio_h.PCI_COMMAND, COMMAND_WRITABLE, Short.BYTES);
        writable(vfio_h.PCI_CACHE_LINE_SIZE, 0xff, 1);
        writable(vfio_h.PCI_INTERRUPT_LINE, 0xff, 1);
    }

    private void writable(int register, int mask, int bytes) {
        for (int each = 0; each < bytes; each++) {
            writable[register + each] = (byte) (mask >>> (each * Byte.SIZE));
        }
    }

    private void standard(
            EmulatedDevice device, List<EmulatedCapability> own, boolean reportsErrors, boolean hasProductData) {
        DeviceInterrupts interrupts = device.interrupts();
        int link = vfio_h.PCI_CAPABILITY_LIST;
        int place = FIRST_CAPABILITY;
        if (interrupts.vectors() > 0) {
            link = begin(vfio_h.PCI_CAP_ID_MSIX, place, MSIX_BYTES, link);
            values.putShort(place + vfio_h.PCI_MSIX_FLAGS, (short) (interrupts.vectors() - 1));
            values.putInt(place + vfio_h.PCI_MSIX_TABLE, (int) interrupts.tableOffset() | interrupts.tableBar());
            values.putInt(place + vfio_h.PCI_MSIX_PBA, (int) interrupts.pendingOffset() | interrupts.tableBar());
            place = after(place, MSIX_BYTES);
        }
        if (interrupts.messages() > 0) {
            link = begin(vfio_h.PCI_CAP_ID_MSI, place, MSI_BYTES, link);
            int logarithm = Integer.numberOfTrailingZeros(interrupts.messages());
            values.putShort(place + vfio_h.PCI_MSI_FLAGS, (short) (vfio_h.PCI_MSI_FLAGS_64BIT | logarithm << 1));
            place = after(place, MSI_BYTES);
        }
        int rest = place;
        if (device.isExpress()) {
            place = EXPRESS;
            link = begin(vfio_h.PCI_CAP_ID_EXP, place, EXPRESS_BYTES, link);
            values.putShort(place + vfio_h.PCI_EXP_FLAGS, (short) EXPRESS_VERSION);
            values.putInt(place + vfio_h.PCI_EXP_DEVCAP, DEVICE_CAPABILITIES);
            values.putInt(place + vfio_h.PCI_EXP_LNKCAP, LINK_CAPABILITIES);
            values.putShort(place + vfio_h.PCI_EXP_DEVCTL, (short) (reportsErrors ? REPORTED_ERRORS : 0));
            values.putShort(place + vfio_h.PCI_EXP_LNKSTA, (short) LINK);
            values.putInt(place + vfio_h.PCI_EXP_DEVCAP2, DEVICE_CAPABILITIES_2);
            writable(place + vfio_h.PCI_EXP_DEVCTL, 0xffff & ~vfio_h.PCI_EXP_DEVCTL_BCR_FLR, Short.BYTES);
            writable(place + vfio_h.PCI_EXP_DEVCTL2, 0xffff, Short.BYTES);
            rest = after(place, EXPRESS_BYTES);
        }
        for (EmulatedCapability capability : own) {
            if (!capability.isExtended()) {
                boolean power = device.isExpress() && capability.id() == vfio_h.PCI_CAP_ID_PM;
                place = power ? POWER : rest;
                requireSpace(place, capability.bytes());
                link = begin(capability.id(), place, capability.bytes(), link);
                fill(capability, place);
                rest = power ? rest : after(place, capability.bytes());
            }
        }
        if (hasProductData) {
            requireSpace(rest, vfio_h.PCI_CAP_VPD_SIZEOF);
            begin(vfio_h.PCI_CAP_ID_VPD, rest, vfio_h.PCI_CAP_VPD_SIZEOF, link);
        }
        if (values.get(vfio_h.PCI_CAPABILITY_LIST) != 0) {
            values.putShort(vfio_h.PCI_STATUS, (short) vfio_h.PCI_STATUS_CAP_LIST);
        }
    }

    private static void requireSpace(int place, int bytes) {
        if (place + bytes > vfio_h.PCI_CFG_SPACE_SIZE) {
            throw new IllegalArgumentException("capabilities that need more than the 192 bytes available");
        }
    }

    /** Begins a capability and links it from the end of the chain; its own next pointer is the new end. */
    private int begin(int id, int place, int bytes, int link) {
        values.put(link, (byte) place);
        values.put(place, (byte) id);
        Arrays.fill(writable, place, place + bytes, (byte) 0);
        return place + vfio_h.PCI_CAP_LIST_NEXT;
    }

    private static int after(int place, int bytes) {
        return (place + bytes + Integer.BYTES - 1) & -Integer.BYTES;
    }

    private void fill(EmulatedCapability capability, int place) {
        int header = capability.headerBytes();
        for (int each = 0; each < capability.bytes() - header; each++) {
            values.put(place + header + each, capability.register(each));
            writable[place + header + each] = capability.writable(each);
        }
    }

    private void extended(List<EmulatedCapability> own, int size) {
        int place = vfio_h.PCI_CFG_SPACE_SIZE;
        int previous = 0;
        for (EmulatedCapability capability : own) {
            if (capability.isExtended()) {
                if (place + capability.bytes() > size) {
                    throw new IllegalArgumentException(
                            "extended capabilities that do not fit: they need a PCI Express device, and at most 3840 bytes");
                }
                if (previous != 0) {
                    values.putInt(previous, values.getInt(previous) | place << 20);
                }
                values.putInt(place, capability.id() | capability.version() << 16);
                Arrays.fill(writable, place, place + capability.bytes(), (byte) 0);
                fill(capability, place);
                previous = place;
                place = after(place, capability.bytes());
            }
        }
    }

    /**
     * Assigns BARs as firmware does: each aligned to its size, 32-bit BARs below 4 GiB. A BAR of I/O ports below a
     * bridge without I/O space gets no address.
     */
    private void assignBars(int romBytes) {
        long ports = FIRST_PORT;
        long low = 1L << 31;
        long high = 1L << 40;
        for (int bar = 0; bar < bars.count(); bar++) {
            long bytes = bars.bytes(bar);
            if (bytes == 0) {
                continue;
            }
            int register = barRegister(bar);
            if (bars.hasPorts(bar)) {
                values.putInt(register, (bars.isAssigned(bar) ? (int) ports : 0) | bars.flags(bar));
                ports += MAX_PORTS;
                continue;
            }
            long alignment = bars.alignment(bar);
            boolean above = bars.isWide(bar) && bytes >= 1L << 30;
            long address = ((above ? high : low) + alignment - 1) & -alignment;
            values.putInt(register, (int) address | bars.flags(bar));
            if (bars.isWide(bar)) {
                values.putInt(register + Integer.BYTES, (int) (address >>> Integer.SIZE));
            }
            if (above) {
                high = address + alignment;
            } else {
                low = address + alignment;
            }
        }
        if (romBytes > 0) {
            values.putInt(vfio_h.PCI_ROM_ADDRESS, (int) ((low + romBytes - 1) & -romBytes));
        }
    }

    static int barRegister(int bar) {
        return vfio_h.PCI_BASE_ADDRESS_0 + bar * Integer.BYTES;
    }

    /** What Linux has found in them at boot. */
    FoundCapabilities found() {
        return found;
    }

    /** The 4 bytes that firmware has put into a register, whatever is there now. */
    long assigned(int register) {
        return Integer.toUnsignedLong(initial.getInt(register));
    }

    byte get(int register) {
        return values.get(register);
    }

    /** A byte as a number. Registers that the function does not have read all ones, as on the bus. */
    int getByte(int register) {
        return register < values.capacity() ? values.get(register) & 0xff : 0xff;
    }

    /** Like {@link #getByte}, of 2 bytes. */
    int getShort(int register) {
        return getByte(register) | (getByte(register + 1) << Byte.SIZE);
    }

    /** Like {@link #getByte}, of 4 bytes. */
    int getInt(int register) {
        return getShort(register) | (getShort(register + Short.BYTES) << Short.SIZE);
    }

    void put(int register, byte value) {
        int mask = writable[register];
        values.put(register, (byte) ((values.get(register) & ~mask) | (value & mask)));
    }

    /** Sets or clears bits of a 16-bit register that the function has, whether software may write them or not. */
    void change(int register, int bits, boolean on) {
        int value = getShort(register);
        values.putShort(register, (short) (on ? value | bits : value & ~bits));
    }

    /** The host restores the registers that it saves across a reset; all others have their power-on values. */
    void resetByHost() {
        int kept = found.offset(vfio_h.PCI_CAP_ID_EXP);
        for (int register = vfio_h.PCI_STD_HEADER_SIZEOF; register < values.capacity(); register++) {
            if (kept == 0 || register < kept || register >= kept + EXPRESS_BYTES) {
                values.put(register, initial.get(register));
            }
        }
    }

    /** The bus is reset: the device decodes nothing until it is configured again. */
    void resetByBus() {
        values.put(0, initial.array());
        values.putShort(vfio_h.PCI_COMMAND, (short) 0);
    }

    /** The state in which the host hands a device to VFIO: memory decoding on, bus mastering off. */
    void restore() {
        values.put(0, initial.array());
    }
}
