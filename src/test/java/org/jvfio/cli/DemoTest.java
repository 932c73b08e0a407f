package org.jvfio.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteOrder;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.jvfio.Container;
import org.jvfio.PciFunction;
import org.jvfio.VfioException;
import org.jvfio.emulator.EmulatedKernel;
import org.jvfio.emulator.EmulatedMachine;
import org.jvfio.emulator.KernelVersion;
import org.jvfio.emulator.edu.EmulatedEdu;
import org.jvfio.kernel.Kernel;
import org.jvfio.observe.sanitize.ExpectedFindings;
import org.jvfio.observe.sanitize.Finding;
import org.jvfio.observe.sanitize.Sanitizer;

class DemoTest {
    /** The story on a machine: its data, and its lines. */
    private record Told(EmulatedKernel process, Map<String, Map<String, Object>> data, List<String> lines) {
        Object fact(String step, String key) {
            Object value = data.getOrDefault(step, Map.of()).get(key);
            return value == null ? "no " + key : value;
        }
    }

    private static Told tell(EmulatedMachine machine) {
        Sanitizer sanitizer = new Sanitizer();
        EmulatedKernel process = EmulatedKernel.boot(machine, sanitizer.devices());
        Kernel kernel = sanitizer.around(process, process.host());
        Map<String, Map<String, Object>> data = new LinkedHashMap<>();
        List<String> lines = new ArrayList<>();
        Demo.tell(kernel, "a test", PciFunction.all(kernel).getFirst(), step -> {
            data.put(step.name(), step.data());
            lines.addAll(step.lines());
        });
        assertGivenBack(process);
        // The demo writes to a mapping that is closed, to show what happens then, and does nothing else wrong.
        ExpectedFindings expected = new ExpectedFindings();
        expected.add(Finding.Kind.STALE_DMA, Ran.DEMO_WRITE, "tell");
        expected.requireIn(sanitizer);
        return new Told(process, data, lines);
    }

    private static void assertGivenBack(EmulatedKernel process) {
        assertEquals(0, process.openDescriptors());
        assertEquals(0, process.lockedBytes());
        process.host()
                .groups()
                .forEach(group -> assertTrue(process.host().group(group).ownedByHost()));
    }

    static List<EmulatedMachine> machines() {
        return List.of(
                EmulatedMachine.p5ioc2(),
                EmulatedMachine.power7(),
                EmulatedMachine.power8(),
                EmulatedMachine.power8().toBuilder().pages4K().build(),
                EmulatedMachine.power8().toBuilder().freezes(false).build(),
                EmulatedMachine.power9(),
                EmulatedMachine.power8().toBuilder().kernel(KernelVersion.V6_4).build(),
                EmulatedMachine.power10(),
                EmulatedMachine.pseries());
    }

    private static EmulatedMachine withMemlock(EmulatedMachine machine, long bytes) {
        return machine.toBuilder().capIpcLock(false).memlockBytes(bytes).build();
    }

    /** A hint that is followed leads to the end of the story. */
    @ParameterizedTest
    @MethodSource("machinesOfLimits")
    void tell_withTheLimitThatIsAskedFor_toTheEnd(EmulatedMachine machine) {
        VfioException e = assertThrows(VfioException.class, () -> tell(withMemlock(machine, 0)));
        Matcher asked = Pattern.compile("ulimit -l ([0-9]+)").matcher(e.hint());
        assertTrue(asked.find(), e.getMessage());
        Told told = tell(withMemlock(machine, Long.parseLong(asked.group(1)) << 10));
        assertTrue(told.data().containsKey("fault"), told.data()::toString);
    }

    static List<EmulatedMachine> machinesOfLimits() {
        return List.of(EmulatedMachine.power7(), EmulatedMachine.power8(), EmulatedMachine.pseries());
    }

