package org.jvfio.cli;

import java.math.BigInteger;
import org.apache.commons.cli.CommandLine;
import org.jvfio.ByteSize;

/** Reads the values of options. */
final class CommandOptions {
    private CommandOptions() {}

    /**
     * A count of bytes, such as 4096, 64K or 1G.
     *
     * @param missing the value without the option
     * @throws Failure if it is none
     */
    static long bytes(CommandLine line, String option, long missing) throws Failure {
        String text = line.getOptionValue(option);
        if (text == null) {
            return missing;
        }
        try {
            return ByteSize.parse(text);
        } catch (IllegalArgumentException e) {
            throw new Failure(Failure.USAGE, "--" + option + ": " + e.getMessage());
        }
    }

    /**
     * A whole number.
     *
     * @param missing the value without the option
     * @throws Failure if it is none, or out of range
     */
    static long number(CommandLine line, String option, long missing, long least, long most) throws Failure {
        String text = line.getOptionValue(option);
        if (text == null) {
            return missing;
        }
        BigInteger value = text.matches("[0-9]+") ? new BigInteger(text) : BigInteger.ONE.negate();
        if (value.compareTo(BigInteger.valueOf(least)) < 0 || value.compareTo(BigInteger.valueOf(most)) > 0) {
            throw new Failure(
                    Failure.USAGE, "--%s %s: use a number from %d to %d".formatted(option, text, least, most));
        }
        return value.longValueExact();
    }
}
