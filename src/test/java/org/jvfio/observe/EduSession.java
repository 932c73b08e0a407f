package org.jvfio.observe;

import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.time.Duration;
import org.jvfio.Container;
import org.jvfio.Device;
import org.jvfio.DmaConstraints;
import org.jvfio.DmaDirection;
import org.jvfio.DmaMapping;
import org.jvfio.DmaMemory;
import org.jvfio.InterruptType;
import org.jvfio.PciAddress;
import org.jvfio.driver.edu.EduDevice;
import org.jvfio.emulator.EmulatedMachine;
import org.jvfio.emulator.edu.EmulatedEdu;
import org.jvfio.kernel.Kernel;
import org.jvfio.observe.sanitize.Sanitizer;

/** A short program with DMA, registers and an interrupt. */
final class EduSession {
    static final PciAddress ADDRESS = PciAddress.parse("0000:01:00.0");
    private static final Duration TIMEOUT = Duration.ofSeconds(20);
    private static final int BYTES = 256;

    private EduSession() {}

    static EmulatedMachine machine() {
        return EmulatedMachine.power8().toBuilder()
                .withoutDevices()
                .device(ADDRESS.toString(), 0, () -> new EmulatedEdu(ByteOrder.BIG_ENDIAN, -1, Duration.ofMillis(1)))
                .build();
    }

    /** A host for programs that drive no device. */
    static Kernel boot() {
        return Sanitizer.boot(machine()).kernel();
    }

    /** What is done with a host. */
    interface Use<T> {
        T on(Kernel kernel) throws IOException;
    }

    /** Gives a program a host, in whose use the sanitizer must find nothing. */
    static <T> T watched(Use<T> program) throws IOException {
        Sanitizer sanitizer = Sanitizer.boot(machine());
        T result = program.on(sanitizer.kernel());
        sanitizer.requireClean();
        return result;
    }

    /** Copies bytes through the device, and computes a factorial with interrupts. */
    static void run(Kernel kernel) {
        run(kernel, 10);
    }

    /** @param factorial the number whose factorial is computed: makes one program differ from another */
    static void run(Kernel kernel, int factorial) {
        run(kernel, factorial, true);
    }

    /** As {@link #run(Kernel, int)}, by one thread: when the thread of interrupts polls depends on the scheduler. */
    static void poll(Kernel kernel, int factorial) {
        run(kernel, factorial, false);
    }

    private static void run(Kernel kernel, int factorial, boolean interrupts) {
        try (Container container = Container.open(kernel);
                Device device = container.attach(ADDRESS).openDevice(ADDRESS)) {
            DmaMemory memory = container.allocate(1 << 16);
            DmaMapping mapping =
                    container.map(memory.range(), DmaDirection.BIDIRECTIONAL, DmaConstraints.ofMaskBits(64));
            EduDevice edu = EduDevice.of(device);
            for (int each = 0; each < BYTES; each++) {
                memory.segment().set(ValueLayout.JAVA_BYTE, each, (byte) each);
            }
            edu.readMemory(mapping.iova(), 0, BYTES, TIMEOUT);
            edu.writeMemory(mapping.iova() + BYTES, 0, BYTES, TIMEOUT);
            long mismatch =
                    memory.segment().asSlice(0, BYTES).mismatch(memory.segment().asSlice(BYTES, BYTES));
            if (mismatch >= 0) {
                throw new IllegalStateException("byte " + mismatch + " came back wrong");
            }
            if (interrupts) {
                edu.enableInterrupts(InterruptType.MSI);
            }
            edu.factorial(factorial, TIMEOUT);
            edu.disableInterrupts();
        }
    }
}
