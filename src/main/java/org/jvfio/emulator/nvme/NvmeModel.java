package org.jvfio.emulator.nvme;

import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.IntConsumer;
import java.util.function.Supplier;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jvfio.emulator.device.DeviceModel;
import org.jvfio.emulator.device.MachineOptions;
import org.jvfio.emulator.nvme.NamespaceOptions.CopyLimits;

/**
 * The device model {@code nvme} of machine files: an {@link EmulatedNvme}. Its options are
 *
 * <ul>
 *   <li>{@code "drive"}: the {@link DrivePreset} to begin with, as {@code "qemu"}; the other options change it
 *   <li>{@code "serial"}: its serial number, 1 to 20 printable ASCII characters
 *   <li>{@code "modelNumber"}: its model number, 1 to 40 printable ASCII characters
 *   <li>{@code "pciId"}: its PCI vendor and device ids, like {@code "1c58:0003"}
 *   <li>{@code "oddities"}: how it misbehaves, a list of {@link DriveOddity} in lower case with hyphens, as {@code
 *       "over-reads-ranges"}, in place of that of the {@code "drive"}
 *   <li>{@code "latencyMicros"}: the minimum duration of an I/O command in microseconds, up to one day
 *   <li>{@code "queuePairs"}: the number of I/O queue pairs, 1 to 64, the default
 *   <li>{@code "queueEntries"}: the maximum entries of an I/O queue (CAP.MQES), 2 to 65536; 2048 by default
 *   <li>{@code "mdts"}: the maximum data transfer size (MDTS), as log2 of the smallest pages: 7, the default, is
 *       512 KiB with pages of 4 KiB; 0 for no limit
 *   <li>{@code "smallestPage"}, {@code "largestPage"}: the memory pages that the host can choose from (CAP.MPSMIN and
 *       CAP.MPSMAX), powers of two from 4K, the default, to 128M; the largest is 64K by default
 *   <li>{@code "commandSets"}: CAP.CSS, 0 to 255; 65 by default: the NVM command set, and the choice of all
 *   <li>{@code "doorbellStride"}: CAP.DSTRD: doorbells are 4 bytes shifted by it apart, 0, the default, to 8
 *   <li>{@code "readyTimeoutMillis"}: CAP.TO, a multiple of 500, 0 to 127500; 7500 by default
 *   <li>{@code "mediaTimeoutMillis"}: CRTO.CRWMT, with CAP.CRMS, a multiple of 500 up to 32767500; without it there is
 *       no CRTO
 *   <li>{@code "readyDelayMicros"}: how long it takes in microseconds until CSTS.RDY is 1; 0 by default
 *   <li>{@code "faults"}: a list of {@linkplain NvmeFault faults}, as {@code {"queue": "io", "opcode": 2, "nth": 3,
 *       "status": "0x281"}}: the third Read fails with Unrecovered Read Error
 *       <ul>
 *         <li>{@code "queue"}: {@code "admin"} or {@code "io"}; {@code "opcode"}: 0 to 255, any by default
 *         <li>{@code "nth"}, {@code "every"} or {@code "probability"}, 0 to 1: which of these commands; all by default
 *         <li>one effect: {@code "status"}, the status code type and the status code in hexadecimal, with {@code
 *             "retry": true} if the host may retry it; {@code "delayMicros"}, with {@code "maxDelayMicros"} for a
 *             random delay between them; {@code "lost": true}, with {@code "abortable": false} if the host cannot abort
 *             it; {@code "stalled"}, {@code "doubled"}, {@code "lostInterrupt"}, {@code "fatal"} or {@code "hung"} of
 *             true; {@code "completionBits"} or {@code "dataBits"}, how many are flipped; {@code "scribbledEntries"};
 *             {@code "kelvin"}, the temperature from then on; {@code "detached"} or {@code "attached"}, a namespace
 *       </ul>
 *   <li>{@code "faultSeed"}: the seed of what is random in them, 0 by default
 *   <li>{@code "stuck"}: transitions that never complete, a list of {@code "enable"}, {@code "disable"} and {@code
 *       "shutdown"}
 *   <li>{@code "capabilityBits"}: how many random bits of CAP are flipped, up to 64
 *   <li>{@code "wrongStatus"}: flips {@code "bits"} random bits of CSTS with a {@code "probability"}
 *   <li>{@code "optionalCommands"}: the optional commands that it supports, a list of {@code "compare"}, {@code
 *       "write-zeroes"}, {@code "dataset-management"}, {@code "verify"} and {@code "copy"}; all by default
 *   <li>{@code "limits"}: the limits of Identify CNS 06h, {@link CommandLimits}: {@code "verify"}, {@code
 *       "writeZeroes"}, {@code "ranges"}, {@code "rangeBlocks"}, {@code "blocks"}; 0 is no limit. Limits that are left
 *       out are those of the {@code "drive"}, and without it 0
 *   <li>{@code "subsystem"}: the qualified name of the NVM subsystem that it shares with other controllers; with {@code
 *       "controllerId"}, from 0, the default, and {@code "controllers"}, how many there are, 1 by default. They share
 *       the data of namespaces with the same image file
 *   <li>{@code "msi"}: the number of MSI messages, a power of two up to 32; 0, the default, for no MSI
 *   <li>{@code "msix"}: the number of MSI-X vectors, 1 to 65, the default; 0 for no MSI-X
 *   <li>{@code "namespaces"}: a list, which may be empty, of namespaces with these options
 *       <ul>
 *         <li>{@code "id"}: its identifier, 1 to 256; by default the lowest that no other namespace has
 *         <li>{@code "size"}: the size of a namespace in memory, with its metadata; 512M by default
 *         <li>{@code "file"}: instead: the raw image file that backs it, relative to the directory of the machine file
 *         <li>{@code "writeProtected"}: whether the host may only read it; by default an image that may not be written
 *         <li>{@code "lbaSize"}: the block size, 512 (the default) or 4096
 *         <li>{@code "metadata"}: the bytes of metadata of a block, 0 (the default), 8, 16 or 64
 *         <li>{@code "extended"}: whether the metadata of a block is transferred after its data; false by default
 *         <li>{@code "protection"}: the type of protection information that it reports, 0 (the default) to 3
 *         <li>{@code "commandSet"}: {@code "nvm"} (the default), {@code "key-value"} or {@code "zoned"}
 *         <li>{@code "attached"}: whether it is attached to the controller; true by default
 *         <li>{@code "copyRangeBlocks"}, {@code "copyBlocks"}, {@code "copyRanges"}: the limits of the Copy command;
 *             128 by default
 *       </ul>
 *   <li>the options of a single namespace, instead of a list; its limits of the Copy command are those of the {@code
 *       "drive"} by default, for {@code "qemu"} 0, 0 and 1: each Copy exceeds them
 * </ul>
 */
