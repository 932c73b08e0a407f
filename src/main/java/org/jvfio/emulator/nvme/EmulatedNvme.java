package org.jvfio.emulator.nvme;

import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.jvfio.emulator.device.DeviceBus;
import org.jvfio.emulator.device.DeviceIdentity;
import org.jvfio.emulator.device.DeviceInterrupts;
import org.jvfio.emulator.device.EmulatedDevice;
import org.jvfio.emulator.nvme.NamespaceOptions.CopyLimits;

/**
 * An NVMe 1.4 controller, modelled on QEMU's {@code nvme} device: the same PCI identity, registers and limits. Its
 * namespaces are in memory or in image files; {@link NamespaceOptions} gives their numbers and formats. A {@link
 * DrivePreset} is like a known drive.
 *
 * <p>It executes a command when its doorbell is rung, before the write to the doorbell returns. It reports that it has
 * no SGLs, controller memory buffer, fused commands or keep alive. For tests of drivers, {@link NvmeFaults} make it
 * delay, lose or corrupt commands.
 */
public final class EmulatedNvme implements EmulatedDevice {
    static final int VENDOR = 0x1b36;
    static final int SUBSYSTEM_VENDOR = 0x1af4;

    private static final int DEVICE = 0x0010;
    private static final int REVISION = 0x02;
    private static final int CLASS_CODE = 0x010802;
    private static final long MASK_48_BITS = (1L << 48) - 1;

    private final Configuration configuration;
    private final NamespaceList namespaces;
    private @Nullable DeviceBus bus;
    /** Made at its first use: it takes longer than booting a host, and many programs only look at its drive. */
    private @Nullable Controller controller;

    private EmulatedNvme(Configuration configuration) {
        this.configuration = configuration;
        this.namespaces = configuration.open();
    }

    /**
     * Starts with QEMU's defaults: 64 I/O queue pairs of up to 2048 entries, commands of up to 512 KiB, INTx and 65
     * MSI-X vectors.
     */
    public static Builder builder() {
        return new Builder();
    }

    @Override
    public DeviceIdentity identity() {
        Oddities like = configuration.oddities();
        return new DeviceIdentity(like.vendor(), like.device(), REVISION, CLASS_CODE);
    }

    @Override
    public long[] barBytes() {
        return new long[] {configuration.barBytes()};
    }

    @Override
    public boolean isWideBar(int bar) {
        return true;
    }

    @Override
    public DeviceInterrupts interrupts() {
        return new DeviceInterrupts(
                true,
                configuration.messages(),
                configuration.vectors(),
                0,
                configuration.tableOffset(),
                configuration.pendingOffset());
    }

    @Override
    public boolean isExpress() {
        return true;
    }

    @Override
    public List<Path> files() {
        return configuration.images();
    }

    @Override
    public void plug(DeviceBus newBus) {
        boolean isNarrow = configuration.oddities().has(DriveOddity.DMA_48_BITS);
        bus = isNarrow ? new NarrowBus(newBus, MASK_48_BITS) : newBus;
        controller = null;
    }

    @Override
    public void reset() {
        plugged().powerOn();
    }

    @Override
    public boolean answers(int bar, long offset, int size) {
        return true;
    }

    /** Registers have 4 bytes, and some 8; doorbells have 4, and are there for the admin queue and each I/O queue. */
    @Override
    public boolean isReserved(int bar, long offset, int size) {
        if (offset >= Registers.DOORBELLS) {
            int stride = Integer.BYTES << configuration.limits().doorbellStride();
            long doorbell = offset - Registers.DOORBELLS;
            long end = 2L * stride * (configuration.limits().queuePairs() + 1);
            return size != Integer.BYTES || doorbell % stride != 0 || doorbell >= end;
        }
        return !Registers.isDefined((int) offset, size);
    }

    @Override
    public long read(int bar, long offset, int size) {
        int register = (int) offset & -Integer.BYTES;
        long low = Integer.toUnsignedLong(plugged().read(register));
        if (size == Long.BYTES) {
            return (long) plugged().read(register + Integer.BYTES) << Integer.SIZE | low;
        }
        return (low >>> ((offset - register) * Byte.SIZE)) & (-1L >>> (Long.SIZE - size * Byte.SIZE));
    }

    /** Registers are written with 4 bytes, or two of them with 8; smaller writes are ignored. */
    @Override
    public void write(int bar, long offset, int size, long value) {
        if (size < Integer.BYTES) {
            return;
        }
        plugged().write((int) offset, (int) value);
        if (size == Long.BYTES) {
            plugged().write((int) offset + Integer.BYTES, (int) (value >>> Integer.SIZE));
        }
    }

