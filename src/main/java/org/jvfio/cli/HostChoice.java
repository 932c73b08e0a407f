package org.jvfio.cli;

import java.io.File;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.Optional;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.jvfio.emulator.DeviceModels;
import org.jvfio.emulator.EmulatedMachine;
import org.jvfio.emulator.KernelVersion;
import org.jvfio.kernel.FileErrors;
import org.jvfio.kernel.Kernel;
import org.jvfio.kernel.linux.LinuxKernel;
import org.jvfio.observe.TraceProperty;

/**
 * The host that a user means with {@code --kernel}, {@code --machine} and {@code --linux}: this one if it runs a POWER
 * kernel and none of them says otherwise, or else an emulated one.
 */
final class HostChoice {
    private static final String EMULATED = "emulated";
    private static final String LINUX = "linux";
    private static final List<String> KERNELS = List.of(EMULATED, LINUX);
    private static final String DEFAULT_PRESET = "power8";
    private static final String DEVICE_MODELS = "device-models";

    /** Takes the host's place, or observes it, in a command that another one runs. */
    interface KernelSource {
        /** The kernel that the command uses. {@code host} gives that of the host. */
        Kernel open(HostKernel host) throws Failure;
    }

    /** Gives the kernel of the host that the user means. */
    interface HostKernel {
        Kernel open() throws Failure;
    }

    /** Bound while another command runs this one: {@link TraceCommand} and others. */
    static final ScopedValue<KernelSource> SOURCE = ScopedValue.newInstance();

    private final boolean linux;
    private final boolean chosen;
    private final Optional<String> machine;
    private final Optional<String> release;
    private final List<Path> deviceModels;

    private HostChoice(
            boolean linux,
            boolean chosen,
            Optional<String> machine,
            Optional<String> release,
            List<Path> deviceModels) {
        this.deviceModels = deviceModels;
        this.linux = linux;
        this.chosen = chosen;
        this.machine = machine;
        this.release = release;
    }

    /** Adds the options. */
    static CommandSyntax addTo(CommandSyntax syntax) {
        return syntax.choice(
                        "kernel",
                        "KERNEL",
                        KERNELS,
                        "use this kernel: linux (the default on POWER) or emulated (elsewhere)")
                .choice(
                        "machine",
                        "MACHINE",
                        EmulatedMachine.presets(),
                        "emulate this machine: %s, or a JSON file as 'jvfio machine show' prints it (default: %s)"
                                .formatted(String.join(", ", EmulatedMachine.presets()), DEFAULT_PRESET))
                .option("linux", "VERSION", "emulate this version of Linux, 4.1 or newer, such as 6.12")
                .option(
                        DEVICE_MODELS,
                        "PATH",
                        "add the device models of these jars, or directories of jars; may be repeated, or be several"
                                + " separated by '" + File.pathSeparator + "'");
    }

    /** Reads the options for a process that runs on a machine of this kind. */
    static HostChoice of(Invocation in) throws Failure {
        return of(in, System.getProperty("os.name"), System.getProperty("os.arch"));
    }

    /**
     * Reads the options.
     *
     * @throws Failure if there is no such kernel, or a machine is named for the host's own
     */
    static HostChoice of(Invocation in, String system, String architecture) throws Failure {
        boolean emulates = in.has("machine") || in.has("linux");
        boolean power = system.equals("Linux") && architecture.equals("ppc64le");
        String kernel = in.word("kernel", power && !emulates ? LINUX : EMULATED, KERNELS);
        if (kernel.equals(LINUX) && emulates) {
            throw Failure.usage("--%s is for an emulated host; leave it out, or --kernel linux"
                    .formatted(in.has("machine") ? "machine" : "linux"));
        }
        if (in.has(DEVICE_MODELS) && !in.has("machine")) {
            throw Failure.usage("--device-models needs --machine, whose file names a model of them for a device");
        }
        Optional<String> release = in.value("linux");
        if (release.isPresent() && KernelVersion.of(release.get()).isEmpty()) {
            throw Failure.usage(
                    "--linux " + release.get() + ": use the version of a release from 4.1 on, such as 6.12");
        }
        return new HostChoice(
                kernel.equals(LINUX), in.has("kernel") || emulates, in.value("machine"), release, deviceModels(in));
    }

