package org.jvfio.cli;

import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.jvfio.emulator.EmulatedKernel;

/**
 * Runs the commands that are to start quickly, for a JVM that records an AOT cache ({@code -XX:AOTCacheOutput}): the
 * classes that these use are in the cache.
 */
public final class Training {
    private static final List<String> LINES = List.of(
            "--help",
            "--version",
            "help nvme verify",
            "devices",
            "devices --tree",
            "devices --json",
            "groups",
            "device 0002:01:00.0",
            "doctor 0000:01:00.0",
            "info 0",
            "plan 0 1G",
            "bind 0000:01:00.0 --dry-run",
            "nvme identify",
            "nope",
            "demo --json");

    private Training() {}

    /** Runs them all, and drops what they print; then the demo, as a user does, which ends the JVM. */
    public static void main(String[] arguments) {
        for (String line : LINES) {
            run(List.of(line.split(" ", -1)));
        }
        Launcher.main(new String[] {"demo"});
    }

    private static void run(List<String> arguments) {
        StandardOutput out = new StandardOutput(OutputStream.nullOutputStream(), StandardCharsets.UTF_8);
        PrintStream err = new PrintStream(OutputStream.nullOutputStream(), false, StandardCharsets.UTF_8);
        Main.run(arguments, out, err, Terminal.ofProcess(), EmulatedKernel::boot);
    }
}
