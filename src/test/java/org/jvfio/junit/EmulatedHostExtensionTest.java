package org.jvfio.junit;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;
import static org.junit.platform.engine.discovery.DiscoverySelectors.selectClass;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
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
import org.jvfio.DmaMemory;
import org.jvfio.PciAddress;
import org.jvfio.VfioException;
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
