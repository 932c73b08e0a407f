package org.jvfio.cli;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import org.jvfio.cli.host.Host;
import org.jvfio.cli.host.HostFunction;
import org.jvfio.cli.host.HostGroup;

/** {@code jvfio devices}: the PCI functions of a host. */
final class DevicesCommand extends Command {
    DevicesCommand() {
        super("devices", "list the PCI devices with their groups, drivers and BARs");
    }

    @Override
    void describe(CommandSyntax syntax) {
        Names.addTo(HostChoice.addTo(syntax))
                .flag("tree", "print a tree of host bridges (PHBs), IOMMU groups and devices")
                .json(JsonShape.object("the devices of a host")
                        .with("host", HostReport.hostShape())
                        .with("devices", JsonShape.list("by address", HostReport.functionShape()))
                        .with("groups", JsonShape.list("by number", HostReport.groupShape())))
                .example("jvfio devices", "list the devices of this POWER host, or of an emulated one elsewhere")
                .example("jvfio devices --tree --machine pseries", "print those of an emulated LPAR as a tree");
    }

    @Override
    int run(Invocation in) throws Failure {
        HostChoice choice = HostChoice.of(in);
        Host host = new Host(choice.inspect(in));
        HostReport report = new HostReport(Names.of(in));
        List<HostFunction> functions = host.functions();
        List<HostGroup> groups = host.groups(functions);
        if (in.json()) {
            in.out()
                    .println(Json.text(Json.object(
                            "host",
                            HostReport.host(host, !choice.isLinux()),
                            "devices",
                            functions.stream().map(report::function).toList(),
                            "groups",
                            groups.stream().map(HostReport::group).toList())));
        } else if (in.has("tree")) {
            boolean unicode = in.out().charset().newEncoder().canEncode('└');
            report.tree(groups, functions, unicode).forEach(in.out()::println);
        } else {
            print(in, report, functions, groups);
        }
        return 0;
    }

    private static void print(Invocation in, HostReport report, List<HostFunction> functions, List<HostGroup> groups) {
        Map<Integer, HostGroup> byNumber = new TreeMap<>();
        groups.forEach(group -> byNumber.put(group.number(), group));
        Table table = new Table("ADDRESS", "GROUP", "PE", "ID", "DRIVER", "NODE", "EEH", "BARS", "STATE", "NAME");
        for (HostFunction function : functions) {
            Optional<HostGroup> group = function.function().group().isPresent()
                    ? Optional.ofNullable(
                            byNumber.get(function.function().group().getAsInt()))
                    : Optional.empty();
            table.row(
                    function.address().toString(),
                    group.map(each -> Integer.toString(each.number())).orElse("-"),
                    group.flatMap(HostGroup::pe).orElse("-"),
                    function.function().id(),
                    function.function().driver().orElse("-"),
                    function.numaNode().isPresent()
                            ? Integer.toString(function.numaNode().getAsInt())
                            : "-",
                    function.eeh().map(Object::toString).orElse("-"),
                    HostReport.bars(function),
                    group.map(each -> each.state().words()).orElse("no group"),
                    report.title(function));
        }
        table.print(in.out(), in.terminal());
        if (functions.isEmpty()) {
            in.err().println("jvfio: this host has no PCI devices");
        }
    }
}
