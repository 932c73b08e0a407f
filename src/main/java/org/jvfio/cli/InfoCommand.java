package org.jvfio.cli;

import java.util.List;
import java.util.Optional;
import org.jvfio.ByteSize;
import org.jvfio.Container;
import org.jvfio.Eeh;
import org.jvfio.IommuGroup;
import org.jvfio.LockedMemory;
import org.jvfio.PageSize;
import org.jvfio.PciFunction;
import org.jvfio.SpaprTceVersion;
import org.jvfio.TceInfo;
import org.jvfio.kernel.Kernel;

/** {@code jvfio info}: what the IOMMU offers to a group. */
final class InfoCommand extends Command {
    InfoCommand() {
        super("info", "take a group and print what its IOMMU offers: windows, page sizes, levels, EEH");
    }

    @Override
    void describe(CommandSyntax syntax) {
        HostChoice.addTo(syntax)
                .argument("GROUP", "the number of the IOMMU group, N of /dev/vfio/N")
                .about(
                        "The group is taken from the host for as long as it takes to ask, and given back. Its devices are"
                                + " not opened.")
                .json(JsonShape.object("what the IOMMU offers to a group")
                        .with("group", JsonShape.integer("its number"))
                        .with("name", JsonShape.string("name of the platform"))
                        .with("devices", JsonShape.strings("addresses of its functions"))
                        .with("version", JsonShape.integer("version of the SPAPR TCE IOMMU, 1 or 2"))
                        .withOptional(
                                "defaultWindow",
                                JsonShape.object("the default window")
                                        .with("start", JsonShape.address("first bus address"))
                                        .with("size", JsonShape.integer("bytes"))
                                        .with("tableBytes", JsonShape.integer("locked memory of its TCE table")))
                        .with("maxWindows", JsonShape.integer("windows at a time"))
                        .with("pageSizes", JsonShape.list("IOMMU page sizes", JsonShape.integer("bytes")))
                        .with("maxLevels", JsonShape.integer("levels of a TCE table"))
                        .with("systemPageSize", JsonShape.integer("bytes of a system page"))
                        .with("eeh", JsonShape.bool("whether the kernel reports the state of its PE"))
                        .withOptional("peState", JsonShape.string("state of its PE"))
                        .with("lockedBytes", JsonShape.integer("locked memory of this process"))
                        .withOptional("lockLimitBytes", JsonShape.integer("limit of locked memory; missing if none"))
                        .with("lockLimited", JsonShape.bool("whether it holds: not with CAP_IPC_LOCK")))
                .example("jvfio info 1", "print what group 1 offers");
    }

    @Override
    int run(Invocation in) throws Failure {
        HostChoice choice = HostChoice.of(in);
        int number = Devices.group(in.arguments().getFirst());
        Kernel kernel = choice.open(in);
        try (Container container = Container.open(kernel)) {
            container.attach(number);
            report(kernel, number, container).print(in.out(), in.json());
        }
        return 0;
    }

    private static Step report(Kernel kernel, int number, Container container) {
        IommuGroup group = IommuGroup.of(kernel, number);
        TceInfo info = container.iommuInfo();
        int version = container.iommuVersion() == SpaprTceVersion.V1 ? 1 : 2;
        List<String> pages = info.pageSizes().stream().map(PageSize::toString).toList();
        List<String> devices = group.functions().stream()
                .map(function -> function.address().toString())
                .toList();
        Step step = new Step("info", "IOMMU group " + number)
                .fact("group", number, "")
                .fact("name", group.name(), "name", group.name())
                .fact(
                        "devices",
                        devices,
                        "devices",
                        group.functions().stream().map(PciFunction::toString).toList())
                .fact("version", version, "IOMMU", "SPAPR TCE, version " + version);
        if (info.defaultWindow().isPresent()) {
            var window = container.defaultWindow();
            step.fact(
                    "defaultWindow",
                    Json.object(
                            "start",
                            Json.hex(window.range().start()),
                            "size",
                            window.range().size(),
                            "tableBytes",
                            window.tableBytes()),
                    "default window",
                    "%s: %s in pages of %s, %s locked for its table"
                            .formatted(
                                    window.range(),
                                    ByteSize.format(window.range().size()),
                                    window.pageSize(),
                                    ByteSize.format(window.tableBytes())));
        }
        Optional<Eeh> eeh = container.eeh();
        step.fact("maxWindows", info.maxWindows(), "windows", info.maxWindows() + " at a time")
                .fact(
                        "pageSizes",
                        info.pageSizes().stream().map(PageSize::bytes).toList(),
                        "page sizes",
                        String.join(" ", pages))
                .fact("maxLevels", info.maxLevels(), "levels", "up to " + info.maxLevels())
                .fact(
                        "systemPageSize",
                        container.systemPage().bytes(),
                        "system page",
                        container.systemPage().toString())
                .fact(
                        "eeh",
                        eeh.isPresent(),
                        "EEH",
                        eeh.map(each -> each.state().toString()).orElse("none"));
        eeh.ifPresent(each -> step.fact("peState", each.state().toString(), ""));
        LockedMemory memory = container.lockedMemory();
        step.fact("lockedBytes", memory.locked(), "locked memory", memory.toString());
        memory.limit().ifPresent(limit -> step.fact("lockLimitBytes", limit, ""));
        step.fact("lockLimited", memory.limit().isPresent() && !memory.privileged(), "");
        return step;
    }
}