public final class NvmeModel implements DeviceModel {
    private static final Set<String> NAMESPACE_OPTIONS = Set.of(
            "id",
            "size",
            "file",
            "lbaSize",
            "metadata",
            "extended",
            "protection",
            "commandSet",
            "attached",
            "writeProtected",
            "copyRangeBlocks",
            "copyBlocks",
            "copyRanges");

    private static final Set<String> OPTIONS = Set.of(
            "drive",
            "serial",
            "modelNumber",
            "pciId",
            "oddities",
            "queuePairs",
            "queueEntries",
            "mdts",
            "smallestPage",
            "largestPage",
            "commandSets",
            "doorbellStride",
            "readyTimeoutMillis",
            "mediaTimeoutMillis",
            "optionalCommands",
            "limits",
            "subsystem",
            "controllerId",
            "controllers",
            "msi",
            "msix",
            "namespaces");

    private static final Set<String> LIMITS = Set.of("verify", "writeZeroes", "ranges", "rangeBlocks", "blocks");
    private static final Pattern PCI_ID = Pattern.compile("([0-9a-fA-F]{4}):([0-9a-fA-F]{4})");
    private static final int HEXADECIMAL = 16;
    private static final long DEFAULT_SMALLEST_PAGE = 1 << 12;
    private static final long DEFAULT_LARGEST_PAGE = 1 << 16;

    /** For {@link java.util.ServiceLoader}. */
    public NvmeModel() {}

    @Override
    public String name() {
        return "nvme";
    }

    @Override
    public Set<String> options() {
        Set<String> all = new TreeSet<>(OPTIONS);
        all.addAll(NAMESPACE_OPTIONS);
        all.addAll(NvmeFaultOptions.OPTIONS);
        return all;
    }

    @Override
    public Supplier<EmulatedNvme> configure(MachineOptions options) {
        EmulatedNvme.Builder drive = preset(options);
        setNames(drive, options);
        setLimits(drive, options);
        setInteger(options, "msi", drive::msi);
        setInteger(options, "msix", drive::msix);
        NvmeFaults faults = NvmeFaultOptions.read(options);
        drive.faults(faults);
        if (options.has("namespaces")) {
            addNamespaces(drive, options);
        } else if (NAMESPACE_OPTIONS.stream().anyMatch(options::has)) {
            addNamespace(drive, options, drive.defaultCopyLimits());
        }
        return drive::build;
    }

