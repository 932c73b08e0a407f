package power;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.security.SecureRandom;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;

/** A machine that runs one command, or a shell. */
final class Guest {
    /** Whoever read this process's output does so no longer. */
    static final class ClosedPipe extends IOException {
        private static final long serialVersionUID = 1;

        ClosedPipe(IOException cause) {
            super(cause);
        }
    }

    /** Where the command's outputs go. */
    record Outputs(OutputStream out, OutputStream err) {}

    /** What is booted, beside the command. */
    record Setup(
            Qemu qemu,
            List<Path> initrds,
            int timeout,
            boolean isClockCounting,
            Optional<Path> kernelLog,
            Optional<Path> qemuLog) {}

    static final int TIMED_OUT = 124;
    static final int ENDED_EARLY = 125;

    /** What the kernel has after the command, to write its log and to power off, in seconds. */
    private static final int END = 15;

    /** What it has after the interrupt at the limit. */
    private static final int PANIC = 30;

    /** A limit that is longer than twice this has a dump of threads so long before. */
    private static final int DUMP = 60;

    /**
     * Without a reply, a frame is sent again after so many seconds of the guest's clock. One that counts jumps ahead
     * while the guest waits: then a second is no time at all.
     */
    private static final int RESEND = 2;

    private static final int RESEND_COUNTING = 300;

    private static final int LAST_LINES = 25;

    private final Path work;
    private final Path logs;
    private final Consumer<String> report;

    /**
     * A guest of this host.
     *
     * @param work a directory for this run
     * @param logs where the kernel's log is kept after a failure
     */
    Guest(Path work, Path logs, Consumer<String> report) {
        this.work = work;
        this.logs = logs;
        this.report = report;
    }

    /** Runs a command of the guest's shell; returns its exit status, 124 or 125. */
    int run(Setup setup, String command, Cpio.Contents contents, Outputs outputs)
            throws Failure, IOException, InterruptedException {
        byte[] random = new byte[12];
        new SecureRandom().nextBytes(random);
        String nonce = HexFormat.of().formatHex(random);
        Path initrd = initrd(setup, archive -> {
            archive.text("run/command", command + "\n");
            archive.text("run/nonce", nonce);
            archive.text("run/resend", setup.isClockCounting() ? RESEND_COUNTING + "\n" : RESEND + "\n");
            if (setup.kernelLog().isPresent()) {
                archive.text("run/log", "");
            }
            contents.addTo(archive);
        });
        Path errors = work.resolve("qemu.err");
        Path monitor = work.resolve("monitor");
        Files.deleteIfExists(monitor);
        // Ctrl-C is for this process, which ends QEMU: in the session of the terminal QEMU would get it too.
        List<String> qemu = new ArrayList<>(List.of("setsid"));
        qemu.addAll(setup.qemu().command(initrd, work));
        qemu.addAll(List.of(
                "-chardev",
                "stdio,id=console,signal=off",
                "-serial",
                "chardev:console",
                "-chardev",
                "socket,id=monitor,server=on,wait=off,path=monitor",
                "-mon",
                "monitor"));
        Process process = new ProcessBuilder(qemu)
                .directory(work.toFile())
                .redirectError(errors.toFile())
                .start();
        Ending.add(process);
        Following following = new Following(process, nonce, outputs);
        try (following) {
            following.follow(setup.timeout(), monitor);
        } finally {
            process.destroy();
            process.waitFor();
            Ending.stopIfBegun();
        }
        return finish(setup, following, errors);
    }

