package org.jvfio.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jvfio.cli.host.HostFunction;
import org.jvfio.cli.host.HostGroup;
import org.jvfio.kernel.FileErrors;

/** Configuration files in {@code /etc} of the host, or below another directory. */
final class SystemFiles {
    static final String MODULES = "etc/modules-load.d/jvfio.conf";
    private static final String RULES = "etc/udev/rules.d/";

    private final Path root;

    private SystemFiles(Path root) {
        this.root = root;
    }

    /**
     * The files below {@code --root}.
     *
     * @throws Failure if the host is emulated, and so has no files, and there is no other directory
     */
    static SystemFiles of(Invocation in, HostChoice choice) throws Failure {
        Optional<String> root = in.value("root");
        if (root.isEmpty() && !choice.isLinux()) {
            throw Failure.usage("an emulated host keeps no files in /etc: add --root DIRECTORY");
        }
        return new SystemFiles(Path.of(root.orElse("/")));
    }

    static String modules() {
        return "# Written by jvfio: the modules that drivers in user space need.\nvfio-pci\nvfio_iommu_spapr_tce\n";
    }

    private static Map<String, String> bindings(List<HostGroup> groups) {
        Map<String, String> files = new LinkedHashMap<>();
        files.put(MODULES, modules());
        for (HostGroup group : groups) {
            for (HostFunction function : BindCommand.endpoints(group)) {
                String address = function.address().toString();
                files.put(
                        rule(address),
                        "# Written by jvfio: %s is for vfio-pci.\n".formatted(address)
                                + "ACTION==\"add\", SUBSYSTEM==\"pci\", KERNEL==\"%s\", ATTR{driver_override}=\"vfio-pci\", RUN+=\"/bin/sh -c 'echo %s > /sys/bus/pci/drivers_probe'\"\n"
                                        .formatted(address, address));
            }
        }
        return files;
    }

    private static String rule(String address) {
        return RULES + "60-jvfio-" + address.replace(':', '-') + ".rules";
    }

    /** The files that bind groups at each boot, ready to be put in their places. */
    FileDrafts persist(List<HostGroup> groups) throws Failure {
        return draft(bindings(groups));
    }

    /** The names of the files that bind groups at each boot, without those that are there already. */
    List<String> toPersist(List<HostGroup> groups) throws Failure {
        return changed(bindings(groups)).keySet().stream().map(Path::toString).toList();
    }

    /** Removes the rules of groups, and returns their names. */
    List<String> forget(List<HostGroup> groups, boolean dryRun) throws Failure {
        List<String> removed = new ArrayList<>();
        for (HostGroup group : groups) {
            for (HostFunction function : BindCommand.endpoints(group)) {
                Path file = root.resolve(rule(function.address().toString()));
                if (Files.exists(file)) {
                    removed.add(file.toString());
                    if (!dryRun) {
                        delete(file);
                    }
                }
            }
        }
        return removed;
    }

    private static void delete(Path file) throws Failure {
        try {
            Files.delete(file);
        } catch (IOException e) {
            throw Failure.failed("cannot remove " + file + ": " + FileErrors.reason(e));
        }
    }

    /** Files, without those that have their texts already, ready to be put in their places. */
    FileDrafts draft(Map<String, String> files) throws Failure {
        return FileDrafts.of(changed(files));
    }

    private Map<Path, String> changed(Map<String, String> files) throws Failure {
        Map<Path, String> changed = new LinkedHashMap<>();
        for (Map.Entry<String, String> file : files.entrySet()) {
            if (!isCurrent(file.getKey(), file.getValue())) {
                changed.put(root.resolve(file.getKey()), file.getValue());
            }
        }
        return changed;
    }

    /** Whether a file has this text already. */
    boolean isCurrent(String file, String text) throws Failure {
        Path path = root.resolve(file);
        try {
            return Files.exists(path) && Files.readString(path).equals(text);
        } catch (IOException e) {
            throw Failure.failed("cannot read " + path + ": " + FileErrors.reason(e));
        }
    }

    /** Whether a file exists. */
    boolean exists(String file) {
        return Files.exists(root.resolve(file));
    }
}
