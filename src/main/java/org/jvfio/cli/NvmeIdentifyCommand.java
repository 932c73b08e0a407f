package org.jvfio.cli;

import java.math.BigInteger;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.commons.cli.CommandLine;
import org.apache.commons.cli.Options;
import org.jvfio.ByteSize;
import org.jvfio.InterruptType;
import org.jvfio.VfioException;
import org.jvfio.driver.nvme.NvmeController;
import org.jvfio.driver.nvme.NvmeHealth;
import org.jvfio.driver.nvme.NvmeIdentity;
import org.jvfio.driver.nvme.NvmeNamespace;

/** {@code jvfio nvme identify}: what a controller is, its namespaces and its health. */
final class NvmeIdentifyCommand implements Command {
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

    @Override
    public String name() {
        return "nvme identify";
    }

    @Override
    public String summary() {
        return "tell what an NVMe drive is, its namespaces and its health";
    }

    @Override
    public Options options() {
        Options options = NvmeDrive.options();
        options.getOption("namespace").setDescription("the one namespace to tell of; all by default");
        return options;
    }

    @Override
    public void run(CommandLine line, StandardOutput out) throws Failure {
        try (NvmeDrive drive = NvmeDrive.open(line, DEPTH)) {
            NvmeController nvme = drive.controller();
            Step step = new Step("identify", "NVMe drive " + drive.function())
                    .fact("kernel", drive.kernelTitle(), "kernel", drive.kernelTitle())
                    .fact("address", drive.function().address().toString(), "");
            tellController(step, nvme);
            step.fact("queues", nvme.queues().size(), "queues", drive.queues());
            tellNamespaces(
                    step,
                    nvme,
                    line.hasOption("namespace") ? List.of(drive.namespace().id()) : nvme.namespaceIds());
            tellHealth(step, nvme.health());
            drive.keepImage();
            step.print(out, line.hasOption("json"));
        }
    }

    private static void tellController(Step step, NvmeController nvme) {
        NvmeIdentity identity = nvme.identity();
        step.fact("model", identity.model(), "model", identity.model())
                .fact("serial", identity.serial(), "serial", identity.serial())
                .fact("firmware", identity.firmware(), "firmware", identity.firmware())
                .fact("version", identity.version(), "version", "NVMe " + identity.version())
                .fact("qualifiedName", identity.qualifiedName(), "name", identity.qualifiedName())
                .fact(
                        "commands",
                        Step.data(
                                "writeZeroes",
                                identity.canWriteZeroes(),
                                "deallocate",
                                identity.canDeallocate(),
                                "volatileCache",
                                identity.volatileCache()),
                        "commands",
                        "write zeroes %s, deallocate %s, volatile cache %s"
                                .formatted(
                                        words(identity.canWriteZeroes()),
                                        words(identity.canDeallocate()),
                                        words(identity.volatileCache())))
                .fact(
                        "interrupts",
                        Step.data(
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

    /** A namespace that cannot be used is told of, and is no reason to be silent about the others. */
    private static void tellNamespaces(Step step, NvmeController nvme, List<Integer> ids) {
        List<Map<String, Object>> data = new ArrayList<>();
        List<String> lines = new ArrayList<>();
        for (int id : ids) {
            try {
                NvmeNamespace namespace = nvme.namespace(id);
                data.add(Step.data(
                        "id",
                        id,
                        "blocks",
                        namespace.blocks(),
                        "blockBytes",
                        namespace.blockBytes(),
                        "bytes",
                        namespace.bytes()));
                lines.add("%d: %s".formatted(id, namespace.describeSize()));
            } catch (VfioException unusable) {
                data.add(Step.data("id", id, "unusable", unusable.reason()));
                lines.add("%d: %s".formatted(id, unusable.reason()));
            }
        }
        step.fact("namespaces", data, "namespaces", lines.isEmpty() ? List.of("none") : lines);
    }

    private static void tellHealth(Step step, NvmeHealth health) {
        List<String> warnings = new ArrayList<>();
        for (int bit = 0; bit < WARNINGS.size(); bit++) {
            if ((health.warnings() >>> bit & 1) != 0) {
                warnings.add(WARNINGS.get(bit));
            }
        }
        int celsius = health.temperatureKelvin() - ZERO_CELSIUS;
        step.fact(
                "health",
                Step.data(
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
