package org.jvfio.cli;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;
import org.jvfio.ByteSize;
import org.jvfio.PeState;
import org.jvfio.cli.host.Host;
import org.jvfio.cli.host.HostBar;
import org.jvfio.cli.host.HostFunction;
import org.jvfio.cli.host.HostGroup;
import org.jvfio.cli.host.PciIds;

/** Devices and groups of a host as results of commands: the same members wherever they occur. */
final class HostReport {
    private final PciIds ids;

    HostReport(PciIds ids) {
        this.ids = ids;
    }

    static JsonShape hostShape() {
        return JsonShape.object("the host")
                .with("kernel", JsonShape.string("release of the kernel"))
                .with("emulated", JsonShape.bool("whether it is emulated"))
                .withOptional("processor", JsonShape.string("generation of the processor, such as POWER9"))
                .withOptional("platform", JsonShape.string("PowerNV or pSeries"))
                .with("pageSize", JsonShape.integer("bytes of a system page"));
    }

    static Map<String, Object> host(Host host, boolean emulated) {
        Map<String, Object> data = Json.object("kernel", host.release(), "emulated", emulated);
        host.processor().ifPresent(processor -> data.put("processor", processor));
        host.platform().ifPresent(platform -> data.put("platform", platform));
        data.put("pageSize", host.pageSize().bytes());
        return data;
    }

    static JsonShape functionShape() {
        return JsonShape.object("a PCI function")
                .with("address", JsonShape.string("PCI address"))
                .with("phb", JsonShape.string("PCI domain, which is a host bridge"))
                .withOptional("group", JsonShape.integer("number of its IOMMU group"))
                .with("vendorId", JsonShape.address("vendor"))
                .with("deviceId", JsonShape.address("device"))
                .with("subsystemVendorId", JsonShape.address("vendor of the board"))
                .with("subsystemId", JsonShape.address("board"))
                .with("classCode", JsonShape.address("class, subclass and programming interface"))
                .with("revision", JsonShape.integer("revision"))
                .with("name", JsonShape.string("vendor and device by name, or number"))
                .with("className", JsonShape.string("class by name, or number"))
                .withOptional("driver", JsonShape.string("driver it is bound to"))
                .withOptional("numaNode", JsonShape.integer("NUMA node"))
                .with(
                        "bars",
                        JsonShape.list(
                                "BARs and the expansion ROM",
                                JsonShape.object("a BAR")
                                        .with("index", JsonShape.integer("0 to 5, 6 for the ROM"))
                                        .with("address", JsonShape.address("where it is"))
                                        .with("size", JsonShape.integer("bytes"))
                                        .with(
                                                "kind",
                                                JsonShape.word("address space", List.of("memory32", "memory64", "io")))
                                        .with("prefetchable", JsonShape.bool("whether it is prefetchable"))))
                .withOptional(
                        "eeh",
                        JsonShape.word(
                                "state of its PE; missing without EEH",
                                Arrays.stream(PeState.values())
                                        .map(PeState::toString)
                                        .toList()))
                .with("resetMethods", JsonShape.strings("how the kernel can reset it, best first"))
                .withOptional("powerState", JsonShape.string("power state, such as D0"));
    }

    /** Vendor and device by name, or number. */
    String title(HostFunction function) {
        return function.title(ids);
    }

    Map<String, Object> function(HostFunction each) {
        Map<String, Object> data = Json.object(
                "address",
                each.address().toString(),
                "phb",
                "%04x".formatted(each.address().domain()));
        each.function().group().ifPresent(group -> data.put("group", group));
        data.put("vendorId", hex16(each.function().vendorId()));
        data.put("deviceId", hex16(each.function().deviceId()));
        data.put("subsystemVendorId", hex16(each.subsystemVendor()));
        data.put("subsystemId", hex16(each.subsystem()));
        data.put("classCode", "0x%06x".formatted(each.function().classCode()));
        data.put("revision", each.revision());
        data.put("name", each.title(ids));
        data.put("className", each.className(ids));
        each.function().driver().ifPresent(driver -> data.put("driver", driver));
        each.numaNode().ifPresent(node -> data.put("numaNode", node));
        List<Map<String, Object>> bars = new ArrayList<>();
        for (HostBar bar : each.bars()) {
            bars.add(Json.object(
                    "index",
                    bar.index(),
                    "address",
                    Json.hex(bar.start()),
                    "size",
                    bar.size(),
                    "kind",
                    bar.io() ? "io" : bar.wide() ? "memory64" : "memory32",
                    "prefetchable",
                    bar.prefetchable()));
        }
        data.put("bars", bars);
        each.eeh().ifPresent(eeh -> data.put("eeh", eeh.toString()));
        data.put("resetMethods", each.resetMethods());
        each.powerState().ifPresent(state -> data.put("powerState", state));
        return data;
    }

