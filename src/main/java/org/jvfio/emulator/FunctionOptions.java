package org.jvfio.emulator;

import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jvfio.emulator.device.BarKind;
import org.jvfio.uapi.vfio_h;

/**
 * What a PCI function of a host has besides its device: oddities that real functions show, so that a driver can be
 * tested with them. Immutable; {@link EmulatedMachine.Builder#function} gives it to a device.
 */
public final class FunctionOptions {
    /** A function without oddities. */
    public static final FunctionOptions NONE = builder().build();

    private static final int BARS = 6;
    private static final int MAX_CONFIG = vfio_h.PCI_CFG_SPACE_EXP_SIZE;
    private static final long MIN_MEMORY = 16;
    private static final long MIN_PORTS = 4;
    private static final long MAX_PORTS = 256;

    /** A BAR in addition to those of the device. */
    record ExtraBar(BarKind kind, long bytes, boolean wide) {}

    private final VitalProductData vitalProductData;
    private final Map<Integer, Byte> config;
    private final Map<Integer, ExtraBar> bars;
    private final Duration silence;
    private final boolean windowsFailed;
    private final boolean extendedConfig;

    private FunctionOptions(Builder builder) {
        vitalProductData = builder.vitalProductData;
        config = Map.copyOf(builder.config);
        bars = Map.copyOf(builder.bars);
        silence = builder.silence;
        windowsFailed = builder.windowsFailed;
        extendedConfig = builder.extendedConfig;
    }

    /** A builder of a function without oddities. */
    public static Builder builder() {
        return new Builder();
    }

    VitalProductData vitalProductData() {
        return vitalProductData;
    }

    /** The bytes that replace those of the configuration space, by their offset. */
    Map<Integer, Byte> config() {
        return config;
    }

    /** The additional BARs by their number. */
    Map<Integer, ExtraBar> bars() {
        return bars;
    }

    /** How long BARs read all ones after the function is bound to vfio-pci. */
    Duration silence() {
        return silence;
    }

    /** Whether the kernel has the function on its list of failed windows since boot. */
    boolean windowsFailed() {
        return windowsFailed;
    }

    /** Whether the host reaches the configuration space of a PCI Express function from 0x100 on. */
    boolean extendedConfig() {
        return extendedConfig;
    }

    /** The names in machine files of those that differ from {@link #NONE}. */
    List<String> names() {
        Map<String, Boolean> differs = new LinkedHashMap<>();
        differs.put("vpd", vitalProductData.isPresent());
        differs.put("config", !config.isEmpty());
        differs.put("bars", !bars.isEmpty());
        differs.put("silentMicros", !silence.isZero());
        differs.put("windowsFailed", windowsFailed);
        differs.put("extendedConfig", !extendedConfig);
        return differs.keySet().stream().filter(differs::get).toList();
    }

    /** Collects the options of a function. */
    public static final class Builder {
        private VitalProductData vitalProductData = new VitalProductData(new byte[0]);
        private final Map<Integer, Byte> config = new TreeMap<>();
        private final Map<Integer, ExtraBar> bars = new TreeMap<>();
        private Duration silence = Duration.ZERO;
        private boolean windowsFailed;
        private boolean extendedConfig = true;

        private Builder() {}

        /**
         * Gives the function vital product data (VPD) and the capability for it. Linux reads them up to their end tag
         * (0x78), or all 32768 bytes if there is none, and not at all if they begin with 0 or 0xff. The device ignores
         * writes. sysfs has them in the function's file {@code vpd}, for root.
         *
         * @param data at most 32768 bytes; empty for no VPD
         */
        public Builder vitalProductData(byte[] data) {
            vitalProductData = new VitalProductData(data);
            return this;
        }

        /**
         * Replaces bytes of the configuration space after the emulator has built it, for capability lists that loop,
         * lead nowhere or are malformed in other ways, and for capabilities that the device does not have. Ids, command
         * register and BARs follow from the device, and cannot be replaced.
         *
         * <p>The host goes by what it finds there, as Linux does: without the capability in the list there is no MSI or
         * MSI-X, no function reset, no power state but D0, and from 0x100 on no configuration space. An added
         * capability has the registers that are written here and no function behind them, with one exception: messages
         * that the device sends arrive as MSI if the user has enabled that. Where the MSI-X capability points to
         * another table than the device's, enabling MSI-X programs nothing that the device looks at, and no message
         * arrives.
         *
         * @param offset of the first byte: 0x06 and 0x07 (status), 0x2c to 0x2f (subsystem), 0x34 (the first
         *     capability), or 0x40 to 0xfff; from 0x100 on in a PCI Express function only
         * @throws IllegalArgumentException if a byte is elsewhere
         */
        public Builder configBytes(int offset, byte... bytes) {
            if (bytes.length == 0) {
                throw new IllegalArgumentException("no bytes for configuration space at 0x%x".formatted(offset));
            }
            for (int each = 0; each < bytes.length; each++) {
                if (!isReplaceable(offset + each)) {
                    throw new IllegalArgumentException(
                            ("configuration space at 0x%x cannot be replaced; replace 0x06 and 0x07 (status), 0x2c to"
                                            + " 0x2f (subsystem), 0x34 (first capability), or 0x40 to 0xfff")
                                    .formatted(offset + each));
                }
            }
            for (int each = 0; each < bytes.length; each++) {
                config.put(offset + each, bytes[each]);
            }
            return this;
        }

