package org.jvfio.cli;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;
import org.jvfio.ByteSize;
import org.jvfio.PciAddress;
import org.jvfio.PciFunction;
import org.jvfio.PeState;
import org.jvfio.cli.host.Host;
import org.jvfio.cli.host.HostFunction;
import org.jvfio.cli.host.HostGroup;
import org.jvfio.cli.host.HostUses;
import org.jvfio.kernel.Errno;
import org.jvfio.kernel.linux.LinuxKernel;

/** The checks of {@link DoctorCommand}. */
final class HostChecks {
    private static final String CONTAINER = "/dev/vfio/vfio";
    private static final long SMALL_PAGE = 4096;
    private static final int FIRST_VERSION_2 = 4002;

    private final Host host;
    private final boolean emulated;
    private final long job;
    private final List<Finding> findings = new ArrayList<>();

    /**
     * Checks of a host.
     *
     * @param job bytes of DMA memory that the driver needs
     */
    HostChecks(Host host, boolean emulated, long job) {
        this.host = host;
        this.emulated = emulated;
        this.job = job;
    }

    List<Finding> run(Optional<PciAddress> device) {
        checkArchitecture();
        checkKernel();
        checkPages();
        checkModules();
        checkContainer();
        add(new LockedMemoryCheck(host).of(job));
        WindowCheck.of(host).ifPresent(this::add);
        List<HostGroup> groups = host.groups();
        if (device.isPresent()) {
            checkDevice(host.function(device.get()), groups);
        } else {
            checkGroups(groups);
        }
        checkJava();
        return findings;
    }

    private void add(Finding finding) {
        findings.add(finding);
    }

    private void checkArchitecture() {
        String architecture = System.getProperty("os.arch");
        if (!emulated && !architecture.equals("ppc64le")) {
            add(Finding.error(
                    "architecture",
                    "this Java runs on " + architecture,
                    "VFIO with the SPAPR TCE IOMMU is for ppc64le.",
                    "use a POWER8 host or newer, or an emulated one: --kernel emulated"));
            return;
        }
        add(Finding.ok(
                "architecture",
                "ppc64le, %s, %s%s"
                        .formatted(
                                host.processor().orElse("unknown processor"),
                                host.platform().orElse("unknown platform"),
                                emulated ? " (emulated)" : "")));
    }

    private void checkKernel() {
        int version = host.version();
        String title = "Linux " + host.release();
        if (host.bindsNothing()) {
            add(Finding.error(
                    "kernel",
                    title + " cannot bind a device to vfio-pci on POWER",
                    "From 5.19 to 6.3 the probe of vfio-pci fails with EINVAL, as powerpc had no IOMMU driver.",
                    "boot Linux %s or newer".formatted(host.usableRelease())));
        } else if (host.isLpar() && version >= 6004 && version < 6011) {
            add(Finding.error(
                    "kernel",
                    title + " ends in a BUG at the first mapping in an LPAR",
                    "From 6.4 to 6.10 the table that the hypervisor lends has no userspace view.",
                    "boot Linux 6.11 or newer"));
        } else if (host.hasVersion1() && !(host.lendsTables() && version >= FIRST_VERSION_2)) {
            String[] fixes = host.lendsTables()
                    ? new String[0]
                    : new String[] {"boot Linux %s or newer".formatted(host.usableRelease())};
            add(Finding.warning(
                    "kernel",
                    title + " has version 1 of the SPAPR TCE IOMMU only",
                    "There is the default window and no other, and all of it counts as locked memory.",
                    fixes));
        } else {
            add(Finding.ok("kernel", title));
        }
        List<String> hazards = HostHazards.of(host);
        if (!hazards.isEmpty()) {
            add(Finding.note(
                    "hazards",
                    "this kernel answers some calls with harm: " + String.join("; ", hazards),
                    "This library refuses such calls where it can foresee the harm; other programs may make them."));
        }
    }

