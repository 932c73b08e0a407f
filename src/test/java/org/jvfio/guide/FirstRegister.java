package org.jvfio.guide;

// @start region="program"
import java.nio.ByteOrder;
import org.jvfio.Device;
import org.jvfio.PciAddress;
import org.jvfio.Region;
import org.jvfio.emulator.EmulatedKernel;
import org.jvfio.emulator.EmulatedMachine;
import org.jvfio.kernel.Kernel;

/** Reads a register of an edu device. */
public final class FirstRegister {
    private FirstRegister() {}

    public static void main(String[] arguments) {
        Kernel kernel = EmulatedKernel.boot(EmulatedMachine.power8());
        try (Device device = Device.open(kernel, PciAddress.parse("0000:01:00.0"))) {
            device.enableMemory();
            Region registers = device.bar(0).withOrder(ByteOrder.BIG_ENDIAN);
            System.out.printf("%s: 0x%08x%n", device, registers.readInt(0x00));
        }
    }
}
// @end
