package org.jvfio.contract;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.Arrays;
import java.util.List;
import org.jvfio.emulator.KernelVersion;
import org.jvfio.emulator.Platform;
import org.jvfio.kernel.Kernel;
import org.jvfio.kernel.linux.IpcLock;
import org.jvfio.kernel.linux.LinuxKernel;

/** The Linux host that runs the tests. All processes of it are the one Java process. */
final class LinuxContractHost implements ContractHost {
    private final Kernel kernel = LinuxKernel.open();
    private final String model;
    private final String processor;
    private final KernelVersion version;

    LinuxContractHost() {
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
        return freezes() || platform() == Platform.PHB3 || platform() == Platform.PSERIES;
    }

    @Override
    public boolean hasExtendedConfig() {
        return freezes() || platform() != Platform.PHB3;
    }

    @Override
    public VfioProcess start() {
        // The process goes on, for the next test.
        return new VfioProcess(kernel, IpcLock::set, () -> {});
    }

    @Override
    public String toString() {
        return "Linux " + version.release() + " on " + platform();
    }
}
