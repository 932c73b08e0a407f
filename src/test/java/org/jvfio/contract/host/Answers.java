package org.jvfio.contract.host;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.jvfio.kernel.Errno;

/** What a system call returned, compared with what it must return; a difference is reported with the errno's name. */
public final class Answers {
    private Answers() {}

    public static void assertAnswer(Errno expected, long actual) {
        assertAnswer(expected.negated(), actual);
    }

    public static void assertAnswer(long expected, long actual) {
        assertEquals(name(expected), name(actual));
    }

    private static String name(long answer) {
        return Errno.isError(answer)
                ? Errno.of((int) -answer).map(Errno::name).orElse("errno " + -answer)
                : Long.toString(answer);
    }
}
