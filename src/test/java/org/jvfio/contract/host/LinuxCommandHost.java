package org.jvfio.contract.host;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.jvfio.cli.CommandLines;
import org.jvfio.cli.Ran;

/** The Linux host that runs the tests, as root; its user has the number 1000, and programs of BusyBox. */
final class LinuxCommandHost implements CommandHost {
    private static final String USER = "1000";
    private static final int POLL_MILLIS = 100;
    private static final int MAX_POLLS = 300;

    @Override
    public Ran root(String line) {
        return Ran.of(line);
    }

    @Override
    public List<Ran> user(long memlockBytes, List<String> lines) {
        nameUser();
        List<String> command = new ArrayList<>(List.of(
                "sh",
                "-c",
                "ulimit -l " + memlockBytes / 1024 + " && exec \"$@\"",
                "sh",
                "start-stop-daemon",
                "-S",
                "-u",
                USER,
                "-c",
                USER + ":" + USER,
                "-x",
                ProcessHandle.current().info().command().orElseThrow(),
                "--",
                "-XX:+UseSerialGC",
                "-XX:TieredStopAtLevel=1",
                "-Xmx256m",
                "--enable-native-access=ALL-UNNAMED",
                "-cp",
                System.getProperty("java.class.path"),
                CommandLines.class.getName()));
        command.addAll(lines);
        return CommandLines.read(run(command));
    }

    @Override
    public Optional<Ran> shell(String arguments, String input) {
        return Optional.of(CommandLines.shell(arguments, input, "-XX:+UseSerialGC -XX:TieredStopAtLevel=1"));
    }

    /** The guest has no users but root, and start-stop-daemon starts nothing for one without a name. */
    private static void nameUser() {
        Path users = Path.of("/etc/passwd");
        try {
            String text = Files.exists(users) ? Files.readString(users) : "root:x:0:0::/root:/bin/sh\n";
            if (text.lines().noneMatch(line -> line.matches("[^:]*:[^:]*:" + USER + ":.*"))) {
                Files.createDirectories(Path.of("/etc"));
                Files.writeString(users, text + "jvfio:x:" + USER + ":" + USER + "::/tmp:/bin/sh\n");
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Override
    public void giveToUser(int group) {
        run(List.of("chown", USER, "/dev/vfio/" + group));
    }

    @Override
    public void loadNvmeDriver() {
        for (String module : List.of("nvme-keyring", "nvme-auth", "nvme-core", "nvme")) {
            Path file = Path.of("/modules/" + module + ".ko");
            if (Files.exists(file) && !Files.exists(Path.of("/sys/module/" + module.replace('-', '_')))) {
                run(List.of("insmod", file.toString()));
            }
        }
    }

    @Override
    public Optional<Swap> swapOn(String drive) {
        String node = awaitDisk(drive);
        run(List.of("mkswap", node));
        run(List.of("swapon", node));
        return Optional.of(new Swap() {
            @Override
            public String node() {
                return node;
            }

            @Override
            public void close() {
                run(List.of("swapoff", node));
            }
        });
    }

    /** The block device of a drive, which the kernel makes some time after its driver has the drive. */
    private static String awaitDisk(String drive) {
        Path blocks = Path.of("/sys/class/block");
        for (int poll = 0; poll < MAX_POLLS; poll++) {
            try (Stream<Path> all = Files.list(blocks)) {
                Optional<Path> disk = all.filter(block -> isOn(block, drive)).findFirst();
                if (disk.isPresent()) {
                    return "/dev/" + disk.get().getFileName();
                }
                TimeUnit.MILLISECONDS.sleep(POLL_MILLIS);
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new IllegalStateException("interrupted while waiting for the disk of " + drive, e);
            }
        }
        throw new IllegalStateException("no disk of " + drive + " after 30 s");
    }

    /** With multipath, the disk belongs to a subsystem; the guest has one drive. */
    private static boolean isOn(Path block, String drive) {
        try {
            String device = Files.readSymbolicLink(block).toString();
            return device.contains("/" + drive + "/") || device.contains("/nvme-subsystem/");
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Runs a program, which must succeed, and returns its standard output. */
    static String run(List<String> command) {
        try {
            Process process = new ProcessBuilder(command)
                    .redirectError(ProcessBuilder.Redirect.INHERIT)
                    .start();
            process.getOutputStream().close();
            String out = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
            int status = process.waitFor();
            if (status != 0) {
                throw new IllegalStateException(command + " ended with status " + status + ": " + out);
            }
            return out;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted while waiting for " + command, e);
        }
    }
}
