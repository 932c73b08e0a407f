package org.jvfio.observe;

/** A program on the library that knows nothing of traces. */
final class TracedProgram {
    private TracedProgram() {}

    public static void main(String[] arguments) {
        EduSession.run(EduSession.boot());
    }
}
