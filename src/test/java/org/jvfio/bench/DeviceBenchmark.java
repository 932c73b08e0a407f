package org.jvfio.bench;

import java.time.Duration;
import org.jvfio.Device;
import org.jvfio.InterruptType;
import org.jvfio.Interrupts;
import org.jvfio.PciAddress;
import org.jvfio.Region;
import org.jvfio.emulator.EmulatedKernel;
import org.jvfio.emulator.EmulatedMachine;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;

/** What a driver does most, through the library: registers by calls of the kernel, and interrupts. */
public class DeviceBenchmark extends EmulatedBenchmark {
    private static final Duration LONG = Duration.ofMinutes(1);
    private static final int LIVENESS = 4;

    /** An edu device with its message enabled. */
    @State(Scope.Benchmark)
    public static class Edu {
        private final Device device =
                Device.open(EmulatedKernel.boot(EmulatedMachine.power8()), PciAddress.parse("0000:01:00.0"));
        private final Region registers = device.bar(0);
        private final Interrupts interrupts = device.enableInterrupts(InterruptType.MSI, 1);

        @TearDown
        public void close() {
            device.close();
        }
    }

    @Benchmark
    public int readRegister(Edu edu) {
        return edu.registers.readInt(LIVENESS);
    }

    @Benchmark
    public void writeRegister(Edu edu) {
        edu.registers.writeInt(LIVENESS, 1);
    }

    /** An interrupt on its way: the call that triggers it, the device's thread, the thread that waits. */
    @Benchmark
    public boolean interrupt(Edu edu) throws InterruptedException {
        edu.interrupts.trigger(0);
        return edu.interrupts.await(0, LONG);
    }
}