    private void checkPages() {
        long page = host.pageSize().bytes();
        String pools = hugePages();
        if (page > SMALL_PAGE) {
            add(Finding.ok("pages", "system pages of " + ByteSize.format(page) + pools));
            return;
        }
        String fix = host.processor().filter(name -> name.matches("POWER[78]")).isPresent()
                ? "reserve 16M pages: echo 16 > /sys/kernel/mm/hugepages/hugepages-16384kB/nr_hugepages"
                : "reserve 2M pages: echo 128 > /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages";
        String why = "A window of 64K pages maps memory in huge pages only; one of 4K pages has 16 times the entries.";
        add(
                pools.isEmpty()
                        ? Finding.warning(
                                "pages",
                                "system pages of 4K, no huge pages",
                                why,
                                fix,
                                "or boot a kernel with 64K pages")
                        : Finding.note("pages", "system pages of 4K" + pools, why));
    }

    /** The pools of huge pages that are not empty, as a sentence goes on. */
    private String hugePages() {
        String directory = "/sys/kernel/mm/hugepages/";
        String pools = host.files().list(directory).stream()
                .filter(name -> name.matches("hugepages-[0-9]+kB"))
                .filter(name -> count(directory + name + "/nr_hugepages") > 0)
                .map(name -> "%d of %d pages of %s free"
                        .formatted(
                                count(directory + name + "/free_hugepages"),
                                count(directory + name + "/nr_hugepages"),
                                ByteSize.format(Long.parseLong(name.replaceAll("[^0-9]", "")) << 10)))
                .collect(Collectors.joining(", "));
        return pools.isEmpty() ? "" : ", " + pools;
    }

    private long count(String file) {
        return host.files().number(file).orElse(0L);
    }

    private void checkModules() {
        boolean pci = host.hasModule("vfio_pci");
        boolean spapr = host.hasModule("vfio_iommu_spapr_tce");
        if (!pci || !host.hasModule("vfio")) {
            add(Finding.error(
                    "modules",
                    "the module vfio-pci is not loaded",
                    "It is the kernel driver of devices that drivers in user space use.",
                    "as root: modprobe vfio-pci",
                    "and at each boot: echo vfio-pci > /etc/modules-load.d/vfio-pci.conf"));
        }
        if (!spapr) {
            add(Finding.error(
                    "modules",
                    "the module vfio_iommu_spapr_tce is not loaded",
                    "It is VFIO's driver of the IOMMU of POWER.",
                    "as root: modprobe vfio_iommu_spapr_tce"));
        }
        if (pci && spapr) {
            add(Finding.ok("modules", "vfio-pci%s and vfio_iommu_spapr_tce are loaded".formatted(options("vfio_pci"))));
        }
        if (host.parameter("vfio_pci", "disable_idle_d3").filter("N"::equals).isPresent()) {
            add(Finding.note(
                    "idle-power",
                    "vfio-pci puts unused devices into D3hot",
                    "Some devices freeze their PE when they come back.",
                    "if one does: echo 'options vfio-pci disable_idle_d3=1' > /etc/modprobe.d/vfio-pci.conf, and load"
                            + " vfio-pci anew"));
        }
    }

    /** The parameters of a module, as a sentence has them behind its name. */
    private String options(String module) {
        String options = host.files().list("/sys/module/" + module + "/parameters").stream()
                .sorted()
                .map(name -> name + "=" + host.parameter(module, name).orElse("?"))
                .collect(Collectors.joining(" "));
        return options.isEmpty() ? "" : " (" + options + ")";
    }

    private void checkContainer() {
        if (!host.hasModule("vfio")) {
            return; // reported with the modules
        }
        Optional<Errno> error = host.files().openError(CONTAINER);
        if (error.isEmpty()) {
            add(Finding.ok("container", "this user may open " + CONTAINER));
        } else if (isPermission(error.get())) {
            add(Finding.error(
                    "container",
                    "this user may not open " + CONTAINER,
                    "Every driver opens it; it gives no rights by itself.",
                    "as root: chmod 0666 " + CONTAINER));
        } else {
            add(Finding.error(
                    "container",
                    CONTAINER + " cannot be opened: " + error.get() + ", "
                            + error.get().text(),
                    "Every driver opens it.",
                    "as root: modprobe vfio"));
        }
    }

    private static boolean isPermission(Errno error) {
        return error == Errno.EACCES || error == Errno.EPERM;
    }

