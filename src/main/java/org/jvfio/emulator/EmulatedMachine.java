package org.jvfio.emulator;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.ListIterator;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.function.Supplier;
import java.util.function.UnaryOperator;
import org.jvfio.emulator.device.DeviceInterrupts;
import org.jvfio.emulator.device.DeviceModel;
import org.jvfio.emulator.device.EmulatedDevice;
import org.jvfio.emulator.device.MachineOptions;

/**
 * The description of a host: platform, kernel, page size, memory and PCI devices. Immutable; {@link #toBuilder()}
 * derives another one.
 */
public final class EmulatedMachine {
    private static final int SHIFT_4K = 12;
    private static final int SHIFT_64K = 16;
    private static final long GIB = 1L << 30;
    private static final long DEFAULT_MEMLOCK = 8L << 20;
    /** One page of the IOMMU: default windows have pages of 4K. */
    private static final long MIN_WINDOW = 1 << SHIFT_4K;

    private static final long MAX_WINDOW = 2 * GIB;
    /** {@code MAX_PHYSMEM_BITS} of Linux on POWER. */
    private static final long MAX_MEMORY = 1L << 51;

    private final Platform platform;
    private final String processor;
    private final KernelVersion kernel;
    private final String release;
    private final int pageShift;
    private final long memoryBytes;
    private final long dma32Bytes;
    private final Map<Integer, HostBridge> bridges;
    private final boolean eeh;
    private final boolean freezes;
    private final int maxFreezes;
    private final boolean windowCalls;
    private final int interruptVectors;
    private final Map<Integer, Integer> hugePages;
    private final boolean vfioModule;
    private final boolean spaprModule;
    private final boolean groupsAccessible;
    private final long memlockBytes;
    private final boolean capIpcLock;
    private final Map<Hazard, HazardPolicy> hazards;
    private final List<Slot> slots;
    private final Map<String, HostUse> hostUses;

    private EmulatedMachine(Builder builder) {
        platform = builder.platform;
        processor = builder.processor;
        kernel = builder.kernel;
        release = builder.release;
        pageShift = builder.pageShift;
        memoryBytes = builder.memoryBytes;
        dma32Bytes = builder.dma32Bytes;
        bridges = Map.copyOf(builder.bridges);
        eeh = builder.eeh;
        freezes = builder.freezes;
        maxFreezes = builder.maxFreezes;
        windowCalls = builder.windowCalls;
        interruptVectors = builder.interruptVectors;
        hugePages = Map.copyOf(builder.hugePages);
        vfioModule = builder.vfioModule;
        spaprModule = builder.spaprModule;
        groupsAccessible = builder.groupsAccessible;
        memlockBytes = builder.memlockBytes;
        capIpcLock = builder.capIpcLock;
        hazards = Map.copyOf(builder.hazards);
        slots = List.copyOf(builder.slots);
        hostUses = Map.copyOf(builder.hostUses);
    }

    /**
     * A POWER8 host: PHB3, Linux 6.12 with 64K pages, 4 GiB of memory, two edu devices and an NVMe drive of 512 MiB in
     * memory, each alone in its group ({@code 0000:01:00.0} in group 0, {@code 0001:01:00.0} in group 1, the drive
     * {@code 0002:01:00.0} in group 2), bound to vfio-pci.
     */
    public static EmulatedMachine power8() {
        return powernv(Platform.PHB3).build();
    }

    /** As {@link #power8}, with PHB4. */
    public static EmulatedMachine power9() {
        return powernv(Platform.PHB4).build();
    }

    /** As {@link #power8}, with PHB5. */
    public static EmulatedMachine power10() {
        return powernv(Platform.PHB5).build();
    }

    /** As {@link #power10}, whose PHB5 bridges it has: Linux returns the same results. */
    public static EmulatedMachine power11() {
        return power10().toBuilder().processor("Power11, altivec supported").build();
    }

