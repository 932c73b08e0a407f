package org.jvfio;

import java.util.Collection;
import java.util.Optional;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * Why a call failed, and what helps.
 *
 * @param reason what is wrong
 * @param hint what to do about it
 */
record Cause(String reason, String hint) {

    /** A cause, where there may be none. */
    static Optional<Cause> of(String reason, String hint) {
        return Optional.of(new Cause(reason, hint));
    }

    /** All of several, where any of them would do. */
    static Cause ofAll(Collection<Cause> causes) {
        return new Cause(
                join(causes.stream().map(Cause::reason), "; "),
                join(causes.stream().map(Cause::hint), ", or "));
    }

    private static String join(Stream<String> parts, String delimiter) {
        return parts.distinct().collect(Collectors.joining(delimiter));
    }

    /** For an answer of the kernel that has no known cause here. */
    static Cause unknown() {
        return new Cause("the kernel refused", "the kernel's log may tell more: dmesg");
    }
}
