package org.jvfio;

import static org.junit.jupiter.api.Assertions.assertAll;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jvfio.driver.edu.EduDevice;
import org.jvfio.emulator.EmulatedKernel;
import org.jvfio.emulator.EmulatedMachine;
import org.jvfio.emulator.GroupView;
import org.jvfio.emulator.WindowView;
import org.jvfio.kernel.Kernel;
import org.jvfio.observe.sanitize.ExpectedFindings;
import org.jvfio.observe.sanitize.Finding;
import org.jvfio.observe.sanitize.Sanitizer;

/** An emulated host with one process that the API is tried on, and what must hold when the process is done. */
final class TestHost {
    static final PciAddress EDU = PciAddress.parse("0000:01:00.0");
    static final PciAddress OTHER_EDU = PciAddress.parse("0001:01:00.0");
    static final PciAddress NVME = PciAddress.parse("0002:01:00.0");

    private static final long UNMAPPED = 0x7000_0000;
    private static final Duration TIMEOUT = Duration.ofSeconds(10);

    private final Sanitizer sanitizer = new Sanitizer();
    private final EmulatedKernel process;
    private final ObservedKernel observed;
    private final Map<Integer, HostGroup> atFirst;
    private final ExpectedFindings expected = new ExpectedFindings();

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

    /** The test makes a mistake on purpose: {@link ExpectedFindings#add}. */
    void expect(Finding.Kind kind, String text, String method) {
        expected.add(kind, text, method);
    }

    /** Has an edu device read from where nothing is mapped, which freezes its PE. */
    void freeze(Device device) {
        expect(Finding.Kind.UNMAPPED_DMA, "%s read 8 bytes from 0x%x, ".formatted(device, UNMAPPED), "");
        EduDevice edu = EduDevice.of(device);
        assertThrows(VfioException.class, () -> edu.readMemory(UNMAPPED, 0, 8, TIMEOUT));
    }

    /** Nothing may be left, and the sanitizer must have found nothing but what was expected. */
    void assertAllGivenBack() {
        assertAll(
                () -> expected.requireIn(sanitizer),
                () -> assertEquals(0, process.openDescriptors(), "open descriptors"),
                () -> assertEquals(0, process.registeredRegions(), "registered regions"),
                () -> assertEquals(0, process.lockedBytes(), "locked bytes"),
                () -> assertEquals(0, process.host().userMemoryBytes(), "bytes of memory"),
                () -> assertEquals(atFirst, groups(), "what the host has"));
    }

    /** Pulls a device out, which is alone in its group. */
    void unplug(PciAddress device) {
        atFirst.remove(process.host().groupOf(device.toString()));
        process.host().unplug(device.toString());
    }

    private Map<Integer, HostGroup> groups() {
        Map<Integer, HostGroup> groups = new TreeMap<>();
        for (int number : process.host().groups()) {
            GroupView group = group(number);
            groups.put(number, new HostGroup(group.ownedByHost(), group.bypass(), group.windows()));
        }
        return groups;
    }
}