    /**
     * As {@link #power8}, with P7IOC (IODA1) and Linux 4.2, the first with ownership callbacks. These bridges have
     * none: the host's table is lent, and no windows can be created. Supported up to Linux 5.18.
     */
    public static EmulatedMachine power7() {
        return powernv(Platform.IODA1).kernel(KernelVersion.V4_2).build();
    }

    /** As {@link #power7}, with the older P5IOC2 bridges, which lend their table in the same way. */
    public static EmulatedMachine p5ioc2() {
        return power7().toBuilder().platform(Platform.P5IOC2).build();
    }

    private static Builder powernv(Platform platform) {
        return new Builder(platform)
                .device("0000:01:00.0", 0, DeviceModels.own("edu"))
                .device("0001:01:00.0", 1, DeviceModels.own("edu"))
                .device("0002:01:00.0", 2, DeviceModels.own("nvme"));
    }

    /**
     * An LPAR: windows through RTAS, a default window of 1 GiB, no EEH; the edu devices are in groups 1 and 2, the NVMe
     * drive in group 3.
     */
    public static EmulatedMachine pseries() {
        return new Builder(Platform.PSERIES)
                .dma32Bytes(GIB)
                .eeh(false)
                .device("0001:00:01.0", 1, DeviceModels.own("edu"))
                .device("0002:00:01.0", 2, DeviceModels.own("edu"))
                .device("0003:00:01.0", 3, DeviceModels.own("nvme"))
                .build();
    }

    /** The names of the {@linkplain #preset presets}. */
    public static List<String> presets() {
        return List.of("p5ioc2", "power7", "power8", "power9", "power10", "power11", "pseries");
    }

    /**
     * The preset with a name, if there is one: {@link #p5ioc2}, {@link #power7}, {@link #power8}, {@link #power9},
     * {@link #power10}, {@link #power11}, {@link #pseries}.
     */
    public static Optional<EmulatedMachine> preset(String name) {
        return switch (name) {
            case "p5ioc2" -> Optional.of(p5ioc2());
            case "power7" -> Optional.of(power7());
            case "power8" -> Optional.of(power8());
            case "power9" -> Optional.of(power9());
            case "power10" -> Optional.of(power10());
            case "power11" -> Optional.of(power11());
            case "pseries" -> Optional.of(pseries());
            default -> Optional.empty();
        };
    }