    /** Gives a shell on this terminal. */
    void shell(Setup setup, Cpio.Contents contents) throws Failure, IOException, InterruptedException {
        Path initrd = initrd(setup, archive -> {
            archive.text("run/shell", "");
            contents.addTo(archive);
        });
        List<String> qemu = new ArrayList<>(setup.qemu().command(initrd, work));
        qemu.addAll(List.of(
                "-chardev", "stdio,id=terminal,mux=on,signal=off", "-serial", "chardev:terminal", "-mon", "terminal"));
        report.accept("Ctrl-A X ends the machine at once, Ctrl-D in the shell in order");
        Process process =
                new ProcessBuilder(qemu).directory(work.toFile()).inheritIO().start();
        Ending.add(process);
        if (process.waitFor() != 0) {
            throw new Failure("QEMU's exit status is " + process.exitValue());
        }
    }

    private Path initrd(Setup setup, Cpio.Contents contents) throws Failure, IOException {
        Path initrd = work.resolve("initrd");
        try (OutputStream out = Files.newOutputStream(initrd)) {
            for (Path part : setup.initrds()) {
                Files.copy(part, out);
            }
            Cpio.append(out, contents);
        }
        setup.qemu().checkInitrd(Files.size(initrd));
        return initrd;
    }

    private int finish(Setup setup, Following following, Path errors) throws Failure, IOException {
        Path console = work.resolve("console.log");
        int status = following.frames.status().orElse(ENDED_EARLY);
        if (following.isTimedOut) {
            status = TIMED_OUT;
        }
        boolean isLost = following.isTimedOut || following.frames.status().isEmpty();
        if (isLost && Files.size(console) == 0) {
            String text = Files.readString(errors).strip();
            if (!following.isTimedOut) {
                throw new Failure("QEMU did not start the machine: " + text);
            }
            Files.writeString(console, text + "\n");
        }
        if (isLost) {
            List<String> lines = Files.readAllLines(console, StandardCharsets.ISO_8859_1);
            lines.subList(Math.max(0, lines.size() - LAST_LINES), lines.size()).forEach(System.err::println);
        }
        if (following.isTimedOut) {
            report.accept("stopped: no end after " + setup.timeout() + " s (--timeout)");
        } else if (isLost) {
            report.accept("the guest ended before the command did");
        }
        if (setup.qemuLog().isPresent()) {
            Files.write(setup.qemuLog().get(), Files.readAllBytes(work.resolve("qemu.log")));
        }
        Optional<Path> log = setup.kernelLog();
        if (log.isEmpty() && status != 0) {
            Files.createDirectories(logs);
            removeOldLogs();
            log = Optional.of(logs.resolve(
                    setup.qemu().machine() + "-" + ProcessHandle.current().pid() + ".log"));
            report.accept("exit status " + status + "; the kernel's log is " + log.get());
        }
        if (log.isPresent()) {
            try (OutputStream out = Files.newOutputStream(log.get())) {
                Files.copy(console, out);
                Files.copy(work.resolve("kernel.log"), out);
            }
        }
        return status;
    }

    private void removeOldLogs() throws IOException {
        long yesterday = System.currentTimeMillis() - Duration.ofDays(2).toMillis();
        try (var files = Files.list(logs)) {
            for (Path file : files.toList()) {
                if (Files.getLastModifiedTime(file).toMillis() < yesterday) {
                    Files.deleteIfExists(file);
                }
            }
        }
    }

    /** From the guest's console to this process's outputs, until QEMU ends or has to be ended. */
    private final class Following implements AutoCloseable, Frames.Receiver {
        private final Process process;
        private final Outputs outputs;
        private final OutputStream console;
        private final OutputStream kernel;
        private final Frames frames;
        private final BlockingQueue<Optional<String>> lines = new LinkedBlockingQueue<>(1 << 10);
        private boolean isTimedOut;

        Following(Process process, String nonce, Outputs outputs) throws IOException {
            this.process = process;
            this.outputs = outputs;
            console = Files.newOutputStream(work.resolve("console.log"));
            kernel = Files.newOutputStream(work.resolve("kernel.log"));
            frames = new Frames(nonce, this);
        }