    private static List<Path> deviceModels(Invocation in) throws Failure {
        List<Path> path = new ArrayList<>();
        for (String value : in.values(DEVICE_MODELS)) {
            for (String element : value.split(Pattern.quote(File.pathSeparator), -1)) {
                if (element.isEmpty()) {
                    throw Failure.usage("--device-models '" + value + "': a path in it is empty");
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

    /** Whether an emulated machine other than the default one is named. */
    boolean namesMachine() {
        return machine.isPresent();
    }

    /**
     * The emulated machine.
     *
     * @throws Failure if there is no such machine, its file cannot be used, or a device model is unusable
     */
    EmulatedMachine machine() throws Failure {
        try {
            EmulatedMachine found = named(machine.orElse(DEFAULT_PRESET), deviceModels);
            return release.isPresent() ? found.toBuilder().linux(release.get()).build() : found;
        } catch (IllegalArgumentException unsupported) {
            throw Failure.failed("cannot emulate this machine: " + unsupported.getMessage());
        } catch (IllegalStateException unusable) {
            throw Failure.failed("cannot make the emulated machine: " + unusable.getMessage());
        }
    }

    private static DeviceModels models(List<Path> jars) throws Failure {
        DeviceModels installed = DeviceModels.installed();
        try {
            return jars.isEmpty() ? installed : installed.withJars(jars);
        } catch (IllegalArgumentException wrong) {
            throw Failure.failed("cannot use --device-models: " + wrong.getMessage());
        }
    }

    /** A preset, or the machine of a file, whose models may be in these jars. */
    static EmulatedMachine named(String name, List<Path> jars) throws Failure {
        Optional<EmulatedMachine> preset = EmulatedMachine.preset(name);
        if (preset.isPresent()) {
            return preset.get();
        }
        if (name.isEmpty()) {
            throw Failure.usage(
                    "the name of the machine is empty; presets are " + Words.all(EmulatedMachine.presets()));
        }
        Path file = Path.of(name);
        try {
            return EmulatedMachine.read(file, models(jars));
        } catch (NoSuchFileException _) {
            boolean isWord = file.getNameCount() == 1 && !name.contains(".");
            throw isWord
                    ? Failure.usage("there is no machine '%s', neither a preset nor a file; presets are %s%s"
                            .formatted(
                                    name,
                                    Words.all(EmulatedMachine.presets()),
                                    Suggestion.of(name, EmulatedMachine.presets())))
                    : Failure.failed("cannot use the machine " + name + ": there is no such file");
        } catch (IOException e) {
            throw Failure.failed("cannot read the machine " + name + ": " + FileErrors.reason(e));
        } catch (IllegalArgumentException wrong) {
            throw Failure.failed("cannot use the machine: " + wrong.getMessage());
        }
    }

    /**
     * A process on the host that drives devices.
     *
     * @throws Failure if the host is not available
     */
    Kernel open(Invocation in) throws Failure {
        return observed(() -> {
            if (!linux) {
                return booted(() -> FaultChoice.boot(in, machine()));
            }
            FaultChoice.requireNone(in);
            requireAvailable();
            return LinuxKernel.open();
        });
    }

    /** The kernel that a command uses: the host's, or what a command in front of this one makes of it. */
    static Kernel observed(HostKernel host) throws Failure {
        Kernel kernel = SOURCE.isBound() ? SOURCE.get().open(host) : host.open();
        return TraceProperty.observe(kernel);
    }

    /**
     * A process on the host that looks at it, with or without VFIO. If nobody has chosen the emulated host, it is said
     * on standard error.
     *
     * @throws Failure if the host is not available
     */
    Kernel inspect(Invocation in) throws Failure {
        return observed(() -> inspectHost(in));
    }

    private Kernel inspectHost(Invocation in) throws Failure {
        if (linux) {
            Optional<String> reason = LinuxKernel.uninspectable();
            if (reason.isPresent()) {
                throw Failure.failed("cannot use --kernel linux: " + reason.get());
            }
            return LinuxKernel.inspect();
        }
        Kernel kernel = boot(in);
        if (!chosen) {
            in.err()
                    .println("jvfio: there is no POWER kernel here: using an emulated " + DEFAULT_PRESET
                            + " host (--machine chooses another)");
        }
        return kernel;
    }

    private Kernel boot(Invocation in) throws Failure {
        EmulatedMachine machine = machine();
        return booted(() -> in.boot().apply(machine));
    }

    private static Kernel booted(HostKernel host) throws Failure {
        try {
            return host.open();
        } catch (UncheckedIOException e) {
            throw Failure.failed("cannot boot the emulated machine: " + e.getMessage() + ": "
                    + FileErrors.reason(Objects.requireNonNull(e.getCause())));
        } catch (IllegalArgumentException e) {
            throw Failure.failed("cannot boot the emulated machine: " + e.getMessage());
        }
    }

    /**
     * Checks that the host is available, without starting anything on it.
     *
     * @throws Failure if it is not
     */
    void requireAvailable() throws Failure {
        if (!linux) {
            machine();
            return;
        }
        Optional<String> reason = LinuxKernel.unavailable();
        if (reason.isPresent()) {
            throw Failure.failed("cannot use --kernel linux: " + reason.get());
        }
    }

    /** A process on the host that drives devices, as Java source. */
    String source() {
        if (linux) {
            return "LinuxKernel.open()";
        }
        String name = machine.orElse(DEFAULT_PRESET);
        String made = EmulatedMachine.presets().contains(name)
                ? "EmulatedMachine.preset(\"%s\").orElseThrow()".formatted(name)
                : "EmulatedMachine.read(%s%s)".formatted(pathSource(Path.of(name)), modelsSource());
        String versioned = release.map(version -> made + ".toBuilder().linux(\"%s\").build()".formatted(version))
                .orElse(made);
        return "EmulatedKernel.boot(" + versioned + ")";
    }

    private static String pathSource(Path path) {
        String absolute = path.toAbsolutePath().toString();
        return "Path.of(\"%s\")".formatted(absolute.replace("\\", "\\\\").replace("\"", "\\\""));
    }

    private String modelsSource() {
        return deviceModels.isEmpty()
                ? ""
                : ", DeviceModels.installed().withJars(List.of(%s))"
                        .formatted(deviceModels.stream()
                                .map(HostChoice::pathSource)
                                .collect(Collectors.joining(", ")));
    }

    private String title() {
        if (linux) {
            return "this host";
        }
        String name = machine.orElse(DEFAULT_PRESET);
        String article = "an emulated ";
        return switch (name) {
            case "pseries" -> article + "LPAR";
            case "p5ioc2" -> article + "POWER7 host with P5IOC2 bridges";
            default ->
                name.matches("power[0-9]+")
                        ? article + name.toUpperCase(Locale.ROOT) + " host"
                        : article + "host (" + name + ")";
        };
    }

    /** What kernel it is, for people: its release, and whose. */
    String describe(Kernel kernel) throws Failure {
        try {
            return "Linux %s, of %s"
                    .formatted(kernel.readFile("/proc/sys/kernel/osrelease").strip(), title());
        } catch (IOException e) {
            throw Failure.failed("cannot read /proc/sys/kernel/osrelease: " + FileErrors.reason(e));
        }
    }
}