    /**
     * Reads a machine from a JSON file. {@code "like"} names the {@linkplain #presets preset} that it is derived from;
     * all other options change that preset:
     *
     * <pre>{@code
     * {
     *   "like": "power9",
     *   "platform": "phb5",
     *   "processor": "Power11, altivec supported",
     *   "kernel": "6.4",
     *   "pages": "4K",
     *   "memory": "16G",
     *   "defaultWindow": "1G",
     *   "eeh": true,
     *   "freezes": false,
     *   "maxFreezes": 5,
     *   "interruptVectors": 32,
     *   "memlock": "64M",
     *   "capIpcLock": false,
     *   "vfioModule": true,
     *   "spaprModule": true,
     *   "groupsAccessible": true,
     *   "hazards": "as-linux",
     *   "hugePages": {"2M": 32, "1G": 1},
     *   "bridges": [{"domain": "0001", "platform": "phb4", "defaultWindow": "2G"}],
     *   "devices": [
     *     {"address": "0000:01:00.0", "group": 0, "model": "edu", "driver": "vfio-pci",
     *      "registers": "big", "dmaMaskBits": 28, "latencyMicros": 100},
     *     {"address": "0001:01:00.0", "group": 1, "model": "nvme", "driver": "other", "hostUse": "swap",
     *      "serial": "S1", "namespaces": [{"size": "1G", "lbaSize": 4096}, {"id": 5, "file": "drive.img"}]}
     *   ]
     * }
     * }</pre>
     *
     * {@code "platform"} is a {@link Platform}, in lower case, and {@code "processor"} what {@code /proc/cpuinfo}
     * names; {@code "bridges"} configures {@linkplain Builder#bridge single host bridges}, whose options default to
     * the machine's. {@code "memlock"} may be {@code "unlimited"}; {@code "driver"} is {@code vfio-pci}, {@code other}
     * or {@code none}; {@code "hostUse"} is a {@link HostUse} in lower case; a list of devices replaces the preset's.
     * {@code "model"} is the name of a {@link DeviceModel}, which defines further options: {@link
     * org.jvfio.emulator.edu.EduModel}, {@link org.jvfio.emulator.nvme.NvmeModel} or your own. Any device may have an
     * expansion {@code "rom"}: the path of its image, relative to the directory of the machine file; and the oddities
     * of {@link FunctionOptions}:
     *
     * <pre>{@code
     * {"address": "0001:01:00.0", "group": 1, "model": "nvme",
     *  "vpd": "drive.vpd",
     *  "config": {"0x34": "40", "0x41": "40 00"},
     *  "bars": [{"index": 2, "kind": "memory", "size": "1M", "wide": true}, {"index": 4, "kind": "io-ports", "size":
     *  32}], "silentMicros": 250000}
     * }</pre>
     *
     * {@code "vpd"} is a file with vital product data, or an object of its bytes, written as for {@code "config"}:
     * {@code {"0x0": "82 05 00 4a 56 46 49 4f 78"}} is a name and the end tag. {@code "config"} replaces bytes of
     * configuration space, in hexadecimal, from an offset on ({@link FunctionOptions.Builder#configBytes}); {@code
     * "bars"} are {@linkplain FunctionOptions.Builder#bar additional BARs}, and {@code "silentMicros"} is how long BARs
     * read all ones after the function is bound to vfio-pci. In an LPAR {@code "windowsFailed": true} starts the host
     * with the device on the kernel's list of failed windows. {@code "extendedConfig": false} leaves a PCI Express
     * device 256 bytes of configuration space.
     *
     * @throws IOException if the file cannot be read
     * @throws IllegalArgumentException if it does not describe a machine; the message names the file and what is wrong
     * @throws IllegalStateException if an installed device model cannot be loaded, or two have the name of a model that
     *     the machine uses; or if the library {@code jackson-jr-objects}, optional for this module, is not available
     */
    public static EmulatedMachine read(Path file) throws IOException {
        return read(file, DeviceModels.installed());
    }

    /**
     * This machine as an object of JSON that {@link #read} understands, whatever preset it began with. Options of
     * device models, expansion ROMs, {@link FunctionOptions} and policies of hazards are left out; {@link
     * #notDescribed} names those that this machine has.
     */
    public Map<String, Object> describe() {
        return MachineDescription.of(this, DeviceModels.installed());
    }

    /**
     * What {@link #describe} leaves out of this machine: the names of options in a machine file, by the address of
     * their device, and by the empty string what is of the whole machine. What a program has given to the devices that
     * it made is unknown, and not among them.
     */
    public Map<String, List<String>> notDescribed() {
        return MachineDescription.leftOut(this);
    }

    /**
     * As {@link #read(Path)}, with these device models.
     *
     * @throws IOException if the file cannot be read
     * @throws IllegalArgumentException if it does not describe a machine; the message names the file and what is wrong
     * @throws IllegalStateException if two of the models have the name of one of the machine's, or if the library
     *     {@code jackson-jr-objects} is not available
     */
    public static EmulatedMachine read(Path file, DeviceModels models) throws IOException {
        JsonLibrary.require("a machine file");
        return MachineFile.read(file, models);
    }

    /** A builder with all options of this machine. */
    public Builder toBuilder() {
        return new Builder(this);
    }

    /**
     * The platform of the machine, and of all host bridges that are not {@linkplain Builder#bridge configured
     * separately}.
     */
    public Platform platform() {
        return platform;
    }

    /** The processor, as {@code /proc/cpuinfo} names it. */
    public String processor() {
        return processor;
    }

    public KernelVersion kernel() {
        return kernel;
    }

