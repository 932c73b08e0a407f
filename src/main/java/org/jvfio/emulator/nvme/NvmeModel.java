package org.jvfio.emulator.nvme;

import java.time.Duration;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Supplier;
import org.jvfio.emulator.device.DeviceModel;
import org.jvfio.emulator.device.MachineOptions;

/**
 * The model {@code nvme} of machine files: an {@link EmulatedNvme}. Its options are
 *
 * <ul>
 *   <li>{@code "serial"}: its serial number, 1 to 20 printable ASCII characters
 *   <li>{@code "latencyMicros"}: what each of its I/O commands takes, in microseconds, at least; up to one day
 *   <li>{@code "mdts"}: the most data of a command, as log2 of pages of 4 KiB: 7, the default, is 512 KiB; 0 for no limit
 *   <li>{@code "msi"}: how many MSI messages it can send, 1, 2, 4, 8, 16, 32, or 0, the default, for no MSI
 *   <li>{@code "msix"}: how many MSI-X vectors it has, 1 to 65, the default, or 0 for no MSI-X
 *   <li>{@code "namespaces"}: a list of them; each has
 *       <ul>
 *         <li>{@code "size"}: how much it holds, in memory; 512M by default
 *         <li>{@code "file"}: or the raw image that it is in, whose path begins at the directory of the machine's file
 *         <li>{@code "lbaSize"}: the size of its blocks, 512 (the default) or 4096
 *       </ul>
 *   <li>{@code "size"}, {@code "file"}, {@code "lbaSize"}: those of its only namespace, instead of a list
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
            throw options.wrong("has 'namespaces' that are no list with at least one");
        }
        if (NAMESPACE_OPTIONS.stream().anyMatch(options::has)) {
            throw options.wrong(
                    "has a device with 'namespaces' and, outside of them, " + new TreeSet<>(NAMESPACE_OPTIONS));
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
            throw namespace.wrong("has a namespace with 'file' and 'size'; the file's size is its size");
        } else {
            drive.namespace(namespace.path("file"), blockBytes);
        }
    }
}
