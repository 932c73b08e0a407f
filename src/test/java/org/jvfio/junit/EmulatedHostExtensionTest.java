package org.jvfio.junit;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;
import static org.junit.platform.engine.discovery.DiscoverySelectors.selectClass;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ExecutionMode;
import org.junit.platform.commons.support.ReflectionSupport;
import org.junit.platform.engine.TestExecutionResult;
import org.junit.platform.launcher.LauncherDiscoveryRequest;
import org.junit.platform.launcher.TestExecutionListener;
import org.junit.platform.launcher.TestIdentifier;
import org.junit.platform.launcher.core.LauncherDiscoveryRequestBuilder;
import org.junit.platform.launcher.core.LauncherFactory;
import org.jvfio.Container;
import org.jvfio.Device;
import org.jvfio.DmaDirection;
import org.jvfio.DmaMapping;
import org.jvfio.DmaMemory;
import org.jvfio.DmaWindow;
import org.jvfio.InterruptType;
import org.jvfio.Interrupts;
import org.jvfio.PageSize;
import org.jvfio.PciAddress;
import org.jvfio.VfioException;
import org.jvfio.WindowPlan;
import org.jvfio.WindowRequest;
import org.jvfio.emulator.EmulatedKernel;
import org.jvfio.emulator.EmulatedMachine;
import org.jvfio.emulator.nvme.EmulatedNvme;
import org.jvfio.kernel.Errno;
import org.jvfio.kernel.Kernel;
import org.jvfio.observe.fault.Fault.Effect;
import org.jvfio.observe.fault.Fault.Occurrence;
import org.jvfio.observe.fault.FaultInjection;
import org.jvfio.observe.fault.FaultPoint;
import org.jvfio.observe.fault.FaultPoint.On;
import org.jvfio.observe.fault.Faults;
import org.jvfio.observe.fault.VfioRequest;
import org.jvfio.observe.sanitize.Finding;
import org.jvfio.observe.sanitize.Sanitizer;
import org.jvfio.uapi.vfio_h;

/** Runs classes of tests with the extension, and checks which of their tests succeed and why the others fail. */
@Timeout(120)
class EmulatedHostExtensionTest {
    /** The results of tests, by their display names. */
    private static final class Results implements TestExecutionListener {
        private final Map<String, TestExecutionResult> byName = new ConcurrentHashMap<>();

        @Override
        public void executionFinished(TestIdentifier test, TestExecutionResult result) {
            if (test.isTest() || result.getStatus() != TestExecutionResult.Status.SUCCESSFUL) {
                byName.put(test.getDisplayName(), result);
            }
        }

        private String failure(String name) {
            TestExecutionResult result = byName.get(name);
            if (result == null) {
                throw new AssertionError("no test " + name + ", only " + byName.keySet());
            }
            return result.getThrowable().map(String::valueOf).orElse("");
        }

        private void assertAllSucceed(int count) {
            byName.forEach((name, _) -> assertEquals("", failure(name), name));
            assertEquals(count, byName.size(), byName.keySet().toString());
        }
    }

    private static Results run(Class<?> tests) {
        LauncherDiscoveryRequest request = LauncherDiscoveryRequestBuilder.request()
                .selectors(selectClass(tests))
                .configurationParameter("junit.jupiter.execution.parallel.enabled", "true")
                .build();
        Results results = new Results();
        LauncherFactory.create().execute(request, results);
        return results;
    }

    @EmulatedHost("power9")
    static class Parameters {
        private static final Set<EmulatedKernel> PROCESSES = ConcurrentHashMap.newKeySet();
        private EmulatedKernel before = EmulatedKernel.boot(EmulatedMachine.power8());

        @BeforeEach
        void remember(EmulatedKernel process) {
            before = process;
        }

        @Test
        void all(
                Kernel kernel,
                EmulatedKernel process,
                org.jvfio.emulator.EmulatedHost host,
                EmulatedMachine machine,
                Container container,
                @VfioDevice("nvme") Device drive,
                @VfioDevice("0001:01:00.0") Device edu,
                Device first,
                FaultInjection faults,
                Sanitizer sanitizer)
                throws IOException {
            assertSame(before, process);
            assertSame(host, process.host());
            assertSame(host, sanitizer.host());
            assertSame(host, faults.host().orElseThrow());
            assertEquals(machine.platform(), EmulatedMachine.power9().platform());
            assertEquals("6.12.0-emulated\n", kernel.readFile("/proc/sys/kernel/osrelease"));
            assertSame(container, drive.container());
            assertSame(container, edu.container());
            assertEquals(PciAddress.parse("0002:01:00.0"), drive.address());
            assertEquals(PciAddress.parse("0000:01:00.0"), first.address());
            assertTrue(PROCESSES.add(process));
        }