    /** The release of Linux that the host reports, for instance {@code 6.1}. */
    public String release() {
        return release;
    }

    /** The system page size as a shift, 12 or 16. */
    public int pageShift() {
        return pageShift;
    }

    /** The memory of the host, in bytes. */
    public long memoryBytes() {
        return memoryBytes;
    }

    /**
     * The size of the default window in bytes, for all host bridges that are not {@linkplain Builder#bridge configured
     * separately}.
     */
    public long dma32Bytes() {
        return dma32Bytes;
    }

    /** The host bridges that were set apart, by domain. */
    Map<Integer, HostBridge> bridges() {
        return bridges;
    }

    HostBridge bridge(int domain) {
        return bridges.getOrDefault(domain, new HostBridge(platform, dma32Bytes));
    }

    boolean eeh() {
        return eeh;
    }

    boolean freezes() {
        return freezes;
    }

    /** How many recoveries in an hour the host allows a PE. */
    int maxFreezes() {
        return maxFreezes;
    }

    /** Whether a platform with ownership callbacks also has the calls that create windows. */
    boolean windowCalls() {
        return windowCalls;
    }

    /** The maximum number of interrupt messages that the platform grants to a device. */
    int interruptVectors() {
        return interruptVectors;
    }

    /** The number of huge pages, by page shift. */
    public Map<Integer, Integer> hugePages() {
        return hugePages;
    }

    boolean vfioModule() {
        return vfioModule;
    }

    boolean spaprModule() {
        return spaprModule;
    }

    boolean groupsAccessible() {
        return groupsAccessible;
    }

    long memlockBytes() {
        return memlockBytes;
    }

    boolean capIpcLock() {
        return capIpcLock;
    }

    HazardPolicy policy(Hazard hazard) {
        return hazards.getOrDefault(hazard, HazardPolicy.STOP);
    }

    List<Slot> slots() {
        return slots;
    }

    /** What the host uses devices for, by their address. */
    Map<String, HostUse> hostUses() {
        return hostUses;
    }

    /** Derives a machine from another one. */
    public static final class Builder {
        private Platform platform;
        private String processor;
        private KernelVersion kernel = KernelVersion.V6_12;
        private String release = kernel.release();
        private int pageShift = SHIFT_64K;
        private long memoryBytes = 4 * GIB;
        private long dma32Bytes = 2 * GIB;
        private final Map<Integer, HostBridge> bridges = new TreeMap<>();
        private boolean eeh = true;
        private boolean freezes = true;
        private int maxFreezes = 5;
        private boolean windowCalls = true;
        private int interruptVectors = DeviceInterrupts.MAX_VECTORS;
        private final Map<Integer, Integer> hugePages = new TreeMap<>();
        private boolean vfioModule = true;
        private boolean spaprModule = true;
        private boolean groupsAccessible = true;
        private long memlockBytes = DEFAULT_MEMLOCK;
        private boolean capIpcLock = true;
        private final Map<Hazard, HazardPolicy> hazards = new EnumMap<>(Hazard.class);
        private final List<Slot> slots = new ArrayList<>();
        private final Map<String, HostUse> hostUses = new TreeMap<>();

        private Builder(Platform platform) {
            this.platform = platform;
            this.processor = platform.processor();
        }

        private Builder(EmulatedMachine machine) {
            platform = machine.platform;
            processor = machine.processor;
            kernel = machine.kernel;
            release = machine.release;
            pageShift = machine.pageShift;
            memoryBytes = machine.memoryBytes;
            dma32Bytes = machine.dma32Bytes;
            bridges.putAll(machine.bridges);
            eeh = machine.eeh;
            freezes = machine.freezes;
            maxFreezes = machine.maxFreezes;
            windowCalls = machine.windowCalls;
            interruptVectors = machine.interruptVectors;
            hugePages.putAll(machine.hugePages);
            vfioModule = machine.vfioModule;
            spaprModule = machine.spaprModule;
            groupsAccessible = machine.groupsAccessible;
            memlockBytes = machine.memlockBytes;
            capIpcLock = machine.capIpcLock;
            hazards.putAll(machine.hazards);
            slots.addAll(machine.slots);
            hostUses.putAll(machine.hostUses);
        }