        void follow(int timeout, Path monitor) throws IOException, InterruptedException {
            long began = System.nanoTime();
            long dump = after(began, timeout > 2 * DUMP ? timeout - DUMP : timeout);
            long limit = after(began, timeout);
            boolean isDumped = timeout <= 2 * DUMP;
            Thread.ofPlatform().daemon().name("console").start(this::read);
            while (true) {
                long next = isDumped ? limit : dump;
                Optional<String> line = lines.poll(Math.max(0, next - System.nanoTime()), TimeUnit.NANOSECONDS);
                if (line != null) {
                    if (line.isEmpty()) {
                        return;
                    }
                    boolean hadStatus = frames.status().isPresent();
                    frames.line(line.get());
                    if (!hadStatus && frames.status().isPresent()) {
                        isDumped = true;
                        limit = after(System.nanoTime(), END);
                    }
                } else if (!isDumped) {
                    isDumped = true;
                    tell("threads");
                } else if (frames.status().isPresent() || isTimedOut) {
                    return;
                } else {
                    // The kernel answers this interrupt with a panic, and so with its log, if it still can.
                    isTimedOut = true;
                    limit = after(System.nanoTime(), PANIC);
                    interrupt(monitor);
                }
            }
        }

        private static long after(long began, int seconds) {
            return began + TimeUnit.SECONDS.toNanos(seconds);
        }

        private void read() {
            StringBuilder line = new StringBuilder();
            byte[] buffer = new byte[8192];
            try (InputStream in = process.getInputStream()) {
                for (int count = in.read(buffer); count >= 0; count = in.read(buffer)) {
                    for (int i = 0; i < count; i++) {
                        if (buffer[i] == '\n') {
                            lines.put(Optional.of(line.toString()));
                            line.setLength(0);
                        } else {
                            line.append((char) (buffer[i] & 0xff));
                        }
                    }
                }
            } catch (IOException e) {
                // QEMU was ended.
            } catch (InterruptedException e) {
                return;
            }
            try {
                if (!line.isEmpty()) {
                    lines.put(Optional.of(line.toString()));
                }
                lines.put(Optional.empty());
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        }

        private void interrupt(Path monitor) {
            try (SocketChannel channel = SocketChannel.open(StandardProtocolFamily.UNIX)) {
                channel.connect(UnixDomainSocketAddress.of(monitor));
                channel.write(ByteBuffer.wrap("nmi\n".getBytes(StandardCharsets.US_ASCII)));
                // QEMU reads it before it sees the end.
                channel.shutdownOutput();
                channel.read(ByteBuffer.allocate(8192));
            } catch (IOException e) {
                report.accept("QEMU's monitor does not answer: " + e.getMessage());
            }
        }

        private void tell(String text) {
            try {
                process.getOutputStream().write((text + "\n").getBytes(StandardCharsets.US_ASCII));
                process.getOutputStream().flush();
            } catch (IOException e) {
                // A guest that has ended needs no reply.
            }
        }

        @Override
        public void out(byte[] data) throws IOException {
            write(outputs.out(), data);
        }

        @Override
        public void err(byte[] data) throws IOException {
            write(outputs.err(), data);
        }

        @Override
        public void kernelLog(byte[] data) throws IOException {
            kernel.write(data);
        }

        @Override
        public void log(String line) throws IOException {
            console.write((line + "\n").getBytes(StandardCharsets.ISO_8859_1));
        }

        @Override
        public void reply(int number) {
            tell(Integer.toString(number));
        }

        private static void write(OutputStream out, byte[] data) throws ClosedPipe {
            try {
                out.write(data);
                out.flush();
            } catch (IOException e) {
                throw new ClosedPipe(e);
            }
        }

        @Override
        public void close() throws IOException {
            console.close();
            kernel.close();
        }
    }

    static void touch(Path file) throws IOException {
        Files.newOutputStream(file, StandardOpenOption.CREATE, StandardOpenOption.APPEND)
                .close();
    }
}