    /** A subsystem has one number of controllers, and its controllers have different identifiers. */
    @Override
    public void checkTogether(List<MachineOptions> devices) {
        Map<String, List<MachineOptions>> subsystems = new HashMap<>();
        for (MachineOptions device : devices) {
            if (!device.has("subsystem")) {
                continue;
            }
            String subsystem = device.string("subsystem");
            List<MachineOptions> others = subsystems.computeIfAbsent(subsystem, _ -> new ArrayList<>());
            for (MachineOptions other : others) {
                String address = other.string("address", "another");
                if (controllers(device) != controllers(other)) {
                    throw device.wrong(
                            "controllers",
                            "is of subsystem '%s' with 'controllers' of %d, and device %s is of it with %d"
                                    .formatted(subsystem, controllers(device), address, controllers(other)));
                }
                if (controllerId(device) == controllerId(other)) {
                    throw device.wrong(
                            "controllerId",
                            "has 'controllerId' %d in subsystem '%s', and so has device %s"
                                    .formatted(controllerId(device), subsystem, address));
                }
            }
            others.add(device);
        }
    }

    private static int controllers(MachineOptions device) {
        return device.integer("controllers", 1);
    }

    private static int controllerId(MachineOptions device) {
        return device.integer("controllerId", 0);
    }

    private static EmulatedNvme.Builder preset(MachineOptions options) {
        if (!options.has("drive")) {
            return EmulatedNvme.builder();
        }
        return DrivePreset.of(options.string("drive"))
                .orElseThrow(() -> options.wrong(
                        "drive",
                        "has 'drive' '%s', which is none of %s"
                                .formatted(
                                        options.string("drive"),
                                        Arrays.stream(DrivePreset.values())
                                                .map(DrivePreset::label)
                                                .toList())))
                .builder();
    }

    private static void setNames(EmulatedNvme.Builder drive, MachineOptions options) {
        if (options.has("serial")) {
            set(options, "serial", () -> drive.serial(options.string("serial")));
        }
        if (options.has("modelNumber")) {
            set(options, "modelNumber", () -> drive.model(options.string("modelNumber")));
        }
        if (options.has("pciId")) {
            set(options, "pciId", () -> setPciId(drive, options));
        }
        if (options.has("oddities")) {
            EnumSet<DriveOddity> oddities = EnumSet.noneOf(DriveOddity.class);
            oddities.addAll(options.constants("oddities", DriveOddity.values()));
            drive.oddities(oddities);
        }
        if (options.has("subsystem")) {
            String name = options.string("subsystem");
            int controllers = controllers(options);
            set(options, "subsystem", () -> drive.subsystem(name, 0, 1));
            set(options, "controllers", () -> drive.subsystem(name, 0, controllers));
            setInteger(options, "controllerId", id -> drive.subsystem(name, id, controllers));
        }
        for (String part : List.of("controllerId", "controllers")) {
            if (options.has(part) && !options.has("subsystem")) {
                throw options.wrong(part, "has '" + part + "', and no 'subsystem' that it is of");
            }
        }
    }

    private static void setPciId(EmulatedNvme.Builder drive, MachineOptions options) {
        Matcher ids = PCI_ID.matcher(options.string("pciId"));
        if (!ids.matches()) {
            throw options.wrong(
                    "pciId", "has 'pciId' '%s'; write it like 1c58:0003".formatted(options.string("pciId")));
        }
        drive.pciId(Integer.parseInt(ids.group(1), HEXADECIMAL), Integer.parseInt(ids.group(2), HEXADECIMAL));
    }

    private static void setLimits(EmulatedNvme.Builder drive, MachineOptions options) {
        setInteger(options, "queuePairs", drive::queuePairs);
        setInteger(options, "queueEntries", drive::queueEntries);
        setInteger(options, "mdts", drive::mdts);
        setInteger(options, "commandSets", drive::commandSets);
        setInteger(options, "doorbellStride", drive::doorbellStride);
        setInteger(options, "readyTimeoutMillis", millis -> drive.readyTimeout(Duration.ofMillis(millis)));
        setInteger(options, "mediaTimeoutMillis", millis -> drive.mediaTimeout(Duration.ofMillis(millis)));
        if (options.has("smallestPage") || options.has("largestPage")) {
            long smallest = options.size("smallestPage", DEFAULT_SMALLEST_PAGE);
            long largest = options.size("largestPage", Math.max(smallest, DEFAULT_LARGEST_PAGE));
            set(options, "smallestPage", () -> drive.pageShifts(log2(smallest), log2(smallest)));
            set(options, "largestPage", () -> drive.pageShifts(log2(smallest), log2(largest)));
        }
        if (options.has("optionalCommands")) {
            EnumSet<OptionalCommand> commands = EnumSet.noneOf(OptionalCommand.class);
            commands.addAll(options.constants("optionalCommands", OptionalCommand.values()));
            drive.commands(commands);
        }
        if (options.has("limits")) {
            MachineOptions limits = options.object("limits");
            limits.requireKnown("'limits'", LIMITS);
            drive.commandLimits(changed(drive.commandLimits(), limits));
        }
    }