        /**
         * Sets the platform of the machine, and of each host bridge that is not {@linkplain #bridge configured
         * separately}. A machine that gets another platform gets its processor, too.
         */
        public Builder platform(Platform newPlatform) {
            if (platform != newPlatform) {
                processor = newPlatform.processor();
            }
            platform = newPlatform;
            return this;
        }

        /**
         * Sets the processor's name in {@code /proc/cpuinfo}, for instance {@code Power11, altivec supported}.
         *
         * @throws IllegalArgumentException if it is not one line of printable ASCII
         */
        public Builder processor(String name) {
            if (!name.matches("[!-~]([ -~]*[!-~])?")) {
                throw new IllegalArgumentException("'" + name + "' is not the name of a processor, such as POWER9");
            }
            processor = name;
            return this;
        }

        /**
         * Configures the host bridge (PHB) of one PCI domain separately. Groups of PHB3, PHB4 and PHB5 bridges can
         * share a container, which then has the window geometry of the group that was added last. No real host mixes
         * bridges; use it to test groups for which {@code VFIO_IOMMU_SPAPR_TCE_GET_INFO} returns different results, or,
         * with IODA1 beside the others, groups that cannot share a container. (From 4.7 to 6.3 Linux would dereference
         * a null pointer for the latter; the emulated kernel refuses them, as 4.2 does.)
         *
         * @param domain the PCI domain, 0 to 65535
         * @param kind the type of bridge: P5IOC2, IODA1, PHB3, PHB4 or PHB5 on a machine of one of these; PSERIES in an
         *     LPAR
         * @param windowBytes the size of its groups' default window, in bytes: a power of two from 4 KiB to 2
         *     GiB
         */
        public Builder bridge(int domain, Platform kind, long windowBytes) {
            if (domain < 0 || domain > 0xffff) {
                throw new IllegalArgumentException("PCI domains are 0 to 65535, not " + domain);
            }
            bridges.put(domain, new HostBridge(kind, windowBytes));
            return this;
        }

        /** The version of Linux that the host runs. */
        public Builder kernel(KernelVersion version) {
            kernel = version;
            release = version.release();
            return this;
        }

        /**
         * The release of Linux that the host runs and reports, of which {@link KernelVersion#of} is how it behaves.
         *
         * @param newRelease for instance {@code 6.1}
         * @throws IllegalArgumentException if it is no release from 4.1 on
         */
        public Builder linux(String newRelease) {
            kernel = KernelVersion.of(newRelease)
                    .orElseThrow(() -> new IllegalArgumentException(
                            "'" + newRelease + "' is not a release of Linux from 4.1 on, such as 6.12"));
            release = newRelease;
            return this;
        }

        /** Sets system pages of 4K. */
        public Builder pages4K() {
            pageShift = SHIFT_4K;
            return this;
        }

        /** Sets system pages of 64K, the default of POWER servers. */
        public Builder pages64K() {
            pageShift = SHIFT_64K;
            return this;
        }

        /**
         * Sets the memory of the host, in bytes: from one system page, and half of each default window, to 2 PiB. All
         * processes together map at most as much, without the pools of huge pages; more fails with ENOMEM. Bypass
         * covers all of it. What no process writes costs this computer no memory, in mappings from 8 MiB on.
         */
        public Builder memoryBytes(long bytes) {
            memoryBytes = bytes;
            return this;
        }

        /**
         * Sets the size of the default window in bytes, a power of two from 4 KiB to 2 GiB, for all host bridges that
         * are not {@linkplain #bridge configured separately}.
         */
        public Builder dma32Bytes(long bytes) {
            dma32Bytes = bytes;
            return this;
        }

