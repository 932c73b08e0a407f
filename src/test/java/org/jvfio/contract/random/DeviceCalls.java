package org.jvfio.contract.random;

import static org.jvfio.uapi.vfio_h.PCI_BASE_ADDRESS_0;
import static org.jvfio.uapi.vfio_h.PCI_CACHE_LINE_SIZE;
import static org.jvfio.uapi.vfio_h.PCI_CAPABILITY_LIST;
import static org.jvfio.uapi.vfio_h.PCI_CFG_SPACE_EXP_SIZE;
import static org.jvfio.uapi.vfio_h.PCI_CFG_SPACE_SIZE;
import static org.jvfio.uapi.vfio_h.PCI_COMMAND;
import static org.jvfio.uapi.vfio_h.PCI_COMMAND_INTX_DISABLE;
import static org.jvfio.uapi.vfio_h.PCI_COMMAND_MASTER;
import static org.jvfio.uapi.vfio_h.PCI_COMMAND_MEMORY;
import static org.jvfio.uapi.vfio_h.PCI_COMMAND_SERR;
import static org.jvfio.uapi.vfio_h.PCI_EXP_DEVCTL;
import static org.jvfio.uapi.vfio_h.PCI_EXP_DEVCTL_BCR_FLR;
import static org.jvfio.uapi.vfio_h.PCI_EXP_LNKCTL;
import static org.jvfio.uapi.vfio_h.PCI_INTERRUPT_LINE;
import static org.jvfio.uapi.vfio_h.PCI_INTERRUPT_PIN;
import static org.jvfio.uapi.vfio_h.PCI_MSIX_FLAGS;
import static org.jvfio.uapi.vfio_h.PCI_PM_CTRL;
import static org.jvfio.uapi.vfio_h.PCI_ROM_ADDRESS;
import static org.jvfio.uapi.vfio_h.PCI_SUBSYSTEM_ID;
import static org.jvfio.uapi.vfio_h.PCI_SUBSYSTEM_VENDOR_ID;
import static org.jvfio.uapi.vfio_h.VFIO_DEVICE_FEATURE_GET;
import static org.jvfio.uapi.vfio_h.VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY;
import static org.jvfio.uapi.vfio_h.VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP;
import static org.jvfio.uapi.vfio_h.VFIO_DEVICE_FEATURE_LOW_POWER_EXIT;
import static org.jvfio.uapi.vfio_h.VFIO_DEVICE_FEATURE_MIGRATION;
import static org.jvfio.uapi.vfio_h.VFIO_DEVICE_FEATURE_PCI_VF_TOKEN;
import static org.jvfio.uapi.vfio_h.VFIO_DEVICE_FEATURE_PROBE;
import static org.jvfio.uapi.vfio_h.VFIO_DEVICE_FEATURE_SET;
import static org.jvfio.uapi.vfio_h.VFIO_IRQ_SET_ACTION_MASK;
import static org.jvfio.uapi.vfio_h.VFIO_IRQ_SET_ACTION_TRIGGER;
import static org.jvfio.uapi.vfio_h.VFIO_IRQ_SET_ACTION_UNMASK;
import static org.jvfio.uapi.vfio_h.VFIO_IRQ_SET_DATA_BOOL;
import static org.jvfio.uapi.vfio_h.VFIO_IRQ_SET_DATA_EVENTFD;
import static org.jvfio.uapi.vfio_h.VFIO_IRQ_SET_DATA_NONE;
import static org.jvfio.uapi.vfio_h.VFIO_PCI_CONFIG_REGION_INDEX;
import static org.jvfio.uapi.vfio_h.VFIO_PCI_ERR_IRQ_INDEX;
import static org.jvfio.uapi.vfio_h.VFIO_PCI_INTX_IRQ_INDEX;
import static org.jvfio.uapi.vfio_h.VFIO_PCI_MSIX_IRQ_INDEX;
import static org.jvfio.uapi.vfio_h.VFIO_PCI_MSI_IRQ_INDEX;
import static org.jvfio.uapi.vfio_h.VFIO_PCI_REQ_IRQ_INDEX;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jvfio.contract.host.ContractHost;