    private Controller plugged() {
        Controller plugged = controller;
        if (plugged == null) {
            if (bus == null) {
                throw new IllegalStateException("the device has not been plugged into a host");
            }
            plugged = new Controller(configuration, namespaces, bus);
            controller = plugged;
        }
        return plugged;
    }

    /** Builds controllers; more than one if needed, for instance one for each host that is booted. */
    public static final class Builder {
        static final long DEFAULT_BYTES = 512L << 20;
        static final int DEFAULT_BLOCK = 512;
        private static final int MAX_PAIRS = 64;
        private static final int MAX_ENTRIES = 1 << 16;
        private static final int MAX_MDTS = 16;
        private static final int MAX_VECTORS = MAX_PAIRS + 1;
        private static final int MAX_MESSAGES = 32;
        private static final int MAX_TIMEOUT = 255;
        private static final int MAX_MEDIA_TIMEOUT = 0xffff;
        private static final int SERIAL_LENGTH = 20;
        private static final int MODEL_LENGTH = 40;
        private static final int NAME_LENGTH = 223;
        private static final int MAX_CONTROLLERS = 32;
        private static final int MAX_PAGE_SHIFT = 27;
        private static final int MAX_STRIDE = 8;
        private static final int COMMAND_SETS = 0xff;

        private final List<NamespaceOptions> namespaces = new ArrayList<>();
        private boolean hasDefaultNamespace = true;
        private CopyLimits defaultCopyLimits = CopyLimits.DEFAULT;
        private String serial = "jvfio";
        private String model = "JVFIO NVMe Ctrl";
        private @Nullable String subsystem;
        private int controllerId;
        private int controllers = 1;
        private int minPageShift = Configuration.SMALLEST_PAGE_SHIFT;
        private int maxPageShift = 16;
        private int commandSets = 0x41;
        private int doorbellStride;
        private Set<OptionalCommand> commands = EnumSet.allOf(OptionalCommand.class);
        private CommandLimits commandLimits = CommandLimits.NONE;
        private Set<Deviation> deviations = Deviation.NONE;
        private int vendor = VENDOR;
        private int device = DEVICE;
        private Set<DriveOddity> oddities = EnumSet.noneOf(DriveOddity.class);
        private int queuePairs = MAX_PAIRS;
        private int queueEntries = 2048;
        private int mdts = 7;
        private int messages;
        private int vectors = MAX_VECTORS;
        private Duration readyTimeout = Duration.ofMillis(7500);
        private Duration mediaTimeout = Duration.ZERO;
        private NvmeFaults faults = NvmeFaults.NONE;

        private Builder() {}

        /**
         * Sets the serial number.
         * @param text 1 to 20 printable ASCII characters
         * @throws IllegalArgumentException if it is anything else
         */
        public Builder serial(String text) {
            serial = checkText("serial number", text, SERIAL_LENGTH);
            return this;
        }

        /**
         * Sets the model number.
         * @param text 1 to 40 printable ASCII characters
         * @throws IllegalArgumentException if it is anything else
         */
        public Builder model(String text) {
            model = checkText("model number", text, MODEL_LENGTH);
            return this;
        }

        /**
         * Makes it one of several controllers of a subsystem. Its namespaces are reported as shared; to share their
         * data, give the controllers the same image files.
         *
         * @param name the subsystem's qualified name, the same one for all its controllers: 1 to 223 printable ASCII
         *     characters
         * @param id the identifier of this controller, 0 to {@code count} - 1, which no other controller of the
         *     subsystem has
         * @param count the number of controllers of the subsystem, 1 to 32
         * @throws IllegalArgumentException if an argument is out of range
         */
        public Builder subsystem(String name, int id, int count) {
            subsystem = checkText("name of the subsystem", name, NAME_LENGTH);
            controllers = check("controllers of the subsystem", count, 1, MAX_CONTROLLERS);
            controllerId = check("controller identifier", id, 0, count - 1);
            return this;
        }

        private static String checkText(String what, String text, int length) {
            if (text.isEmpty()
                    || text.length() > length
                    || !text.chars().allMatch(each -> each >= ' ' && each <= '~')) {
                throw new IllegalArgumentException(
                        "%s '%s': it has 1 to %d printable ASCII characters".formatted(what, text, length));
            }
            return text;
        }