        @Test
        @EmulatedHost(value = "power8", linux = "6.4")
        void methodsOwnAnnotation(Kernel kernel, EmulatedKernel process) throws IOException {
            assertTrue(kernel.readFile("/proc/sys/kernel/osrelease").startsWith("6.4"));
            assertTrue(PROCESSES.add(process));
        }
    }

    @Test
    void parameters_everyType_ofOneHostForEachTest() {
        run(Parameters.class).assertAllSucceed(2);
        assertEquals(2, Parameters.PROCESSES.size());
    }

    @EmulatedHost
    static class Leaks {
        @Test
        void leavesAnEventfd(Kernel kernel) {
            kernel.eventfd(0, vfio_h.EFD_NONBLOCK);
        }

        @Test
        @EmulatedHost(allow = Finding.Kind.LEFT_OPEN)
        void leavesAnEventfdThatIsAllowed(Kernel kernel) {
            kernel.eventfd(0, vfio_h.EFD_NONBLOCK);
        }

        @Test
        @EmulatedHost(sanitize = false)
        void isNotWatched(Kernel kernel) {
            kernel.eventfd(0, vfio_h.EFD_NONBLOCK);
        }

        @Test
        void hasNoHost() {
            assertTrue(true);
        }
    }

    @Test
    void sanitizer_leak_testFailsWithThePlace() {
        Results results = run(Leaks.class);
        String failure = results.failure("leavesAnEventfd(Kernel)");
        assertTrue(failure.contains("LEFT_OPEN: descriptor 3, an eventfd, is open"), failure);
        assertTrue(failure.contains("EmulatedHostExtensionTest$Leaks.leavesAnEventfd("), failure);
        assertEquals("", results.failure("leavesAnEventfdThatIsAllowed(Kernel)"));
        assertEquals("", results.failure("isNotWatched(Kernel)"));
        assertEquals("", results.failure("hasNoHost()"));
    }

    /** An unmapping fails. */
    static final class UnmapFails implements FaultPlan.Source {
        UnmapFails() {}

        @Override
        public Faults faults() {
            return Faults.NONE.with(
                    FaultPoint.ioctl(VfioRequest.VFIO_IOMMU_UNMAP_DMA),
                    Occurrence.nth(1),
                    new Effect.Refusal(Errno.EIO));
        }
    }

    /** The creation of a window fails, and not the one that follows it. */
    static final class CreateFails implements FaultPlan.Source {
        CreateFails() {}

        @Override
        public Faults faults() {
            return Faults.NONE.with(
                    FaultPoint.ioctl(VfioRequest.VFIO_IOMMU_SPAPR_TCE_CREATE),
                    Occurrence.nth(1),
                    new Effect.Refusal(Errno.ENOMEM));
        }
    }

    @EmulatedHost
    static class LeftInDevices {
        private @Nullable Interrupts closedAfter;

        @AfterEach
        void close() {
            Interrupts open = closedAfter;
            if (open != null) {
                open.close();
            }
        }

        @Test
        void memory(@VfioDevice("edu") Device device) {
            device.container().allocate(1 << 16);
        }

        @Test
        void mapping(@VfioDevice("edu") Device device) {
            DmaMemory memory = device.container().allocate(1 << 16);
            device.container().defaultWindow().map(memory, DmaDirection.TO_DEVICE);
        }

        @Test
        void segment(Container container, @VfioDevice("edu") Device device) {
            // Otherwise it is freed too early, which is another mistake.
            container.register(Arena.global().allocate(1 << 16, 1 << 16));
            assertSame(container, device.container());
        }

        @Test
        void window(@VfioDevice("edu") Device device) {
            device.container().createWindow(PageSize.SIZE_64K, 1 << 30, 1);
        }

        @Test
        void interrupts(@VfioDevice("nvme") Device device) {
            device.enableInterrupts(InterruptType.MSIX, 2);
        }

        @Test
        void busMastering(@VfioDevice("edu") Device device) {
            device.enableBusMastering();
        }

        @Test
        void otherDevice(Container container, @VfioDevice("edu") Device device) {
            PciAddress other = PciAddress.parse("0002:01:00.0");
            assertNotEquals(other, device.address());
            container.attach(other).openDevice(other);
        }