    private static CommandLimits changed(CommandLimits before, MachineOptions options) {
        CommandLimits limits = before;
        for (String name : options.names()) {
            if (options.has(name)) {
                CommandLimits others = limits;
                limits = options.checked(name, () -> withLimit(others, options, name));
            }
        }
        return limits;
    }

    private static CommandLimits withLimit(CommandLimits others, MachineOptions options, String name) {
        return new CommandLimits(
                name.equals("verify") ? options.integer(name) : others.verify(),
                name.equals("writeZeroes") ? options.integer(name) : others.writeZeroes(),
                name.equals("ranges") ? options.integer(name) : others.ranges(),
                name.equals("rangeBlocks") ? options.size(name) : others.rangeBlocks(),
                name.equals("blocks") ? options.size(name) : others.blocks());
    }

    private static int log2(long bytes) {
        if (Long.bitCount(bytes) != 1) {
            throw new IllegalArgumentException(
                    "a page of %s is not a power of two".formatted(MachineOptions.sizeText(bytes)));
        }
        return Long.numberOfTrailingZeros(bytes);
    }

    private static void setInteger(MachineOptions options, String name, IntConsumer setter) {
        if (options.has(name)) {
            int value = options.integer(name);
            set(options, name, () -> setter.accept(value));
        }
    }

    /** Sets an option, so that an error names its line. */
    private static void set(MachineOptions options, String name, Runnable setter) {
        options.checked(name, () -> {
            setter.run();
            return name;
        });
    }

    private static void addNamespaces(EmulatedNvme.Builder drive, MachineOptions options) {
        List<String> outside =
                NAMESPACE_OPTIONS.stream().filter(options::has).sorted().toList();
        if (!outside.isEmpty()) {
            throw options.wrong(outside.getFirst(), "has a device with 'namespaces' and, outside the list, " + outside);
        }
        drive.withoutNamespaces();
        for (MachineOptions namespace : options.objects("namespaces", "a namespace")) {
            namespace.requireKnown("a namespace", NAMESPACE_OPTIONS);
            addNamespace(drive, namespace, CopyLimits.DEFAULT);
        }
    }

    private static void addNamespace(EmulatedNvme.Builder drive, MachineOptions options, CopyLimits copy) {
        NamespaceOptions.Builder namespace = medium(options);
        setInteger(options, "id", namespace::id);
        if (options.has("lbaSize")) {
            int blockBytes = (int) Math.min(options.size("lbaSize"), Integer.MAX_VALUE);
            set(options, "lbaSize", () -> namespace.blockBytes(blockBytes));
        }
        setInteger(options, "metadata", namespace::metadataBytes);
        set(options, options.has("file") ? "file" : "size", namespace::build);
        if (options.has("protection")) {
            set(
                    options,
                    "protection",
                    () -> namespace.protection(options.integer("protection")).build());
        }
        if (options.has("extended")) {
            namespace.extended(options.flag("extended"));
        }
        if (options.has("attached")) {
            namespace.attached(options.flag("attached"));
        }
        if (options.has("writeProtected")) {
            namespace.writeProtected(options.flag("writeProtected"));
        }
        if (options.has("commandSet")) {
            namespace.commandSet(options.constant("commandSet", CommandSet.values()));
        }
        int rangeBlocks = options.integer("copyRangeBlocks", copy.rangeBlocks());
        int blocks = options.integer("copyBlocks", copy.blocks());
        int ranges = options.integer("copyRanges", copy.ranges());
        set(options, "copyRangeBlocks", () -> new CopyLimits(rangeBlocks, copy.blocks(), copy.ranges()));
        set(options, "copyBlocks", () -> new CopyLimits(rangeBlocks, blocks, copy.ranges()));
        set(options, "copyRanges", () -> namespace.copyLimits(new CopyLimits(rangeBlocks, blocks, ranges)));
        set(options, "id", () -> drive.namespace(namespace.build()));
    }

    private static NamespaceOptions.Builder medium(MachineOptions options) {
        if (!options.has("file")) {
            long bytes = options.size("size", EmulatedNvme.Builder.DEFAULT_BYTES);
            return options.checked("size", () -> NamespaceOptions.ofMemory(bytes));
        }
        if (options.has("size")) {
            throw options.wrong("size", "has a namespace with 'file' and 'size'; remove 'size', the file has one");
        }
        return options.checked("file", () -> NamespaceOptions.ofImage(options.path("file")));
    }
}
