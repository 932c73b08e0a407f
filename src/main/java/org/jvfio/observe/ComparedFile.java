package org.jvfio.observe;

import java.io.IOException;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.jvfio.kernel.Kernel;

/**
 * What is compared of the files that a program reads: all of them as a whole, but
 *
 * <ul>
 *   <li>of {@code /proc/self/status} the locked memory,
 *   <li>of {@code /proc/cpuinfo} the platform,
 *   <li>of {@code /proc/sys/kernel/osrelease} the first two numbers,
 *   <li>of lists of PCI devices and IOMMU groups those that the other kernel has,
 *   <li>nothing of {@code /proc/self/fd} and of other processes.
 * </ul>
 */
final class ComparedFile {
    private static final Pattern LOCKED = Pattern.compile("(?m)^VmLck:\\s*(\\d+) kB$");
    private static final Pattern PLATFORM = Pattern.compile("(?m)^platform[ \\t]*:[ \\t]*(\\S+)");
    private static final Pattern RELEASE = Pattern.compile("(\\d+\\.\\d+).*");
    private static final Pattern PROCESS = Pattern.compile("/proc/(self|\\d+)/.*|/proc");
    private static final Set<String> LISTS = Set.of("/sys/bus/pci/devices", "/sys/kernel/iommu_groups");

    private final Kernel kernel;

    /** @param kernel the one that is checked */
    ComparedFile(Kernel kernel) {
        this.kernel = kernel;
    }

    boolean isSame(String path, String recorded, String actual) {
        if (path.equals("/proc/self/status")) {
            return part(LOCKED, recorded).equals(part(LOCKED, actual));
        }
        if (path.equals("/proc/cpuinfo")) {
            return part(PLATFORM, recorded).equals(part(PLATFORM, actual));
        }
        if (path.equals("/proc/sys/kernel/osrelease")) {
            return part(RELEASE, recorded).equals(part(RELEASE, actual));
        }
        if (LISTS.contains(path)) {
            return known(path, recorded).equals(new TreeSet<>(List.of(actual.split("\n", -1))));
        }
        return PROCESS.matcher(path).matches() || recorded.equals(actual);
    }

    private static String part(Pattern pattern, String text) {
        Matcher matcher = pattern.matcher(text);
        return matcher.find() ? matcher.group(1) : "0";
    }

    /** The recorded names that the other kernel has, too. */
    private Set<String> known(String path, String recorded) {
        try {
            Set<String> names = new TreeSet<>(kernel.list(path));
            return List.of(recorded.split("\n", -1)).stream()
                    .filter(names::contains)
                    .collect(Collectors.toCollection(TreeSet::new));
        } catch (IOException e) {
            return Set.of();
        }
    }
}