        @Test
        void everythingIsGivenBack(@VfioDevice("nvme") Device device) {
            try (DmaMemory memory = device.container().allocate(1 << 16);
                    DmaWindow window = device.container().createWindow(PageSize.SIZE_64K, 1 << 30, 1);
                    DmaMapping mapping = window.map(memory, DmaDirection.TO_DEVICE);
                    Interrupts interrupts = device.enableInterrupts(InterruptType.MSIX, 2)) {
                device.enableBusMastering();
                assertEquals(2, interrupts.vectors());
                assertEquals(1 << 16, mapping.size());
                device.disableBusMastering();
            }
        }

        @Test
        void givenBackAfterTheTest(@VfioDevice("nvme") Device device) {
            closedAfter = device.enableInterrupts(InterruptType.MSIX, 2);
            device.closeOnDeviceRequest();
        }

        @Test
        void deviceIsClosed(@VfioDevice("edu") Device device, Container container) {
            device.enableBusMastering();
            device.close();
            container.close();
        }

        @Test
        void peIsFrozen(@VfioDevice("edu") Device device, org.jvfio.emulator.EmulatedHost host) {
            device.enableBusMastering();
            host.freezePe(device.group().number());
        }

        @Test
        void deviceIsRecovered(@VfioDevice("edu") Device device, org.jvfio.emulator.EmulatedHost host) {
            device.enableBusMastering();
            host.freezePe(device.group().number());
            device.recover();
            device.disableBusMastering();
        }

        @Test
        @EmulatedHost(allow = {Finding.Kind.LEFT_ALLOCATED, Finding.Kind.LEFT_REGISTERED})
        void memoryThatIsAllowed(@VfioDevice("edu") Device device) {
            device.container().allocate(1 << 16);
        }

        @Test
        void failsBefore(@VfioDevice("edu") Device device) {
            device.container().allocate(1 << 16);
            throw new IllegalStateException("the test's own failure");
        }

        @Test
        @FaultPlan(source = CreateFails.class)
        void defaultWindowIsCreatedAgain(@VfioDevice("edu") Device device) {
            Container container = device.container();
            WindowPlan plan = container.planWindow(WindowRequest.of(512 << 20).dmaMaskBits(31));
            assertEquals(WindowPlan.Step.REPLACE_DEFAULT, plan.step());
            assertThrows(VfioException.class, () -> container.apply(plan));
            assertEquals(List.of(container.defaultWindow()), container.windows());
        }

        @Test
        @FaultPlan(source = UnmapFails.class)
        void unmapIsRefused(@VfioDevice("edu") Device device) {
            DmaMemory memory = device.container().allocate(1 << 16);
            device.container().defaultWindow().map(memory, DmaDirection.TO_DEVICE);
            assertThrows(VfioException.class, memory::close);
        }
    }

    @Test
    void sanitizer_leftInDeviceOfTheExtension_testFailsWithEachThing() {
        Results results = run(LeftInDevices.class);
        assertLeft(results, "memory(Device)", "LEFT_REGISTERED: 0x10000 bytes", "LEFT_ALLOCATED: 0x10000 bytes");
        assertLeft(
                results,
                "mapping(Device)",
                "LEFT_MAPPED: 0x10000 bytes at IOVA 0x1000 are mapped",
                "LEFT_REGISTERED: 0x10000 bytes",
                "LEFT_ALLOCATED: 0x10000 bytes");
        assertLeft(results, "segment(Container, Device)", "LEFT_REGISTERED: 0x10000 bytes");
        assertLeft(results, "window(Device)", "LEFT_WINDOW: the window at IOVA 0x800000000000000 is not removed");
        assertLeft(results, "interrupts(Device)", "LEFT_ENABLED: MSI-X of 0002:01:00.0 is enabled, with 2 vectors");
        assertLeft(results, "busMastering(Device)", "LEFT_ENABLED: bus mastering of 0000:01:00.0 is enabled");
        assertLeft(results, "otherDevice(Container, Device)", "/dev/vfio/2, is open", "0002:01:00.0, is open");
        for (String clean : List.of(
                "everythingIsGivenBack(Device)",
                "givenBackAfterTheTest(Device)",
                "deviceIsClosed(Device, Container)",
                "peIsFrozen(Device, EmulatedHost)",
                "deviceIsRecovered(Device, EmulatedHost)",
                "memoryThatIsAllowed(Device)",
                "defaultWindowIsCreatedAgain(Device)",
                "unmapIsRefused(Device)")) {
            assertEquals("", results.failure(clean), clean);
        }
        assertEquals("java.lang.IllegalStateException: the test's own failure", results.failure("failsBefore(Device)"));
    }

