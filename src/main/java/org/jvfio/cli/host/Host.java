package org.jvfio.cli.host;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jvfio.IommuGroup;
import org.jvfio.PageSize;
import org.jvfio.PciAddress;
import org.jvfio.PciFunction;
import org.jvfio.kernel.Kernel;
import org.jvfio.uapi.vfio_h;

/** What the files of a host show. Each method reads them anew. */
public final class Host {
    private static final Pattern RELEASE = Pattern.compile("([0-9]+)\\.([0-9]+).*", Pattern.DOTALL);
    private static final Pattern PROCESSOR = Pattern.compile("(?mi)^cpu\\s*: *(POWER\\d+)");
    private static final Pattern PLATFORM = Pattern.compile("(?m)^platform\\s*: *(\\S+)");
    private static final Pattern UID = Pattern.compile("(?m)^Uid:\\s+\\d+\\s+(\\d+)");
    private static final String GROUPS = "/sys/kernel/iommu_groups";

    private final HostFiles files;

    public Host(Kernel kernel) {
        this.files = new HostFiles(kernel);
    }

    public HostFiles files() {
        return files;
    }

    public Kernel kernel() {
        return files.kernel();
    }

    /** The release of the kernel, such as {@code 6.12.0-emulated}; empty if it is unknown. */
    public String release() {
        return files.read("/proc/sys/kernel/osrelease").orElse("");
    }

    /**
     * The release of the kernel as a number to compare: 6012 for 6.12.
     *
     * @return 0 if it is unknown
     */
    public int version() {
        Matcher matcher = RELEASE.matcher(release());
        return matcher.matches() ? Integer.parseInt(matcher.group(1)) * 1000 + Integer.parseInt(matcher.group(2)) : 0;
    }

    /** The processor's generation, such as {@code POWER9}; empty on another architecture. */
    public Optional<String> processor() {
        return find(PROCESSOR, "/proc/cpuinfo").map(name -> name.toUpperCase(Locale.ROOT)); // Linux writes Power11
    }

    /** {@code PowerNV} or {@code pSeries}; empty on another architecture. */
    public Optional<String> platform() {
        return find(PLATFORM, "/proc/cpuinfo");
    }

    public boolean isPowernv() {
        return platform().filter("PowerNV"::equals).isPresent();
    }

    private Optional<String> find(Pattern pattern, String file) {
        Matcher matcher = pattern.matcher(files.read(file).orElse(""));
        return matcher.find() ? Optional.of(matcher.group(1)) : Optional.empty();
    }

    public PageSize pageSize() {
        return PageSize.of(kernel().sysconf(vfio_h._SC_PAGESIZE));
    }

    /** The effective user of this process. */
    public OptionalInt user() {
        return find(UID, "/proc/self/status")
                .map(uid -> OptionalInt.of(Integer.parseInt(uid)))
                .orElse(OptionalInt.empty());
    }

    /** Whether a module is loaded or built in with parameters. */
    public boolean hasModule(String name) {
        return files.isDirectory("/sys/module/" + name);
    }

    /** A parameter of a module. */
    public Optional<String> parameter(String module, String name) {
        return files.read("/sys/module/" + module + "/parameters/" + name);
    }

    /** All functions, by address. */
    public List<HostFunction> functions() {
        return PciFunction.all(kernel()).stream()
                .map(function -> HostFunction.of(files, function))
                .toList();
    }

    /**
     * One function.
     *
     * @throws org.jvfio.VfioException if there is none
     */
    public HostFunction function(PciAddress address) {
        return HostFunction.of(files, PciFunction.at(kernel(), address));
    }

    /** All groups that have devices, by number: a bridge of an LPAR may have an empty group of its own. */
    public List<HostGroup> groups() {
        Map<String, List<HostProcess>> users = users();
        List<Integer> numbers = new ArrayList<>();
        for (String name : files.list(GROUPS)) {
            if (name.matches("[0-9]{1,9}")) {
                numbers.add(Integer.valueOf(name));
            }
        }
        List<String> nodes = files.list("/dev/vfio");
        return numbers.stream()
                .sorted()
                .map(number -> group(number, nodes, users))
                .filter(group -> !group.functions().isEmpty())
                .toList();
    }

    /**
     * One group.
     *
     * @throws org.jvfio.VfioException if there is none
     */
    public HostGroup group(int number) {
        return group(number, files.list("/dev/vfio"), users());
    }

    private HostGroup group(int number, List<String> nodes, Map<String, List<HostProcess>> users) {
        IommuGroup group = IommuGroup.of(kernel(), number);
        return new HostGroup(
                group,
                group.functions().stream()
                        .map(function -> HostFunction.of(files, function))
                        .toList(),
                nodes.contains(Integer.toString(number)),
                users.getOrDefault("/dev/vfio/" + number, List.of()));
    }

    /** The processes that have a node of VFIO open, as far as this user may see. */
    private Map<String, List<HostProcess>> users() {
        Map<String, List<HostProcess>> users = new TreeMap<>();
        String self = files.linkName("/proc/self").orElse("");
        for (String pid : files.list("/proc")) {
            if (!pid.matches("[0-9]{1,9}") || pid.equals(self)) {
                continue;
            }
            String descriptors = "/proc/" + pid + "/fd";
            for (String fd : files.list(descriptors)) {
                String target = files.link(descriptors + "/" + fd).orElse("");
                if (target.startsWith("/dev/vfio/")) {
                    String name = files.read("/proc/" + pid + "/comm").orElse("a process");
                    HostProcess process = new HostProcess(name, Integer.parseInt(pid));
                    List<HostProcess> known = users.computeIfAbsent(target, path -> new ArrayList<>());
                    if (!known.contains(process)) {
                        known.add(process);
                    }
                }
            }
        }
        return users;
    }
}