    @ParameterizedTest
    @MethodSource("machines")
    void demo_eachMachine_copyVerifiedAndAllReleased(EmulatedMachine machine) {
        Told told = tell(machine);
        assertEquals(4096, told.fact("copy", "verifiedBytes"));
        assertEquals(true, told.fact("fault", "memoryUntouched"));
        assertEquals(0L, told.fact("return", "lockedBytes"));
        assertTrue(told.lines().size() <= 45, told.lines().size() + " lines");
        told.lines().forEach(line -> assertTrue(line.length() <= 140, line));
    }

    @Test
    void demo_power8_hostsBypassAndWindowRestored() {
        Told told = tell(EmulatedMachine.power8());
        Map<String, Object> hosts = Map.of(
                "bypass",
                true,
                "windows",
                List.of(Json.object("number", 0, "start", "0x0", "size", 1L << 32, "pageSize", 65536L)));
        assertEquals(hosts, told.fact("host", "pe"));
        assertEquals(Map.of("bypass", false, "windows", List.of()), told.fact("take", "pe"));
        assertEquals(hosts, told.fact("return", "pe"));
        assertEquals(
                List.of(
                        "Removing DMA window #1",
                        "Removing DMA window #0",
                        "Setting up window#0 0..ffffffff pg=10000",
                        "Enabling 64-bit DMA bypass"),
                told.fact("return", "kernelLog"));
    }

    @Test
    void demo_peFreezes_recovered() {
        Told told = tell(EmulatedMachine.power8());
        assertEquals(2, told.fact("fault", "peState"));
        assertEquals(0, told.fact("fault", "recoveredPeState"));
    }

    @Test
    void demo_platformDropsTheWrite_saysSo() {
        Told told = tell(EmulatedMachine.power8().toBuilder().freezes(false).build());
        assertEquals(0, told.fact("fault", "peState"));
        assertEquals("the device says that it is done", told.fact("fault", "driverSees"));
        assertEquals("no recoveredPeState", told.fact("fault", "recoveredPeState"));
    }

    @Test
    void demo_noEeh_saysSo() {
        Told told = tell(EmulatedMachine.pseries());
        assertEquals(false, told.fact("fault", "eeh"));
        assertEquals("no peState", told.fact("fault", "peState"));
    }

    @Test
    void demo_deviceCannotReachTheWindow_failsAndAllReleased() {
        Sanitizer sanitizer = new Sanitizer();
        EmulatedMachine machine = EmulatedMachine.power8().toBuilder()
                .withoutDevices()
                .freezes(false)
                .device("0000:01:00.0", 0, () -> new EmulatedEdu(ByteOrder.BIG_ENDIAN, (1 << 28) - 1, Duration.ZERO))
                .build();
        EmulatedKernel process = EmulatedKernel.boot(machine, sanitizer.devices());
        Kernel kernel = sanitizer.around(process, process.host());
        PciFunction edu = PciFunction.all(kernel).getFirst();
        VfioException e = assertThrows(VfioException.class, () -> Demo.tell(kernel, "a test", edu, step -> {}));
        assertTrue(e.hint().contains("dma_mask"), e.getMessage());
        assertGivenBack(process);
        // The device drops the upper bits of the address.
        ExpectedFindings expected = new ExpectedFindings();
        expected.add(Finding.Kind.UNMAPPED_DMA, "0000:01:00.0 wrote 4096 bytes to 0x0, ", "");
        expected.requireIn(sanitizer);
    }

    @Test
    void demo_groupBusy_failsWithoutSteps() {
        Sanitizer sanitizer = new Sanitizer();
        EmulatedKernel process = EmulatedKernel.boot(EmulatedMachine.power8(), sanitizer.devices());
        Kernel kernel = sanitizer.around(process, process.host());
        PciFunction edu = PciFunction.all(kernel).getFirst();
        try (Container container = Container.open(process.newProcess())) {
            container.attach(0);
            List<Step> told = new ArrayList<>();
            VfioException e = assertThrows(VfioException.class, () -> Demo.tell(kernel, "a test", edu, told::add));
            assertTrue(e.reason().matches("it is busy: java \\(pid [0-9]+\\) has it open"), e.getMessage());
            assertEquals(List.of(), told);
            assertEquals(0, process.openDescriptors());
        }
        sanitizer.requireClean();
    }
}