/** Random calls on descriptors of devices, in the notation of {@link org.jvfio.kernel.CallScript}. */
public final class DeviceCalls {
    private static final int REGION_SHIFT = 40;
    private static final int BARS = 6;
    private static final long ENTRY_BYTES = 16;
    private static final int IRQ_SET_BYTES = 20;
    private static final int TRIGGER = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER;
    private static final int TRIGGER_BY_EVENTS = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;
    private static final int NVME_VECTORS = 65;
    private static final long NVME_TABLE = 0x2000;
    private static final int NVME_VERSION = 8;
    /** Where QEMU's devices have MSI or MSI-X, and an NVMe controller power management and PCI Express. */
    private static final int FIRST_CAPABILITY = 0x40;

    private static final int POWER = 0x60;
    private static final int EXPRESS = 0x80;

    private final ContractHost host;
    private final Draw draw;
    /** The index of the interrupts that devices have, by the numbers of their groups. */
    private final Map<Integer, Integer> modes = new HashMap<>();

    /** What kind of device it is. The hosts of the contract have the two of QEMU that its tests know. */
    public enum Kind {
        /** A conventional device with a line and one MSI message. */
        EDU(1 << 20),
        /** A PCI Express device with MSI-X. */
        NVME(16 << 10);

        private final long barBytes;

        Kind(long barBytes) {
            this.barBytes = barBytes;
        }
    }

    /**
     * A device that is open.
     *
     * @param name the name of its descriptor
     * @param group the number of its group
     */
    public record OpenDevice(String name, Kind kind, int group) {}

    /** What DEVICE_SET_IRQS is asked for, without its data. */
    private record IrqSet(int flags, int index, int start, int count) {}

    public DeviceCalls(ContractHost host, Draw draw) {
        this.host = host;
        this.draw = draw;
    }

    /**
     * A call on a device, or some in a row.
     *
     * @param events the names of eventfds
     * @param files the names of other files
     */
    public List<String> calls(OpenDevice device, List<String> events, List<String> files) {
        return draw.oneIn(24) ? barSize(device) : List.of(call(device, events, files));
    }

    private String call(OpenDevice device, List<String> events, List<String> files) {
        return switch (draw.below(20)) {
            case 0 -> "devinfo " + device.name();
            case 1, 2 -> "regioninfo " + device.name() + " " + regionIndex(device);
            case 3 -> "irqinfo " + device.name() + " " + draw.pick(0, 1, 2, 3, 4, 5, -1);
            case 4, 5, 6, 7, 8, 9 -> setIrqs(device, events, files);
            case 10 -> hotReset(device, files);
            case 11 -> feature(device, events, files);
            case 12 -> ioEvent(device, events, files);
            case 13, 14 -> bar(device);
            case 15 -> elsewhere(device);
            case 16, 17, 18 -> readConfig(device);
            default -> writeConfig(device);
        };
    }

    /** A reset, where it is the function's own: under QEMU that of a bus loses a slot in the end, or takes seconds. */
    public String reset(OpenDevice device) {
        return device.kind() == Kind.NVME || !host.isPowernv() ? "reset " + device.name() : "devinfo " + device.name();
    }

    private int regionIndex(OpenDevice device) {
        int index = draw.pick(0, 1, 2, 5, 6, 7, 7, 8, 9, -1);
        boolean unlike = index == VFIO_PCI_CONFIG_REGION_INDEX && hasLessConfig(device);
        return unlike ? 0 : index;
    }

    /** Whether the host keeps the extended configuration space of a device from its users. */
    private boolean hasLessConfig(OpenDevice device) {
        return device.kind() == Kind.NVME && !host.hasExtendedConfig();
    }

