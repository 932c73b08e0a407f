package org.jvfio.cli;

import java.util.LinkedHashMap;
import java.util.Map;
import org.jvfio.PciFunction;
import org.jvfio.kernel.Kernel;

/** {@code jvfio demo}: the {@link Demo} for people, or as JSON. */
final class DemoCommand extends Command {
    DemoCommand() {
        super("demo", "take an edu device from the host, do DMA with it and give it back, step by step");
    }

    @Override
    void describe(CommandSyntax syntax) {
        FaultChoice.addTo(HostChoice.addTo(DeviceChoice.addTo(syntax, DeviceKind.EDU)))
                .json(Demo.shape())
                .example("jvfio demo", "run it on this POWER host, or on an emulated one elsewhere")
                .example("jvfio demo --machine pseries", "run it in an emulated LPAR")
                .example("jvfio demo --fault-seed 7", "run it with random faults of the emulated host")
                .example("jvfio demo --kernel linux --device 0000:01:00.0", "run it with a device of this host");
    }

    @Override
    int run(Invocation in) throws Failure {
        HostChoice choice = HostChoice.of(in);
        DeviceChoice device = DeviceChoice.of(in, DeviceKind.EDU);
        Kernel kernel = choice.open(in);
        PciFunction function = device.find(kernel);
        if (in.json()) {
            Map<String, Object> story = new LinkedHashMap<>();
            Demo.tell(kernel, choice.describe(kernel), function, step -> story.put(step.name(), step.data()));
            in.out().println(Json.text(story));
        } else {
            Demo.tell(
                    kernel,
                    choice.describe(kernel),
                    function,
                    step -> step.lines().forEach(in.out()::println));
        }
        return 0;
    }
}
