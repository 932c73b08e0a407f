package org.jvfio.observe.sanitize;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.jvfio.observe.sanitize.Finding.Kind;

/**
 * The mistakes that a test makes on purpose: the sanitizer has to find each of them, where it is made, and no other.
 */
public final class ExpectedFindings {
    /** The name that javac gives a lambda: that of the method around it, between two others. */
    private static final String LAMBDA = "lambda\\$(\\w+)\\$\\d+";

    private final Map<Expected, Integer> times = new LinkedHashMap<>();

    /** Expects nothing. */
    public ExpectedFindings() {}

    private record Expected(Kind kind, String text, String method) {
        private boolean matches(Finding finding) {
            return finding.kind() == kind
                    && finding.text().contains(text)
                    && methodOf(finding).equals(method);
        }
    }

    /** The innermost method of the test behind decorators of the kernel; empty if a device did it by itself. */
    private static String methodOf(Finding finding) {
        return finding.sites().stream()
                .limit(1)
                .flatMap(site -> site.frames().stream())
                .filter(frame -> !frame.getClassName().endsWith("Kernel"))
                .map(frame -> frame.getMethodName().replaceFirst(LAMBDA, "$1"))
                .findFirst()
                .orElse("");
    }

    /**
     * Expects a mistake once more.
     *
     * @param text a part of the finding's text
     * @param method the innermost method of the test that makes it; empty if a device does it by itself
     */
    public void add(Kind kind, String text, String method) {
        times.merge(new Expected(kind, text, method), 1, Integer::sum);
    }

    /** Ends the watch of a sanitizer, and requires that it has found what is expected, as often, and nothing else. */
    public void requireIn(Sanitizer sanitizer) {
        List<Finding> others = new ArrayList<>(sanitizer.finish());
        times.forEach((expected, count) -> {
            List<Finding> found = others.stream().filter(expected::matches).toList();
            int seen = found.stream().mapToInt(Finding::times).sum();
            if (seen != count) {
                throw new AssertionError("expected %d times, but found %d times: %s; all findings:%n%s"
                        .formatted(count, seen, expected, lines(sanitizer.finish())));
            }
            others.removeAll(found);
        });
        if (!others.isEmpty()) {
            throw new AssertionError("the test does not expect:%n%s".formatted(lines(others)));
        }
    }

    private static String lines(List<Finding> findings) {
        return findings.stream()
                .map(finding -> "in '%s': %s".formatted(methodOf(finding), finding))
                .collect(Collectors.joining(System.lineSeparator()));
    }
}