        /**
         * Sets whether EEH is on. It is off with {@code eeh=off} on the kernel command line, and in QEMU's pseries
         * guests.
         */
        public Builder eeh(boolean enabled) {
            eeh = enabled;
            return this;
        }

        /**
         * Sets whether a failed translation freezes the partitionable endpoint, as on hardware; QEMU's bridges never
         * freeze one.
         */
        public Builder freezes(boolean freezesEndpoint) {
            freezes = freezesEndpoint;
            return this;
        }

        /**
         * Sets how many times in an hour the host {@linkplain EmulatedHost#beginHostRecovery recovers} a PE before it
         * disables it ({@code eeh_max_freezes}). Freezes of a PE whose device is open are not counted: its user
         * recovers it, and Linux counts only its own recoveries.
         *
         * @param maximum at least 0; 5 by default
         */
        public Builder maxFreezes(int maximum) {
            maxFreezes = maximum;
            return this;
        }

        /**
         * Sets whether a platform with ownership callbacks can create windows, too. If not, the platform is defective,
         * and VFIO logs a warning.
         */
        public Builder windowCalls(boolean complete) {
            windowCalls = complete;
            return this;
        }

        /**
         * Sets the maximum number of interrupt messages (MSI or MSI-X) that the platform grants to a device. A request
         * for more returns this number and enables none.
         *
         * @param maximum 0 to 2048, the default
         */
        public Builder interruptVectors(int maximum) {
            interruptVectors = maximum;
            return this;
        }

        /**
         * Allocates a pool of huge pages, as {@code /proc/sys/vm/nr_hugepages} does.
         *
         * @param pageBytes a huge page size of the platform: 16 MiB with PHB3; 2 MiB or 1 GiB with PHB4 and PHB5; any
         *     of these in an LPAR
         * @param count the number of pages; all pools together are at most the memory of the host
         */
        public Builder hugePages(long pageBytes, int count) {
            if (Long.bitCount(pageBytes) != 1 || count < 0) {
                throw new IllegalArgumentException("%d huge pages of %s: the size is a power of two"
                        .formatted(count, MachineOptions.sizeText(pageBytes)));
            }
            hugePages.put(Long.numberOfTrailingZeros(pageBytes), count);
            return this;
        }

        /** Sets whether the module {@code vfio} is loaded. */
        public Builder vfioModule(boolean loaded) {
            vfioModule = loaded;
            return this;
        }

        /** Sets whether the module {@code vfio_iommu_spapr_tce} is loaded. */
        public Builder spaprModule(boolean loaded) {
            spaprModule = loaded;
            return this;
        }

        /** Sets whether the first process may open group files. */
        public Builder groupsAccessible(boolean accessible) {
            groupsAccessible = accessible;
            return this;
        }

        /** Sets RLIMIT_MEMLOCK of the first process in bytes; -1 is unlimited. */
        public Builder memlockBytes(long bytes) {
            memlockBytes = bytes;
            return this;
        }

        /** Sets whether the first process has CAP_IPC_LOCK, which exempts it from RLIMIT_MEMLOCK. */
        public Builder capIpcLock(boolean capable) {
            capIpcLock = capable;
            return this;
        }

        /** Sets the policy for calls that would harm a real host; {@link HazardPolicy#STOP} by default. */
        public Builder hazards(HazardPolicy policy) {
            for (Hazard hazard : Hazard.values()) {
                hazard(hazard, policy);
            }
            return this;
        }

        /** Sets the policy for one hazard. */
        public Builder hazard(Hazard hazard, HazardPolicy policy) {
            hazards.put(hazard, policy);
            return this;
        }

        /** Adds a device that is bound to vfio-pci. */
        public Builder device(String address, int group, Supplier<? extends EmulatedDevice> device) {
            return device(address, group, device, HostDriver.VFIO_PCI);
        }