        /**
         * Sets the memory page sizes that the host can choose from (CAP.MPSMIN, CAP.MPSMAX); 4 KiB to 64 KiB by
         * default.
         *
         * @param smallest log2 of bytes, 12 to 27
         * @param largest log2 of bytes, from {@code smallest} to 27
         */
        public Builder pageShifts(int smallest, int largest) {
            minPageShift =
                    check("log2 of the smallest page", smallest, Configuration.SMALLEST_PAGE_SHIFT, MAX_PAGE_SHIFT);
            maxPageShift = check("log2 of the largest page", largest, smallest, MAX_PAGE_SHIFT);
            return this;
        }

        /**
         * Sets CAP.CSS: bit 0 for the NVM command set, bit 6 for other I/O command sets, bit 7 for none. By default
         * bits 0 and 6 are set.
         *
         * @param bits 0 to 255
         */
        public Builder commandSets(int bits) {
            commandSets = check("CAP.CSS", bits, 0, COMMAND_SETS);
            return this;
        }

        /**
         * Sets CAP.DSTRD: the distance of two doorbells is 4 bytes shifted by it.
         *
         * @param shift 0 to 8
         */
        public Builder doorbellStride(int shift) {
            doorbellStride = check("CAP.DSTRD", shift, 0, MAX_STRIDE);
            return this;
        }

        /** Sets the optional commands of the NVM command set that it supports (ONCS); by default all. */
        public Builder commands(Set<OptionalCommand> supported) {
            EnumSet<OptionalCommand> copy = EnumSet.noneOf(OptionalCommand.class);
            copy.addAll(supported);
            commands = copy;
            return this;
        }

        /** Sets the limits of commands without data transfer (Identify CNS 06h); by default there are none. */
        public Builder commandLimits(CommandLimits limits) {
            commandLimits = limits;
            return this;
        }

        CommandLimits commandLimits() {
            return commandLimits;
        }

        /** Sets the limits of Copy in the namespace that a controller without a namespace gets. */
        Builder defaultCopyLimits(CopyLimits limits) {
            defaultCopyLimits = limits;
            return this;
        }

        CopyLimits defaultCopyLimits() {
            return defaultCopyLimits;
        }

        /**
         * Sets its PCI vendor and device ids, and the vendor id of Identify; those of QEMU's controller by default.
         *
         * @throws IllegalArgumentException if they have more than 16 bits, or mean that there is no device
         */
        public Builder pciId(int vendorId, int deviceId) {
            DeviceIdentity checked = new DeviceIdentity(vendorId, deviceId, REVISION, CLASS_CODE);
            vendor = checked.vendor();
            device = checked.device();
            return this;
        }

        /** Makes it misbehave as known drives do; by default it does not. */
        public Builder oddities(Set<DriveOddity> kinds) {
            EnumSet<DriveOddity> copy = EnumSet.noneOf(DriveOddity.class);
            copy.addAll(kinds);
            oddities = copy;
            return this;
        }

        /** Makes it differ from the specification. */
        Builder deviations(Set<Deviation> given) {
            deviations = given;
            return this;
        }

        /**
         * Sets the number of I/O queue pairs.
         *
         * @param pairs 1 to 64
         */
        public Builder queuePairs(int pairs) {
            queuePairs = check("I/O queue pairs", pairs, 1, MAX_PAIRS);
            return this;
        }

        /**
         * Sets the maximum entries of an I/O queue.
         *
         * @param entries 2 to 65536
         */
        public Builder queueEntries(int entries) {
            queueEntries = check("queue entries", entries, 2, MAX_ENTRIES);
            return this;
        }

        /**
         * Sets the maximum data transfer size (MDTS), as log2 of its smallest pages (MPSMIN): 7 is 512 KiB if
         * they have 4 KiB.
         *
         * @param shift 1 to 16, or 0 for no limit
         */
        public Builder mdts(int shift) {
            mdts = check("MDTS", shift, 0, MAX_MDTS);
            return this;
        }

        /**
         * Sets the number of MSI messages. By default there is no MSI, as in QEMU.
         *
         * @param count a power of two from 1 to 32, or 0 for no MSI
         */
        public Builder msi(int count) {
            if (check("MSI messages", count, 0, MAX_MESSAGES) != 0 && Integer.bitCount(count) != 1) {
                throw new IllegalArgumentException("MSI messages: %d is not a power of two".formatted(count));
            }
            messages = count;
            return this;
        }

        /**
         * Sets the number of MSI-X vectors.
         *
         * @param count 1 to 65, or 0 for no MSI-X
         */
        public Builder msix(int count) {
            vectors = check("MSI-X vectors", count, 0, MAX_VECTORS);
            return this;
        }

