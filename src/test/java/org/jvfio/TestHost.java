package org.jvfio;

import static org.junit.jupiter.api.Assertions.assertAll;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.List;
import org.jvfio.emulator.EmulatedKernel;
import org.jvfio.emulator.EmulatedMachine;
import org.jvfio.emulator.GroupView;
import org.jvfio.emulator.WindowView;
import org.jvfio.kernel.Kernel;
import org.jvfio.observe.sanitize.Finding;
import org.jvfio.observe.sanitize.Sanitizer;

/** An emulated host with one process that the API is tried on, and what must hold when the process is done. */
final class TestHost {
    static final PciAddress EDU = PciAddress.parse("0000:01:00.0");
    static final PciAddress OTHER_EDU = PciAddress.parse("0001:01:00.0");
    static final PciAddress NVME = PciAddress.parse("0002:01:00.0");

    private final Sanitizer sanitizer = new Sanitizer();
    private final EmulatedKernel process;
    private final ObservedKernel observed;
    private final List<HostGroup> atFirst;
    private Finding.Kind[] expected = {};

    /** What the host has of a group, whatever became of its PE. */
    private record HostGroup(boolean owned, boolean bypass, List<WindowView> windows) {}

    TestHost() {
        this(EmulatedMachine.power8());
    }

    TestHost(EmulatedMachine machine) {
        process = EmulatedKernel.boot(machine, sanitizer.devices());
        observed = new ObservedKernel(sanitizer.around(process, process.host()));
        atFirst = groups();
    }

    Kernel kernel() {
        return observed.kernel();
    }

    ObservedKernel observed() {
        return observed;
    }

    EmulatedKernel process() {
        return process;
    }

    PciAddress anyDevice() {
        return PciFunction.all(process).getFirst().address();
    }

    GroupView group(int number) {
        return process.host().group(number);
    }

    /** The test makes mistakes of these kinds on purpose. */
    void expect(Finding.Kind... kinds) {
        expected = kinds.clone();
    }

    /** Nothing may be left, and the sanitizer must have found nothing but what was expected. */
    void assertAllGivenBack() {
        assertAll(
                () -> sanitizer.requireClean(expected),
                () -> assertEquals(0, process.openDescriptors(), "open descriptors"),
                () -> assertEquals(0, process.registeredRegions(), "registered regions"),
                () -> assertEquals(0, process.lockedBytes(), "locked bytes"),
                () -> assertEquals(0, process.host().userMemoryBytes(), "bytes of memory"),
                () -> assertEquals(atFirst, groups(), "what the host has"));
    }

    private List<HostGroup> groups() {
        return process.host().groups().stream()
                .map(this::group)
                .map(group -> new HostGroup(group.ownedByHost(), group.bypass(), group.windows()))
                .toList();
    }
}
