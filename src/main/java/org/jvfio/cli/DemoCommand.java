package org.jvfio.cli;

import java.util.LinkedHashMap;
import java.util.Map;
import org.apache.commons.cli.CommandLine;
import org.apache.commons.cli.Option;
import org.apache.commons.cli.Options;
import org.jvfio.PciFunction;
import org.jvfio.kernel.Kernel;

/** {@code jvfio demo}: the {@link Demo} for people, or as JSON. */
final class DemoCommand implements Command {
    @Override
    public String name() {
        return "demo";
    }

    @Override
    public String summary() {
        return "take an edu device from the host, do DMA with it, give it back; told step by step";
    }

    @Override
    public Options options() {
        return DeviceChoice.addTo(KernelChoice.addTo(new Options()), DeviceKind.EDU)
                .addOption(Option.builder()
                        .longOpt("json")
                        .desc("the same as JSON: sizes in bytes, addresses as hexadecimal strings")
                        .get());
    }

    @Override
    public void run(CommandLine line, StandardOutput out) throws Failure {
        KernelChoice choice = KernelChoice.of(line);
        DeviceChoice device = DeviceChoice.of(line, DeviceKind.EDU);
        Kernel kernel = choice.open();
        PciFunction function = device.find(kernel);
        if (line.hasOption("json")) {
            Map<String, Object> story = new LinkedHashMap<>();
            Demo.tell(kernel, choice.describe(kernel), function, step -> story.put(step.name(), step.data()));
            out.println(Step.json(story));
        } else {
            Demo.tell(
                    kernel,
                    choice.describe(kernel),
                    function,
                    step -> step.lines().forEach(out::println));
        }
    }
}
