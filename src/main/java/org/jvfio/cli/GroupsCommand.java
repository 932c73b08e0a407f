package org.jvfio.cli;

import java.util.List;
import java.util.stream.Collectors;
import org.jvfio.PciFunction;
import org.jvfio.cli.host.Host;
import org.jvfio.cli.host.HostGroup;

/** {@code jvfio groups}: the IOMMU groups of a host, and whether a driver can take them. */
final class GroupsCommand extends Command {
    GroupsCommand() {
        super("groups", "list the IOMMU groups and whether a driver can take them");
    }

    @Override
    void describe(CommandSyntax syntax) {
        Names.addTo(HostChoice.addTo(syntax))
                .flag("tree", "print a tree of host bridges (PHBs), IOMMU groups and devices")
                .about("A group is ready if one of its devices is bound to vfio-pci, no driver of the host uses another"
                        + " one, and no process has it open. On POWER each group is a partitionable endpoint (PE).")
                .json(JsonShape.object("the groups of a host")
                        .with("host", HostReport.hostShape())
                        .with("groups", JsonShape.list("by number", HostReport.groupShape())))
                .example("jvfio groups", "list the groups")
                .example(
                        "jvfio groups --json | jq '.groups[] | select(.state == \"ready\") | .number'",
                        "list the numbers of those that are ready");
    }

    @Override
    int run(Invocation in) throws Failure {
        HostChoice choice = HostChoice.of(in);
        Host host = new Host(choice.inspect(in));
        List<HostGroup> groups = host.groups();
        if (in.json()) {
            in.out()
                    .println(Json.text(Json.object(
                            "host",
                            HostReport.host(host, !choice.isLinux()),
                            "groups",
                            groups.stream().map(HostReport::group).toList())));
        } else if (in.has("tree")) {
            boolean unicode = in.out().charset().newEncoder().canEncode('└');
            new HostReport(Names.of(in))
                    .tree(
                            groups,
                            groups.stream()
                                    .flatMap(group -> group.functions().stream())
                                    .toList(),
                            unicode)
                    .forEach(in.out()::println);
        } else {
            Table table = new Table("GROUP", "NAME", "EEH", "DEVICES", "STATE");
            for (HostGroup group : groups) {
                table.row(
                        Integer.toString(group.number()),
                        group.group().name(),
                        HostReport.eeh(group).map(Object::toString).orElse("-"),
                        group.group().functions().stream()
                                .map(PciFunction::toString)
                                .collect(Collectors.joining(", ")),
                        group.explain());
            }
            table.print(in.out(), in.terminal());
            if (groups.isEmpty()) {
                in.err().println("jvfio: this host has no IOMMU groups");
            }
        }
        return 0;
    }
}
