package org.jvfio.driver.nvme;

import java.time.Duration;
import org.jvfio.Device;
import org.jvfio.RecoveryOptions;
import org.jvfio.RecoveryResult;
import org.jvfio.VfioException;
import org.jvfio.VfioException.Kind;

/**
 * Recovers a controller whose PE is frozen: the device is recovered, the commands in flight are completed, kept or
 * failed, and the controller is started again. Called with the controller's lock held and its queues stopped.
 */
final class FreezeRecovery {
    private final ControllerLifecycle owner;
    private final Device device;
    private final RecoveryOptions options;
    private final ControllerRegisters registers;
    private final Startup startup;

    FreezeRecovery(ControllerLifecycle owner, RecoveryOptions options, ControllerRegisters registers, Startup startup) {
        this.owner = owner;
        this.device = owner.device();
        this.options = options;
        this.registers = registers;
        this.startup = startup;
    }

    /**
     * Recovers the controller; {@link IoQueues#start} then submits the kept commands again. A PE that freezes again
     * meanwhile is recovered again, within the same limits.
     *
     * @throws VfioException if the device is lost, the controller does not start, or the limits are exceeded
     */
    NvmeRecovery run(String operation) {
        long begin = System.nanoTime();
        long end = begin + options.timeout().toNanos();
        int resets = 0;
        EndedCommands ended = null;
        for (int attempt = 1; ; attempt++) {
            RecoveryResult result = recoverDevice(end);
            resets += result.resets();
            try {
                registers.stop(operation);
                if (ended == null) {
                    // Not earlier: only now does the device no DMA for sure.
                    ended = owner.endCommands(CommandFailure.ofReset(
                            Kind.FROZEN,
                            "the PE was frozen while the command was in flight: "
                                    + result.before().evidence()));
                }
                startup.again(operation);
                return new NvmeRecovery(
                        result.means(),
                        resets,
                        ended.completedCount(),
                        ended.keptCount(),
                        ended.failedCount(),
                        Duration.ofNanos(System.nanoTime() - begin));
            } catch (VfioException e) {
                boolean isOver = attempt >= options.maxResets() || System.nanoTime() - end > 0;
                if (isOver || device.condition().isResponding()) {
                    throw e;
                }
            }
        }
    }

    /** Recovers the device, or waits while another thread of the program does. */
    private RecoveryResult recoverDevice(long end) {
        while (true) {
            long remaining = Math.max(1, end - System.nanoTime());
            try {
                return device.recover(options.withTimeout(Duration.ofNanos(remaining)));
            } catch (VfioException e) {
                if (e.kind() != Kind.BUSY || System.nanoTime() - end > 0) {
                    throw e;
                }
                ReusableCompletion.pause();
            }
        }
    }
}
