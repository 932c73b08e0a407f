package org.jvfio.cli;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SortedMap;
import org.jvfio.ByteSize;
import org.jvfio.DeviceCondition;
import org.jvfio.cli.host.Host;
import org.jvfio.cli.host.HostBar;
import org.jvfio.cli.host.HostFunction;
import org.jvfio.cli.host.HostGroup;
import org.jvfio.cli.host.PciIds;
import org.jvfio.cli.lspci.Capability;
import org.jvfio.cli.lspci.CapabilityWords;
import org.jvfio.cli.lspci.ConfigImage;
import org.jvfio.cli.lspci.HeaderWords;

/** {@code jvfio device}: a PCI function with its configuration space in words, or as a dump. */
final class DeviceCommand extends Command {
    private static final int CONFIG_BYTES = 4096;
    private static final int PRODUCT_DATA_BYTES = 1 << 15;

    DeviceCommand() {
        super("device", "print a PCI device with its configuration space, as lspci -vvv does");
    }

    @Override
    void describe(CommandSyntax syntax) {
        Names.addTo(HostChoice.addTo(syntax))
                .argument("DEVICE", "the device's PCI address, such as 0000:01:00.0")
                .flag("xxxx", "print the bytes of the configuration space, as lspci -F reads them")
                .about(
                        "Lines up to 'Kernel driver in use' are those of lspci; the reset methods, the power state, the"
                                + " IOMMU group's state, EEH and the DMA windows of the platform follow. Without privileges"
                                + " the kernel shows the first 64 bytes of the configuration space only, and no vital product data.")
                .json(shape())
                .example("jvfio device 0002:01:00.0", "print an NVMe drive")
                .example("jvfio device 0002:01:00.0 --xxxx > dump && lspci -F dump -vvv", "let lspci decode it");
    }

    private static JsonShape shape() {
        return JsonShape.object("a device")
                .with("host", HostReport.hostShape())
                .with("device", HostReport.functionShape())
                .withOptional("group", HostReport.groupShape())
                .with("configBytes", JsonShape.integer("bytes of the configuration space that could be read"))
                .with("config", JsonShape.strings("these bytes in hexadecimal, 16 a line"))
                .with("header", JsonShape.strings("command and status register in words"))
                .withOptional("interruptPin", JsonShape.word("pin of INTx", List.of("A", "B", "C", "D")))
                .with(
                        "capabilities",
                        JsonShape.list(
                                "in the order of the chains",
                                JsonShape.object("a capability")
                                        .with("offset", JsonShape.address("where it begins"))
                                        .with("id", JsonShape.address("its number"))
                                        .with("extended", JsonShape.bool("whether it is an extended one"))
                                        .with("version", JsonShape.integer("of an extended one, 0 of another"))
                                        .with("name", JsonShape.string("its name"))
                                        .with("registers", JsonShape.strings("its registers in words"))))
                .with("defects", JsonShape.strings("where a chain of capabilities is broken"))
                .withOptional("windows", JsonShape.string("DMA windows that the platform has for it"));
    }

    @Override
    int run(Invocation in) throws Failure {
        HostChoice choice = HostChoice.of(in);
        var address = Devices.address(in.arguments().getFirst());
        PciIds ids = Names.of(in);
        Host host = new Host(choice.inspect(in));
        HostFunction function = host.function(address);
        String directory = "/sys/bus/pci/devices/" + address + "/";
        ConfigImage config = new ConfigImage(host.files().bytes(directory + "config", CONFIG_BYTES));
        boolean memoryBar = function.bars().stream().anyMatch(bar -> !bar.io() && bar.index() != HostBar.ROM);
        CapabilityWords capabilities = CapabilityWords.of(
                config,
                memoryBar,
                address.device() == 0 && address.function() == 0,
                () -> host.files().bytes(directory + "vpd", PRODUCT_DATA_BYTES));
        Optional<HostGroup> group = function.function().group().isPresent()
                ? Optional.of(host.group(function.function().group().getAsInt()))
                : Optional.empty();
        if (in.json()) {
            in.out().println(Json.text(data(host, choice, new HostReport(ids), function, group, config, capabilities)));
        } else if (in.has("xxxx")) {
            in.out().println(title(function, ids, true));
            config.dump().forEach(in.out()::println);
            in.out().println();
        } else {
            print(in, host, function, ids, group, config, capabilities);
        }
        return 0;
    }

