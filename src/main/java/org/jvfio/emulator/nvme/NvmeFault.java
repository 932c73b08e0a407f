package org.jvfio.emulator.nvme;

import java.time.Duration;
import java.util.OptionalInt;

/**
 * Something that goes wrong with commands of an NVMe controller.
 *
 * @param commands that it may happen to
 * @param occurrence which of them it does happen to
 * @param effect what happens
 */
public record NvmeFault(Commands commands, Occurrence occurrence, Effect effect) {
    private static final int OPCODES = 1 << Byte.SIZE;

    /**
     * Commands of one kind of queue.
     *
     * @param admin whether it is the admin queue; else it is all I/O queues
     * @param opcode the one that they have, 0 to 255; any one if it is empty
     */
    public record Commands(boolean admin, OptionalInt opcode) {
        public Commands {
            if (opcode.isPresent() && (opcode.getAsInt() < 0 || opcode.getAsInt() >= OPCODES)) {
                throw new IllegalArgumentException("an opcode is from 0 to 255, not " + opcode.getAsInt());
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
            throw new IllegalArgumentException("a probability is from 0 to 1, not " + probability);
        }
    }

    /** Which of the commands a fault happens to. */
    public sealed interface Occurrence {
        /** All of them. */
        static Occurrence always() {
            return new Every(1);
        }

        /** One only, counted from 1 since the controller was made. */
        record Nth(long number) implements Occurrence {
            public Nth {
                check("command", number);
            }
        }

        /** Each one whose count, from 1, is a multiple of {@code number}. */
        record Every(long number) implements Occurrence {
            public Every {
                check("every", number);
            }
        }

        /** Each one with a probability, from 0 to 1. */
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

    /** What happens to a command. */
    public sealed interface Effect {
        /**
         * It is not executed, and completes with a status.
         *
         * @param type the status code type, 0 to 7
         * @param code the status code, 0 to 255
         * @param retry whether the host may expect more of another try
         */
        record Status(int type, int code, boolean retry) implements Effect {
            public Status {
                if (type < 0 || type > 7 || code < 0 || code > 255) {
                    throw new IllegalArgumentException(
                            "status type %d, code %d: they are from 0 to 7 and from 0 to 255".formatted(type, code));
                }
            }
        }

        /**
         * It is executed and completes after a time that is drawn between two, by the host's real clock. Its data are
         * transferred at the end of that time. An asynchronous event request is not delayed.
         *
         * @param most up to one day
         */
        record Delay(Duration least, Duration most) implements Effect {
            private static final Duration LONGEST = Duration.ofDays(1);

            public Delay {
                if (least.isNegative() || most.compareTo(least) < 0 || most.compareTo(LONGEST) > 0) {
                    throw new IllegalArgumentException(
                            "a delay from %s to %s: it is from 0 to one day".formatted(least, most));
                }
            }
        }

        /**
         * It is not executed, and does not complete by itself.
         *
         * @param abortable whether the host can abort it
         */
        record Lost(boolean abortable) implements Effect {}

        /**
         * Its submission queue stalls: neither it nor any command after it is executed, and the host cannot abort them. The
         * queue is as it should be again when the host has deleted it or reset the controller.
         */
        record Stalled() implements Effect {}

        /** It completes twice. */
        record Doubled() implements Effect {}

        /**
         * No interrupt is raised for its completion: neither a message nor the line. The next one of its completion queue
         * tells the host of it too. An asynchronous event request is not affected.
         */
        record LostInterrupt() implements Effect {}

        /**
         * Random bits of its completion entry are flipped; one that is drawn twice is as before. Bit 0 is the lowest of the
         * first byte, bit 127 the highest of the last one: command identifiers are in bits 96 to 111, the phase is bit 112.
         *
         * @param count how many, at least 1
         * @param first the first bit that may be flipped
         * @param length how many bits from there on may be flipped, at least 1
         */
        record CompletionBits(int count, int first, int length) implements Effect {
            private static final int ENTRY_BITS = 128;

            public CompletionBits {
                checkBits(count);
                if (first < 0 || length < 1 || length > ENTRY_BITS - first) {
                    throw new IllegalArgumentException(
                            "%d bits from bit %d on: a completion entry has bits 0 to 127".formatted(length, first));
                }
            }

            /** Any bits of the entry. */
            public CompletionBits(int count) {
                this(count, 0, ENTRY_BITS);
            }
        }

        /**
         * Random bytes are written over entries of its completion queue, from the one on that its completion is written to
         * then.
         *
         * @param entries how many, at least 1; no more than the queue has are overwritten
         */
        record Scribble(int entries) implements Effect {
            public Scribble {
                if (entries < 1) {
                    throw new IllegalArgumentException("at least one entry is overwritten, not " + entries);
                }
            }
        }

        /** Random bits of the data that it gives the host are flipped; one that is drawn twice is as before. */
        record DataBits(int count) implements Effect {
            public DataBits {
                checkBits(count);
            }
        }

        /** The controller fails (CSTS.CFS) and executes nothing until it is reset. */
        record Fatal() implements Effect {}

        /**
         * The controller hangs: it executes nothing any more, its registers read as they are, and what is written to them
         * changes nothing. No reset helps, not even one of the function.
         */
        record Hung() implements Effect {}

        /** It is executed; after it the composite temperature is so many kelvin, 0 to 65535. */
        record Temperature(int kelvin) implements Effect {
            public Temperature {
                if (kelvin >>> Short.SIZE != 0) {
                    throw new IllegalArgumentException(kelvin + " kelvin; the SMART log has 16 bits for them");
                }
            }
        }

        /**
         * It is executed; after it a namespace is detached from the controller, or attached again, and the host is told
         * that it has changed.
         *
         * @param namespace its number, from 1
         */
        record Attachment(int namespace, boolean attached) implements Effect {}

        private static void checkBits(int count) {
            if (count < 1) {
                throw new IllegalArgumentException("at least one bit is flipped, not " + count);
            }
        }
    }
}
