package org.jvfio.cli;

import com.fasterxml.jackson.jr.ob.JSON;
import java.io.IOException;
import java.io.PrintStream;
import java.io.UncheckedIOException;
import java.util.LinkedHashMap;
import java.util.Map;
import org.apache.commons.cli.CommandLine;
import org.apache.commons.cli.Option;
import org.apache.commons.cli.OptionGroup;
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
        return new Options()
                .addOption(Option.builder()
                        .longOpt("kernel")
                        .hasArg()
                        .argName("KERNEL")
                        .desc("emulated (the default) or linux")
                        .get())
                .addOptionGroup(new OptionGroup()
                        .addOption(Option.builder()
                                .longOpt("device")
                                .hasArg()
                                .argName("ADDRESS")
                                .desc(
                                        "the edu device at this PCI address, such as 0000:01:00.0; the first one otherwise")
                                .get())
                        .addOption(Option.builder()
                                .longOpt("group")
                                .hasArg()
                                .argName("NUMBER")
                                .desc("the first edu device of this IOMMU group")
                                .get()))
                .addOption(Option.builder()
                        .longOpt("json")
                        .desc("the same as JSON: sizes in bytes, addresses as hexadecimal strings")
                        .get());
    }

    @Override
    public void run(CommandLine line, PrintStream out) throws Failure {
        KernelChoice choice = KernelChoice.of(line.getOptionValue("kernel", KernelChoice.EMULATED.word()));
        DeviceChoice device = DeviceChoice.of(line);
        Kernel kernel = choice.open();
        PciFunction function = device.find(kernel);
        if (line.hasOption("json")) {
            Map<String, Object> story = new LinkedHashMap<>();
            Demo.tell(kernel, choice.describe(kernel), function, step -> story.put(step.name(), step.data()));
            out.println(json(story));
        } else {
            Demo.tell(
                    kernel,
                    choice.describe(kernel),
                    function,
                    step -> step.lines().forEach(out::println));
        }
    }

    private static String json(Map<String, Object> story) {
        try {
            return JSON.std.with(JSON.Feature.PRETTY_PRINT_OUTPUT).asString(story);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