    private static String title(HostFunction function, PciIds ids, boolean plain) {
        int classCode = function.function().classCode();
        Optional<String> interfaceName = ids.programmingInterface(classCode);
        int programming = classCode & 0xff;
        String revision = function.revision() == 0 ? "" : " (rev %02x)".formatted(function.revision());
        String progIf = plain || (programming == 0 && interfaceName.isEmpty())
                ? ""
                : " (prog-if %02x%s)"
                        .formatted(
                                programming,
                                interfaceName.map(name -> " [" + name + "]").orElse(""));
        String className = ids.isSubclass(classCode)
                ? ids.deviceClass(classCode).orElseThrow()
                : "%s [%04x]".formatted(ids.deviceClass(classCode).orElse("Class"), classCode >> 8);
        return "%s %s: %s%s%s".formatted(function.address(), className, function.title(ids), revision, progIf);
    }

    private static void print(
            Invocation in,
            Host host,
            HostFunction function,
            PciIds ids,
            Optional<HostGroup> group,
            ConfigImage config,
            CapabilityWords capabilities) {
        List<String> lines = new ArrayList<>();
        lines.add(title(function, ids, false));
        if (function.subsystemVendor() != 0 && function.subsystemVendor() != 0xffff) {
            lines.add("\tSubsystem: " + subsystem(function, ids));
        }
        function.treeNode().ifPresent(node -> lines.add("\tDevice tree node: " + node));
        lines.addAll(HeaderWords.control(config));
        int pin = HeaderWords.pin(config);
        boolean hasPin = pin > 0 && pin <= 4;
        if (hasPin || function.irq() != 0) {
            lines.add("\tInterrupt: pin %s routed to IRQ %d"
                    .formatted(hasPin ? "ABCD".charAt(pin - 1) : "?", function.irq()));
        }
        function.numaNode().ifPresent(node -> lines.add("\tNUMA node: " + node));
        group.ifPresent(each -> lines.add("\tIOMMU group: " + each.number()));
        SortedMap<Integer, String> regions = HeaderWords.regions(config);
        function.bars().forEach(bar -> regions.put(bar.index(), region(bar, config)));
        regions.values().forEach(region -> lines.add("\t" + region));
        for (Capability capability : capabilities.list()) {
            String place = capability.extended()
                    ? "%03x v%d".formatted(capability.offset(), capability.version())
                    : "%02x".formatted(capability.offset());
            lines.add("\tCapabilities: [%s] %s"
                    .formatted(place, capability.lines().getFirst()));
            lines.addAll(capability.lines().subList(1, capability.lines().size()));
        }
        capabilities.defects().forEach(defect -> lines.add("\tCapabilities: " + defect));
        function.function().driver().ifPresent(driver -> lines.add("\tKernel driver in use: " + driver));
        lines.add("\tReset methods: "
                + (function.resetMethods().isEmpty() ? "none" : String.join(" ", function.resetMethods())));
        function.powerState()
                .ifPresent(state -> lines.add("\tPower state: %s%s"
                        .formatted(
                                state,
                                function.runtimeStatus()
                                        .map(status -> " (" + status + ")")
                                        .orElse(""))));
        group.ifPresent(each -> lines.add("\tVFIO: group %d is %s".formatted(each.number(), each.explain())));
        lines.add("\tEEH: " + function.eeh().map(Object::toString).orElse("none"));
        windows(host).ifPresent(windows -> lines.add("\tDMA windows: " + windows));
        lines.forEach(in.out()::println);
        if (config.size() <= 64) {
            in.err()
                    .println("jvfio: the kernel shows %s of configuration space; run this as root to see all"
                            .formatted(Words.count(config.size(), "byte")));
        } else if (config.isAllOnes()) {
            DeviceCondition condition = DeviceCondition.read(host.kernel(), function.address());
            in.err().println("jvfio: the configuration space reads all ones; " + condition.evidence());
        }
    }

