package org.jvfio.cli;

import java.math.BigInteger;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Supplier;
import org.jvfio.ByteSize;
import org.jvfio.InterruptType;
import org.jvfio.VfioException;
import org.jvfio.driver.nvme.NvmeController;
import org.jvfio.driver.nvme.NvmeHealth;
import org.jvfio.driver.nvme.NvmeIdentity;
import org.jvfio.driver.nvme.NvmeNamespace;

/** {@code jvfio nvme identify}: what a controller is, its namespaces and its health. */
final class NvmeIdentifyCommand extends Command {
    private static final int DEPTH = 2;
    private static final int ZERO_CELSIUS = 273;
    private static final BigInteger UNIT_BYTES = BigInteger.valueOf(512_000);
    private static final List<String> WARNINGS = List.of(
            "the spare is low",
            "the temperature is beyond its threshold",
            "the drive is not reliable",
            "the drive is read only",
            "the backup of the cache has failed",
            "the persistent memory is not reliable");

    NvmeIdentifyCommand() {
        super("nvme identify", "print the identity, namespaces and health of an NVMe drive");
    }

    @Override
    void describe(CommandSyntax syntax) {
        NvmeDrive.addTo(syntax);
        syntax.options().getOption("namespace").setDescription("print this namespace only (default: all)");
        syntax.json(shape())
                .example("jvfio nvme identify", "identify the first NVMe drive")
                .example("jvfio nvme identify --device 0002:01:00.0 --json", "identify one drive, as JSON");
    }

    private static JsonShape shape() {
        return JsonShape.object("an NVMe drive")
                .with("kernel", JsonShape.string("the kernel it is used on"))
                .with("address", JsonShape.string("PCI address"))
                .with("model", JsonShape.string("model number"))
                .with("serial", JsonShape.string("serial number"))
                .with("firmware", JsonShape.string("firmware revision"))
                .with("version", JsonShape.string("version of the NVMe specification"))
                .with("qualifiedName", JsonShape.string("NVM subsystem qualified name"))
                .with(
                        "commands",
                        JsonShape.object("optional commands")
                                .with("compare", JsonShape.bool("whether Compare is supported"))
                                .with("verify", JsonShape.bool("whether Verify is supported"))
                                .with("copy", JsonShape.bool("whether Copy is supported"))
                                .with("writeZeroes", JsonShape.bool("whether Write Zeroes is supported"))
                                .with("deallocate", JsonShape.bool("whether Dataset Management is supported"))
                                .with("volatileCache", JsonShape.bool("whether there is a volatile write cache")))
                .with(
                        "interrupts",
                        JsonShape.object("vectors of each type")
                                .with("intx", JsonShape.integer("INTx"))
                                .with("msi", JsonShape.integer("MSI"))
                                .with("msix", JsonShape.integer("MSI-X")))
                .with("maxTransferBytes", JsonShape.integer("maximum transfer of a command, in bytes"))
                .with("pageBytes", JsonShape.integer("page size of the controller, in bytes"))
                .with("queues", JsonShape.integer("pairs of I/O queues in use"))
                .with(
                        "namespaces",
                        JsonShape.list(
                                "the namespaces",
                                JsonShape.object("a namespace")
                                        .with("id", JsonShape.integer("its number"))
                                        .withOptional("blocks", JsonShape.integer("number of blocks"))
                                        .withOptional("blockBytes", JsonShape.integer("block size in bytes"))
                                        .withOptional("bytes", JsonShape.integer("size in bytes"))
                                        .withOptional(
                                                "metadataBytes", JsonShape.integer("metadata of a block in bytes"))
                                        .withOptional(
                                                "extended",
                                                JsonShape.bool("whether metadata is transferred after its data"))
                                        .withOptional("unusable", JsonShape.string("why it cannot be used"))))
                .with("unavailable", JsonShape.strings("pages that could not be read, and why"))
                .withOptional(
                        "health",
                        JsonShape.object("SMART / Health Information")
                                .with("warnings", JsonShape.strings("critical warnings"))
                                .with("temperatureCelsius", JsonShape.integer("composite temperature"))
                                .with("sparePercent", JsonShape.integer("available spare"))
                                .with("usedPercent", JsonShape.integer("percentage used"))
                                .with("bytesRead", JsonShape.integer("data read, in bytes"))
                                .with("bytesWritten", JsonShape.integer("data written, in bytes"))
                                .with("powerOnHours", JsonShape.integer("hours with power on"))
                                .with("unsafeShutdowns", JsonShape.integer("unsafe shutdowns"))
                                .with("mediaErrors", JsonShape.integer("media and data integrity errors")));
    }

    @Override
    int run(Invocation in) throws Failure {
        try (NvmeDrive drive = NvmeDrive.open(in, DEPTH, 0)) {
            NvmeController nvme = drive.controller();
            Step step = new Step("identify", "NVMe drive " + drive.function())
                    .fact("kernel", drive.kernelTitle(), "kernel", drive.kernelTitle())
                    .fact("address", drive.function().address().toString(), "");
            addController(step, nvme);
            step.fact("queues", nvme.queues().size(), "queues", drive.queues());
            List<String> unavailable = new ArrayList<>();
            boolean isNamed = in.has("namespace");
            List<Integer> ids = isNamed
                    ? List.of(drive.namespaceId())
                    : read("namespaces", nvme::namespaceIds, unavailable).orElse(List.of());
            addNamespaces(step, nvme, ids, isNamed);
            read("health", nvme::health, unavailable).ifPresent(health -> addHealth(step, health));
            step.fact("unavailable", unavailable, "unavailable", unavailable);
            drive.keepImage();
            step.print(in.out(), in.json());
            return 0;
        }
    }

