package org.jvfio.emulator.device;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.Set;
import org.jvfio.uapi.vfio_h;

/**
 * An additional capability in a device's configuration space. The emulator itself creates MSI, MSI-X, PCI Express and
 * power management from the device's other properties. Immutable.
 */
public final class EmulatedCapability {
    private static final int HEADER_BYTES = 2;
    private static final int EXTENDED_HEADER_BYTES = 4;
    private static final int POWER_BYTES = 8;
    private static final int POWER_VERSION = 3;
    private static final int ERROR_REPORTING_BYTES = 0x48;
    private static final int ERROR_REPORTING_VERSION = 2;
    private static final int FATAL_ERRORS = 0x00462030;
    private static final int UNCORRECTABLE_ERRORS = 0x007ff030;
    private static final int CORRECTABLE_ERRORS = 0x0000f1c1;
    private static final int MAX_STANDARD_BYTES = vfio_h.PCI_CFG_SPACE_SIZE - vfio_h.PCI_STD_HEADER_SIZEOF;
    private static final int MAX_EXTENDED_BYTES = vfio_h.PCI_CFG_SPACE_EXP_SIZE - vfio_h.PCI_CFG_SPACE_SIZE;

    /**
     * Capabilities that the emulator creates itself, or that Linux handles in special ways that it does not emulate.
     */
    private static final Set<Integer> NOT_OF_DEVICES = Set.of(
            vfio_h.PCI_CAP_ID_AGP,
            vfio_h.PCI_CAP_ID_VPD,
            vfio_h.PCI_CAP_ID_MSI,
            vfio_h.PCI_CAP_ID_MSIX,
            vfio_h.PCI_CAP_ID_EXP,
            vfio_h.PCI_CAP_ID_PCIX,
            vfio_h.PCI_CAP_ID_HT,
            vfio_h.PCI_CAP_ID_SATA);

    private final boolean extended;
    private final int id;
    private final int version;
    private final byte[] registers;
    private final byte[] writable;

    private EmulatedCapability(boolean extended, int id, int version, byte[] registers, byte[] writable) {
        this.extended = extended;
        this.id = id;
        this.version = version;
        this.registers = registers.clone();
        this.writable = Arrays.copyOf(writable, registers.length);
        int maximum = extended ? MAX_EXTENDED_BYTES : MAX_STANDARD_BYTES;
        if (id < 0 || id > (extended ? 0xffff : 0xff) || (!extended && NOT_OF_DEVICES.contains(id))) {
            throw new IllegalArgumentException("capability 0x%x: a device cannot add it".formatted(id));
        }
        if (version < 0 || version > 0xf) {
            throw new IllegalArgumentException("version " + version + " of a capability: the range is 0 to 15");
        }
        if (bytes() > maximum) {
            throw new IllegalArgumentException(
                    "a capability of %d bytes: the maximum is %d".formatted(bytes(), maximum));
        }
        if (writable.length > registers.length) {
            throw new IllegalArgumentException(
                    "a capability of %d bytes with a write mask of %d".formatted(registers.length, writable.length));
        }
    }

    /**
     * A capability in the first 256 bytes.
     *
     * @param id 8 bits
     * @param registers the initial contents after its id and next pointer, little-endian
     * @param writable a mask of the writable bits; bytes past its end are read-only
     * @throws IllegalArgumentException if the emulator creates this capability itself, or it is too large
     */
    public static EmulatedCapability of(int id, byte[] registers, byte[] writable) {
        return new EmulatedCapability(false, id, 0, registers, writable);
    }

    /**
     * An extended capability, of a PCI Express device.
     *
     * @param id 16 bits
     * @param version 4 bits
     * @param registers the initial contents after its 4-byte header, little-endian
     * @param writable a mask of the writable bits; bytes past its end are read-only
     * @throws IllegalArgumentException if it is too large
     */
    public static EmulatedCapability extended(int id, int version, byte[] registers, byte[] writable) {
        return new EmulatedCapability(true, id, version, registers, writable);
    }

    /**
     * A vendor-specific capability, all of whose registers are writable.
     *
     * @param registers the initial contents after its id, next pointer and length
     */
    public static EmulatedCapability vendorSpecific(byte[] registers) {
        byte[] all = new byte[registers.length + 1];
        all[0] = (byte) (all.length + HEADER_BYTES);
        System.arraycopy(registers, 0, all, 1, registers.length);
        byte[] writable = new byte[all.length];
        Arrays.fill(writable, 1, writable.length, (byte) -1);
        return of(vfio_h.PCI_CAP_ID_VNDR, all, writable);
    }

    /** Power management, which every PCI Express device has by default: D0 and D3hot, with or without a soft reset. */
    public static EmulatedCapability powerManagement(boolean resetsWhenItWakes) {
        byte[] registers = new byte[POWER_BYTES - HEADER_BYTES];
        littleEndian(registers).putShort(0, (short) POWER_VERSION).putShort(vfio_h.PCI_PM_CTRL - HEADER_BYTES, (short)
                (resetsWhenItWakes ? 0 : vfio_h.PCI_PM_CTRL_NO_SOFT_RESET));
        return of(vfio_h.PCI_CAP_ID_PM, registers, new byte[0]);
    }

    /** Advanced error reporting (AER), without errors. */
    public static EmulatedCapability advancedErrorReporting() {
        byte[] registers = new byte[ERROR_REPORTING_BYTES - EXTENDED_HEADER_BYTES];
        littleEndian(registers).putInt(vfio_h.PCI_ERR_UNCOR_SEVER - EXTENDED_HEADER_BYTES, FATAL_ERRORS);
        byte[] writable = new byte[registers.length];
        littleEndian(writable)
                .putInt(vfio_h.PCI_ERR_UNCOR_MASK - EXTENDED_HEADER_BYTES, UNCORRECTABLE_ERRORS)
                .putInt(vfio_h.PCI_ERR_UNCOR_SEVER - EXTENDED_HEADER_BYTES, UNCORRECTABLE_ERRORS)
                .putInt(vfio_h.PCI_ERR_COR_MASK - EXTENDED_HEADER_BYTES, CORRECTABLE_ERRORS);
        return extended(vfio_h.PCI_EXT_CAP_ID_ERR, ERROR_REPORTING_VERSION, registers, writable);
    }

    /** A device serial number of 64 bits. */
    public static EmulatedCapability serialNumber(long number) {
        byte[] registers = new byte[Long.BYTES];
        littleEndian(registers).putLong(0, number);
        return extended(vfio_h.PCI_EXT_CAP_ID_DSN, 1, registers, new byte[0]);
    }

    private static ByteBuffer littleEndian(byte[] registers) {
        return ByteBuffer.wrap(registers).order(ByteOrder.LITTLE_ENDIAN);
    }

    public boolean isExtended() {
        return extended;
    }

    public int id() {
        return id;
    }

    public int version() {
        return version;
    }

    public int headerBytes() {
        return extended ? EXTENDED_HEADER_BYTES : HEADER_BYTES;
    }

    /** Its size in bytes, including its header. */
    public int bytes() {
        return headerBytes() + registers.length;
    }

    /** A register's initial value. */
    public byte register(int number) {
        return registers[number];
    }

    /** The writable bits of a byte. */
    public byte writable(int number) {
        return writable[number];
    }
}