        private static boolean isReplaceable(int offset) {
            return offset == vfio_h.PCI_STATUS
                    || offset == vfio_h.PCI_STATUS + 1
                    || (offset >= vfio_h.PCI_SUBSYSTEM_VENDOR_ID && offset < vfio_h.PCI_SUBSYSTEM_ID + Short.BYTES)
                    || offset == vfio_h.PCI_CAPABILITY_LIST
                    || (offset >= vfio_h.PCI_STD_HEADER_SIZEOF && offset < MAX_CONFIG);
        }

        /**
         * Adds a BAR that the device does not have, with plain memory, or with I/O ports that keep what is written.
         *
         * @param index 0 to 5; the device has no such BAR, or the host does not boot
         * @param kind {@link BarKind#MEMORY} or {@link BarKind#IO_PORTS}
         * @param bytes a power of two: 16 to 1 GiB of memory, 4 to 256 of ports. A larger BAR is one of registers, of a
         *     device model
         * @param wide whether it is a 64-bit BAR, which also occupies the next one
         * @throws IllegalArgumentException if it is another
         */
        public Builder bar(int index, BarKind kind, long bytes, boolean wide) {
            if (index < 0 || index >= BARS || (wide && index == BARS - 1)) {
                throw new IllegalArgumentException("BAR %d%s: a function has BARs 0 to 5, and a 64-bit BAR occupies two"
                        .formatted(index, wide ? " of 64 bits" : ""));
            }
            boolean ports = kind == BarKind.IO_PORTS;
            if (kind == BarKind.REGISTERS || (ports && wide)) {
                throw new IllegalArgumentException("BAR %d of %s%s: add memory, or I/O ports of 32 bits"
                        .formatted(index, kind, wide ? " (wide)" : ""));
            }
            long least = ports ? MIN_PORTS : MIN_MEMORY;
            long most = ports ? MAX_PORTS : BarMemory.MAX_BYTES;
            if (bytes < least || bytes > most || Long.bitCount(bytes) != 1) {
                throw new IllegalArgumentException("BAR %d of %d bytes: the size is a power of two, %d to %d"
                        .formatted(index, bytes, least, most));
            }
            bars.put(index, new ExtraBar(kind, bytes, wide));
            return this;
        }

        /**
         * Lets the BARs read all ones and ignore writes for a while after the function is bound to vfio-pci, as drives
         * do that are slow to come out of reset; configuration space responds. A function that is bound at boot is
         * silent from its first open on.
         *
         * @param duration not negative; zero by default
         */
        public Builder silentAfterBind(Duration duration) {
            if (duration.isNegative()) {
                throw new IllegalArgumentException("a silence of " + duration + ": it is not negative");
            }
            silence = duration;
            return this;
        }

        /**
         * Starts the host with the function on the kernel's list of failed windows: in an LPAR, a driver of the host
         * has used the device, and firmware refused its window. Until the next boot TCE_CREATE and the first MAP return
         * ENODEV, and each leaves its charge to locked memory behind, which is no {@linkplain Hazard hazard} that stops
         * here unless the machine says so. For LPARs with Linux 6.11 or later only.
         */
        public Builder windowsFailed(boolean failed) {
            windowsFailed = failed;
            return this;
        }

        /**
         * Whether the host reaches the configuration space of a PCI Express function from 0x100 on, as hosts do; it is
         * not so on QEMU's POWER8, where Linux finds 256 bytes.
         */
        public Builder extendedConfig(boolean reached) {
            extendedConfig = reached;
            return this;
        }

        public FunctionOptions build() {
            return new FunctionOptions(this);
        }
    }

    /** The sizes of all BARs: the device's own, and the additional ones. */
    long[] barBytes(long[] own) {
        List<Long> all = new ArrayList<>();
        for (int bar = 0; bar < Math.max(own.length, BARS); bar++) {
            ExtraBar extra = bars.get(bar);
            long bytes = bar < own.length ? own[bar] : 0;
            if (extra != null && bytes != 0) {
                throw new IllegalArgumentException(
                        "a BAR %d of its own; choose another index for the additional BAR".formatted(bar));
            }
            all.add(extra == null ? bytes : extra.bytes());
        }
        return all.stream().mapToLong(Long::longValue).toArray();
    }
}
