package org.jvfio.contract;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.jvfio.Device;
import org.jvfio.DeviceCondition;
import org.jvfio.DmaConstraints;
import org.jvfio.DmaDirection;
import org.jvfio.DmaMapping;
import org.jvfio.DmaMemory;
import org.jvfio.InterruptType;
import org.jvfio.Interrupts;
import org.jvfio.PciAddress;
import org.jvfio.PciCommand;
import org.jvfio.RecoveryOptions;
import org.jvfio.RecoveryResult;
import org.jvfio.RecoveryStep;
import org.jvfio.Region;
import org.jvfio.VfioException;
import org.jvfio.contract.host.ContractHost;
import org.jvfio.contract.host.FrozenKernel;
import org.jvfio.driver.edu.EduDevice;
import org.jvfio.observe.sanitize.ExpectedFindings;
import org.jvfio.observe.sanitize.Finding;

/**
 * A device that stops responding, and {@link Device#recover}: by a reset of its PE where there is EEH, and by opening
 * it again where there is none. Where the host's bridges freeze nothing, the device only seems to, and what the
 * recovery does is real.
 */
@ContractTest
class DriverRecoveryTest extends Contract {
    private static final Duration TIMEOUT = Duration.ofSeconds(60);
    private static final long UNMAPPED = 0x1000_0000;
    private static final int RAISE = 0x60;
    private static final int ACKNOWLEDGE = 0x64;

    private final FrozenKernel kernel = new FrozenKernel(process.kernel());
    private final Device device = Device.open(kernel, PciAddress.parse(first.address()));
    private final EduDevice edu = EduDevice.of(device);
    private final Region registers = device.bar(0).withOrder(edu.order());

    private final ExpectedFindings expected;

    DriverRecoveryTest(ContractHost host) {
        ExpectedFindings none = new ExpectedFindings();
        super(host, host.startWatched(none));
        expected = none;
    }

    @AfterEach
    void closeDevice() {
        device.close();
    }

    private void freeze() {
        if (host.freezes()) {
            expected.add(Finding.Kind.UNMAPPED_DMA, "%s read 8 bytes from 0x%x, ".formatted(device, UNMAPPED), "");
            assertThrows(VfioException.class, () -> edu.readMemory(UNMAPPED, 0, 8, TIMEOUT));
        } else {
            kernel.freeze();
        }
    }

    @Test
    void condition_frozenDevice_frozenOrUnknownWithoutEeh() {
        assertTrue(device.condition().isResponding());
        freeze();
        DeviceCondition condition = device.condition();
        assertEquals(
                host.hasEeh() ? DeviceCondition.State.FROZEN : DeviceCondition.State.UNKNOWN,
                condition.state(),
                condition.toString());
        VfioException e =
                assertThrows(VfioException.class, () -> registers.viaSyscalls().readInt(0));
        assertEquals(VfioException.Kind.FROZEN, e.kind());
        assertEquals("call Device.recover", e.hint().split(",", -1)[0]);
    }

    @Test
    void recover_frozenDevice_usableWithMappingsAndInterrupts() throws InterruptedException {
        assumeTrue(!host.hasEeh() || host.resetsReliably(), "the firmware fails resets after a while");
        DmaMemory memory = device.container().allocate(64 * KIB);
        DmaMapping mapping =
                device.container().map(memory.range(), DmaDirection.BIDIRECTIONAL, DmaConstraints.ofMaskBits(28));
        memory.segment().setString(0, "before");
        device.enableBusMastering();
        edu.readMemory(mapping.iova(), 0, 64, TIMEOUT);
        try (Interrupts interrupts = device.enableInterrupts(InterruptType.MSI, 1)) {
            freeze();
            List<RecoveryStep> told = new ArrayList<>();
            RecoveryResult result = device.recover(RecoveryOptions.DEFAULT.withListener(told::add));
            assertEquals(host.hasEeh() ? RecoveryResult.Means.PE_RESET : RecoveryResult.Means.REOPEN, result.means());
            assertEquals(1, result.resets());
            List<RecoveryStep> steps = new ArrayList<>(List.of(RecoveryStep.values()));
            if (!host.hasEeh()) {
                steps.remove(RecoveryStep.REGISTERS_READABLE);
            }
            assertEquals(steps, told);
            assertTrue(
                    device.condition().isResponding(), () -> device.condition().toString());
            assertTrue(device.configSpace().command().containsAll(List.of(PciCommand.MEMORY, PciCommand.BUS_MASTER)));
            registers.writeInt(RAISE, 1);
            assertTrue(interrupts.await(0, TIMEOUT), "an interrupt after the recovery");
            registers.writeInt(ACKNOWLEDGE, -1);
            memory.segment().setString(0, "after");
            edu.readMemory(mapping.iova(), 0, 64, TIMEOUT);
            edu.writeMemory(mapping.iova() + 4096, 0, 64, TIMEOUT);
            assertEquals("after", memory.segment().getString(4096));
        }
    }

    @Test
    void recover_respondingDevice_leftAlone() {
        assertEquals(RecoveryResult.Means.NONE, device.recover().means());
    }
}
