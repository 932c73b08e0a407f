package org.jvfio.guide;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.jvfio.Container;
import org.jvfio.Device;
import org.jvfio.DmaDirection;
import org.jvfio.DmaMapping;
import org.jvfio.DmaMemory;
import org.jvfio.DmaWindow;
import org.jvfio.InterruptType;
import org.jvfio.Interrupts;
import org.jvfio.PciAddress;
import org.jvfio.Region;
import org.jvfio.VfioException;
import org.jvfio.WindowPlan;
import org.jvfio.WindowRequest;
import org.jvfio.emulator.EmulatedKernel;
import org.jvfio.emulator.EmulatedMachine;
import org.jvfio.kernel.Kernel;

/** The steps of the page "A driver in an hour". */
class FirstDriverTest {
    private static final PciAddress EDU = PciAddress.parse("0000:01:00.0");

    private static Device open() {
        return Device.open(EmulatedKernel.boot(EmulatedMachine.power8()), EDU);
    }

    private static Region registers(Device device) {
        device.enableMemory();
        return device.bar(0).withOrder(ByteOrder.BIG_ENDIAN);
    }

    @Test
    void firstStep_identification_isRead() {
        // @start region="register"
        Kernel kernel = EmulatedKernel.boot(EmulatedMachine.power8());
        try (Device device = Device.open(kernel, PciAddress.parse("0000:01:00.0"))) {
            device.enableMemory();
            Region registers = device.bar(0).withOrder(ByteOrder.BIG_ENDIAN);
            int identification = registers.readInt(0x00);
            System.out.printf("%s: 0x%08x%n", device, identification);
        }
        // @end
        try (Device device = Device.open(kernel, EDU)) {
            assertEquals(0x010000ed, registers(device).readInt(0x00));
        }
    }

    @Test
    void secondStep_factorial_isComputed() {
        try (Device device = open()) {
            Region registers = registers(device);
            // @start region="factorial"
            registers.writeInt(0x08, 10);
            long end = System.nanoTime() + 1_000_000_000;
            while ((registers.readInt(0x20) & 1) != 0) {
                if (System.nanoTime() > end) {
                    throw new IllegalStateException("edu does not finish");
                }
            }
            int factorial = registers.readInt(0x08);
            // @end
            assertEquals(3_628_800, factorial);
        }
    }

    @Test
    void thirdStep_text_isCopied() throws InterruptedException {
        try (Device device = open()) {
            Region registers = registers(device);
            // @start region="dma"
            Container container = device.container();
            WindowPlan plan = container.planWindow(WindowRequest.of(1 << 20).dmaMaskBits(32));
            System.out.println(plan);
            DmaWindow window = container.apply(plan);
            DmaMemory memory = container.allocate(1 << 20);
            DmaMapping mapping = window.map(memory, DmaDirection.BIDIRECTIONAL);
            device.enableBusMastering();

            memory.segment().setString(0, "Hello, POWER");
            copy(registers, mapping.iova(), 0x40000, 1);
            copy(registers, 0x40000, mapping.iova() + 4096, 1 | 2);
            String copied = memory.segment().getString(4096);
            // @end
            assertEquals("Hello, POWER", copied);
        }
    }

    // @start region="copy"
    static void copy(Region registers, long source, long destination, int command) throws InterruptedException {
        registers.writeInt(0x80, (int) source);
        registers.writeInt(0x88, (int) destination);
        registers.writeInt(0x90, 4096);
        VarHandle.fullFence();
        registers.writeInt(0x98, command);
        while ((registers.readInt(0x98) & 1) != 0) {
            Thread.sleep(1);
        }
        VarHandle.fullFence();
    }
    // @end

    @Test
    void fourthStep_interrupt_isAwaited() throws InterruptedException {
        try (Device device = open()) {
            Region registers = registers(device);
            device.enableBusMastering();
            boolean interrupted;
            // @start region="interrupt"
            try (Interrupts interrupts = device.enableInterrupts(InterruptType.MSI, 1)) {
                registers.writeInt(0x20, 0x80);
                registers.writeInt(0x08, 12);
                interrupted = interrupts.await(0, Duration.ofSeconds(1));
                registers.writeInt(0x64, registers.readInt(0x24));
            }
            // @end
            assertTrue(interrupted);
            assertEquals(479_001_600, registers.readInt(0x08));
        }
    }

    @Test
    void fifthStep_addressThatIsNotMapped_freezesUntilRecovered() {
        try (Device device = open()) {
            Region registers = registers(device);
            device.enableBusMastering();
            // @start region="recovery"
            VfioException frozen = assertThrows(VfioException.class, () -> copy(registers, 0x10000, 0x40000, 1));
            System.out.println(frozen.getMessage());

            device.recover();
            device.enableMemory();
            device.enableBusMastering();
            int identification = registers.readInt(0x00);
            // @end
            assertEquals(VfioException.Kind.FROZEN, frozen.kind());
            assertEquals(0x010000ed, identification);
        }
    }
}
