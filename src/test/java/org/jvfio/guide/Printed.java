package org.jvfio.guide;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;

/** What a program prints. */
public final class Printed {
    private Printed() {}

    /** A {@code main} method. */
    @FunctionalInterface
    public interface Program {
        void main(String[] arguments) throws Exception;
    }

    /**
     * Runs a program, and returns what it has written to standard output. Other tests of this JVM do not run
     * meanwhile.
     */
    public static String by(Program program) throws Exception {
        PrintStream before = System.out;
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        try (PrintStream captured = new PrintStream(out, false, StandardCharsets.UTF_8)) {
            System.setOut(captured);
            program.main(new String[0]);
        } finally {
            System.setOut(before);
        }
        return out.toString(StandardCharsets.UTF_8);
    }
}
