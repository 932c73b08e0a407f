package org.jvfio.cli;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import org.apache.commons.cli.CommandLine;
import org.apache.commons.cli.Option;
import org.apache.commons.cli.Options;
import org.jvfio.Device;
import org.jvfio.InterruptType;
import org.jvfio.PciFunction;
import org.jvfio.driver.nvme.NvmeCompletion;
import org.jvfio.driver.nvme.NvmeController;
import org.jvfio.driver.nvme.NvmeNamespace;
import org.jvfio.driver.nvme.NvmeOptions;
import org.jvfio.emulator.EmulatedKernel;
import org.jvfio.emulator.EmulatedMachine;
import org.jvfio.emulator.nvme.EmulatedNvme;
import org.jvfio.kernel.Kernel;

/** The NVMe drive that a user means, open; closing it gives it back. */
final class NvmeDrive implements AutoCloseable {
    private static final String EMULATED_ADDRESS = "0002:01:00.0";
    private static final int EMULATED_GROUP = 2;
    private static final int EMULATED_BLOCK = 512;

    private final String kernelTitle;
    private final Kernel kernel;
    private final PciFunction function;
    private final Device device;
    private final NvmeController controller;
    private final int namespaceId;
    private Optional<Path> newImage;

    private NvmeDrive(
            String kernelTitle,
            Kernel kernel,
            PciFunction function,
            Device device,
            NvmeController controller,
            int namespaceId,
            Optional<Path> newImage) {
        this.kernelTitle = kernelTitle;
        this.kernel = kernel;
        this.newImage = newImage;
        this.function = function;
        this.device = device;
        this.controller = controller;
        this.namespaceId = namespaceId;
    }

    /** The options that say which drive, and how it is driven. */
    static Options options() {
        return DeviceChoice.addTo(KernelChoice.addTo(new Options()), DeviceKind.NVME)
                .addOption(Option.builder()
                        .longOpt("drive")
                        .hasArg()
                        .argName("FILE")
                        .desc("a raw image that the emulated drive has its data in, and keeps it; memory otherwise")
                        .get())
                .addOption(Option.builder()
                        .longOpt("drive-size")
                        .hasArg()
                        .argName("SIZE")
                        .desc("makes the file of --drive, of zeroes, if there is none yet")
                        .get())
                .addOption(Option.builder()
                        .longOpt("namespace")
                        .hasArg()
                        .argName("NUMBER")
                        .desc("the namespace, 1 by default")
                        .get())
                .addOption(Option.builder()
                        .longOpt("completion")
                        .hasArg()
                        .argName("HOW")
                        .desc("how completions are noticed: polled (the default), or by interrupts: msix,"
                                + " msi or intx; nvme identify tells which the drive has")
                        .get())
                .addOption(Option.builder()
                        .longOpt("queues")
                        .hasArg()
                        .argName("NUMBER")
                        .desc("pairs of I/O queues, 1 by default; fewer if the drive has fewer")
                        .get())
                .addOption(Option.builder()
                        .longOpt("json")
                        .desc("what there is to say, as JSON")
                        .get());
    }

    /** Adds the option that a command needs which writes to a real drive. */
    static Options writing(Options options) {
        return options.addOption(Option.builder()
                .longOpt("overwrite")
                .desc("needed with --kernel linux: what the drive has there is lost")
                .get());
    }

    /** Refuses to destroy what a real drive has, unless the user says so. */
    static void requireOverwrite(CommandLine line, String verb) throws Failure {
        if (KernelChoice.of(line).isLinux() && !line.hasOption("overwrite")) {
            throw new Failure(
                    Failure.USAGE,
                    "%s destroys what a real drive has there; if that may be lost, say --overwrite".formatted(verb));
        }
    }

    /** Takes the drive and opens it for commands of the usual size, as {@link #open(CommandLine, int, long)}. */
    static NvmeDrive open(CommandLine line, int queueDepth) throws Failure {
        return open(line, queueDepth, NvmeOptions.DEFAULT.maxTransferBytes());
    }

    /**
     * Takes the drive and opens it; nothing is left open or behind if that does not work.
     *
     * @param queueDepth entries of a queue, at least 2
     * @param transferBytes what one command is to transfer at most, if the drive does
     * @throws Failure if the options make no sense, or there is no such drive
     * @throws org.jvfio.VfioException if it cannot be taken or driven
     */
    static NvmeDrive open(CommandLine line, int queueDepth, long transferBytes) throws Failure {
        KernelChoice choice = KernelChoice.of(line);
        DeviceChoice deviceChoice = DeviceChoice.of(line, DeviceKind.NVME);
        int namespaceId = (int) CommandOptions.number(line, "namespace", 1, 1, Integer.MAX_VALUE);
        NvmeOptions options = NvmeOptions.builder()
                .queuePairs((int) CommandOptions.number(line, "queues", 1, 1, NvmeOptions.MAX_QUEUE_PAIRS))
                .queueDepth(queueDepth)
                .maxTransferBytes(Math.clamp(
                        transferBytes, NvmeOptions.DEFAULT.maxTransferBytes(), NvmeOptions.MAX_TRANSFER_BYTES))
                .completion(completion(line))
                .build();
        Optional<Path> image = image(line, choice);
        Optional<Path> newImage = image.isPresent() ? makeImage(line, image.get()) : Optional.empty();
        try {
            Kernel kernel = image.isPresent() ? kernel(choice, image.get()) : choice.open();
            PciFunction function = deviceChoice.find(kernel);
            Device device = Device.open(kernel, function.address());
            try {
                return new NvmeDrive(
                        choice.describe(kernel),
                        kernel,
                        function,
                        device,
                        NvmeController.open(device, options),
                        namespaceId,
                        newImage);
            } catch (RuntimeException | Failure e) {
                try {
                    device.close();
                } catch (RuntimeException suppressed) {
                    e.addSuppressed(suppressed);
                }
                throw e;
            }
        } catch (RuntimeException | Failure e) {
            try {
                delete(newImage);
            } catch (Failure suppressed) {
                e.addSuppressed(suppressed);
            }
            throw e;
        }
    }

