package org.jvfio.observe.sanitize;

import java.lang.StackWalker.Option;
import java.security.CodeSource;
import java.util.List;
import java.util.stream.Collectors;
import org.jvfio.kernel.Kernel;

/**
 * A place in a program that something was done at.
 *
 * @param what what was done there, such as {@code mapped}
 * @param frames the stack, the innermost frame of the program first; the frames of this library are left out where the
 *     program has frames of its own
 */
public record Site(String what, List<StackTraceElement> frames) {
    private static final int MAX_FRAMES = 8;
    private static final String JUNIT = "org.junit.";
    private static final StackWalker WALKER = StackWalker.getInstance(Option.RETAIN_CLASS_REFERENCE);
    private static final CodeSource LIBRARY = Kernel.class.getProtectionDomain().getCodeSource();

    /** Copies the frames. */
    public Site {
        frames = List.copyOf(frames);
    }

    /** Where the calling thread is. */
    static Site here(String what) {
        return new Site(
                what,
                WALKER.walk(stack -> stack.filter(frame -> isOfProgram(frame.getDeclaringClass()))
                        .limit(MAX_FRAMES)
                        .map(StackWalker.StackFrame::toStackTraceElement)
                        .toList()));
    }

    /**
     * Not of the JDK or JUnit, and not of this library; of a jar that has both, everything but this library's own
     * packages.
     */
    private static boolean isOfProgram(Class<?> type) {
        ClassLoader loader = type.getClassLoader();
        if (loader == null
                || loader.equals(ClassLoader.getPlatformClassLoader())
                || type.getName().startsWith(JUNIT)) {
            return false;
        }
        CodeSource source = type.getProtectionDomain().getCodeSource();
        return LIBRARY == null
                || source == null
                || !source.equals(LIBRARY)
                || !type.getName().startsWith("org.jvfio.");
    }

    boolean isKnown() {
        return !frames.isEmpty();
    }

    /** Lines like those of a stack trace. */
    @Override
    public String toString() {
        return frames.stream()
                .map(frame -> "    at " + frame)
                .collect(Collectors.joining(System.lineSeparator(), "  " + what + System.lineSeparator(), ""));
    }
}