        /**
         * Adds a device.
         *
         * @param address domain, bus, device and function, for instance {@code 0000:01:00.0}
         * @param group the number of its IOMMU group, 0 to 999999999; devices with the same number share it
         * @param device creates the device, once for each host that is booted; never the same one twice in a host
         * @throws IllegalArgumentException if the address or the group is invalid, the address has a device, or {@code
         *     device} is null
         */
        public Builder device(String address, int group, Supplier<? extends EmulatedDevice> device, HostDriver driver) {
            Slot slot = new Slot(address, group, device, driver, null, FunctionOptions.NONE, List.of());
            if (slots.stream().anyMatch(each -> each.address().equals(address))) {
                throw new IllegalArgumentException(address + " already has a device");
            }
            slots.add(slot);
            return this;
        }

        /**
         * Gives a device an expansion ROM, in place of {@linkplain EmulatedDevice#rom its own}.
         *
         * @param address the address of the device
         * @param contents 26 bytes, an image's header, to 16 MiB, of which users see the images as {@link
         *     EmulatedDevice#rom} describes; empty for no ROM
         */
        public Builder rom(String address, byte[] contents) {
            ExpansionRom rom = new ExpansionRom(contents);
            return change(address, "ROM", slot -> slot.withRom(rom));
        }

        /**
         * Gives a device oddities, in place of those that it was given before.
         *
         * @param address the address of the device
         * @throws IllegalArgumentException if it has no device
         */
        public Builder function(String address, FunctionOptions options) {
            return change(address, "options", slot -> slot.withOptions(options));
        }

        /** Notes which options a machine file has given to the model of a device. */
        Builder modelOptions(String address, List<String> names) {
            return change(address, "options", slot -> slot.withModelOptions(names));
        }

        private Builder change(String address, String part, UnaryOperator<Slot> change) {
            for (ListIterator<Slot> each = slots.listIterator(); each.hasNext(); ) {
                Slot slot = each.next();
                if (slot.address().equals(address)) {
                    each.set(change.apply(slot));
                    return this;
                }
            }
            throw new IllegalArgumentException(address + " has no device; add the device before its " + part);
        }

        /**
         * Has the host use a device for itself, while {@link HostDriver#OTHER} drives it.
         *
         * @param address where the device is added
         */
        public Builder hostUse(String address, HostUse use) {
            hostUses.put(address, use);
            return this;
        }

        /** Removes all devices. */
        public Builder withoutDevices() {
            slots.clear();
            hostUses.clear();
            return this;
        }

