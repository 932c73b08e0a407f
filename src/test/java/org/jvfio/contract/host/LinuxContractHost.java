package org.jvfio.contract.host;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.NoSuchFileException;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jvfio.emulator.EmulatedMachine;
import org.jvfio.emulator.Hazard;
import org.jvfio.emulator.HazardPolicy;
import org.jvfio.emulator.KernelVersion;
import org.jvfio.emulator.Platform;
import org.jvfio.kernel.Kernel;
import org.jvfio.kernel.linux.IpcLock;
import org.jvfio.kernel.linux.KeptRanges;
import org.jvfio.kernel.linux.LinuxKernel;
import org.jvfio.uapi.vfio_h;

/** The Linux host that runs the tests. All processes of it are the one Java process, but for a second one beside it. */
public final class LinuxContractHost implements ContractHost {
    private static final String HUGE_PAGES = "/sys/kernel/mm/hugepages/";

    private final Kernel kernel = LinuxKernel.open();
    private final HostLog log = new HostLog(kernel);
    private final String model;
    private final String processor;
    private final KernelVersion version;

    public LinuxContractHost() {
        try {
            model = kernel.readFile("/proc/device-tree/model");
            processor = kernel.readFile("/proc/cpuinfo")
                    .lines()
                    .filter(line -> line.startsWith("cpu"))
                    .findFirst()
                    .orElseThrow();
            version = version(kernel.readFile("/proc/sys/kernel/osrelease"));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static KernelVersion version(String release) {
        return Arrays.stream(KernelVersion.values())
                .filter(known -> compare(known.release(), release) <= 0)
                .reduce((_, later) -> later)
                .orElseThrow();
    }

    private static int compare(String left, String right) {
        return Arrays.compare(numbers(left), numbers(right));
    }

    /** The first two numbers of a release. */
    private static int[] numbers(String release) {
        List<String> parts = List.of(release.split("[^0-9]"));
        return parts.stream().limit(2).mapToInt(Integer::parseInt).toArray();
    }

    @Override
    public Platform platform() {
        if (!model.contains("PowerNV")) {
            return Platform.PSERIES;
        }
        if (processor.contains("POWER8")) {
            return Platform.PHB3;
        }
        return processor.contains("POWER9") ? Platform.PHB4 : Platform.PHB5;
    }

    @Override
    public KernelVersion version() {
        return version;
    }

    @Override
    public boolean hasEeh() {
        return isPowernv();
    }

    @Override
    public boolean freezes() {
        return !model.contains("qemu");
    }

    @Override
    public boolean resetsReliably() {
        return freezes()
                || platform() == Platform.PHB3
                || platform() == Platform.PSERIES
                || Boolean.getBoolean("jvfio.resets");
    }

    @Override
    public boolean hasExtendedConfig() {
        return freezes() || platform() != Platform.PHB3;
    }

    @Override
    public boolean takesPower() {
        return freezes() || platform() == Platform.PHB3 || platform() == Platform.PSERIES;
    }

    @Override
    public VfioProcess start() {
        // The process goes on, for the next test.
        return new VfioProcess(kernel, IpcLock::set, SecondJvm::running, () -> {});
    }

    @Override
    public EmulatedMachine mirror() {
        EmulatedMachine preset = switch (platform()) {
            case PHB4 -> EmulatedMachine.power9();
            case PHB5 -> EmulatedMachine.power10();
            case PSERIES -> EmulatedMachine.pseries();
            default -> EmulatedMachine.power8();
        };
        EmulatedMachine.Builder mirror = preset.toBuilder()
                .kernel(version)
                .freezes(freezes())
                .hazard(Hazard.REGISTRATION_LEAK, HazardPolicy.AS_LINUX)
                .hazard(Hazard.REGISTER_NOTHING, HazardPolicy.AS_LINUX)
                .hazard(Hazard.CREATE_CHARGE_LEAK, HazardPolicy.AS_LINUX)
                .withoutDevices();
        if (kernel.sysconf(vfio_h._SC_PAGESIZE) == 4096) {
            mirror.pages4K();
        }
        List<PciDevice> nvmes = VfioProcess.boundDevices(kernel, device -> VfioProcess.isNvme(kernel, device));
        devices()
                .forEach(device -> mirror.device(
                        device.address(), device.group(), nvmes.contains(device) ? Hosts::nvme : Hosts::edu));
        nvmes.stream().filter(this::hasRom).forEach(nvme -> mirror.rom(nvme.address(), RomImage.ofNvme()));
        freeHugePages().forEach(mirror::hugePages);
        return mirror.build();
    }

    /** Whether it has one, as the drive of {@code scripts/power}. */
    private boolean hasRom(PciDevice device) {
        try {
            return kernel.list("/sys/bus/pci/devices/" + device.address()).contains("rom");
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** How many huge pages of each size in bytes are free, and not promised to a mapping that has yet to touch them. */
    private Map<Long, Integer> freeHugePages() {
        Map<Long, Integer> free = new TreeMap<>();
        try {
            for (String pool : kernel.list(HUGE_PAGES)) {
                long bytes = Long.parseLong(pool.replaceAll("[^0-9]", "")) * 1024;
                int count = huge(pool, "free_hugepages") - huge(pool, "resv_hugepages");
                if (count > 0) {
                    free.put(bytes, count);
                }
            }
        } catch (NoSuchFileException none) {
            return free;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return free;
    }

    private int huge(String pool, String count) throws IOException {
        return Integer.parseInt(kernel.readFile(HUGE_PAGES + pool + "/" + count).strip());
    }

    @Override
    public List<PciDevice> devices() {
        return VfioProcess.boundDevices(kernel, _ -> true);
    }

    @Override
    public ScriptedProcess startScripted() {
        KeptRanges ranges = new KeptRanges(kernel);
        return new ScriptedProcess(ranges, IpcLock::set, SecondJvm::running, log::newMessages, ranges::release);
    }

    @Override
    public int randomSequences() {
        return 20;
    }

    @Override
    public String toString() {
        return "Linux " + version.release() + " on " + platform();
    }
}