    private String setIrqs(OpenDevice device, List<String> events, List<String> files) {
        int messages = device.kind() == Kind.EDU ? VFIO_PCI_MSI_IRQ_INDEX : VFIO_PCI_MSIX_IRQ_INDEX;
        int other =
                draw.pick(VFIO_PCI_INTX_IRQ_INDEX, messages, messages, VFIO_PCI_ERR_IRQ_INDEX, VFIO_PCI_REQ_IRQ_INDEX);
        // Of INTx, MSI and MSI-X, a device has one at a time.
        int index = draw.oneIn(2) ? other : modes.getOrDefault(device.group(), other);
        int irqs = index == VFIO_PCI_MSIX_IRQ_INDEX ? NVME_VECTORS : 1;
        int start = draw.oneIn(3) ? draw.below(irqs) : 0;
        int count = Math.min(irqs - start, 1 + draw.below(draw.oneIn(4) ? irqs : Math.min(irqs, 4)));
        IrqSet set = switch (draw.below(12)) {
            case 0, 1, 2 -> {
                if (index < VFIO_PCI_ERR_IRQ_INDEX) {
                    modes.putIfAbsent(device.group(), index);
                }
                yield new IrqSet(TRIGGER_BY_EVENTS, index, draw.oneIn(4) ? start : 0, count);
            }
            case 3, 4 -> new IrqSet(TRIGGER, index, start, count);
            case 5, 6 -> new IrqSet(VFIO_IRQ_SET_DATA_BOOL | VFIO_IRQ_SET_ACTION_TRIGGER, index, start, count);
            case 7, 8 -> {
                int action = draw.pick(VFIO_IRQ_SET_ACTION_MASK, VFIO_IRQ_SET_ACTION_UNMASK);
                int data = draw.pick(VFIO_IRQ_SET_DATA_NONE, VFIO_IRQ_SET_DATA_BOOL, VFIO_IRQ_SET_DATA_EVENTFD);
                yield new IrqSet(data | action, VFIO_PCI_INTX_IRQ_INDEX, 0, 1);
            }
            case 9 -> {
                modes.remove(device.group(), index);
                yield new IrqSet(TRIGGER, index, 0, 0);
            }
            default -> {
                int data = draw.pick(0, 1, 2, 4, 3, 5, 7);
                int action = draw.pick(0, 8, 16, 32, 32, 24, 56, 64);
                yield new IrqSet(data | action, draw.below(7), draw.below(67), draw.below(67));
            }
        };
        return setIrqs(device, set, events, files);
    }

    private String setIrqs(OpenDevice device, IrqSet set, List<String> events, List<String> files) {
        boolean bools = (set.flags() & VFIO_IRQ_SET_DATA_BOOL) != 0;
        boolean descriptors = (set.flags() & VFIO_IRQ_SET_DATA_EVENTFD) != 0;
        List<String> values = new ArrayList<>();
        for (int each = 0; each < set.count() && (bools || descriptors); each++) {
            values.add(bools ? String.valueOf(draw.below(2)) : eventOrNone(events));
        }
        if (descriptors && !values.isEmpty() && draw.oneIn(8)) {
            values.set(draw.below(values.size()), noEvent(files));
        }
        int argsz = IRQ_SET_BYTES + set.count() * (descriptors ? Integer.BYTES : bools ? Byte.BYTES : 0);
        return "setirqs %s %d %d %d %d %d %s"
                .formatted(
                        device.name(),
                        set.flags(),
                        set.index(),
                        set.start(),
                        set.count(),
                        draw.oneIn(20) ? argsz - 1 : argsz,
                        values.isEmpty() ? "-" : String.join(",", values));
    }

    private String eventOrNone(List<String> events) {
        return events.isEmpty() || draw.oneIn(8) ? "-1" : draw.pick(events);
    }

    private String noEvent(List<String> files) {
        return draw.oneIn(2) ? draw.pick("-2", "999999", "-2147483648") : draw.pick(files);
    }

    /** Mostly an eventfd, or none. */
    private String event(List<String> events, List<String> files) {
        return draw.oneIn(8) ? noEvent(files) : eventOrNone(events);
    }

