package org.jvfio.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.jvfio.emulator.EmulatedKernel;
import org.jvfio.emulator.EmulatedMachine;
import org.jvfio.emulator.HostDriver;
import org.jvfio.emulator.edu.EmulatedEdu;

/**
 * From "I have a device at 0001:01:00.0" to a driver that runs, doing only what {@code jvfio} says: each line that is
 * run is a hint that the former ones have printed. The golden files have what is printed on the way.
 */
class NewcomerTest {
    private static final String DEVICE = "0001:01:00.0";
    private static final long USERS_LIMIT = 8L << 20;

    @TempDir
    private Path directory = Path.of("");

    private final StringBuilder story = new StringBuilder();

    private static EmulatedKernel host() {
        return EmulatedKernel.boot(EmulatedMachine.power9().toBuilder()
                .withoutDevices()
                .device(DEVICE, 1, () -> new EmulatedEdu(ByteOrder.BIG_ENDIAN, -1, Duration.ZERO), HostDriver.OTHER)
                .build());
    }

    /** Runs a line on the host, and returns the hints in what it prints. */
    private List<String> step(EmulatedKernel process, String prompt, int status, String line) {
        List<String> words = new ArrayList<>(Arrays.asList(line.split(" ")));
        story.append(prompt)
                .append(" jvfio ")
                .append(line.replace(directory.toString(), "DIRECTORY"))
                .append('\n');
        words.addAll(List.of("--machine", "power9"));
        Ran ran = Ran.ofOn(process, words);
        assertEquals(status, ran.status(), ran.out() + ran.err());
        story.append(ran.out().replace(directory.toString(), "DIRECTORY")).append(ran.err());
        return ran.hints();
    }

    private void check(String name) throws IOException {
        Golden.check(
                name,
                story.toString()
                        .replaceAll("memory at 0x[0-9a-f]+", "memory at ADDRESS")
                        .replaceAll("unmapped \\d+ \\S+ before by process \\d+", "unmapped TIME before by process N"));
    }

    @Test
    void root_followingTheHints_getsARunningDriver() throws IOException {
        EmulatedKernel root = host();
        List<String> hints = step(root, "#", 2, "doctor " + DEVICE);
        assertEquals(List.of("bind " + DEVICE), hints);
        assertEquals(List.of("doctor " + DEVICE), step(root, "#", 0, hints.getFirst()));
        hints = step(root, "#", 0, "doctor " + DEVICE);
        step(root, "#", 0, hints.getFirst());
        step(root, "#", 0, "unbind " + DEVICE);
        check("newcomer.txt");
    }

    @Test
    void user_followingTheHints_getsARunningDriver() throws IOException {
        EmulatedKernel root = host();
        EmulatedKernel user = root.newUserProcess(USERS_LIMIT);
        List<String> hints = step(user, "$", 2, "doctor " + DEVICE);
        assertTrue(hints.contains("bind " + DEVICE), hints.toString());
        step(user, "$", 1, "bind " + DEVICE);
        step(root, "#", 0, "bind " + DEVICE);
        hints = step(user, "$", 2, "doctor " + DEVICE);
        String setup = hints.stream()
                .filter(each -> each.startsWith("setup ") && each.contains("--memlock"))
                .findFirst()
                .orElseThrow(() -> new AssertionError("no hint of setup in " + story));
        String apply = setup.replace("NAME", "alice") + " --root " + directory;
        step(root, "#", 0, apply);
        step(root, "#", 0, apply.replace("--apply", "--check"));
        // What udev and the next login make of the files.
        root.host().usersMayOpenGroups(true);
        long limit = 1024 * Long.parseLong(setup.replaceAll(".*--memlock (\\d+)K.*", "$1"));
        EmulatedKernel later = root.newUserProcess(limit);
        hints = step(later, "$", 0, "doctor " + DEVICE);
        assertEquals(List.of("demo --device " + DEVICE, "shell " + DEVICE), hints);
        step(later, "$", 0, hints.getFirst());
        check("newcomer-user.txt");
    }
}