        /**
         * Builds the machine.
         *
         * @throws IllegalArgumentException if the options contradict each other
         */
        public EmulatedMachine build() {
            check("", new HostBridge(platform, dma32Bytes));
            bridges.forEach((domain, bridge) -> check("%04x".formatted(domain), bridge));
            if (memoryBytes < 1L << pageShift || memoryBytes > MAX_MEMORY) {
                throw new Contradiction(
                        "",
                        List.of("memory"),
                        "a host has %s to %s of memory, not %s"
                                .formatted(size(1L << pageShift), size(MAX_MEMORY), size(memoryBytes)));
            }
            if (interruptVectors < 0 || interruptVectors > DeviceInterrupts.MAX_VECTORS) {
                throw new Contradiction(
                        "",
                        List.of("interruptVectors"),
                        "a platform grants 0 to " + DeviceInterrupts.MAX_VECTORS + " interrupt vectors, not "
                                + interruptVectors);
            }
            if (maxFreezes < 0) {
                throw new Contradiction(
                        "",
                        List.of("maxFreezes"),
                        "a host recovers a PE at least 0 times in an hour, not " + maxFreezes);
            }
            if (platform == Platform.PSERIES && !kernel.lparHasGroups()) {
                throw new Contradiction(
                        "",
                        List.of("kernel", "platform"),
                        "in an LPAR VFIO needs Linux " + KernelVersion.V4_12.release() + " or later, not "
                                + kernel.release());
            }
            for (int shift : hugePages.keySet()) {
                if (!platform.hugePageShifts().contains(shift)) {
                    throw new Contradiction(
                            "hugePages",
                            List.of(size(1L << shift), "hugePages", "platform"),
                            "%s has no huge pages of %s, only %s"
                                    .formatted(
                                            platform,
                                            size(1L << shift),
                                            platform.hugePageShifts().stream()
                                                    .map(each -> size(1L << each))
                                                    .toList()));
                }
            }
            requireMemoryForHugePages();
            if (hasBridge(Platform.P5IOC2) && hasBridge(Platform.IODA1)) {
                throw new Contradiction(
                        bridges.entrySet().stream()
                                .filter(each -> each.getValue().platform() != platform)
                                .map(each -> "%04x".formatted(each.getKey()))
                                .findFirst()
                                .orElse(""),
                        List.of("platform"),
                        "Linux does not support P5IOC2 and IODA1 bridges in one host");
            }
            slots.stream()
                    .filter(slot -> slot.options().windowsFailed() && !makesWindows(slot))
                    .findFirst()
                    .ifPresent(slot -> {
                        throw new Contradiction(
                                slot.address(),
                                List.of("windowsFailed"),
                                "the device at " + slot.address()
                                        + " cannot have failed windows: only an LPAR with Linux "
                                        + KernelVersion.V6_11.release() + " or later has a list of them");
                    });
            if (slots.stream().anyMatch(slot -> slot.options().windowsFailed())) {
                // What such a host is for.
                hazards.putIfAbsent(Hazard.CREATE_CHARGE_LEAK, HazardPolicy.AS_LINUX);
            }
            return new EmulatedMachine(this);
        }

        private void requireMemoryForHugePages() {
            // A pool is less than 2^61 bytes, and there are at most three.
            long pools = hugePages.entrySet().stream()
                    .mapToLong(pool -> (long) pool.getValue() << pool.getKey())
                    .sum();
            if (pools > memoryBytes) {
                throw new Contradiction(
                        "",
                        List.of("hugePages", "memory"),
                        "a host with %s of memory has no %s for huge pages".formatted(size(memoryBytes), size(pools)));
            }
        }

        private boolean makesWindows(Slot slot) {
            HostBridge bridge = bridges.getOrDefault(slot.domain(), new HostBridge(platform, dma32Bytes));
            return bridge.platform() == Platform.PSERIES && kernel.lparMakesWindows();
        }

        private boolean hasBridge(Platform kind) {
            return platform == kind || bridges.values().stream().anyMatch(bridge -> bridge.platform() == kind);
        }

        private void check(String part, HostBridge bridge) {
            Platform kind = bridge.platform();
            long window = bridge.dma32Bytes();
            if (Long.bitCount(window) != 1 || window < MIN_WINDOW || window > MAX_WINDOW) {
                throw new Contradiction(
                        part,
                        List.of("defaultWindow"),
                        "the default window is a power of two, %s to %s, not %s"
                                .formatted(size(MIN_WINDOW), size(MAX_WINDOW), size(window)));
            }
            if (memoryBytes < window / 2) {
                throw new Contradiction(
                        part,
                        List.of("memory", "defaultWindow"),
                        "a host with %s of memory is too small for a default window of %s: it has at least %s"
                                .formatted(size(memoryBytes), size(window), size(window / 2)));
            }
            if (kind.ownership() == Platform.Ownership.LENT && kernel.atLeast(KernelVersion.V5_19)) {
                throw new Contradiction(
                        part,
                        List.of("kernel", "platform"),
                        kind + " is not supported by Linux " + kernel.release() + "; choose a version up to "
                                + KernelVersion.V5_0.release());
            }
            if (kind.isPowernv() != platform.isPowernv()) {
                throw new Contradiction(
                        part,
                        List.of("platform"),
                        "a host bridge of " + kind + " cannot be in a machine of " + platform + ": one is of an LPAR");
            }
        }

        private static String size(long bytes) {
            return MachineOptions.sizeText(bytes);
        }
    }
}