    private static void assertLeft(Results results, String test, String... things) {
        String failure = results.failure(test);
        String count = things.length == 1 ? "has 1 finding:" : "has " + things.length + " findings:";
        assertTrue(failure.contains(count), failure);
        for (String thing : things) {
            assertTrue(failure.contains(thing), failure);
        }
        assertTrue(failure.contains("$LeftInDevices." + test.substring(0, test.indexOf('(') + 1)), failure);
        assertTrue(failure.contains("A test that does this on purpose: @EmulatedHost(allow = {LEFT_"), failure);
    }

    static class OnAllPresets {
        private static final Set<String> PLATFORMS = ConcurrentHashMap.newKeySet();

        @AllPresets(except = "power11")
        void copies(EmulatedMachine machine, Device device, Container container) {
            PLATFORMS.add(machine.platform().name());
            DmaMemory memory = container.allocate(1 << 16);
            container.defaultWindow().map(memory, DmaDirection.BIDIRECTIONAL);
            memory.close();
        }
    }

    @Test
    void allPresets_exceptOne_onceOnEachOther() {
        run(OnAllPresets.class).assertAllSucceed(EmulatedMachine.presets().size() - 1);
        assertEquals(Set.of("P5IOC2", "IODA1", "PHB3", "PHB4", "PHB5", "PSERIES"), Set.copyOf(OnAllPresets.PLATFORMS));
    }

    /** The third map fails. */
    static final class ThirdMapFails implements FaultPlan.Source {
        ThirdMapFails() {}

        @Override
        public Faults faults() {
            return Faults.NONE.with(
                    FaultPoint.ioctl(VfioRequest.VFIO_IOMMU_MAP_DMA),
                    Occurrence.nth(3),
                    new Effect.Refusal(Errno.ENOMEM));
        }
    }

    @EmulatedHost
    static class Planned {
        @Test
        @FaultPlan(source = ThirdMapFails.class)
        void third(Container container, Device device, FaultInjection faults) {
            DmaMemory memory = container.allocate(3 << 16);
            List<VfioException> failures = new ArrayList<>();
            for (int each = 0; each < 3; each++) {
                try {
                    container.defaultWindow().map(memory.range(each << 16, 1 << 16), DmaDirection.TO_DEVICE);
                } catch (VfioException e) {
                    failures.add(e);
                }
            }
            assertEquals(1, failures.size());
            assertEquals(1, faults.happened().size());
            memory.close();
        }

        @Test
        @FaultPlan("no-such-plan.json")
        void noFile(Kernel kernel) {
            kernel.sysconf(30);
        }

        @Test
        @FaultPlan
        void nothingNamed(Kernel kernel) {
            kernel.sysconf(30);
        }

        @Test
        @FaultPlan(seed = 17)
        void seeded(FaultInjection faults) {
            assertEquals(Faults.random(17), faults.plan());
        }
    }

    @Test
    void faultPlan_sourceFileAndSeed_planOfTheTest() {
        Results results = run(Planned.class);
        assertEquals("", results.failure("third(Container, Device, FaultInjection)"));
        assertEquals("", results.failure("seeded(FaultInjection)"));
        assertTrue(
                results.failure("noFile(Kernel)")
                        .contains("@FaultPlan(\"no-such-plan.json\"): the file cannot be read"),
                results.failure("noFile(Kernel)"));
        assertTrue(
                results.failure("nothingNamed(Kernel)").contains("@FaultPlan needs a file, a source or one seed"),
                results.failure("nothingNamed(Kernel)"));
    }

    @EmulatedHost
    static class Seeds {
        private static final AtomicInteger ASSUMED = new AtomicInteger();

        @RepeatWithSeeds(
                value = 30,
                first = 5,
                on = {On.EVENTFD, On.POLL, On.MMAP},
                among = 4)
        void makesEventfds(Kernel kernel) {
            for (int each = 0; each < 4; each++) {
                int fd = kernel.eventfd(0, vfio_h.EFD_NONBLOCK);
                if (fd < 0) {
                    throw new IllegalStateException("no eventfd");
                }
                kernel.close(fd);
            }
        }

        @RepeatWithSeeds(value = 2, first = 1000)
        void assumes(Kernel kernel) {
            ASSUMED.incrementAndGet();
            assumeTrue(kernel.sysconf(-1) == 0);
        }
    }

