package org.jvfio.example;

import java.time.Duration;
import java.util.Set;
import java.util.function.Supplier;
import org.jvfio.emulator.device.DeviceModel;
import org.jvfio.emulator.device.MachineOptions;

/** Gives machine files the model {@code adder}: an {@link Adder}, which takes {@code latencyMicros} to add. */
public final class AdderModel implements DeviceModel {
    private static final Duration LATENCY = Duration.ofMillis(1);

    /** For {@link java.util.ServiceLoader}. */
    public AdderModel() {}

    @Override
    public String name() {
        return "adder";
    }

    @Override
    public Set<String> options() {
        return Set.of("latencyMicros");
    }

    @Override
    public Supplier<Adder> configure(MachineOptions options) {
        Duration latency = options.micros("latencyMicros", LATENCY);
        return () -> new Adder(latency);
    }
}
