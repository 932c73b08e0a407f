package org.jvfio.cli;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.Optional;
import org.jvfio.ByteSize;
import org.jvfio.Device;
import org.jvfio.InterruptType;
import org.jvfio.PciFunction;
import org.jvfio.VfioException;
import org.jvfio.driver.nvme.NvmeCompletion;
import org.jvfio.driver.nvme.NvmeController;
import org.jvfio.driver.nvme.NvmeNamespace;
import org.jvfio.driver.nvme.NvmeOptions;
import org.jvfio.driver.nvme.NvmeQueue;
import org.jvfio.emulator.EmulatedKernel;
import org.jvfio.emulator.EmulatedMachine;
import org.jvfio.emulator.nvme.EmulatedNvme;
import org.jvfio.kernel.FileErrors;
import org.jvfio.kernel.Kernel;

/** The NVMe drive that a user chooses, open; closing it gives it back. */
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

    /** Adds the options that say which drive, and how it is driven. */
    static CommandSyntax addTo(CommandSyntax syntax) {
        return FaultChoice.addTo(HostChoice.addTo(DeviceChoice.addTo(syntax, DeviceKind.NVME)))
                .option(
                        "drive",
                        "FILE",
                        "back the emulated drive with this raw image file, write protected if it is read-only (default: memory)")
                .option("drive-size", "BYTES", "create the file of --drive with this size if there is none")
                .option("namespace", "NUMBER", "use this namespace (default: 1)")
                .choice(
                        "completion",
                        "HOW",
                        completions(),
                        "detect completions by polling (polled, the default) or by interrupts (msix, msi, intx)")
                .option(
                        "queues",
                        "NUMBER",
                        "use this many pairs of I/O queues, or all if there are fewer (default: 1)");
    }

    /** Adds the option that a command needs which writes to a real drive. */
    static CommandSyntax addOverwriteTo(CommandSyntax syntax) {
        return syntax.flag(
                "overwrite",
                "accept that data is lost; required with --kernel linux, and with a file of --drive that exists");
    }

    /** Refuses to destroy what a real drive or an image has, unless the user says so. */
    static void requireOverwrite(Invocation in, String verb) throws Failure {
        boolean real = HostChoice.of(in).isLinux();
        // What is no readable file is refused when it is opened.
        Optional<Path> image =
                in.value("drive").map(Path::of).filter(Files::isRegularFile).filter(Files::isReadable);
        if (!real && image.isPresent() && !Files.isWritable(image.get())) {
            throw Failure.failed("cannot write to the drive's image %s: it is read-only".formatted(image.get()));
        }
        if ((real || image.isPresent()) && !in.has("overwrite")) {
            throw new Failure(
                    Failure.USAGE,
                    "%s overwrites data of %s; add --overwrite if it may be lost"
                            .formatted(verb, real ? "a real drive" : image.get()));
        }
    }

    /** Takes the drive and opens it for commands of the usual size, as {@link #open(Invocation, int, long, long)}. */
    static NvmeDrive open(Invocation in, int queueDepth, long bufferBytes) throws Failure {
        return open(in, queueDepth, NvmeOptions.DEFAULT.maxTransferBytes(), bufferBytes);
    }

    /**
     * Takes the drive and opens it; nothing is left open or behind if that does not work.
     *
     * @param queueDepth entries of a queue, at least 2
     * @param transferBytes what one command is to transfer at most, if the drive does
     * @param bufferBytes what the command is going to allocate
     * @throws Failure if the options are invalid, or there is no such drive
     * @throws org.jvfio.VfioException if it cannot be taken or driven
     */
    static NvmeDrive open(Invocation in, int queueDepth, long transferBytes, long bufferBytes) throws Failure {
        HostChoice choice = HostChoice.of(in);
        DeviceChoice deviceChoice = DeviceChoice.of(in, DeviceKind.NVME);
        int namespaceId = (int) in.number("namespace", 1, 1, Integer.MAX_VALUE);
        NvmeOptions options = NvmeOptions.builder()
                .queuePairs((int) in.number("queues", 1, 1, NvmeOptions.MAX_QUEUE_PAIRS))
                .queueDepth(queueDepth)
                .maxTransferBytes(Math.clamp(
                        transferBytes, NvmeOptions.DEFAULT.maxTransferBytes(), NvmeOptions.MAX_TRANSFER_BYTES))
                .completion(completion(in))
                .bufferBytes(bufferBytes)
                .build();
        Optional<Path> image = image(in, choice);
        Optional<Path> newImage = image.isPresent() ? makeImage(in, image.get()) : Optional.empty();
        try {
            Kernel kernel = image.isPresent() ? kernel(in, choice, image.get()) : choice.open(in);
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

    private static NvmeCompletion completion(Invocation in) throws Failure {
        return NvmeCompletion.valueOf(
                in.word("completion", "polled", completions()).toUpperCase(Locale.ROOT));
    }

    static List<String> completions() {
        return Arrays.stream(NvmeCompletion.values())
                .map(each -> each.name().toLowerCase(Locale.ROOT))
                .toList();
    }

    /** The image that the user names for the emulated drive. */
    private static Optional<Path> image(Invocation in, HostChoice choice) throws Failure {
        Optional<Path> image = in.value("drive").map(Path::of);
        if (image.isEmpty() && in.has("drive-size")) {
            throw new Failure(Failure.USAGE, "--drive-size is the size of --drive FILE; add --drive FILE");
        }
        if (image.isPresent() && (choice.isLinux() || choice.namesMachine())) {
            throw new Failure(
                    Failure.USAGE,
                    choice.isLinux()
                            ? "--drive is for the emulated drive; leave it out, or --kernel linux"
                            : "--drive and --machine exclude each other: name the file in the machine's (\"model\": \"nvme\", \"file\")");
        }
        return image;
    }

    private static Kernel kernel(Invocation in, HostChoice choice, Path image) throws Failure {
        try {
            EmulatedNvme.Builder drive = EmulatedNvme.builder().namespace(image, EMULATED_BLOCK);
            EmulatedMachine machine = choice.machine().toBuilder()
                    .withoutDevices()
                    .device(EMULATED_ADDRESS, EMULATED_GROUP, drive::build)
                    .build();
            return HostChoice.observed(() -> FaultChoice.boot(in, machine));
        } catch (UncheckedIOException e) {
            throw new Failure(
                    Failure.FAILED,
                    "cannot use --drive: " + e.getMessage() + ": "
                            + FileErrors.reason(Objects.requireNonNull(e.getCause())));
        } catch (IllegalArgumentException e) {
            String advice = Files.exists(image) ? "" : "; --drive-size BYTES creates one";
            throw new Failure(Failure.FAILED, "cannot use --drive: " + e.getMessage() + advice);
        }
    }

    /** Creates the image that the user asks for, unless it exists. */
    private static Optional<Path> makeImage(Invocation in, Path image) throws Failure {
        long size = in.bytes("drive-size", 0);
        if (!in.has("drive-size") || Files.exists(image)) {
            return Optional.empty();
        }
        if (size < EMULATED_BLOCK || size % EMULATED_BLOCK != 0) {
            throw Failure.usage("--drive-size %s: use a multiple of the block size, %dB"
                    .formatted(ByteSize.format(size), EMULATED_BLOCK));
        }
        Optional<Path> made = Optional.empty();
        try (FileChannel channel = FileChannel.open(
                image, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE, StandardOpenOption.SPARSE)) {
            made = Optional.of(image);
            channel.write(ByteBuffer.allocate(1), size - 1);
        } catch (IOException e) {
            delete(made);
            throw new Failure(Failure.FAILED, "cannot create the drive's image " + image + ": " + FileErrors.reason(e));
        }
        return made;
    }

    private static void delete(Optional<Path> image) throws Failure {
        if (image.isPresent()) {
            try {
                Files.deleteIfExists(image.get());
            } catch (IOException e) {
                throw new Failure(
                        Failure.FAILED,
                        "cannot remove the drive's new image " + image.get() + ": " + FileErrors.reason(e));
            }
        }
    }

    /** Keeps an image that was created for the command, from now on. */
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

    /** Adds the members of {@link #completionWord} and {@link #polledQueues} to the shape of an object. */
    static JsonShape addCompletionTo(JsonShape shape) {
        return shape.with(
                        "completion",
                        JsonShape.word(
                                "how completions were detected; polled, too, if no interrupt came", completions()))
                .with(
                        "polledQueues",
                        JsonShape.integer("pairs of I/O queues that were polled in the end, for want of interrupts"));
    }

    /** How many pairs of queues are polled, as they are when the driver has found that their interrupts never come. */
    long polledQueues() {
        return controller.queues().stream().filter(NvmeQueue::isPolled).count();
    }

    private boolean isPolled() {
        return polledQueues() == controller.queues().size();
    }

    /** How completions are detected at this moment, as {@code --completion} names it. */
    String completionWord() {
        NvmeCompletion how =
                isPolled() ? NvmeCompletion.POLLED : controller.options().completion();
        return how.name().toLowerCase(Locale.ROOT);
    }

    /** How completions are detected at this moment, in words. */
    String completion() {
        NvmeCompletion how = controller.options().completion();
        String type = how.interrupts().map(InterruptType::toString).orElse("");
        int vectors = controller.vectors();
        if (isPolled()) {
            return type.isEmpty() ? "polled" : "polled: no %s interrupt comes".formatted(type);
        }
        String interrupts =
                how == NvmeCompletion.INTX ? type : "%s, %d vector%s".formatted(type, vectors, vectors == 1 ? "" : "s");
        long polled = polledQueues();
        return polled == 0
                ? interrupts
                : "%s; %d of %d queues polled: their interrupts never come"
                        .formatted(interrupts, polled, controller.queues().size());
    }

    /** How many pairs of queues are used, if the user has asked for more than one. */
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

    /** The number of the namespace that the user chooses. */
    int namespaceId() {
        return namespaceId;
    }

    /**
     * The namespace that the user chooses, for data without metadata.
     *
     * @throws VfioException if there is none, it cannot be used, or its blocks have metadata
     */
    NvmeNamespace namespace() {
        NvmeNamespace namespace = controller.namespace(namespaceId);
        if (namespace.metadataBytes() != 0) {
            throw new VfioException(
                    VfioException.Kind.UNSUPPORTED,
                    "use " + namespace,
                    "its blocks have %d bytes of metadata, which this command does not transfer"
                            .formatted(namespace.metadataBytes()),
                    "name another one with --namespace, or format it without metadata");
        }
        return namespace;
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