    /** What does not reset the bus. */
    private String hotReset(OpenDevice device, List<String> files) {
        if (draw.oneIn(2)) {
            return "hotinfo " + device.name();
        }
        List<String> groups = new ArrayList<>();
        for (int count = draw.pick(0, 2, 2, 3, 31); count > 0; count--) {
            groups.add(draw.pick(files));
        }
        return "hotreset %s %s %d %d"
                .formatted(
                        device.name(),
                        groups.isEmpty() ? "-" : String.join(",", groups),
                        draw.pick(11, 12, 20, 200),
                        draw.pick(0, 0, 0, 1));
    }

    private String feature(OpenDevice device, List<String> events, List<String> files) {
        int feature = draw.pick(
                VFIO_DEVICE_FEATURE_PCI_VF_TOKEN,
                VFIO_DEVICE_FEATURE_MIGRATION,
                VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY,
                VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP,
                VFIO_DEVICE_FEATURE_LOW_POWER_EXIT,
                7,
                0xffff);
        int how = draw.pick(
                0,
                VFIO_DEVICE_FEATURE_GET,
                VFIO_DEVICE_FEATURE_SET,
                VFIO_DEVICE_FEATURE_SET,
                VFIO_DEVICE_FEATURE_PROBE,
                VFIO_DEVICE_FEATURE_PROBE | VFIO_DEVICE_FEATURE_SET,
                VFIO_DEVICE_FEATURE_PROBE | VFIO_DEVICE_FEATURE_GET,
                VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_SET,
                1 << 19);
        return "feature %s %s %d %s"
                .formatted(device.name(), hex(how | feature), draw.pick(7, 8, 15, 16, 24), event(events, files));
    }

    /** A register that cannot be written, so that no event changes the device. */
    private String ioEvent(OpenDevice device, List<String> events, List<String> files) {
        long end = device.kind().barBytes;
        // What could be written in other widths than a register has is left out: edu answers with a machine check.
        int width = draw.oneIn(4) ? draw.pick(0, 3, 5, 16) : Integer.BYTES;
        long offset = draw.pick(List.of(0L, 0L, 0L, 0L, end - 2, end, NVME_TABLE, 1L << 40, 7L << 40));
        return "ioevent %s %s %d %d %s"
                .formatted(device.name(), hex(offset), draw.below(2), width, event(events, files));
    }

    /** Registers with a value that is known, the table that is not for users, and what is behind the end. */
    private String bar(OpenDevice device) {
        long end = device.kind().barBytes;
        boolean nvme = device.kind() == Kind.NVME;
        long register = nvme ? NVME_VERSION : 0;
        return switch (draw.below(6)) {
            case 0 -> read(device, 0, end + draw.below(3), draw.pick(0, 1, 4, 8));
            case 1 -> write(device, 0, end + draw.below(3), draw.pick(0, 1, 4, 8), 0);
            case 2 ->
                nvme
                        ? read(device, 0, tableRegister(), draw.pick(1, 2, 4, 8, 13))
                        : read(device, 0, register, Integer.BYTES);
            case 3 -> nvme ? write(device, 0, tableRegister(), draw.pick(1, 2, 4, 8), 0) : read(device, 0, 0, 0);
            default -> read(device, 0, register, Integer.BYTES);
        };
    }

    private long tableRegister() {
        return NVME_TABLE + draw.below(NVME_VECTORS - 1) * ENTRY_BYTES + draw.below(3) * 4L;
    }

    /** Other regions than BAR 0 and configuration space. */
    private String elsewhere(OpenDevice device) {
        int region = draw.pick(1, 2, 5, 6, 8, 9, 100);
        return draw.oneIn(2)
                ? read(device, region, draw.below(64), draw.pick(0, 1, 4))
                : write(device, region, draw.below(64), draw.pick(0, 1, 4), 0);
    }

    /** What a BAR has for its address is the host's, until it is written. */
    private List<String> barSize(OpenDevice device) {
        int register = PCI_BASE_ADDRESS_0 + Integer.BYTES * draw.below(BARS);
        return List.of(
                write(device, VFIO_PCI_CONFIG_REGION_INDEX, register, Integer.BYTES, -1),
                read(device, VFIO_PCI_CONFIG_REGION_INDEX, register, Integer.BYTES));
    }