    private void checkGroups(List<HostGroup> groups) {
        if (groups.isEmpty()) {
            add(noGroups());
            return;
        }
        long ready = groups.stream()
                .filter(group -> group.state() == HostGroup.State.READY)
                .count();
        for (HostGroup group : groups) {
            boolean split = group.group().functions().stream().anyMatch(PciFunction::isForVfio)
                    && group.state() == HostGroup.State.NOT_VIABLE;
            if (split) {
                add(notViable(group));
            }
            group.functions().stream()
                    .filter(function -> function.function().isForVfio())
                    .forEach(this::checkEeh);
        }
        List<HostGroup> accessible = groups.stream()
                .filter(group -> group.state() == HostGroup.State.READY)
                .filter(group -> host.files().openError(group.node()).isEmpty())
                .toList();
        if (!accessible.isEmpty()) {
            add(Finding.ok(
                    "groups",
                    "this user may open %d of %s: %s"
                            .formatted(
                                    accessible.size(),
                                    Words.count(groups.size(), "group"),
                                    accessible.stream()
                                            .map(group -> Integer.toString(group.number()))
                                            .collect(Collectors.joining(", ")))));
        } else if (ready > 0) {
            HostGroup first = groups.stream()
                    .filter(group -> group.state() == HostGroup.State.READY)
                    .findFirst()
                    .orElseThrow();
            add(noPermission(first));
        } else {
            add(Finding.error(
                    "groups",
                    groups.size() == 1
                            ? "the only group, %d, is not ready"
                                    .formatted(groups.getFirst().number())
                            : "none of %d groups is ready".formatted(groups.size()),
                    "A driver needs a group whose devices are bound to vfio-pci.",
                    bindFix(groups)));
        }
    }

    private String bindFix(List<HostGroup> groups) {
        if (host.bindsNothing()) {
            return "boot Linux %s or newer first".formatted(host.usableRelease());
        }
        HostUses uses = HostUses.of(host.files());
        return groups.stream()
                .flatMap(group -> group.functions().stream())
                .filter(function -> !function.isBridge() && uses.of(function).isEmpty())
                .findFirst()
                .map(function -> "as root, for example: jvfio bind " + function.address())
                .orElse("add a device that the host does not need itself");
    }

    private Finding noGroups() {
        return Finding.error(
                "groups",
                "this kernel has no IOMMU groups",
                "VFIO takes devices by groups.",
                "boot a kernel with SPAPR_TCE_IOMMU (before 5.19, or 6.4 and newer) without iommu=off");
    }

    private static Finding notViable(HostGroup group) {
        String first = group.group().functions().stream()
                .filter(PciFunction::holdsGroup)
                .map(function -> function.address().toString())
                .findFirst()
                .orElse("");
        return Finding.error(
                "group",
                "group %d is %s".formatted(group.number(), group.explain()),
                "All devices of a group must be bound to vfio-pci, or to no driver.",
                "as root: jvfio bind " + first);
    }

    private static Finding noPermission(HostGroup group) {
        return Finding.error(
                "permission",
                "this user may not open " + group.node(),
                "A user who can open it can make the devices of the group do DMA, to memory that is mapped for them only.",
                "as root, for each boot: jvfio setup --user NAME --apply",
                "as root, until the next boot: chown NAME " + group.node());
    }

    private void checkDevice(HostFunction function, List<HostGroup> groups) {
        if (function.isBridge()) {
            add(Finding.error(
                    "device",
                    function.address() + " is a bridge",
                    "vfio-pci takes endpoints only.",
                    "name a device behind it: jvfio devices --tree"));
            return;
        }
        if (function.function().group().isEmpty()) {
            add(
                    groups.isEmpty()
                            ? noGroups()
                            : Finding.error(
                                    "device",
                                    function.address() + " is in no IOMMU group",
                                    "VFIO takes devices by groups.",
                                    "move it to a slot behind a host bridge with an IOMMU"));
            return;
        }
        int number = function.function().group().getAsInt();
        HostGroup group = groups.stream()
                .filter(each -> each.number() == number)
                .findFirst()
                .orElseThrow();
        checkBinding(function, group);
        if (group.state() == HostGroup.State.NOT_VIABLE && !function.function().holdsGroup()) {
            add(notViable(group));
        }
        checkNode(group);
        checkEeh(function);
        if (function.resetMethods().isEmpty()) {
            add(Finding.warning(
                    "reset",
                    function.address() + " has no way to be reset alone",
                    "It keeps its state from one user to the next.",
                    "reset its bus from the driver by Device.hotReset, or call Device.recover if it does not respond"));
        } else {
            add(Finding.ok(
                    "reset",
                    "%s can be reset by %s".formatted(function.address(), Words.oneOf(function.resetMethods()))));
        }
    }

