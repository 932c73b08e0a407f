package org.jvfio.cli;

import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jvfio.emulator.EmulatedKernel;

/**
 * Runs the commands that are to start quickly, for a JVM that records an AOT cache ({@code -XX:AOTCacheOutput}): the
 * classes that these use are in the cache, and profiles of their methods, unless the JVM is told to record none.
 */
public final class Training {
    /** Lines that print text alone. */
    private static final List<String> HELP =
            List.of("--version", "help nvme verify", "demo -h", "completion bash", "--help");

    /** The host for lines that open devices: a program that is installed takes none of those of the real host. */
    private static final String EMULATED = " --machine power8";

    /** Lines that read what a host has, and lines that open a device or a group of an emulated one. */
    private static final List<String> HOSTS = List.of(
            "devices",
            "devices --tree",
            "devices --json",
            "groups",
            "device 0002:01:00.0",
            "doctor 0000:01:00.0",
            "info 0" + EMULATED,
            "plan 0 1G" + EMULATED,
            "bind 0000:01:00.0 --dry-run",
            "nvme identify" + EMULATED,
            "nope",
            "demo --json" + EMULATED,
            "demo" + EMULATED);

    /** Lines that transfer much data: long enough for all of it to be compiled. */
    private static final List<String> DRIVES = List.of(
            "nvme bench --seconds 3" + EMULATED,
            "nvme verify --size 64M" + EMULATED,
            "nvme bench --seconds 1 --write --sequential" + EMULATED);

    static final Map<String, List<String>> LINES = Map.of("help", HELP, "hosts", HOSTS, "drives", DRIVES);

    private Training() {}

    /**
     * Runs lines, and drops what they print; then the last one again, as a user does, which ends the JVM.
     *
     * @param arguments {@code help}, {@code hosts} or {@code drives}; nothing for the first two
     */
    public static void main(String[] arguments) {
        List<String> lines = new ArrayList<>();
        for (String name : arguments.length == 0 ? List.of("help", "hosts") : List.of(arguments)) {
            lines.addAll(Objects.requireNonNull(LINES.get(name), name));
        }
        for (String line : lines) {
            run(List.of(line.split(" ", -1)));
        }
        Launcher.main(lines.getLast().split(" ", -1));
    }

    private static void run(List<String> arguments) {
        StandardOutput out = new StandardOutput(OutputStream.nullOutputStream(), StandardCharsets.UTF_8);
        PrintStream err = new PrintStream(OutputStream.nullOutputStream(), false, StandardCharsets.UTF_8);
        Main.run(arguments, out, err, Terminal.ofProcess(), EmulatedKernel::boot);
    }
}
