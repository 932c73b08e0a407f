package org.jvfio.guide;

import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.time.Duration;
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

/** All steps of the page "A driver in an hour". */
public final class FirstDriver {
    private FirstDriver() {}

    public static void main(String[] arguments) throws InterruptedException {
        Kernel kernel = EmulatedKernel.boot(EmulatedMachine.power8());
        try (Device device = Device.open(kernel, PciAddress.parse("0000:01:00.0"))) {
            device.enableMemory();
            Region registers = device.bar(0).withOrder(ByteOrder.BIG_ENDIAN);
            System.out.printf("%s: 0x%08x%n", device, registers.readInt(0x00));

            // @start region="factorial"
            registers.writeInt(0x08, 10);
            awaitZero(registers, 0x20, 1);
            System.out.printf("10! = %d%n", registers.readInt(0x08));
            // @end

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
            System.out.println(memory.segment().getString(4096));
            // @end

            // @start region="interrupt"
            try (Interrupts interrupts = device.enableInterrupts(InterruptType.MSI, 1)) {
                registers.writeInt(0x20, 0x80);
                registers.writeInt(0x08, 12);
                boolean interrupted = interrupts.await(0, Duration.ofSeconds(10));
                registers.writeInt(0x64, registers.readInt(0x24));
                System.out.printf("interrupted: %b, 12! = %d%n", interrupted, registers.readInt(0x08));
            }
            // @end

            // @start region="recovery"
            try {
                copy(registers, 0x7000_0000, 0x40000, 1);
            } catch (VfioException e) {
                System.out.println(e.getMessage());
                if (e.kind() != VfioException.Kind.FROZEN) {
                    throw e;
                }
                device.recover();
                device.enableMemory();
                device.enableBusMastering();
            }
            System.out.printf("%s: 0x%08x%n", device, registers.readInt(0x00));
            // @end
        }
    }

    // @start region="await"
    /** Waits until bits of a register are 0. */
    private static void awaitZero(Region registers, long offset, int bits) throws InterruptedException {
        long end = System.nanoTime() + Duration.ofSeconds(10).toNanos();
        while ((registers.readInt(offset) & bits) != 0) {
            if (System.nanoTime() - end > 0) {
                throw new IllegalStateException("edu does not finish");
            }
            Thread.sleep(1);
        }
    }
    // @end

    // @start region="copy"
    private static void copy(Region registers, long source, long destination, int command) throws InterruptedException {
        registers.writeInt(0x80, (int) source);
        registers.writeInt(0x88, (int) destination);
        registers.writeInt(0x90, 4096);
        VarHandle.fullFence();
        registers.writeInt(0x98, command);
        awaitZero(registers, 0x98, 1);
        VarHandle.fullFence();
    }
    // @end
}
