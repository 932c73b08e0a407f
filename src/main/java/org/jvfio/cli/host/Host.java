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
    private static final int FIRST_WITHOUT_BINDING = 5019;
    private static final int LAST_WITHOUT_BINDING = 6003;
    private static final int FIRST_WINDOWS = 4002;
    private static final int FIRST_LPAR_WINDOWS = 6011;
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

    /** Whether this kernel cannot bind devices to vfio-pci: the probe fails with EINVAL. */
    public boolean bindsNothing() {
        return version() >= FIRST_WITHOUT_BINDING && version() <= LAST_WITHOUT_BINDING;
    }

    /** The release from which on the host can bind devices and create windows. */
    public String usableRelease() {
        return isLpar() ? "6.11" : "6.4";
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

    /** Whether it is an LPAR, or a KVM guest. */
    public boolean isLpar() {
        return platform().filter("pSeries"::equals).isPresent();
    }

    /** Whether its bridges (P7IOC and P5IOC2) lend the host's only table. */
    public boolean lendsTables() {
        return isPowernv()
                && processor().filter(name -> name.matches("POWER[67]")).isPresent();
    }

    /** Whether version 1 of the SPAPR TCE IOMMU is all there is: it has the default window only. */
    public boolean hasVersion1() {
        int version = version();
        return lendsTables() || (version != 0 && version < (isLpar() ? FIRST_LPAR_WINDOWS : FIRST_WINDOWS));
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
        return groups(functions());
    }

    /**
     * The groups of functions, by number.
     *
     * @param functions all {@link #functions()}, which are not read again
     */
    public List<HostGroup> groups(List<HostFunction> functions) {
        Map<String, List<HostProcess>> users = users();
        List<String> nodes = files.list("/dev/vfio");
        Map<Integer, List<HostFunction>> members = new TreeMap<>();
        for (HostFunction function : functions) {
            function.function()
                    .group()
                    .ifPresent(number -> members.computeIfAbsent(number, _ -> new ArrayList<>())
                            .add(function));
        }
        List<HostGroup> groups = new ArrayList<>();
        members.forEach((number, all) -> {
            String name = files.read(GROUPS + "/" + number + "/name").orElse("");
            List<PciFunction> pci = all.stream().map(HostFunction::function).toList();
            groups.add(group(new IommuGroup(number, name, pci), all, nodes, users));
        });
        return groups;
    }

    /**
     * One group.
     *
     * @throws org.jvfio.VfioException if there is none
     */
    public HostGroup group(int number) {
        IommuGroup group = IommuGroup.of(kernel(), number);
        List<HostFunction> functions = group.functions().stream()
                .map(function -> HostFunction.of(files, function))
                .toList();
        return group(group, functions, files.list("/dev/vfio"), users());
    }

    private static HostGroup group(
            IommuGroup group, List<HostFunction> functions, List<String> nodes, Map<String, List<HostProcess>> users) {
        String number = Integer.toString(group.number());
        return new HostGroup(
                group, functions, nodes.contains(number), users.getOrDefault("/dev/vfio/" + number, List.of()));
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