        /**
         * Sets CAP.TO: how long the host waits for CSTS.RDY to change. Without faults it changes at once.
         *
         * @param timeout a multiple of 500 ms, up to 127.5 s; 0, which the specification does not allow, is what some
         *     controllers have
         */
        public Builder readyTimeout(Duration timeout) {
            readyTimeout = check(timeout, 0, MAX_TIMEOUT, "127.5 s");
            return this;
        }

        /**
         * Adds the register CRTO of NVM Express 2.0 (CAP.CRMS), and sets its field CRWMT: how long the host waits for
         * CSTS.RDY, which CAP.TO cannot say if it is longer than 127.5 s.
         *
         * @param timeout a multiple of 500 ms, up to 32767.5 s
         */
        public Builder mediaTimeout(Duration timeout) {
            mediaTimeout = check(timeout, 1, MAX_MEDIA_TIMEOUT, "32767.5 s");
            return this;
        }

        private static Duration check(Duration timeout, int least, int most, String text) {
            long units = Configuration.timeoutUnits(timeout);
            if (units < least
                    || units > most
                    || !Configuration.TIMEOUT_UNIT.multipliedBy(units).equals(timeout)) {
                throw new IllegalArgumentException(
                        "timeout of %d ms: it is a multiple of 500 ms, up to %s".formatted(timeout.toMillis(), text));
            }
            return timeout;
        }

        /** Sets the faults; none by default. */
        public Builder faults(NvmeFaults plan) {
            faults = plan;
            return this;
        }

        private static int check(String name, int value, int minimum, int maximum) {
            if (value < minimum || value > maximum) {
                throw new IllegalArgumentException(
                        "%s: %d is not in the range %d to %d".formatted(name, value, minimum, maximum));
            }
            return value;
        }

        /**
         * Adds a namespace in memory, with blocks of 512 bytes. Only written parts use memory. A controller without a
         * namespace gets one of 512 MiB.
         *
         * @param bytes from one block to 16 TiB
         */
        public Builder namespace(long bytes) {
            return namespace(bytes, DEFAULT_BLOCK);
        }

        /**
         * Adds a namespace in memory.
         *
         * @param bytes from one block to 16 TiB; a partial block at the end is not used
         * @param blockBytes 512 or 4096
         */
        public Builder namespace(long bytes, int blockBytes) {
            return namespace(
                    NamespaceOptions.ofMemory(bytes).blockBytes(blockBytes).build());
        }

        /**
         * Adds a namespace that a raw image file backs, as {@link NamespaceOptions#ofImage}.
         *
         * @param image a readable file of whole blocks
         * @param blockBytes 512 or 4096
         * @throws IllegalArgumentException if there is no such file
         */
        public Builder namespace(Path image, int blockBytes) {
            return namespace(
                    NamespaceOptions.ofImage(image).blockBytes(blockBytes).build());
        }

        /**
         * Adds a namespace.
         *
         * @throws IllegalArgumentException if there are 256, or another one has its identifier
         */
        public Builder namespace(NamespaceOptions options) {
            check("namespaces", namespaces.size() + 1, 1, NamespaceList.MAX_ID);
            if (options.id() != 0 && namespaces.stream().anyMatch(each -> each.id() == options.id())) {
                throw new IllegalArgumentException("two namespaces have identifier " + options.id());
            }
            namespaces.add(options);
            return this;
        }

        /** Removes all namespaces; without another call the controller has none. */
        public Builder withoutNamespaces() {
            namespaces.clear();
            hasDefaultNamespace = false;
            return this;
        }

        /**
         * Builds a controller.
         * @throws UncheckedIOException if an image can no longer be opened
         */
        public EmulatedNvme build() {
            List<NamespaceOptions> all = namespaces.isEmpty() && hasDefaultNamespace
                    ? List.of(NamespaceOptions.ofMemory(DEFAULT_BYTES)
                            .copyLimits(defaultCopyLimits)
                            .build())
                    : namespaces;
            return new EmulatedNvme(new Configuration(
                    new Configuration.Names(serial, model, subsystem, controllerId, controllers),
                    new Configuration.Limits(
                            queuePairs, queueEntries, mdts, minPageShift, maxPageShift, commandSets, doorbellStride),
                    messages,
                    vectors,
                    readyTimeout,
                    mediaTimeout,
                    all,
                    commands,
                    commandLimits,
                    deviations,
                    new Oddities(vendor, device, oddities),
                    faults));
        }
    }
}