    private void checkBinding(HostFunction function, HostGroup group) {
        String address = function.address().toString();
        if (function.function().isForVfio()) {
            add(Finding.ok(
                    "binding",
                    "%s is bound to %s, in group %d"
                            .formatted(address, function.function().driver().orElse(""), group.number())));
            return;
        }
        List<String> uses = HostUses.of(host.files()).of(function);
        String driver = function.function()
                .driver()
                .map(name -> "%s is bound to %s".formatted(address, name))
                .orElse(address + " is bound to no driver");
        if (!uses.isEmpty()) {
            add(Finding.error(
                    "binding",
                    driver + ", and the host lives on it: " + String.join(", ", uses),
                    "The host would lose it.",
                    "use another device"));
        } else {
            add(Finding.error(
                    "binding",
                    driver,
                    "A driver in user space needs it bound to vfio-pci, with all devices of its group.",
                    host.bindsNothing()
                            ? "boot Linux %s or newer first".formatted(host.usableRelease())
                            : "as root: jvfio bind " + address));
        }
    }

    private void checkNode(HostGroup group) {
        if (!group.hasNode()) {
            if (group.group().functions().stream().anyMatch(PciFunction::isForVfio)) {
                add(Finding.error(
                        "node",
                        group.node() + " does not exist, though a device of the group is bound",
                        "A driver opens it to take the group.",
                        "udevadm settle, and see dmesg"));
            }
            return;
        }
        Optional<Errno> error = host.files().openError(group.node());
        if (error.isEmpty()) {
            add(Finding.ok("node", "this user may open " + group.node()));
        } else if (isPermission(error.get())) {
            add(noPermission(group));
        } else if (error.get() == Errno.EBUSY) {
            add(Finding.error(
                    "node",
                    group.users().isEmpty()
                            ? group.node() + " is in use by a process that this user may not see"
                            : group.node() + " is " + group.explain(),
                    "One process has a group at a time.",
                    group.users().isEmpty() ? "as root: fuser -v " + group.node() : "wait for its end, or end it"));
        } else {
            add(Finding.error(
                    "node",
                    "%s cannot be opened: %s, %s"
                            .formatted(group.node(), error.get(), error.get().text()),
                    "A driver opens it to take the group.",
                    "see dmesg"));
        }
    }

    private void checkEeh(HostFunction function) {
        Optional<PeState> eeh = function.eeh();
        if (eeh.isEmpty()) {
            add(Finding.note(
                    "eeh",
                    "there is no EEH for " + function.address(),
                    "A failed DMA is dropped, or freezes the device until it is opened anew, and nothing says so."));
        } else if (eeh.get() == PeState.NORMAL) {
            add(Finding.ok("eeh", "the PE of %s is in normal state".formatted(function.address())));
        } else {
            add(Finding.warning(
                    "eeh",
                    "the PE of %s is %s".formatted(function.address(), eeh.get()),
                    "Registers read all ones and DMA is stopped. Opening the device thaws the PE.",
                    function.function().isForVfio()
                            ? "as root: jvfio eeh recover " + function.address()
                            : "as root: echo 1 > /sys/bus/pci/devices/" + function.address() + "/eeh_pe_state",
                    "if it freezes again right after binding: echo 'options vfio-pci disable_idle_d3=1' >"
                            + " /etc/modprobe.d/vfio-pci.conf"));
        }
    }

    private void checkJava() {
        String version = Runtime.version().toString();
        Optional<String> unavailable = emulated ? Optional.empty() : LinuxKernel.uninspectable();
        add(
                unavailable.isPresent()
                        ? Finding.error("java", unavailable.get(), "Drivers make system calls.")
                        : Finding.ok(
                                "java",
                                "Java " + Runtime.version().feature()
                                        + (version.contains("internal") ? " (" + version + ")" : "")));
    }
}