    private String readConfig(OpenDevice device) {
        long register;
        int bytes;
        do {
            register = configRegister(device);
            bytes = draw.pick(1, 2, 4, 4, 8);
        } while ((hasLessConfig(device) && register + bytes > PCI_CFG_SPACE_SIZE)
                || overlaps(register, bytes, PCI_BASE_ADDRESS_0, PCI_BASE_ADDRESS_0 + BARS * Integer.BYTES)
                || overlaps(register, bytes, PCI_ROM_ADDRESS, PCI_CAPABILITY_LIST));
        return read(device, VFIO_PCI_CONFIG_REGION_INDEX, register, bytes);
    }

    private static boolean overlaps(long register, int bytes, int start, int end) {
        return register < end && register + bytes > start;
    }

    private long configRegister(OpenDevice device) {
        long end = device.kind() == Kind.NVME ? PCI_CFG_SPACE_EXP_SIZE : PCI_CFG_SPACE_SIZE;
        return switch (draw.below(8)) {
            case 0, 1, 2 -> draw.below(PCI_BASE_ADDRESS_0);
            case 3 -> draw.pick(PCI_SUBSYSTEM_VENDOR_ID, PCI_SUBSYSTEM_ID, PCI_CAPABILITY_LIST, PCI_INTERRUPT_PIN);
            case 4 -> hasLessConfig(device) ? PCI_COMMAND : end - draw.below(6);
            default -> draw.below(PCI_CFG_SPACE_SIZE);
        };
    }

    private String writeConfig(OpenDevice device) {
        int command = PCI_COMMAND_MEMORY * draw.below(2)
                | PCI_COMMAND_MASTER * draw.below(2)
                | PCI_COMMAND_INTX_DISABLE * draw.below(2)
                | PCI_COMMAND_SERR * draw.below(2);
        int config = VFIO_PCI_CONFIG_REGION_INDEX;
        return switch (draw.below(8)) {
            case 0, 1, 2 -> write(device, config, PCI_COMMAND, Short.BYTES, command);
            case 3 -> write(device, config, PCI_COMMAND + draw.below(2), 1, draw.below(256));
            case 4, 5 -> write(device, config, draw.pick(PCI_CACHE_LINE_SIZE, PCI_INTERRUPT_LINE), 1, draw.below(256));
            case 6 -> write(device, config, draw.below(PCI_COMMAND), draw.pick(1, 2), draw.below(65536));
            default -> writeCapability(device);
        };
    }

    private String writeCapability(OpenDevice device) {
        int register;
        int value = draw.below(1 << 16);
        if (device.kind() == Kind.EDU) {
            register = FIRST_CAPABILITY + 2 * draw.below(7);
        } else {
            register = draw.pick(
                    FIRST_CAPABILITY + PCI_MSIX_FLAGS,
                    EXPRESS + PCI_EXP_DEVCTL,
                    EXPRESS + PCI_EXP_LNKCTL,
                    host.takesPower() ? POWER + PCI_PM_CTRL : POWER);
            // A function that is reset forgets what its user cannot see, and differs by that.
            value &= ~PCI_EXP_DEVCTL_BCR_FLR;
        }
        return write(device, VFIO_PCI_CONFIG_REGION_INDEX, register, Short.BYTES, value);
    }

    private static String read(OpenDevice device, int region, long offset, int bytes) {
        return "pread %s %s %d".formatted(device.name(), place(region, offset), bytes);
    }

    private static String write(OpenDevice device, int region, long offset, int bytes, long value) {
        return "pwrite %s %s %d %s".formatted(device.name(), place(region, offset), bytes, hex(value));
    }

    private static String place(int region, long offset) {
        return hex(((long) region << REGION_SHIFT) + offset);
    }

    private static String hex(long value) {
        return "0x" + Long.toHexString(value);
    }
}
