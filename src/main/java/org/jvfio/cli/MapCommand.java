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
import org.jvfio.kernel.FileErrors;
import org.jvfio.kernel.Kernel;
import org.jvfio.observe.HostFacts;
import org.jvfio.observe.Recording;

/** {@code jvfio map}: pictures of the DMA address space of a group. */
final class MapCommand extends Command {
    private static final String FROM = "from";
    /** What chooses a host or a device, which a record has. */
    private static final List<String> CHOICES = List.of("kernel", "machine", "linux", "device-models", "device");

    MapCommand() {
        super("map", "draw the DMA address space of a driver: windows, mappings and holes");
    }

    @Override
    void describe(CommandSyntax syntax) {
        HostChoice.addTo(DeviceChoice.addTo(syntax, DeviceKind.ANY))
                .flag("story", "draw the address space over time: the host's, VFIO's, the driver's, the host's again")
                .option(FROM, "RECORD", "draw the program of a record that 'jvfio record' has made, and run no driver")
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
                .example("jvfio map --from jvfio.rec --story", "draw what 'jvfio record demo' has recorded")
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
                .withOptional("device", JsonShape.string("PCI address; missing if a record names none"))
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

    /** What is drawn. */
    private record Scene(
            String kernel, Optional<String> device, int group, String of, List<DmaMoment> moments, DmaMoment drawn) {}

    @Override
    int run(Invocation in) throws Failure {
        HostChoice choice = HostChoice.of(in);
        DeviceChoice device = DeviceChoice.of(in, DeviceKind.ANY);
        Optional<String> svg = in.value("svg");
        if (svg.isPresent() && in.json()) {
            throw Failure.usage("map: --svg and --json exclude each other");
        }
        Optional<String> record = in.value(FROM);
        Scene scene = record.isPresent() ? recorded(in, record.get(), device.group()) : played(in, choice, device);
        boolean story = in.has("story");
        String title = "DMA address space of group %d%s, %s"
                .formatted(
                        scene.group(),
                        scene.device().map(address -> ", " + address).orElse(""),
                        scene.of());
        if (in.json()) {
            List<DmaMoment> printed = story ? scene.moments() : List.of(scene.drawn());
            Map<String, Object> data = Json.object("kernel", scene.kernel());
            scene.device().ifPresent(address -> data.put("device", address));
            data.put("group", scene.group());
            data.put("moments", printed.stream().map(MapCommand::data).toList());
            in.out().println(Json.text(data));
        } else if (svg.isPresent()) {
            write(in, svg.get(), story ? MapSvg.story(title, scene.moments()) : MapSvg.picture(title, scene.drawn()));
        } else {
            MapText text = new MapText(in.out().charset(), in.terminal().width());
            in.out().println(in.terminal().bold(title));
            in.out().println();
            List<String> lines = story ? text.story(scene.moments()) : text.picture(scene.drawn(), in.has("all"));
            lines.forEach(in.out()::println);
        }
        return 0;
    }

    private static Scene played(Invocation in, HostChoice choice, DeviceChoice device) throws Failure {
        Kernel kernel = choice.open(in);
        PciFunction function = device.find(kernel);
        String host = choice.describe(kernel);
        int group = IommuGroup.of(kernel, function.address()).number();
        List<DmaMoment> moments = MapScene.play(kernel, function);
        return new Scene(
                host,
                Optional.of(function.address().toString()),
                group,
                "on " + host,
                moments,
                MapScene.richest(moments));
    }

    private static Scene recorded(Invocation in, String file, Optional<Integer> group) throws Failure {
        for (String option : CHOICES) {
            if (in.has(option)) {
                throw Failure.usage(
                        "map: --from draws a record, which has its host and devices; leave --" + option + " out");
            }
        }
        Recording recording = Records.read(Path.of(file));
        RecordedScene scene = RecordedScene.play(recording, group);
        int drawn = group.orElse(scene.group());
        String kernel = "Linux " + recording.facts().value("release").orElse("of an unknown release");
        return new Scene(
                kernel,
                recording.facts().devices().stream()
                        .filter(device -> device.group() == drawn)
                        .map(HostFacts.RecordedDevice::address)
                        .findFirst(),
                drawn,
                "on %s, of the record %s".formatted(kernel, file),
                scene.moments(),
                scene.fullest());
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
