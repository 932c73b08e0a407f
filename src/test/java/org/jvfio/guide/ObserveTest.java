package org.jvfio.guide;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.jvfio.Container;
import org.jvfio.Device;
import org.jvfio.DmaDirection;
import org.jvfio.DmaMapping;
import org.jvfio.DmaMemory;
import org.jvfio.PciAddress;
import org.jvfio.VfioException;
import org.jvfio.driver.edu.EduDevice;
import org.jvfio.emulator.EmulatedKernel;
import org.jvfio.emulator.EmulatedMachine;
import org.jvfio.junit.AllPresets;
import org.jvfio.junit.EmulatedHost;
import org.jvfio.junit.FaultPlan;
import org.jvfio.junit.VfioDevice;
import org.jvfio.kernel.Errno;
import org.jvfio.kernel.Kernel;
import org.jvfio.observe.Difference;
import org.jvfio.observe.Observer;
import org.jvfio.observe.RecordCheck;
import org.jvfio.observe.RecordOptions;
import org.jvfio.observe.Recording;
import org.jvfio.observe.ReplayedKernel;
import org.jvfio.observe.fault.Fault.Effect;
import org.jvfio.observe.fault.Fault.Occurrence;
import org.jvfio.observe.fault.FaultInjection;
import org.jvfio.observe.fault.FaultPoint;
import org.jvfio.observe.fault.Faults;
import org.jvfio.observe.fault.VfioRequest;
import org.jvfio.observe.sanitize.Finding;
import org.jvfio.observe.sanitize.Sanitizer;

/** The listings of the page "See it, record it, break it". */
class ObserveTest {
    private static final PciAddress EDU = PciAddress.parse("0000:01:00.0");
    private static final Duration TIMEOUT = Duration.ofSeconds(10);

    /** Has the device copy some bytes from memory. */
    private static void run(Kernel kernel) {
        try (Device device = Device.open(kernel, EDU)) {
            copy(device);
        }
    }

    private static void copy(Device device) {
        Container container = device.container();
        try (DmaMemory memory = container.allocate(1 << 16);
                DmaMapping mapping = container.defaultWindow().map(memory, DmaDirection.TO_DEVICE)) {
            device.enableBusMastering();
            EduDevice.of(device).readMemory(mapping.iova(), 0, 64, TIMEOUT);
            device.disableBusMastering();
        }
    }

    @Test
    void record_replayedAndChecked_noDifference(@TempDir Path directory) throws IOException {
        Sanitizer sanitizer = Sanitizer.boot(EmulatedMachine.power8());
        Path file = directory.resolve("host.rec");
        Kernel kernel = sanitizer.kernel();
        // @start region="record"
        RecordOptions options = RecordOptions.of(file).withMemory();
        try (Observer observer = Observer.record(options, "my driver")) {
            run(observer.observe(kernel));
        }
        // @end
        // @start region="replay"
        Recording recording = Recording.read(file);
        ReplayedKernel replayed = ReplayedKernel.of(recording);
        run(replayed);
        Optional<Difference> first = replayed.end();
        // @end
        assertEquals(Optional.empty(), first);
        // @start region="check"
        Kernel emulated = EmulatedKernel.boot(EmulatedMachine.power8());
        RecordCheck.Result result = RecordCheck.run(recording, emulated, Duration.ofSeconds(10));
        List<Difference> differences = result.differences();
        // @end
        assertEquals(List.of(), differences);
        assertTrue(Files.size(file) > 0);
        sanitizer.requireClean();
    }

    @Test
    void faults_thirdMapRefused_driverFails() {
        // @start region="faults"
        Faults plan = Faults.NONE.with(
                FaultPoint.ioctl(VfioRequest.VFIO_IOMMU_MAP_DMA), Occurrence.nth(1), new Effect.Refusal(Errno.ENOMEM));
        FaultInjection faults = FaultInjection.boot(EmulatedMachine.power8(), plan);
        VfioException e = assertThrows(VfioException.class, () -> run(faults.kernel()));
        // @end
        assertEquals(Optional.of(Errno.ENOMEM), e.errno());
        assertEquals(1, faults.happened().size());
    }

    @Test
    void sanitizer_deviceLeftOpen_foundWithThePlace() {
        // @start region="sanitizer"
        Sanitizer sanitizer = Sanitizer.boot(EmulatedMachine.power8());
        Device.open(sanitizer.kernel(), EDU);
        List<Finding> findings = sanitizer.finish(); // LEFT_OPEN: descriptor 3, /dev/vfio/vfio, is open ...
        // @end
        assertEquals(
                "LEFT_OPEN: descriptor 3, /dev/vfio/vfio, is open",
                findings.getFirst().toString().lines().findFirst().orElse(""));
        assertEquals(
                "sanitizer_deviceLeftOpen_foundWithThePlace",
                findings.getFirst().sites().getFirst().frames().getFirst().getMethodName());
    }

    // @start region="junit"
    @AllPresets
    void copy_onEachPreset_copies(@VfioDevice("edu") Device device) {
        copy(device);
    }

    @Test
    @EmulatedHost("power9")
    @FaultPlan(source = FirstMapFails.class)
    void copy_mapIsRefused_nothingIsLeft(@VfioDevice("edu") Device device) {
        assertThrows(VfioException.class, () -> copy(device));
    }
    // @end

    /** The first map fails. */
    static final class FirstMapFails implements FaultPlan.Source {
        FirstMapFails() {}

        @Override
        public Faults faults() {
            return Faults.NONE.with(
                    FaultPoint.ioctl(VfioRequest.VFIO_IOMMU_MAP_DMA),
                    Occurrence.nth(1),
                    new Effect.Refusal(Errno.ENOMEM));
        }
    }
}
