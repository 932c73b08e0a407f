package org.jvfio.emulator.nvme;

import java.time.Duration;
import java.util.OptionalInt;

/**
 * A fault of an NVMe controller that affects commands.
 *
 * @param commands the commands that it can affect
 * @param occurrence which of them it affects
 * @param effect what it does
 */
public record NvmeFault(Commands commands, Occurrence occurrence, Effect effect) {
    private static final int OPCODES = 1 << Byte.SIZE;

    /**
     * A selection of commands.
     *
     * @param admin true for the admin queue, false for all I/O queues
     * @param opcode their opcode, 0 to 255; empty for all opcodes
     */
    public record Commands(boolean admin, OptionalInt opcode) {
        public Commands {
            if (opcode.isPresent() && (opcode.getAsInt() < 0 || opcode.getAsInt() >= OPCODES)) {
                throw new IllegalArgumentException("opcodes are 0 to 255, not " + opcode.getAsInt());
            }
        }

        /** All admin commands. */
        public static Commands anyAdmin() {
            return new Commands(true, OptionalInt.empty());
        }

        /** Admin commands with an opcode. */
        public static Commands admin(int opcode) {
            return new Commands(true, OptionalInt.of(opcode));
        }

        /** All I/O commands. */
        public static Commands anyIo() {
            return new Commands(false, OptionalInt.empty());
        }

        /** I/O commands with an opcode. */
        public static Commands io(int opcode) {
            return new Commands(false, OptionalInt.of(opcode));
        }

        boolean include(Command command) {
            return command.queue().isAdmin() == admin && (opcode.isEmpty() || opcode.getAsInt() == command.opcode());
        }
    }

    static void checkProbability(double probability) {
        if (!(probability >= 0 && probability <= 1)) {
            throw new IllegalArgumentException("probabilities are 0 to 1, not " + probability);
        }
    }

    /** Which of the selected commands a fault affects. */
    public sealed interface Occurrence {
        /** All. */
        static Occurrence always() {
            return new Every(1);
        }

        /** Only one, counted from 1 since the controller was built. */
        record Nth(long number) implements Occurrence {
            public Nth {
                check("command", number);
            }
        }

        /** Every {@code number}th, counted from 1. */
        record Every(long number) implements Occurrence {
            public Every {
                check("every", number);
            }
        }

        /** Each with a probability from 0 to 1. */
        record Randomly(double probability) implements Occurrence {
            public Randomly {
                checkProbability(probability);
            }
        }

        private static void check(String name, long number) {
            if (number < 1) {
                throw new IllegalArgumentException(name + " number " + number + ": commands are counted from 1");
            }
        }
    }

    /** The effect of a fault on a command. */
    public sealed interface Effect {
        /**
         * The command is not executed, and completes with a status.
         *
         * @param type the status code type, 0 to 7
         * @param code the status code, 0 to 255
         * @param retry whether Do Not Retry is clear
         */
        record Status(int type, int code, boolean retry) implements Effect {
            public Status {
                if (type < 0 || type > 7 || code < 0 || code > 255) {
                    throw new IllegalArgumentException(
                            "status type %d, code %d: the ranges are 0 to 7 and 0 to 255".formatted(type, code));
                }
            }
        }

        /**
         * The command is executed, and its data transferred, after a random delay of real time. An Asynchronous Event
         * Request is not delayed.
         *
         * @param minimum at least 0
         * @param maximum from the minimum to one day
         */
        record Delay(Duration minimum, Duration maximum) implements Effect {
            private static final Duration MAX_DELAY = Duration.ofDays(1);

            public Delay {
                if (minimum.isNegative() || maximum.compareTo(MAX_DELAY) > 0) {
                    throw new IllegalArgumentException(
                            "a delay from %s to %s: the range is 0 to one day".formatted(minimum, maximum));
                }
                if (maximum.compareTo(minimum) < 0) {
                    throw new IllegalArgumentException(
                            "the maximum delay, %s, is less than the minimum, %s".formatted(maximum, minimum));
                }
            }
        }

        /**
         * The command is not executed, and does not complete by itself.
         *
         * @param abortable whether the host can abort it
         */
        record Lost(boolean abortable) implements Effect {}

        /**
         * The submission queue stalls: neither this command nor any later one is executed, and the host cannot abort
         * them. Deleting the queue or resetting the controller ends the stall.
         */
        record Stalled() implements Effect {}

        /** The command completes twice. */
        record Doubled() implements Effect {}

        /**
         * No interrupt is raised for the completion, neither a message nor INTx; the host finds it at the next
         * interrupt of the completion queue. An Asynchronous Event Request is not affected.
         */
        record LostInterrupt() implements Effect {}

        /**
         * Random bits of the completion entry are flipped; a bit drawn twice is unchanged. Bit 0 is the lowest bit of
         * the first byte, bit 127 the highest of the last: the command identifier is in bits 96 to 111, the phase tag
         * is bit 112.
         *
         * @param count the number of bits, 1 to {@code length}
         * @param first the first bit that can be flipped
         * @param length the number of bits from there that can be flipped, at least 1
         */
        record CompletionBits(int count, int first, int length) implements Effect {
            private static final int ENTRY_BITS = 128;

            public CompletionBits {
                checkBits(count);
                if (first < 0 || length < 1 || length > ENTRY_BITS - first) {
                    throw new IllegalArgumentException(
                            "%d bits from bit %d: a completion entry has bits 0 to 127".formatted(length, first));
                }
                if (count > length) {
                    throw new IllegalArgumentException(
                            "cannot flip %d bits of a completion entry: there are %d".formatted(count, length));
                }
            }

            /** Random bits anywhere in the entry. */
            public CompletionBits(int count) {
                this(count, 0, ENTRY_BITS);
            }
        }

        /**
         * Random bytes overwrite entries of the completion queue, starting with the next one to be written.
         *
         * @param entries the number of entries, at least 1; at most the whole queue is overwritten
         */
        record Scribble(int entries) implements Effect {
            public Scribble {
                if (entries < 1) {
                    throw new IllegalArgumentException("at least one entry is overwritten, not " + entries);
                }
            }
        }

        /** Random bits of the data that it transfers to the host are flipped; a bit drawn twice is unchanged. */
        record DataBits(int count) implements Effect {
            public DataBits {
                checkBits(count);
            }
        }

        /** The controller fails (CSTS.CFS), and executes nothing until it is reset. */
        record Fatal() implements Effect {}

        /**
         * The controller hangs: it executes nothing, its registers keep their values and ignore writes. Not even a
         * function reset helps.
         */
        record Hung() implements Effect {}

        /** The command is executed, and then sets the composite temperature in kelvin, 0 to 65535. */
        record Temperature(int kelvin) implements Effect {
            public Temperature {
                if (kelvin >>> Short.SIZE != 0) {
                    throw new IllegalArgumentException(kelvin + " kelvin: the range is 0 to 65535");
                }
            }
        }

        /**
         * The command is executed; then a namespace is detached or attached again, and the change is reported to the
         * host.
         *
         * @param namespace the namespace identifier, 1 to 256
         */
        record Attachment(int namespace, boolean attached) implements Effect {
            public Attachment {
                NamespaceList.checkId(namespace);
            }
        }

        private static void checkBits(int count) {
            if (count < 1) {
                throw new IllegalArgumentException("the number of flipped bits is at least 1, not " + count);
            }
        }
    }
}