    private static String subsystem(HostFunction function, PciIds ids) {
        int vendor = function.subsystemVendor();
        String name = ids.subsystem(
                        function.function().vendorId(), function.function().deviceId(), vendor, function.subsystem())
                .orElse("Device %04x".formatted(function.subsystem()));
        return ids.vendor(vendor)
                .map(vendorName -> vendorName + " " + name)
                .orElse("Device %04x:%04x".formatted(vendor, function.subsystem()));
    }

    private static String region(HostBar bar, ConfigImage config) {
        String size = " [size=%s]".formatted(ByteSize.format(bar.size()).replaceFirst("B$", ""));
        if (bar.index() == HostBar.ROM) {
            String virtual = HeaderWords.hasRomAddress(config) ? "" : " [virtual]";
            return "Expansion ROM at %s%s%s%s"
                    .formatted(address(bar), virtual, HeaderWords.decodesRom(config) ? "" : " [disabled]", size);
        }
        String disabled = !HeaderWords.hasAddress(config, bar.index())
                ? " [virtual]"
                : HeaderWords.decodes(config, bar.io()) ? "" : " [disabled]";
        return bar.io()
                ? "Region %d: I/O ports at %04x%s%s".formatted(bar.index(), bar.start(), disabled, size)
                : "Region %d: Memory at %s (%s, %sprefetchable)%s%s"
                        .formatted(
                                bar.index(),
                                address(bar),
                                bar.wide() ? "64-bit" : "32-bit",
                                bar.prefetchable() ? "" : "non-",
                                disabled,
                                size);
    }

    private static String address(HostBar bar) {
        return bar.start() == 0 ? "<unassigned>" : "%08x".formatted(bar.start());
    }

    /** What the platform gives each group, without taking it. */
    private static Optional<String> windows(Host host) {
        Optional<String> processor = host.processor();
        if (processor.isEmpty()) {
            return Optional.empty();
        }
        if (!host.isPowernv()) {
            return Optional.of("those of the hypervisor; see jvfio info GROUP");
        }
        return Optional.of(
                switch (processor.get()) {
                    case "POWER7" -> "the host's table, 4K pages";
                    case "POWER8" -> "up to 2, pages of 4K 64K 16M 256M";
                    default -> "up to 2, pages of 4K 64K 2M 1G";
                });
    }

    private static Map<String, Object> data(
            Host host,
            HostChoice choice,
            HostReport report,
            HostFunction function,
            Optional<HostGroup> group,
            ConfigImage config,
            CapabilityWords capabilities) {
        Map<String, Object> data =
                Json.object("host", HostReport.host(host, !choice.isLinux()), "device", report.function(function));
        group.ifPresent(each -> data.put("group", HostReport.group(each)));
        data.put("configBytes", config.size());
        data.put("config", config.dump());
        data.put(
                "header",
                HeaderWords.control(config).stream().map(String::strip).toList());
        int pin = HeaderWords.pin(config);
        if (pin > 0 && pin <= 4) {
            data.put("interruptPin", Character.toString("ABCD".charAt(pin - 1)));
        }
        List<Map<String, Object>> list = new ArrayList<>();
        for (Capability each : capabilities.list()) {
            list.add(Json.object(
                    "offset",
                    Json.hex(each.offset()),
                    "id",
                    Json.hex(each.id()),
                    "extended",
                    each.extended(),
                    "version",
                    each.version(),
                    "name",
                    each.name(),
                    "registers",
                    each.lines().stream()
                            .map(line -> line.strip().replaceAll("\\s+", " "))
                            .toList()));
        }
        data.put("capabilities", list);
        data.put("defects", capabilities.defects());
        windows(host).ifPresent(windows -> data.put("windows", windows));
        return data;
    }
}
