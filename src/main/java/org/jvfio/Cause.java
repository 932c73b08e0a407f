package org.jvfio;

import java.util.Collection;
import java.util.EnumSet;
import java.util.Optional;
import java.util.Set;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jvfio.VfioException.Kind;
import org.jvfio.kernel.Errno;

/**
 * Why a call failed, and what helps.
 *
 * @param reason what is wrong
 * @param hint what to do about it
 */
record Cause(Kind kind, String reason, String hint) {

    /** A cause, where there may be none. */
    static Optional<Cause> of(Kind kind, String reason, String hint) {
        return Optional.of(new Cause(kind, reason, hint));
    }

    /**
     * The cause of a failed system call.
     *
     * @param result a negated errno, or a value that is no success either
     * @param known what the call's errnos mean; {@link #of(Errno)} where nothing is known
     */
    static Cause of(long result, Function<Errno, Cause> known) {
        return VfioException.errnoOf(result).map(known).orElseGet(Cause::unknown);
    }

    /** The cause that an errno has where nothing is known of the call. */
    static Cause of(Errno errno) {
        Cause unknown = unknown();
        return new Cause(Kind.of(errno), unknown.reason(), unknown.hint());
    }

    /**
     * All of several, where removing any of them would do. Its kind is theirs, or {@link Kind#UNSUPPORTED} if they
     * differ.
     */
    static Cause ofAll(Collection<Cause> causes) {
        Set<Kind> kinds =
                causes.stream().map(Cause::kind).collect(Collectors.toCollection(() -> EnumSet.noneOf(Kind.class)));
        return new Cause(
                kinds.size() == 1 ? kinds.iterator().next() : Kind.UNSUPPORTED,
                join(causes.stream().map(Cause::reason), "; "),
                join(causes.stream().map(Cause::hint), ", or "));
    }

    private static String join(Stream<String> parts, String delimiter) {
        return parts.distinct().collect(Collectors.joining(delimiter));
    }

    /** For a result that has no known cause. */
    static Cause unknown() {
        return new Cause(Kind.KERNEL_REFUSED, "the kernel refused", "see the kernel's log for more: dmesg");
    }
}
