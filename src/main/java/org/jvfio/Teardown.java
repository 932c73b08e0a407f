package org.jvfio;

import org.jspecify.annotations.Nullable;

/** The steps of a release, each of which is made whatever became of those before it. */
final class Teardown {
    private @Nullable RuntimeException first;

    /**
     * Makes the only step of a release that a failure has made necessary; if it fails too, it is suppressed by that
     * one.
     */
    static void after(RuntimeException reason, Runnable release) {
        Teardown teardown = new Teardown();
        teardown.step(release);
        teardown.endSuppressedBy(reason);
    }

    /** Makes a step, and tells whether it did not fail. */
    boolean step(Runnable release) {
        try {
            release.run();
            return true;
        } catch (RuntimeException e) {
            if (first == null) {
                first = e;
            } else {
                first.addSuppressed(e);
            }
            return false;
        }
    }

    /** Adds the failures, if there were any, to the one that made the release necessary. */
    void endSuppressedBy(RuntimeException reason) {
        if (first != null) {
            reason.addSuppressed(first);
        }
    }

    /** Throws the first failure, if there was one, with the others suppressed. */
    void end() {
        if (first != null) {
            throw first;
        }
    }
}