    private static NvmeCompletion completion(CommandLine line) throws Failure {
        String word = line.getOptionValue("completion", "polled");
        List<String> words = Arrays.stream(NvmeCompletion.values())
                .map(each -> each.name().toLowerCase(Locale.ROOT))
                .toList();
        if (!words.contains(word)) {
            throw new Failure(
                    Failure.USAGE,
                    "--completion %s: it is one of %s%s"
                            .formatted(word, String.join(", ", words), Suggestion.of(word, words)));
        }
        return NvmeCompletion.valueOf(word.toUpperCase(Locale.ROOT));
    }

    /** The image that the user names for the emulated drive. */
    private static Optional<Path> image(CommandLine line, KernelChoice choice) throws Failure {
        Optional<Path> image = Optional.ofNullable(line.getOptionValue("drive")).map(Path::of);
        if (image.isEmpty() && line.hasOption("drive-size")) {
            throw new Failure(Failure.USAGE, "--drive-size is the size of --drive FILE; name that, too");
        }
        if (image.isPresent() && (choice.isLinux() || line.hasOption("machine"))) {
            throw new Failure(
                    Failure.USAGE,
                    choice.isLinux()
                            ? "--drive is for the emulated drive; leave it out, or --kernel linux"
                            : "--drive and --machine: name the drive's file in the machine's (\"model\": \"nvme\", \"file\")");
        }
        return image;
    }

    private static Kernel kernel(KernelChoice choice, Path image) throws Failure {
        try {
            EmulatedNvme.Builder drive = EmulatedNvme.builder().namespace(image, EMULATED_BLOCK);
            EmulatedMachine machine = choice.machine().toBuilder()
                    .withoutDevices()
                    .device(EMULATED_ADDRESS, EMULATED_GROUP, drive::build)
                    .build();
            return EmulatedKernel.boot(machine);
        } catch (IllegalArgumentException e) {
            String advice = Files.exists(image) ? "remove it, or name another file" : "--drive-size SIZE makes one";
            throw new Failure(Failure.FAILED, "cannot use --drive: " + e.getMessage() + "; " + advice);
        }
    }

    /** Makes the image that the user wants made, unless it is there. */
    private static Optional<Path> makeImage(CommandLine line, Path image) throws Failure {
        long size = CommandOptions.bytes(line, "drive-size", 0);
        if (!line.hasOption("drive-size") || Files.exists(image)) {
            return Optional.empty();
        }
        if (size < EMULATED_BLOCK) {
            throw new Failure(Failure.USAGE, "--drive-size is at least " + EMULATED_BLOCK);
        }
        Optional<Path> made = Optional.empty();
        try (FileChannel channel = FileChannel.open(
                image, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE, StandardOpenOption.SPARSE)) {
            made = Optional.of(image);
            channel.write(ByteBuffer.allocate(1), size - 1);
        } catch (IOException e) {
            delete(made);
            throw new Failure(Failure.FAILED, "cannot make the drive's image " + image + ": " + e);
        }
        return made;
    }

    private static void delete(Optional<Path> image) throws Failure {
        if (image.isPresent()) {
            try {
                Files.deleteIfExists(image.get());
            } catch (IOException e) {
                throw new Failure(Failure.FAILED, "cannot remove the drive's new image " + image.get() + ": " + e);
            }
        }
    }

    /** The command can be done: an image that was made for it stays from now on. */
    void keepImage() {
        newImage = Optional.empty();
    }

    /** Whether the drive, or another device of its emulated host, has its data in a file. */
    boolean hasImage(Path file) throws IOException {
        if (kernel instanceof EmulatedKernel emulated && Files.exists(file)) {
            for (Path image : emulated.host().deviceFiles()) {
                if (Files.isSameFile(image, file)) {
                    return true;
                }
            }
        }
        return false;
    }

    /** How completions are noticed, in words. */
    String completion() {
        NvmeCompletion how = controller.options().completion();
        String type = how.interrupts().map(InterruptType::toString).orElse("");
        int vectors = controller.vectors();
        return switch (how) {
            case POLLED -> "polled";
            case MSIX, MSI -> "%s, %d vector%s".formatted(type, vectors, vectors == 1 ? "" : "s");
            case INTX -> type;
        };
    }

    /** How many pairs of queues it is used with, as far as the user has asked for a number. */
    List<String> queues() {
        int used = controller.queues().size();
        int asked = controller.options().queuePairs();
        return asked == 1 ? List.of() : List.of(used == asked ? used + " pairs" : used + " pairs, all that it has");
    }

    /** Whose kernel it is used on, for people. */
    String kernelTitle() {
        return kernelTitle;
    }

    PciFunction function() {
        return function;
    }

    NvmeController controller() {
        return controller;
    }

    /**
     * The namespace that the user means.
     *
     * @throws org.jvfio.VfioException if there is none
     */
    NvmeNamespace namespace() {
        return controller.namespace(namespaceId);
    }

    @Override
    public void close() throws Failure {
        try {
            controller.close();
        } finally {
            try {
                device.close();
            } finally {
                delete(newImage);
            }
        }
    }
}