    private static String hex16(int id) {
        return "0x%04x".formatted(id);
    }

    static JsonShape groupShape() {
        return JsonShape.object("an IOMMU group")
                .with("number", JsonShape.integer("N of /dev/vfio/N"))
                .with("name", JsonShape.string("name of the platform, such as domain0-pefd"))
                .withOptional("pe", JsonShape.string("number of its PE, in hexadecimal"))
                .with(
                        "state",
                        JsonShape.word(
                                "whether a driver can take it",
                                Arrays.stream(HostGroup.State.values())
                                        .map(HostGroup.State::words)
                                        .toList()))
                .with("explanation", JsonShape.string("the state with its reason"))
                .withOptional("eeh", JsonShape.string("state of its PE; missing without EEH"))
                .with("devices", JsonShape.strings("addresses of its functions"));
    }

    static Map<String, Object> group(HostGroup group) {
        Map<String, Object> data =
                Json.object("number", group.number(), "name", group.group().name());
        group.pe().ifPresent(pe -> data.put("pe", pe));
        data.put("state", group.state().words());
        data.put("explanation", group.explain());
        eeh(group).ifPresent(eeh -> data.put("eeh", eeh.toString()));
        data.put(
                "devices",
                group.functions().stream()
                        .map(function -> function.address().toString())
                        .toList());
        return data;
    }

    /** The state of a group's PE. */
    static Optional<PeState> eeh(HostGroup group) {
        return group.functions().stream()
                .flatMap(function -> function.eeh().stream())
                .findFirst();
    }

    /** The BARs in one cell of a table, such as {@code 0: 1M, 2: 16K}. */
    static String bars(HostFunction function) {
        return function.bars().isEmpty()
                ? "-"
                : function.bars().stream()
                        .map(bar -> (bar.index() == HostBar.ROM ? "ROM" : Integer.toString(bar.index())) + ":"
                                + ByteSize.format(bar.size()))
                        .collect(Collectors.joining(" "));
    }

    /** The functions of a host by host bridge and group, as a tree. */
    List<String> tree(List<HostGroup> groups, List<HostFunction> functions, boolean unicode) {
        Map<String, Map<String, List<String>>> bridges = new LinkedHashMap<>();
        Map<Integer, HostGroup> byNumber = groups.stream().collect(Collectors.toMap(HostGroup::number, group -> group));
        for (HostFunction function : functions) {
            String bridge = "PHB %04x".formatted(function.address().domain());
            HostGroup group = function.function().group().isPresent()
                    ? byNumber.get(function.function().group().getAsInt())
                    : null;
            String title = group == null
                    ? "no IOMMU group"
                    : "group %s%s: %s%s"
                            .formatted(
                                    group.number(),
                                    group.pe().map(pe -> ", PE " + pe).orElse(""),
                                    group.explain(),
                                    eeh(group).map(eeh -> ", EEH " + eeh).orElse(""));
            bridges.computeIfAbsent(bridge, key -> new LinkedHashMap<>())
                    .computeIfAbsent(title, key -> new ArrayList<>())
                    .addAll(leaf(function));
        }
        List<String> lines = new ArrayList<>();
        bridges.forEach((bridge, members) -> {
            lines.add(bridge);
            int left = members.size();
            for (Map.Entry<String, List<String>> member : members.entrySet()) {
                left--;
                lines.add((left == 0 ? corner(unicode) : fork(unicode)) + member.getKey());
                String bar = left == 0 ? "   " : unicode ? "│  " : "|  ";
                member.getValue().forEach(line -> lines.add(bar + line));
            }
        });
        return lines;
    }

    private List<String> leaf(HostFunction function) {
        List<String> lines = new ArrayList<>();
        lines.add("%s  %s  %s (%s)"
                .formatted(
                        function.address(),
                        function.function().id(),
                        function.title(ids),
                        function.function().driver().orElse("no driver")));
        lines.add("  %s%s"
                .formatted(
                        function.bars().isEmpty() ? "no BARs" : "BARs " + bars(function),
                        function.numaNode().isPresent()
                                ? ", NUMA node " + function.numaNode().getAsInt()
                                : ""));
        return lines;
    }

    private static String fork(boolean unicode) {
        return unicode ? "├─ " : "|- ";
    }

    private static String corner(boolean unicode) {
        return unicode ? "└─ " : "`- ";
    }
}
