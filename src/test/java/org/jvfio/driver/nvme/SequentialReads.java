package org.jvfio.driver.nvme;

import java.time.Duration;
import org.jvfio.Device;
import org.jvfio.PciAddress;
import org.jvfio.emulator.EmulatedMachine;
import org.jvfio.observe.fault.FaultInjection;
import org.jvfio.observe.fault.FaultSearch.Scenario;
import org.jvfio.observe.fault.Faults;

/** Reads one block after the other, by interrupts: each command must succeed whatever happens to interrupts. */
public final class SequentialReads implements Scenario {
    private static final PciAddress DRIVE = PciAddress.parse("0002:01:00.0");
    /** Longer than an interrupt of a plan may come later: it comes when nothing is in flight. */
    static final Duration PAUSE = Duration.ofMillis(30);

    private static final int COMMANDS = 12;
    private static final NvmeOptions OPTIONS = NvmeOptions.builder()
            .completion(NvmeCompletion.MSIX)
            .commandTimeout(Duration.ofMillis(800))
            .build();

    /** Called by the class loader of a defective copy, too. */
    public SequentialReads() {}

    @Override
    public void run(Faults plan) throws InterruptedException {
        FaultInjection faults = FaultInjection.boot(EmulatedMachine.power8(), plan);
        try (Device device = Device.open(faults.kernel(), DRIVE);
                NvmeController nvme = NvmeController.open(device, OPTIONS);
                NvmeBuffer buffer = nvme.allocate(4096)) {
            NvmeNamespace disk = nvme.namespace(1);
            for (int each = 0; each < COMMANDS; each++) {
                NvmeRequest request = new NvmeRequest().read(disk, each, 1, buffer);
                if (!nvme.queue(0).submit(request)) {
                    throw new IllegalStateException("command " + each + " was not accepted: " + nvme.state());
                }
                nvme.queue(0).await(request);
                request.requireSuccess();
                Thread.sleep(each % 4 == 3 ? PAUSE.toMillis() : 0);
            }
        }
    }
}
