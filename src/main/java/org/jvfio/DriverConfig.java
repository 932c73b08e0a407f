package org.jvfio;

import static org.jvfio.uapi.vfio_h.PCI_CACHE_LINE_SIZE;
import static org.jvfio.uapi.vfio_h.PCI_COMMAND;
import static org.jvfio.uapi.vfio_h.PCI_ERR_CAP;
import static org.jvfio.uapi.vfio_h.PCI_ERR_COR_MASK;
import static org.jvfio.uapi.vfio_h.PCI_ERR_UNCOR_MASK;
import static org.jvfio.uapi.vfio_h.PCI_ERR_UNCOR_SEVER;
import static org.jvfio.uapi.vfio_h.PCI_EXP_DEVCTL;
import static org.jvfio.uapi.vfio_h.PCI_EXP_DEVCTL2;
import static org.jvfio.uapi.vfio_h.PCI_EXP_DEVCTL_BCR_FLR;
import static org.jvfio.uapi.vfio_h.PCI_EXP_DEVCTL_READRQ_256B;
import static org.jvfio.uapi.vfio_h.PCI_INTERRUPT_LINE;
import static org.jvfio.uapi.vfio_h.PCI_LATENCY_TIMER;

import java.util.concurrent.ConcurrentHashMap;

/**
 * What the driver has set in configuration space, and what of it is written again after a reset that lost it: the
 * command register, and the registers that the kernel itself restores for its own drivers ({@code pci_restore_state}),
 * which are plain settings.
 *
 * <p>For a user it does so only around a reset of the function or of the bus. After a reset of the PE, {@code
 * eeh_restore_device_bars} and the firmware's {@code OPAL_PCI_REINIT} restore what the registers had at boot; when the
 * device is closed, {@code vfio_pci_core_disable} restores what they had before it was opened. BARs, power state, MSI
 * and MSI-X are the kernel's.
 */
final class DriverConfig {
    /** Of PCI Express, the version from which on there is a second device control register. */
    private static final int SECOND_CONTROL_VERSION = 2;

    // By offset; any thread may write.
    private final ConcurrentHashMap<Integer, Byte> written = new ConcurrentHashMap<>();
    // The command register since the device was opened, which is with memory enabled. Guarded by the container's lock.
    private int commandSet = PciCommand.bits(PciCommand.MEMORY);
    private int commandCleared;

    /**
     * Takes note of a write that the kernel has made.
     *
     * @param value little-endian, in the low bytes
     */
    void wrote(long offset, int width, long value) {
        for (int each = 0; each < width; each++) {
            written.put((int) offset + each, (byte) (value >>> (each * Byte.SIZE)));
        }
    }

    /** Takes note of bits of the command register that the driver has set or cleared. */
    void command(int set, int cleared) {
        commandSet = (commandSet | set) & ~cleared;
        commandCleared = (commandCleared | cleared) & ~set;
    }

    /** Writes again what the driver has set, to a device that responds. */
    void restore(Region config, ConfigSpace space) {
        if (!written.isEmpty()) {
            restoreSettings(config, space);
        }
        // Last, as it lets the device work; vfio-pci restores BARs that a reset of the PE lost with this write.
        short command = config.readShort(PCI_COMMAND);
        config.writeShort(PCI_COMMAND, (short) ((command | commandSet) & ~commandCleared));
    }

    private void restoreSettings(Region config, ConfigSpace space) {
        space.capability(PciCapability.Express.class).ifPresent(express -> {
            restoreControl(config, express.offset() + PCI_EXP_DEVCTL);
            int second = express.offset() + PCI_EXP_DEVCTL2;
            if (express.version() >= SECOND_CONTROL_VERSION && isWritten(second, Short.BYTES)) {
                config.writeShort(second, (short) wanted(second, Short.BYTES, config.readShort(second)));
            }
        });
        space.capability(PciCapability.AdvancedErrorReporting.class).ifPresent(errors -> {
            for (int each : new int[] {PCI_ERR_UNCOR_MASK, PCI_ERR_UNCOR_SEVER, PCI_ERR_COR_MASK, PCI_ERR_CAP}) {
                int register = errors.offset() + each;
                if (isWritten(register, Integer.BYTES)) {
                    config.writeInt(register, wanted(register, Integer.BYTES, config.readInt(register)));
                }
            }
        });
        for (int register : new int[] {PCI_CACHE_LINE_SIZE, PCI_LATENCY_TIMER, PCI_INTERRUPT_LINE}) {
            if (isWritten(register, Byte.BYTES)) {
                config.writeByte(register, (byte) wanted(register, Byte.BYTES, 0));
            }
        }
    }

    /**
     * Restores the device control register of PCI Express. vfio-pci sets the maximum read request size in the device
     * only if it differs from the copy that the user reads, which outlives a reset: another size is written first.
     */
    private void restoreControl(Region config, int register) {
        if (!isWritten(register, Short.BYTES)) {
            return;
        }
        int wanted = wanted(register, Short.BYTES, config.readShort(register)) & ~PCI_EXP_DEVCTL_BCR_FLR;
        if (isWritten(register + 1, Byte.BYTES)) {
            config.writeShort(register, (short) (wanted ^ PCI_EXP_DEVCTL_READRQ_256B));
        }
        config.writeShort(register, (short) wanted);
    }

    private boolean isWritten(int register, int width) {
        for (int each = 0; each < width; each++) {
            if (written.containsKey(register + each)) {
                return true;
            }
        }
        return false;
    }

    /** A register with the bytes that the driver wrote, and the others as they are. */
    private int wanted(int register, int width, int now) {
        int value = now;
        for (int each = 0; each < width; each++) {
            Byte known = written.get(register + each);
            if (known != null) {
                int shift = each * Byte.SIZE;
                value = (value & ~(0xff << shift)) | ((known & 0xff) << shift);
            }
        }
        return value;
    }
}
