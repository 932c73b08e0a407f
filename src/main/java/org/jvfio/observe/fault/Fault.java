package org.jvfio.observe.fault;

import java.time.Duration;
import java.util.Objects;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.jvfio.kernel.Errno;

/**
 * A fault of a kernel, a host or a device.
 *
 * @param point the events that it can happen to
 * @param occurrence which of them it happens to
 * @param effect what happens
 */
public record Fault(FaultPoint point, Occurrence occurrence, Effect effect) {
    private static final Duration MAX_DELAY = Duration.ofDays(1);

    /**
     * Requires that the effect can happen at the point.
     *
     * @throws IllegalArgumentException if it cannot
     */
    public Fault {
        Objects.requireNonNull(occurrence, "occurrence");
        String obstacle = obstacle(point, effect);
        if (obstacle != null) {
            throw new IllegalArgumentException(obstacle);
        }
    }

    /** Why an effect cannot happen at a point; null if it can. */
    private static @Nullable String obstacle(FaultPoint point, Effect effect) {
        FaultPoint.On on = point.on();
        String name = Words.of(on);
        return switch (effect) {
            case Effect.Refusal _ when on.isInDevice() -> "only a system call returns an errno, not " + name;
            case Effect.ShortTransfer _ when !on.isTransfer() -> name + " cannot be short: it is no read or write";
            case Effect.Delay _
            when on.isInDevice() && on != FaultPoint.On.INTERRUPT ->
                name + " cannot be delayed: a device's accesses take no time";
            case Effect.Lost _
            when on != FaultPoint.On.INTERRUPT && on != FaultPoint.On.DMA_WRITE && on != FaultPoint.On.REGISTER_WRITE ->
                name + " cannot be lost, only interrupt, dma-write and register-write";
            case Effect.Doubled _ when on != FaultPoint.On.INTERRUPT -> name + " cannot be doubled, only interrupt";
            case Effect.FlippedBits _
            when !on.isDma() && !on.isRegister() -> name + " has no data of a device whose bits could be flipped";
            case Effect.AllOnes _ when on != FaultPoint.On.REGISTER_READ -> name + " does not read a register";
            case Effect.Frozen frozen when frozen.device().isEmpty() && !isOfDevice(point) -> lacksDevice(name);
            case Effect.Removed removed when removed.device().isEmpty() && !isOfDevice(point) -> lacksDevice(name);
            default -> null;
        };
    }

    private static boolean isOfDevice(FaultPoint point) {
        return point.on().isInDevice()
                || point.device().isPresent()
                || point.file().filter(file -> file == FileKind.DEVICE).isPresent()
                || point.request()
                        .filter(request -> request.file() == FileKind.DEVICE)
                        .isPresent();
    }

    private static String lacksDevice(String name) {
        return name + " is of no device: name the device of the effect";
    }

    /** Which of the events that match a fault happens to. */
    public sealed interface Occurrence {
        /** All. */
        static Occurrence always() {
            return new Every(1);
        }

        /** Only one, counted from 1 since the plan was started. */
        static Occurrence nth(long number) {
            return new Nth(number);
        }

        /** Only one, counted from 1 since the plan was started. */
        record Nth(long number) implements Occurrence {
            /** Requires a number from 1. */
            public Nth {
                check("nth", number);
            }
        }

        /** Every {@code number}th, counted from 1. */
        record Every(long number) implements Occurrence {
            /** Requires a number from 1. */
            public Every {
                check("every", number);
            }
        }

        /** Each with a probability from 0 to 1. */
        record Randomly(double probability) implements Occurrence {
            /** Requires a probability. */
            public Randomly {
                if (!(probability >= 0 && probability <= 1)) {
                    throw new IllegalArgumentException("probabilities are 0 to 1, not " + probability);
                }
            }
        }

        private static void check(String name, long number) {
            if (number < 1) {
                throw new IllegalArgumentException(name + " " + number + ": events are counted from 1");
            }
        }
    }

    /** What a fault does. */
    public sealed interface Effect {
        /**
         * The call is not executed, and returns an error. A {@code close} is executed, as Linux frees the descriptor in
         * any case.
         */
        record Refusal(Errno errno) implements Effect {}

        /**
         * The call transfers fewer bytes than it was asked for.
         *
         * @param bytes the maximum that it transfers, from 0
         */
        record ShortTransfer(int bytes) implements Effect {
            /** Requires a count from 0. */
            public ShortTransfer {
                if (bytes < 0) {
                    throw new IllegalArgumentException("a transfer has at least 0 bytes, not " + bytes);
                }
            }
        }

        /** A system call or an interrupt comes later, by at most one day. */
        record Delay(Duration time) implements Effect {
            /** Requires a time of 0 to one day. */
            public Delay {
                checkTime(time);
            }
        }

        /** An interrupt, a DMA write or a write to a register has no effect, without an error. */
        record Lost() implements Effect {}

        /** An interrupt comes twice, the second time after a time of at most one day. */
        record Doubled(Duration after) implements Effect {
            /** Requires a time of 0 to one day. */
            public Doubled {
                checkTime(after);
            }
        }

        /**
         * Random bits of what a device answers are flipped: of the value of a register, or of the data of a DMA. A bit
         * drawn twice is unchanged.
         *
         * @param count the number of bits, at least 1
         */
        record FlippedBits(int count) implements Effect {
            /** Requires a count from 1. */
            public FlippedBits {
                if (count < 1) {
                    throw new IllegalArgumentException("the number of flipped bits is at least 1, not " + count);
                }
            }
        }

        /** A register reads all ones, once, though the device is there. */
        record AllOnes() implements Effect {}

        /**
         * The PE of a device freezes before the event; a DMA fails.
         *
         * @param device its address; empty for the device that the event is of
         */
        record Frozen(Optional<String> device) implements Effect {}

        /**
         * A device is pulled out before the event, for good.
         *
         * @param device its address; empty for the device that the event is of
         */
        record Removed(Optional<String> device) implements Effect {}

        private static void checkTime(Duration time) {
            if (time.isNegative() || time.compareTo(MAX_DELAY) > 0) {
                throw new IllegalArgumentException("a delay of " + time + ": the range is 0 to one day");
            }
        }

        /** Whether it needs an emulated host. */
        default boolean changesHost() {
            return this instanceof Frozen || this instanceof Removed;
        }
    }

    /** As in a plan's file. */
    @Override
    public String toString() {
        return FaultText.of(this);
    }
}
