package org.jvfio.emulator.edu;

import java.nio.ByteOrder;
import java.time.Duration;
import java.util.Set;
import java.util.function.Supplier;
import org.jvfio.emulator.device.DeviceModel;
import org.jvfio.emulator.device.MachineOptions;

/**
 * The device model {@code edu} of machine files: an {@link EmulatedEdu}. Its options are
 *
 * <ul>
 *   <li>{@code "registers"}: {@code "big"} or {@code "little"}, the byte order of its registers; big-endian by default
 *   <li>{@code "dmaMaskBits"}: the width of DMA addresses in bits, 1 to 64; 64 by default
 *   <li>{@code "latencyMicros"}: the duration of a transfer and of a factorial, in microseconds; 10000 by default
 * </ul>
 */
public final class EduModel implements DeviceModel {
    private static final Duration LATENCY = Duration.ofMillis(10);

    /** For {@link java.util.ServiceLoader}. */
    public EduModel() {}

    @Override
    public String name() {
        return "edu";
    }

    @Override
    public Set<String> options() {
        return Set.of("registers", "dmaMaskBits", "latencyMicros");
    }

    @Override
    public Supplier<EmulatedEdu> configure(MachineOptions options) {
        String registers = options.string("registers", "big");
        if (!registers.equals("big") && !registers.equals("little")) {
            throw options.wrong(
                    "registers", "has 'registers' '" + registers + "'; the byte order is 'big' or 'little'");
        }
        int bits = options.integer("dmaMaskBits", Long.SIZE);
        if (bits < 1 || bits > Long.SIZE) {
            throw options.wrong("dmaMaskBits", "has 'dmaMaskBits' " + bits + "; the range is 1 to 64");
        }
        Duration latency = options.micros("latencyMicros", LATENCY);
        ByteOrder order = registers.equals("big") ? ByteOrder.BIG_ENDIAN : ByteOrder.LITTLE_ENDIAN;
        return () -> new EmulatedEdu(order, -1L >>> (Long.SIZE - bits), latency);
    }
}
