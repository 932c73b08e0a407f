package org.jvfio.cli;

import java.io.File;
import java.io.IOException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.regex.Pattern;
import org.apache.commons.cli.CommandLine;
import org.apache.commons.cli.Option;
import org.apache.commons.cli.Options;
import org.jvfio.emulator.DeviceModels;
import org.jvfio.emulator.EmulatedKernel;
import org.jvfio.emulator.EmulatedMachine;
import org.jvfio.kernel.Kernel;
import org.jvfio.kernel.linux.LinuxKernel;

/** The kernel that a user means with {@code --kernel} and {@code --machine}. */
final class KernelChoice {
    private static final String EMULATED = "emulated";
    private static final String LINUX = "linux";
    private static final String DEVICE_MODELS = "device-models";
    private static final List<String> WORDS = List.of(EMULATED, LINUX);

    private final boolean linux;
    private final Optional<Path> machineFile;
    private final List<Path> deviceModels;

    private KernelChoice(boolean linux, Optional<Path> machineFile, List<Path> deviceModels) {
        this.linux = linux;
        this.machineFile = machineFile;
        this.deviceModels = deviceModels;
    }

    /** Adds the options. */
    static Options addTo(Options options) {
        return options.addOption(Option.builder()
                        .longOpt("kernel")
                        .hasArg()
                        .argName("KERNEL")
                        .desc("emulated (the default) or linux")
                        .get())
                .addOption(Option.builder()
                        .longOpt("machine")
                        .hasArg()
                        .argName("FILE")
                        .desc("the emulated machine, as JSON: \"like\" one of "
                                + String.join(", ", EmulatedMachine.presets())
                                + ", and what differs (see EmulatedMachine.read); power8 without a file")
                        .get())
                .addOption(Option.builder()
                        .longOpt(DEVICE_MODELS)
                        .hasArg()
                        .argName("PATH")
                        .desc("jars, or directories of jars, with the device models that the machine's file names; may"
                                + " be repeated, or be several separated by '" + File.pathSeparator + "'")
                        .get());
    }

    /**
     * Reads the options.
     *
     * @throws Failure if there is no such kernel, or a machine is named for the host's own
     */
    static KernelChoice of(CommandLine line) throws Failure {
        String name = line.getOptionValue("kernel", EMULATED);
        if (!WORDS.contains(name)) {
            throw new Failure(
                    Failure.USAGE,
                    "--kernel " + name + ": there is no such kernel, only " + String.join(" and ", WORDS)
                            + Suggestion.of(name, WORDS));
        }
        boolean linux = name.equals(LINUX);
        if (linux && line.hasOption("machine")) {
            throw new Failure(Failure.USAGE, "--machine is for the emulated kernel; leave it out, or --kernel linux");
        }
        if (line.hasOption(DEVICE_MODELS) && !line.hasOption("machine")) {
            throw new Failure(
                    Failure.USAGE, "--device-models needs --machine, whose file names a model of them for a device");
        }
        return new KernelChoice(
                linux, Optional.ofNullable(line.getOptionValue("machine")).map(Path::of), deviceModels(line));
    }

    private static List<Path> deviceModels(CommandLine line) throws Failure {
        List<Path> path = new ArrayList<>();
        for (String value : Objects.requireNonNullElse(line.getOptionValues(DEVICE_MODELS), new String[0])) {
            for (String element : value.split(Pattern.quote(File.pathSeparator), -1)) {
                if (element.isEmpty()) {
                    throw new Failure(Failure.USAGE, "--device-models '" + value + "': a path in it is empty");
                }
                path.add(Path.of(element));
            }
        }
        return path;
    }

    /** Whether it is the kernel that this process runs on. */
    boolean isLinux() {
        return linux;
    }

    /**
     * The emulated machine.
     *
     * @throws Failure if its file cannot be read, or does not describe one, or a model of devices is unusable
     */
    EmulatedMachine machine() throws Failure {
        try {
            return machineFile.isEmpty() ? EmulatedMachine.power8() : read(machineFile.get());
        } catch (IllegalStateException unusable) {
            throw new Failure(Failure.FAILED, "cannot make the emulated machine: " + unusable.getMessage());
        }
    }

    private EmulatedMachine read(Path file) throws Failure {
        DeviceModels models = DeviceModels.installed();
        if (!deviceModels.isEmpty()) {
            try {
                models = models.withJars(deviceModels);
            } catch (IllegalArgumentException wrong) {
                throw new Failure(Failure.FAILED, "cannot use --device-models: " + wrong.getMessage());
            }
        }
        try {
            return EmulatedMachine.read(file, models);
        } catch (NoSuchFileException missing) {
            throw new Failure(Failure.FAILED, "cannot use the machine " + file + ": there is no such file");
        } catch (IOException e) {
            throw new Failure(Failure.FAILED, "cannot use the machine " + file + ": it cannot be read: " + e);
        } catch (IllegalArgumentException wrong) {
            throw new Failure(Failure.FAILED, "cannot use the machine: " + wrong.getMessage());
        }
    }

    /**
     * A process on it.
     *
     * @throws Failure if it is not available
     */
    Kernel open() throws Failure {
        return linux ? openLinux() : EmulatedKernel.boot(machine());
    }

    static Kernel openLinux() throws Failure {
        Optional<String> reason = LinuxKernel.unavailable();
        if (reason.isPresent()) {
            throw new Failure(Failure.FAILED, "cannot use --kernel linux: " + reason.get());
        }
        return LinuxKernel.open();
    }

    private String title() {
        return linux
                ? "this host"
                : machineFile.map(file -> "an emulated host (" + file + ")").orElse("an emulated POWER8 host");
    }

    /** What kernel it is, for people: its release, and whose. */
    String describe(Kernel kernel) throws Failure {
        try {
            return "Linux %s, of %s"
                    .formatted(kernel.readFile("/proc/sys/kernel/osrelease").strip(), title());
        } catch (IOException e) {
            throw new Failure(Failure.FAILED, "cannot read which kernel it is: " + e);
        }
    }
}
