package org.jvfio.cli;

import java.io.PrintStream;
import java.math.BigInteger;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;
import java.util.regex.Pattern;
import org.apache.commons.cli.CommandLine;
import org.jvfio.ByteSize;
import org.jvfio.emulator.EmulatedMachine;
import org.jvfio.kernel.Kernel;

/**
 * A parsed command line and where its command writes: results to {@code out}, all else to {@code err}.
 *
 * @param arguments the positional ones, as many as the syntax has
 * @param boot starts an emulated host, or gives a process on one that runs
 */
record Invocation(
        CommandLine line,
        List<String> arguments,
        StandardOutput out,
        PrintStream err,
        Terminal terminal,
        Function<EmulatedMachine, Kernel> boot) {
    private static final Pattern DECIMAL = Pattern.compile("[0-9]+");
    private static final Pattern HEXADECIMAL = Pattern.compile("0[xX][0-9a-fA-F]{1,16}");

    boolean has(String option) {
        return line.hasOption(option);
    }

    /** Whether the result is for programs. */
    boolean json() {
        return has("json");
    }

    Optional<String> value(String option) {
        return Optional.ofNullable(line.getOptionValue(option));
    }

    /** The values of an option that may be repeated. */
    List<String> values(String option) {
        String[] values = line.getOptionValues(option);
        return values == null ? List.of() : List.of(values);
    }

    /**
     * A count of bytes, such as 4096, 0x1000, 64K or 1G.
     *
     * @param missing the value without the option
     * @throws Failure if it is none
     */
    long bytes(String option, long missing) throws Failure {
        Optional<String> text = value(option);
        return text.isPresent() ? bytes("--" + option, text.get()) : missing;
    }

    /**
     * A count of bytes.
     *
     * @param what what it is, for the message
     * @throws Failure if it is none
     */
    static long bytes(String what, String text) throws Failure {
        try {
            if (HEXADECIMAL.matcher(text).matches()) {
                return requirePositive(Long.parseUnsignedLong(text.substring(2), 16), text);
            }
            return ByteSize.parse(text);
        } catch (IllegalArgumentException e) {
            throw Failure.usage(what + ": " + e.getMessage());
        }
    }

    private static long requirePositive(long value, String text) {
        if (value < 0) {
            throw new IllegalArgumentException("'" + text + "' is too large for a count of bytes");
        }
        return value;
    }

    /**
     * A whole number.
     *
     * @param missing the value without the option
     * @throws Failure if it is none, or out of range
     */
    long number(String option, long missing, long least, long most) throws Failure {
        Optional<String> text = value(option);
        return text.isPresent() ? number("--" + option, text.get(), least, most) : missing;
    }

    /**
     * A whole number.
     *
     * @param what what it is, for the message
     * @throws Failure if it is none, or out of range
     */
    static long number(String what, String text, long least, long most) throws Failure {
        BigInteger value = DECIMAL.matcher(text).matches() ? new BigInteger(text) : BigInteger.ONE.negate();
        if (value.compareTo(BigInteger.valueOf(least)) < 0 || value.compareTo(BigInteger.valueOf(most)) > 0) {
            throw Failure.usage("%s %s: use a number from %d to %d".formatted(what, text, least, most));
        }
        return value.longValueExact();
    }

    /**
     * One of some words.
     *
     * @throws Failure if it is none of them
     */
    String word(String option, String missing, List<String> words) throws Failure {
        String word = value(option).orElse(missing);
        if (!words.contains(word)) {
            throw Failure.usage(
                    "--%s %s: use %s%s".formatted(option, word, Words.oneOf(words), Suggestion.of(word, words)));
        }
        return word;
    }
}
