package org.jvfio.emulator.nvme;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.jvfio.emulator.device.DeviceBus;
import org.jvfio.emulator.device.DeviceIdentity;
import org.jvfio.emulator.device.DeviceInterrupts;
import org.jvfio.emulator.device.EmulatedDevice;

/**
 * An NVMe 1.4 controller, modelled on QEMU's {@code nvme} device: the same PCI identity, registers and limits.
 * Its namespaces are in memory or in image files.
 *
 * <p>It executes a command when its doorbell is rung, before the write to the doorbell returns. It reports that it has
 * no SGLs, controller memory buffer, metadata, fused commands or keep alive. For tests of drivers, {@link NvmeFaults}
 * make it delay, lose or corrupt commands.
 */
public final class EmulatedNvme implements EmulatedDevice {
    static final int VENDOR = 0x1b36;
    static final int SUBSYSTEM_VENDOR = 0x1af4;

    private static final DeviceIdentity IDENTITY = new DeviceIdentity(VENDOR, 0x0010, 0x02, 0x010802);
    private static final long BAR_BYTES = 1 << 14;
    private static final int TABLE_OFFSET = 0x2000;
    private static final int PENDING_OFFSET = 0x3000;

    private final Configuration configuration;
    private final List<Namespace> namespaces;
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
        return IDENTITY;
    }

    @Override
    public long[] barBytes() {
        return new long[] {BAR_BYTES};
    }

    @Override
    public boolean isWideBar(int bar) {
        return true;
    }

    @Override
    public DeviceInterrupts interrupts() {
        return new DeviceInterrupts(
                true, configuration.messages(), configuration.vectors(), 0, TABLE_OFFSET, PENDING_OFFSET);
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
    public void plug(DeviceBus bus) {
        controller = new Controller(configuration, namespaces, bus);
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
            long doorbells = Registers.DOORBELLS + 2L * Integer.BYTES * (configuration.queuePairs() + 1);
            return size != Integer.BYTES || offset >= doorbells;
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
            throw new IllegalStateException("the device has not been plugged into a host");
        }
        return plugged;
    }

    /** Builds controllers; more than one if needed, for instance one for each host that is booted. */
    public static final class Builder {
        static final long DEFAULT_BYTES = 512L << 20;
        static final int DEFAULT_BLOCK = 512;
        private static final int LARGE_BLOCK = 4096;
        private static final int MAX_PAIRS = 64;
        private static final int MAX_ENTRIES = 1 << 16;
        private static final int MAX_MDTS = 16;
        private static final int MAX_VECTORS = MAX_PAIRS + 1;
        private static final int MAX_MESSAGES = 32;
        private static final int MAX_TIMEOUT = 255;
        private static final int SERIAL_LENGTH = 20;

        private final List<Configuration.Medium> media = new ArrayList<>();
        private String serial = "jvfio";
        private int queuePairs = MAX_PAIRS;
        private int queueEntries = 2048;
        private int mdts = 7;
        private int messages;
        private int vectors = MAX_VECTORS;
        private Duration readyTimeout = Duration.ofMillis(7500);
        private NvmeFaults faults = NvmeFaults.NONE;

        private Builder() {}

        /**
         * Sets the serial number.
         * @param text 1 to 20 printable ASCII characters
         * @throws IllegalArgumentException if it is anything else
         */
        public Builder serial(String text) {
            if (text.isEmpty()
                    || text.length() > SERIAL_LENGTH
                    || !text.chars().allMatch(each -> each >= ' ' && each <= '~')) {
                throw new IllegalArgumentException(
                        "serial number '%s': it has 1 to 20 printable ASCII characters".formatted(text));
            }
            serial = text;
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
         * Sets the maximum data transfer size (MDTS), as log2 of pages of 4 KiB: 7 is 512 KiB.
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
         * @param timeout a multiple of 500 ms, up to 127.5 s
         */
        public Builder readyTimeout(Duration timeout) {
            long units = timeout.dividedBy(Configuration.TIMEOUT_UNIT);
            if (units < 1
                    || units > MAX_TIMEOUT
                    || !Configuration.TIMEOUT_UNIT.multipliedBy(units).equals(timeout)) {
                throw new IllegalArgumentException(
                        "timeout of %s: it is a multiple of 500 ms, up to 127.5 s".formatted(timeout));
            }
            readyTimeout = timeout;
            return this;
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
            if (bytes > MemoryStore.MAX_BYTES) {
                throw new IllegalArgumentException(
                        "a namespace of %d bytes in memory: the maximum is %d".formatted(bytes, MemoryStore.MAX_BYTES));
            }
            return add(bytes, null, blockBytes);
        }

        /**
         * Adds a namespace that a raw image file backs: the file's size is the namespace's, and other programs see what
         * is written. Writing zeros keeps a sparse file sparse; deallocated blocks keep their data. Nothing prevents
         * two controllers from using the same image.
         *
         * @param image a readable and writable file of at least one block
         * @param blockBytes 512 or 4096
         * @throws IllegalArgumentException if there is no such file
         */
        public Builder namespace(Path image, int blockBytes) {
            if (!Files.isReadable(image) || !Files.isWritable(image) || Files.isDirectory(image)) {
                throw new IllegalArgumentException(
                        "the image %s is not a readable and writable file; create one with the size of the namespace"
                                .formatted(image));
            }
            try {
                return add(Files.size(image), image, blockBytes);
            } catch (IOException unknown) {
                throw new UncheckedIOException("cannot read the size of " + image, unknown);
            }
        }

        private Builder add(long bytes, @Nullable Path image, int blockBytes) {
            if (blockBytes != DEFAULT_BLOCK && blockBytes != LARGE_BLOCK) {
                throw new IllegalArgumentException(
                        "a block size of " + blockBytes + " bytes: the sizes are 512 and 4096");
            }
            if (bytes < blockBytes) {
                throw new IllegalArgumentException(
                        "a namespace of %d bytes is smaller than one block of %d bytes".formatted(bytes, blockBytes));
            }
            check("namespaces", media.size() + 1, 1, IdentifyData.MAX_NAMESPACES);
            media.add(new Configuration.Medium(bytes, image, blockBytes));
            return this;
        }

        /**
         * Builds a controller.
         * @throws UncheckedIOException if an image can no longer be opened
         */
        public EmulatedNvme build() {
            List<Configuration.Medium> all =
                    media.isEmpty() ? List.of(new Configuration.Medium(DEFAULT_BYTES, null, DEFAULT_BLOCK)) : media;
            return new EmulatedNvme(new Configuration(
                    serial, queuePairs, queueEntries, mdts, messages, vectors, readyTimeout, all, faults));
        }
    }
}
