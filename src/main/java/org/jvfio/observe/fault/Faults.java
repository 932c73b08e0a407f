package org.jvfio.observe.fault;

import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.jvfio.observe.fault.Fault.Effect;
import org.jvfio.observe.fault.Fault.Occurrence;

/**
 * A plan of faults. Immutable; {@link FaultInjection} carries it out. Several faults can happen to one event. What is
 * random in it depends on the seed and the order of the events only.
 *
 * @param seed the seed of what is random
 * @param faults the faults
 */
public record Faults(long seed, List<Fault> faults) {
    /** No faults. */
    public static final Faults NONE = new Faults(0, List.of());

    /** Copies the list. */
    public Faults {
        faults = List.copyOf(faults);
    }

    /** No faults, with a seed for those that are added. */
    public static Faults seeded(long seed) {
        return new Faults(seed, List.of());
    }

    /**
     * A random plan, of 1 to 4 faults of all kinds among the first events of a run, as {@link RandomFaults#ANY} draws
     * it. The same seed gives the same plan.
     */
    public static Faults random(long seed) {
        return RandomFaults.ANY.draw(seed);
    }

    /**
     * Reads a plan from a JSON file:
     *
     * <pre>{@code
     * {
     *   "seed": 7,
     *   "faults": [
     *     {"on": "ioctl", "request": "VFIO_IOMMU_MAP_DMA", "range": "0x0..0xffffffff", "nth": 3, "errno": "ENOMEM"},
     *     {"on": "pread", "device": "0002:01:00.0", "area": "bar0", "every": 100, "delayMicros": 500},
     *     {"on": "read", "file": "eventfd", "nth": 1, "shortBytes": 4},
     *     {"on": "interrupt", "device": "0002:01:00.0", "vector": 1, "nth": 2, "doubledAfterMicros": 100},
     *     {"on": "interrupt", "probability": 0.01, "lost": true},
     *     {"on": "dma-write", "size": 16, "nth": 5, "flippedBits": 2},
     *     {"on": "register-read", "area": "bar0", "range": "0x1c..0x1f", "nth": 9, "allOnes": true},
     *     {"on": "dma-read", "nth": 4, "frozen": true},
     *     {"on": "open", "path": "/dev/vfio/vfio", "nth": 2, "removed": "0002:01:00.0"}
     *   ]
     * }
     * }</pre>
     *
     * {@code "on"} is an {@link FaultPoint.On}; {@code "request"}, {@code "file"}, {@code "device"}, {@code "area"},
     * {@code "range"}, {@code "vector"}, {@code "size"} and {@code "path"} are the other components of {@link
     * FaultPoint}. One of {@code "nth"}, {@code "every"} and {@code "probability"} is the {@link Occurrence}; without
     * any the fault always happens. Exactly one of {@code "errno"}, {@code "shortBytes"}, {@code "delayMicros"}, {@code
     * "lost"}, {@code "doubledAfterMicros"}, {@code "flippedBits"}, {@code "allOnes"}, {@code "frozen"} and {@code
     * "removed"} is the {@link Effect}; the last two are {@code true}, for the device of the event, or the address of a
     * device. Constants are written in lower case with hyphens, ioctls as in {@code linux/vfio.h}.
     *
     * @throws IOException if the file cannot be read
     * @throws IllegalArgumentException if it is not a plan; the message names the file, the line and what is wrong
     * @throws IllegalStateException if the library {@code jackson-jr-objects}, optional for this module, is not
     *     available
     */
    public static Faults read(Path file) throws IOException {
        return FaultFile.read(file);
    }

    /** Adds a fault. */
    public Faults with(FaultPoint point, Occurrence occurrence, Effect effect) {
        return with(new Fault(point, occurrence, effect));
    }

    /** Adds a fault. */
    public Faults with(Fault fault) {
        return new Faults(seed, Stream.concat(faults.stream(), Stream.of(fault)).toList());
    }

    /**
     * The plan without one fault.
     *
     * @param index of the fault, from 0
     */
    Faults without(int index) {
        return new Faults(
                seed,
                Stream.concat(faults.stream().limit(index), faults.stream().skip(index + 1L))
                        .toList());
    }

    /** Whether it needs an emulated host: it has faults of devices, freezes or removals. */
    public boolean needsEmulatedHost() {
        return faults.stream()
                .anyMatch(fault ->
                        fault.point().on().isInDevice() || fault.effect().changesHost());
    }

    /** The plan as an object of JSON that {@link #read} understands. */
    public Map<String, Object> describe() {
        Map<String, Object> plan = new LinkedHashMap<>();
        plan.put("seed", seed);
        plan.put("faults", faults.stream().map(FaultText::describe).toList());
        return plan;
    }

    /** One line of JSON that {@link #read} understands. */
    @Override
    public String toString() {
        return "{\"seed\": %d, \"faults\": %s}".formatted(seed, faults);
    }
}
