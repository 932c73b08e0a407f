package org.jvfio.cli;

import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * A register that a user names: {@code BAR0+0x10:8}, or {@code 0x10:2} where the region is known.
 *
 * @param bar 0 to 5, or {@link #CONFIG}
 * @param offset bytes from the region's beginning
 * @param width bytes: 1, 2, 4 or 8
 */
record Register(int bar, long offset, int width) {
    /** The configuration space in place of a BAR. */
    static final int CONFIG = -1;

    private static final Pattern SYNTAX =
            Pattern.compile("(?i)(?:BAR([0-5])(?:\\+|(?=:|$)))?(0x[0-9a-f]{1,16}|[0-9]{1,18})?(?::([1248]))?");
    private static final int DEFAULT_WIDTH = 4;

    /**
     * A register of a BAR.
     *
     * @throws Failure if it is none
     */
    static Register ofBar(String text) throws Failure {
        Register register = parse(text);
        if (register == null || register.bar == CONFIG) {
            throw Failure.usage(
                    "'" + text + "' is not a register such as BAR0+0x10 or BAR0+0x10:8 (1, 2, 4 or 8 bytes)");
        }
        return register;
    }

    /**
     * A register of configuration space.
     *
     * @throws Failure if it is none
     */
    static Register ofConfig(String text) throws Failure {
        Register register = parse(text);
        if (register == null || register.bar != CONFIG || register.width > DEFAULT_WIDTH) {
            throw Failure.usage("'" + text + "' is not an offset such as 0x4 or 0x4:2 (1, 2 or 4 bytes)");
        }
        return register;
    }

    private static @Nullable Register parse(String text) {
        Matcher matcher = SYNTAX.matcher(text);
        if (!matcher.matches() || (matcher.group(1) == null && matcher.group(2) == null)) {
            return null;
        }
        long offset = matcher.group(2) == null ? 0 : offset(matcher.group(2).toLowerCase(Locale.ROOT));
        if (offset < 0) {
            return null;
        }
        return new Register(
                matcher.group(1) == null ? CONFIG : Integer.parseInt(matcher.group(1)),
                offset,
                matcher.group(3) == null ? DEFAULT_WIDTH : Integer.parseInt(matcher.group(3)));
    }

    private static long offset(String text) {
        return text.startsWith("0x") ? Long.parseUnsignedLong(text.substring(2), 16) : Long.parseLong(text);
    }

    /** As a user writes it. */
    @Override
    public String toString() {
        return (bar == CONFIG ? "config+" : "BAR" + bar + "+") + Json.hex(offset) + ":" + width;
    }
}