    @Test
    void repeatWithSeeds_programThatFails_seedAndFewestFaults() {
        Results results = run(Seeds.class);
        List<String> failed = results.byName.keySet().stream()
                .filter(name -> results.failure(name).contains("AssertionError"))
                .toList();
        assertTrue(!failed.isEmpty() && failed.size() < 30, failed.toString());
        for (String name : failed) {
            String failure = results.failure(name);
            assertTrue(failure.contains(name + " fails: java.lang.IllegalStateException: no eventfd"), failure);
            assertTrue(failure.contains("1 of its "), failure);
            assertTrue(failure.contains("{\"on\": \"eventfd\", \"nth\": "), failure);
        }
        assertEquals(2, Seeds.ASSUMED.get());
        assertTrue(results.failure("seed 1000").startsWith("org.opentest4j.TestAbortedException"));
    }

    @EmulatedHost
    @Execution(ExecutionMode.CONCURRENT)
    static class Parallel {
        private static final CountDownLatch BOTH = new CountDownLatch(2);

        private static void openAtTheSameTime(Device device) throws InterruptedException {
            BOTH.countDown();
            assertTrue(BOTH.await(30, TimeUnit.SECONDS));
            try (DmaMemory memory = device.container().allocate(1 << 16)) {
                device.container().defaultWindow().map(memory, DmaDirection.TO_DEVICE);
            }
        }

        @Test
        void one(Device device) throws InterruptedException {
            openAtTheSameTime(device);
        }

        @Test
        void other(Device device) throws InterruptedException {
            openAtTheSameTime(device);
        }
    }

    @Test
    void parallelTests_sameDevice_hostsOfTheirOwn() {
        run(Parallel.class).assertAllSucceed(2);
    }

    @EmulatedHost("power77")
    static class Wrong {
        @Test
        void noSuchHost(Kernel kernel) {
            kernel.sysconf(30);
        }

        @Test
        @EmulatedHost
        void noSuchDevice(@VfioDevice("gpu") Device device) {
            device.reset();
        }

        @AllPresets(except = "power77")
        void noSuchPreset(Kernel kernel) {
            kernel.sysconf(30);
        }

        @RepeatWithSeeds(0)
        void noSeeds(Kernel kernel) {
            kernel.sysconf(30);
        }

        @RepeatWithSeeds(maxFaults = 0)
        void noFaults(Kernel kernel) {
            kernel.sysconf(30);
        }
    }

    @Test
    void run_wrongAnnotations_messagesNameThem() {
        Results results = run(Wrong.class);
        assertTrue(
                results.failure("noSuchHost(Kernel)").contains("@EmulatedHost(\"power77\"): there is no such preset"),
                results.failure("noSuchHost(Kernel)"));
        assertTrue(
                results.failure("noSuchDevice(Device)")
                        .contains("the host has no device 'gpu' that is bound to vfio-pci"),
                results.failure("noSuchDevice(Device)"));
        assertTrue(
                results.failure("noSuchPreset(Kernel)").contains("@AllPresets(except = \"power77\"): the presets are"),
                results.failure("noSuchPreset(Kernel)"));
        assertTrue(
                results.failure("noSeeds(Kernel)").contains("@RepeatWithSeeds(0): at least one seed is needed"),
                results.failure("noSeeds(Kernel)"));
        assertTrue(
                results.failure("noFaults(Kernel)").contains("@RepeatWithSeeds: 0 faults among 64 events"),
                results.failure("noFaults(Kernel)"));
    }

    /** A machine with an NVMe drive alone. */
    static final class OneDrive implements MachineSource {
        OneDrive() {}

        @Override
        public EmulatedMachine machine() {
            return EmulatedMachine.power10().toBuilder()
                    .withoutDevices()
                    .device("0009:01:00.0", 3, () -> EmulatedNvme.builder().build())
                    .build();
        }
    }

    @EmulatedHost(machine = OneDrive.class)
    static class InCode {
        @Test
        void drive(Device device) {
            assertEquals(PciAddress.parse("0009:01:00.0"), device.address());
        }
    }

    @Test
    void machineSource_inCode_machineOfTheTest() {
        run(InCode.class).assertAllSucceed(1);
        assertThrows(UnsupportedOperationException.class, new MachineSourceProbe()::machine);
    }

    /** What stands for the annotation's own machine cannot be asked. */
    private static final class MachineSourceProbe {
        EmulatedMachine machine() {
            return ReflectionSupport.newInstance(MachineSource.Named.class).machine();
        }
    }
}
