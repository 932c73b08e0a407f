package org.jvfio.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import org.jvfio.IommuGroup;
import org.jvfio.PciFunction;
import org.jvfio.cli.map.DmaMoment;
import org.jvfio.cli.map.MapSvg;
import org.jvfio.cli.map.MapText;
import org.jvfio.kernel.Kernel;

/** {@code jvfio map}: pictures of the DMA address space of a group. */
final class MapCommand extends Command {
    MapCommand() {
        super("map", "draw the DMA address space of a driver: windows, mappings and holes");
    }

    @Override
    void describe(CommandSyntax syntax) {
        HostChoice.addTo(DeviceChoice.addTo(syntax, DeviceKind.ANY))
                .flag("story", "draw the address space over time: the host's, VFIO's, the driver's, the host's again")
                .option("svg", "FILE", "write the picture to this file as an SVG image; - is standard output")
                .flag("all", "list each mapping and hole, however many there are")
                .about("Runs a driver that takes the device's group, creates a window beside the default one, maps"
                        + " buffers and unmaps some; the device does no DMA. Each window is a bar, on a scale of its own,"
                        + " with the part that is in use enlarged. On a terminal that has no block characters, the bars"
                        + " are of ASCII.")
                .json(shape())
                .example(
                        "jvfio map", "draw the windows of a driver on this POWER host, or on an emulated one elsewhere")
                .example("jvfio map --story --machine power9", "draw who owns the address space, over time")
                .example("jvfio map --machine pseries --svg map.svg", "write an image of an LPAR's windows");
    }

    private static JsonShape shape() {
        JsonShape range = JsonShape.object("addresses")
                .with("start", JsonShape.address("the first one"))
                .with("size", JsonShape.integer("bytes"));
        JsonShape mapping = JsonShape.object("a mapping")
                .with("iova", JsonShape.address("its bus address"))
                .with("size", JsonShape.integer("bytes"))
                .with("direction", JsonShape.word("of the DMA", List.of("to_device", "from_device", "bidirectional")));
        JsonShape window = JsonShape.object("a window")
                .with("number", JsonShape.integer("0 or 1"))
                .with("start", JsonShape.address("its first address"))
                .with("size", JsonShape.integer("bytes"))
                .with("pageSize", JsonShape.integer("bytes of an IOMMU page"))
                .withOptional("mappings", JsonShape.list("by address; missing if the owner's are not known", mapping))
                .withOptional("holes", JsonShape.list("what is not mapped, by address", range));
        return JsonShape.object("the address space")
                .with("kernel", JsonShape.string("release and host"))
                .with("device", JsonShape.string("PCI address"))
                .with("group", JsonShape.integer("N of /dev/vfio/N"))
                .with(
                        "moments",
                        JsonShape.list(
                                "one, or with --story all, in their order",
                                JsonShape.object("the address space at one moment")
                                        .with("title", JsonShape.string("what has happened"))
                                        .with("owner", JsonShape.string("who owns the group"))
                                        .withOptional("bypass", JsonShape.bool("whether the 64-bit bypass is on"))
                                        .with("windows", JsonShape.list("by address", window))));
    }

    @Override
    int run(Invocation in) throws Failure {
        HostChoice choice = HostChoice.of(in);
        DeviceChoice device = DeviceChoice.of(in, DeviceKind.ANY);
        Optional<String> svg = in.value("svg");
        if (svg.isPresent() && in.json()) {
            throw Failure.usage("map: --svg and --json exclude each other");
        }
        Kernel kernel = choice.open(in);
        PciFunction function = device.find(kernel);
        String host = choice.describe(kernel);
        int group = IommuGroup.of(kernel, function.address()).number();
        List<DmaMoment> moments = MapScene.play(kernel, function);
        boolean story = in.has("story");
        DmaMoment drawn = MapScene.richest(moments);
        String title = "DMA address space of group %d, %s, on %s".formatted(group, function.address(), host);
        if (in.json()) {
            List<DmaMoment> printed = story ? moments : List.of(drawn);
            in.out()
                    .println(Json.text(Json.object(
                            "kernel",
                            host,
                            "device",
                            function.address().toString(),
                            "group",
                            group,
                            "moments",
                            printed.stream().map(MapCommand::data).toList())));
        } else if (svg.isPresent()) {
            write(in, svg.get(), story ? MapSvg.story(title, moments) : MapSvg.picture(title, drawn));
        } else {
            MapText text = new MapText(in.out().charset(), in.terminal().width());
            in.out().println(in.terminal().bold(title));
            in.out().println();
            List<String> lines = story ? text.story(moments) : text.picture(drawn, in.has("all"));
            lines.forEach(in.out()::println);
        }
        return 0;
    }

    private static void write(Invocation in, String file, String image) throws Failure {
        if (file.equals("-")) {
            in.out().print(image);
            return;
        }
        try {
            Files.writeString(Path.of(file), image);
        } catch (IOException e) {
            throw Failure.failed("cannot write to " + file + ": " + FileErrors.reason(e));
        }
        in.out().println("wrote " + file);
    }

    private static Map<String, Object> data(DmaMoment moment) {
        Map<String, Object> data = Json.object("title", moment.title(), "owner", moment.owner());
        moment.bypass().ifPresent(on -> data.put("bypass", on));
        data.put(
                "windows",
                moment.windows().stream()
                        .map(window -> data(window, moment.mapsSeen()))
                        .toList());
        return data;
    }

    private static Map<String, Object> data(DmaMoment.Window window, boolean mapsSeen) {
        Map<String, Object> data = Json.object(
                "number",
                window.number(),
                "start",
                Json.hex(window.range().start()),
                "size",
                window.range().size(),
                "pageSize",
                window.page().bytes());
        if (mapsSeen) {
            data.put(
                    "mappings", window.mappings().stream().map(MapCommand::data).toList());
            data.put(
                    "holes",
                    window.holes().stream()
                            .map(hole -> Json.object("start", Json.hex(hole.start()), "size", hole.size()))
                            .toList());
        }
        return data;
    }

    private static Map<String, Object> data(DmaMoment.Mapping mapping) {
        return Json.object(
                "iova",
                Json.hex(mapping.range().start()),
                "size",
                mapping.range().size(),
                "direction",
                mapping.direction().name().toLowerCase(Locale.ROOT));
    }
}
