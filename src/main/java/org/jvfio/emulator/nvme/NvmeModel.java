package org.jvfio.emulator.nvme;

import java.time.Duration;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Supplier;
import org.jvfio.emulator.device.DeviceModel;
import org.jvfio.emulator.device.MachineOptions;

/**
 * The device model {@code nvme} of machine files: an {@link EmulatedNvme}. Its options are
 *
 * <ul>
 *   <li>{@code "serial"}: its serial number, 1 to 20 printable ASCII characters
 *   <li>{@code "latencyMicros"}: the minimum duration of an I/O command in microseconds, up to one day
 *   <li>{@code "mdts"}: the maximum data transfer size (MDTS), as log2 of pages of 4 KiB: 7, the default, is 512 KiB; 0
 *       for no limit
 *   <li>{@code "msi"}: the number of MSI messages, a power of two up to 32; 0, the default, for no MSI
 *   <li>{@code "msix"}: the number of MSI-X vectors, 1 to 65, the default; 0 for no MSI-X
 *   <li>{@code "namespaces"}: a list of namespaces with these options
 *       <ul>
 *         <li>{@code "size"}: the size of a namespace in memory; 512M by default
 *         <li>{@code "file"}: instead: the raw image file that backs it, relative to the directory of the machine file
 *         <li>{@code "lbaSize"}: the block size, 512 (the default) or 4096
 *       </ul>
 *   <li>{@code "size"}, {@code "file"}, {@code "lbaSize"}: the options of a single namespace, instead of a list
 * </ul>
 */
public final class NvmeModel implements DeviceModel {
    private static final Set<String> NAMESPACE_OPTIONS = Set.of("size", "file", "lbaSize");

    /** For {@link java.util.ServiceLoader}. */
    public NvmeModel() {}

    @Override
    public String name() {
        return "nvme";
    }

    @Override
    public Set<String> options() {
        return Set.of("serial", "latencyMicros", "mdts", "msi", "msix", "namespaces", "size", "file", "lbaSize");
    }

    @Override
    public Supplier<EmulatedNvme> configure(MachineOptions options) {
        EmulatedNvme.Builder drive = EmulatedNvme.builder();
        if (options.has("serial")) {
            drive.serial(options.string("serial"));
        }
        if (options.has("latencyMicros")) {
            Duration latency = options.micros("latencyMicros");
            drive.faults(NvmeFaults.NONE.withLatency(latency, latency));
        }
        if (options.has("mdts")) {
            drive.mdts(options.integer("mdts"));
        }
        if (options.has("msi")) {
            drive.msi(options.integer("msi"));
        }
        if (options.has("msix")) {
            drive.msix(options.integer("msix"));
        }
        if (options.has("namespaces")) {
            addNamespaces(drive, options);
        } else {
            addNamespace(drive, options);
        }
        return drive::build;
    }

    private static void addNamespaces(EmulatedNvme.Builder drive, MachineOptions options) {
        List<MachineOptions> namespaces = options.objects("namespaces", "a namespace");
        if (namespaces.isEmpty()) {
            throw options.wrong("has 'namespaces' that is not a list of at least one namespace");
        }
        if (NAMESPACE_OPTIONS.stream().anyMatch(options::has)) {
            throw options.wrong(
                    "has a device with 'namespaces' and, outside the list, " + new TreeSet<>(NAMESPACE_OPTIONS));
        }
        for (MachineOptions namespace : namespaces) {
            namespace.requireKnown("a namespace", NAMESPACE_OPTIONS);
            addNamespace(drive, namespace);
        }
    }

    private static void addNamespace(EmulatedNvme.Builder drive, MachineOptions namespace) {
        int blockBytes =
                (int) Math.min(namespace.size("lbaSize", EmulatedNvme.Builder.DEFAULT_BLOCK), Integer.MAX_VALUE);
        if (!namespace.has("file")) {
            drive.namespace(namespace.size("size", EmulatedNvme.Builder.DEFAULT_BYTES), blockBytes);
        } else if (namespace.has("size")) {
            throw namespace.wrong("has a namespace with 'file' and 'size'; remove 'size', the file has one");
        } else {
            drive.namespace(namespace.path("file"), blockBytes);
        }
    }
}
