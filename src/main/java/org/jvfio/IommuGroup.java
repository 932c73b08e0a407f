package org.jvfio;

import java.util.List;
import java.util.OptionalInt;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.jvfio.VfioException.Kind;
import org.jvfio.kernel.Kernel;
import org.jvfio.observe.TraceProperty;

/**
 * An IOMMU group as sysfs describes it: the functions that the IOMMU cannot tell apart. On POWER it is a partitionable
 * endpoint (PE), which translates, and freezes, as a whole.
 *
 * @param number the group's number, N in {@code /dev/vfio/N}
 * @param name its name on the platform, such as {@code domain0-pefd}; empty if it has no name
 * @param functions its PCI functions, by address
 */
public record IommuGroup(int number, String name, List<PciFunction> functions) {
    private static final String GROUPS = "/sys/kernel/iommu_groups";
    private static final Pattern NAME = Pattern.compile("domain\\d+-pe([0-9a-f]+)");

    public IommuGroup {
        functions = List.copyOf(functions);
    }

    /**
     * The group of a number.
     *
     * @throws VfioException if there is none ({@code NOT_FOUND}); the hint names those that exist
     */
    public static IommuGroup of(Kernel host, int number) {
        Kernel kernel = TraceProperty.observe(host);
        String path = GROUPS + "/" + number;
        String name = Sysfs.find(kernel, path + "/name")
                .orElseThrow(() -> new VfioException(
                        Kind.NOT_FOUND,
                        "use IOMMU group " + number,
                        "there is no such group",
                        presence(Sysfs.list(kernel, GROUPS).orElse(List.of()))))
                .stripTrailing();
        List<PciFunction> functions = Sysfs.list(kernel, path + "/devices").orElse(List.of()).stream()
                .map(device -> PciFunction.at(kernel, PciAddress.parse(device)))
                .sorted((one, other) -> one.address().compareTo(other.address()))
                .toList();
        return new IommuGroup(number, name, functions);
    }

    /**
     * The group of a device.
     *
     * @throws VfioException if there is no such device, or it has no group
     */
    public static IommuGroup of(Kernel kernel, PciAddress address) {
        return of(kernel, PciFunction.at(kernel, address));
    }

    /** The group of a function. */
    static IommuGroup of(Kernel kernel, PciFunction function) {
        return of(
                kernel,
                function.group()
                        .orElseThrow(
                                () -> new VfioException(
                                        Kind.UNSUPPORTED,
                                        "use " + function.address(),
                                        "it is in no IOMMU group: this kernel gives it no IOMMU",
                                        "boot a kernel with SPAPR_TCE_IOMMU (Linux before 5.19, or 6.4 and newer) without iommu=off")));
    }

    private static String presence(List<String> groups) {
        return groups.isEmpty()
                ? "this kernel has no IOMMU groups"
                : "this host has "
                        + groups.stream()
                                .map(Integer::valueOf)
                                .sorted()
                                .map(String::valueOf)
                                .collect(Collectors.joining(", "));
    }

    /**
     * The number of its PE within the PCI host bridge, as powernv names the group; empty where the platform does not.
     */
    public OptionalInt pe() {
        Matcher matcher = NAME.matcher(name);
        return matcher.matches() ? OptionalInt.of(Integer.parseUnsignedInt(matcher.group(1), 16)) : OptionalInt.empty();
    }
}
