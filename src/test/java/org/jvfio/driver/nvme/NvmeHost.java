package org.jvfio.driver.nvme;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.util.function.Supplier;
import java.util.function.UnaryOperator;
import org.jvfio.Device;
import org.jvfio.PciAddress;
import org.jvfio.PciCommand;
import org.jvfio.emulator.EmulatedKernel;
import org.jvfio.emulator.EmulatedMachine;
import org.jvfio.emulator.device.EmulatedDevice;
import org.jvfio.emulator.nvme.EmulatedNvme;
import org.jvfio.emulator.nvme.NvmeFaults;
import org.jvfio.kernel.Kernel;
import org.jvfio.observe.sanitize.ExpectedFindings;
import org.jvfio.observe.sanitize.Finding;
import org.jvfio.observe.sanitize.Sanitizer;

/** An emulated host with one NVMe drive, and a process that drives it. */
final class NvmeHost implements AutoCloseable {
    static final PciAddress DRIVE = PciAddress.parse("0000:01:00.0");
    static final long BYTES = 64L << 20;

    private final Sanitizer sanitizer = new Sanitizer();
    private final EmulatedKernel process;
    private final Device device;
    private final ExpectedFindings expected = new ExpectedFindings();

    NvmeHost() {
        this(EmulatedMachine.power8(), NvmeHost::drive);
    }

    /** With a drive that something is wrong with; it is given half a second to get ready. */
    NvmeHost(NvmeFaults faults) {
        this(() -> EmulatedNvme.builder()
                .namespace(BYTES)
                .readyTimeout(Duration.ofMillis(500))
                .faults(faults)
                .build());
    }

    NvmeHost(Supplier<? extends EmulatedDevice> drive) {
        this(EmulatedMachine.power8(), drive);
    }

    NvmeHost(EmulatedMachine machine, Supplier<? extends EmulatedDevice> drive) {
        this(machine, drive, kernel -> kernel);
    }

    /** With a kernel in front of the emulated one. */
    NvmeHost(EmulatedMachine machine, Supplier<? extends EmulatedDevice> drive, UnaryOperator<Kernel> decorator) {
        EmulatedMachine withDrive = machine.toBuilder()
                .withoutDevices()
                .device(DRIVE.toString(), 0, drive)
                .build();
        process = EmulatedKernel.boot(withDrive, sanitizer.devices());
        device = Device.open(decorator.apply(sanitizer.around(process, process.host())), DRIVE);
    }

    static EmulatedNvme drive() {
        return EmulatedNvme.builder().namespace(BYTES).build();
    }

    EmulatedKernel process() {
        return process;
    }

    Device device() {
        return device;
    }

    NvmeController open() {
        return open(NvmeOptions.DEFAULT);
    }

    NvmeController open(NvmeOptions options) {
        return NvmeController.open(device, options);
    }

    /** Whether the drive may do DMA. */
    boolean isBusMaster() {
        return device.configSpace().command().contains(PciCommand.BUS_MASTER);
    }

    /** The test makes a mistake on purpose: {@link ExpectedFindings#add}. */
    void expect(Finding.Kind kind, String text, String method) {
        expected.add(kind, text, method);
    }

    /** Closes the device; nothing of the process may be left then, and nothing wrong have been done. */
    @Override
    public void close() {
        device.close();
        assertEquals(0, process.openDescriptors(), "open descriptors");
        assertEquals(0, process.lockedBytes(), "locked bytes");
        assertEquals(0, process.registeredRegions(), "registered regions");
        assertEquals(0, process.host().userMemoryBytes(), "bytes of memory");
        assertTrue(process.host().group(0).ownedByHost(), "the group is the host's");
        expected.requireIn(sanitizer);
    }
}