    private static void addController(Step step, NvmeController nvme) {
        NvmeIdentity identity = nvme.identity();
        step.fact("model", identity.model(), "model", identity.model())
                .fact("serial", identity.serial(), "serial", identity.serial())
                .fact("firmware", identity.firmware(), "firmware", identity.firmware())
                .fact("version", identity.version(), "version", "NVMe " + identity.version())
                .fact("qualifiedName", identity.qualifiedName(), "name", identity.qualifiedName())
                .fact(
                        "commands",
                        Json.object(
                                "compare",
                                identity.canCompare(),
                                "verify",
                                identity.canVerify(),
                                "copy",
                                identity.canCopy(),
                                "writeZeroes",
                                identity.canWriteZeroes(),
                                "deallocate",
                                identity.canDeallocate(),
                                "volatileCache",
                                identity.volatileCache()),
                        "commands",
                        "compare %s, verify %s, copy %s, write zeroes %s, deallocate %s, volatile cache %s"
                                .formatted(
                                        words(identity.canCompare()),
                                        words(identity.canVerify()),
                                        words(identity.canCopy()),
                                        words(identity.canWriteZeroes()),
                                        words(identity.canDeallocate()),
                                        words(identity.volatileCache())))
                .fact(
                        "interrupts",
                        Json.object(
                                "intx",
                                vectors(nvme, InterruptType.INTX),
                                "msi",
                                vectors(nvme, InterruptType.MSI),
                                "msix",
                                vectors(nvme, InterruptType.MSIX)),
                        "interrupts",
                        nvme.device().describeInterrupts())
                .fact("maxTransferBytes", nvme.maxTransferBytes(), "")
                .fact(
                        "pageBytes",
                        nvme.pageBytes(),
                        "transfers",
                        "up to %s in a command, pages of %s"
                                .formatted(
                                        ByteSize.format(nvme.maxTransferBytes()), ByteSize.format(nvme.pageBytes())));
    }

    private static int vectors(NvmeController nvme, InterruptType type) {
        return nvme.device().interruptInfo(type).count();
    }

    private static String words(boolean has) {
        return has ? "yes" : "no";
    }

    /** Reads a page; one that the drive refuses does not hide the others. */
    private static <T> Optional<T> read(String name, Supplier<T> page, List<String> unavailable) {
        try {
            return Optional.of(page.get());
        } catch (VfioException e) {
            unavailable.add(name + ": " + e.reason());
            return Optional.empty();
        }
    }

    /**
     * A namespace that cannot be used is reported, and does not hide the others.
     *
     * @param isNamed whether the user has named it, and it need not be one of the drive's
     */
    private static void addNamespaces(Step step, NvmeController nvme, List<Integer> ids, boolean isNamed) {
        List<Map<String, Object>> data = new ArrayList<>();
        List<String> lines = new ArrayList<>();
        for (int id : ids) {
            try {
                NvmeNamespace namespace = nvme.namespace(id);
                data.add(Json.object(
                        "id",
                        id,
                        "blocks",
                        namespace.blocks(),
                        "blockBytes",
                        namespace.blockBytes(),
                        "bytes",
                        namespace.bytes(),
                        "metadataBytes",
                        namespace.metadataBytes(),
                        "extended",
                        namespace.isExtended()));
                lines.add("%d: %s".formatted(id, namespace.describeSize()));
            } catch (VfioException unusable) {
                if (isNamed && unusable.kind() == VfioException.Kind.NOT_FOUND) {
                    throw unusable;
                }
                data.add(Json.object("id", id, "unusable", unusable.reason()));
                lines.add("%d: %s".formatted(id, unusable.reason()));
            }
        }
        step.fact("namespaces", data, "namespaces", lines.isEmpty() ? List.of("none") : lines);
    }

    private static void addHealth(Step step, NvmeHealth health) {
        List<String> warnings = new ArrayList<>();
        for (int bit = 0; bit < WARNINGS.size(); bit++) {
            if ((health.warnings() >>> bit & 1) != 0) {
                warnings.add(WARNINGS.get(bit));
            }
        }
        int celsius = health.temperatureKelvin() - ZERO_CELSIUS;
        step.fact(
                "health",
                Json.object(
                        "warnings",
                        warnings,
                        "temperatureCelsius",
                        celsius,
                        "sparePercent",
                        health.sparePercent(),
                        "usedPercent",
                        health.usedPercent(),
                        "bytesRead",
                        health.unitsRead().multiply(UNIT_BYTES),
                        "bytesWritten",
                        health.unitsWritten().multiply(UNIT_BYTES),
                        "powerOnHours",
                        health.powerOnHours(),
                        "unsafeShutdowns",
                        health.unsafeShutdowns(),
                        "mediaErrors",
                        health.mediaErrors()),
                "health",
                "%s; %d C, spare %d %%, used %d %%"
                        .formatted(
                                warnings.isEmpty() ? "no warning" : String.join(", ", warnings),
                                celsius,
                                health.sparePercent(),
                                health.usedPercent()),
                "%s commands read, %s wrote; %s media errors, %s unsafe shutdowns"
                        .formatted(
                                health.readCommands(),
                                health.writeCommands(),
                                health.mediaErrors(),
                                health.unsafeShutdowns()));
    }
}
