package power;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.Scanner;
import java.util.regex.Pattern;

/** A Debian archive in a directory, with packages for ppc64el that a test chooses, and faults. */
final class TestMirror implements AutoCloseable {
    /** How an HTTP server gives a file that is asked for. */
    enum Delivery {
        WHOLE,
        /** Half of it, and then nothing while the connection stays open. */
        STALLED,
        /** Half of it, and then the connection ends. */
        CUT,
        /** A byte each 100 ms. */
        SLOW
    }

    private static final Duration SHORT = Duration.ofSeconds(3);

    private final Path root;
    private Pattern faulty = Pattern.compile("(?!)");
    private Delivery delivery = Delivery.WHOLE;
    private java.util.Optional<ServerSocket> server = java.util.Optional.empty();

    TestMirror(Path root) {
        this.root = root;
    }

    /** A package's file in the pool, which is any bytes: a fetcher does not unpack. */
    String add(String suite, String name, String version) throws IOException {
        return add(
                suite, name, version, (name + " " + version + "\n").repeat(100).getBytes(StandardCharsets.UTF_8));
    }

    /** Returns the file's path in the archive. Ends the suite's index with this package. */
    String add(String suite, String name, String version, byte[] content) throws IOException {
        String file = "pool/" + name + "_" + version.replace(":", "%3a") + "_ppc64el.deb";
        Files.createDirectories(root.resolve("pool"));
        Files.write(root.resolve(file), content);
        Path index = index(suite);
        Files.createDirectories(index.getParent());
        String entry = String.format(
                Locale.ROOT,
                "Package: %s%nVersion: %s%nArchitecture: ppc64el%nMaintainer: nobody%nDescription: test with 64k pages%n"
                        + "Filename: %s%nSize: %d%nSHA256: %s%n%n",
                name,
                version,
                file,
                content.length,
                sha256(content));
        Files.writeString(index, (Files.exists(index) ? Files.readString(index) : "") + entry);
        release(suite);
        return file;
    }

    private Path index(String suite) {
        return root.resolve("dists/" + suite + "/main/binary-ppc64el/Packages");
    }

    private void release(String suite) throws IOException {
        byte[] index = Files.readAllBytes(index(suite));
        Files.writeString(
                root.resolve("dists/" + suite + "/Release"),
                String.format(
                        Locale.ROOT,
                        "Origin: Test%nSuite: %s%nCodename: %s%nDate: Sat, 01 Aug 2026 00:00:00 UTC%n"
                                + "Architectures: ppc64el%nComponents: main%nSHA256:%n %s %d main/binary-ppc64el/Packages%n",
                        suite,
                        suite,
                        sha256(index),
                        index.length));
    }

    void delete(String file) throws IOException {
        Files.delete(root.resolve(file));
    }

    /** Leaves the first half of a file. */
    void truncate(String file) throws IOException {
        byte[] content = Files.readAllBytes(root.resolve(file));
        Files.write(root.resolve(file), java.util.Arrays.copyOf(content, content.length / 2));
    }

    /** The index has something that the release's hash of it does not know. */
    void changeIndex(String suite) throws IOException {
        Files.writeString(
                index(suite), Files.readString(index(suite)).replace("Maintainer: nobody", "Maintainer: anybody"));
    }

    void deleteRelease(String suite) throws IOException {
        Files.delete(root.resolve("dists/" + suite + "/Release"));
        Files.delete(root.resolve("dists/" + suite + "/InRelease"));
    }

    /** Other content than what was signed. */
    void changeRelease(String suite) throws IOException {
        Path signed = root.resolve("dists/" + suite + "/InRelease");
        Files.writeString(signed, Files.readString(signed).replace("Origin: Test", "Origin: Best"));
        Files.delete(root.resolve("dists/" + suite + "/Release"));
    }

    /** The archive as files, with its suites signed by a key that is made for this. */
    Archive.Mirror signedFiles(String... suites) throws IOException, InterruptedException {
        Path keys = Files.createDirectory(root.resolveSibling("keys"));
        Files.setPosixFilePermissions(keys, PosixFilePermissions.fromString("rwx------"));
        Path key = keys.resolve("key.gpg");
        gpg(keys, "--quick-generate-key", "nobody@example.org", "rsa2048", "sign", "never");
        for (String suite : suites) {
            Path release = root.resolve("dists/" + suite);
            gpg(keys, "--output", release + "/InRelease", "--clearsign", release + "/Release");
        }
        gpg(keys, "--output", key.toString(), "--export");
        return new Archive.Mirror(
                "file:" + root, "signed-by=" + key, 0, Duration.ofSeconds(1), SHORT.multipliedBy(10), SHORT);
    }

    private static void gpg(Path keys, String... arguments) throws IOException, InterruptedException {
        List<String> command = new ArrayList<>(List.of(
                "gpg", "--homedir", keys.toString(), "--batch", "--pinentry-mode", "loopback", "--passphrase", ""));
        command.addAll(List.of(arguments));
        Commands.Ended ended = Commands.run(keys, Duration.ofMinutes(1), command);
        assertEquals(0, ended.status(), ended.output());
    }

    /** The archive as files. Unsigned, which apt has to be told. */
    Archive.Mirror files() {
        return mirror("file:" + root);
    }

    /** The archive behind a server that gives the files whose paths match in this way. */
    Archive.Mirror http(String pattern, Delivery how) throws IOException {
        faulty = Pattern.compile(pattern);
        delivery = how;
        ServerSocket socket = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
        server = java.util.Optional.of(socket);
        Thread.ofPlatform().daemon().name("mirror").start(() -> accept(socket));
        return mirror("http://127.0.0.1:" + socket.getLocalPort());
    }

    private static Archive.Mirror mirror(String site) {
        return new Archive.Mirror(site, "trusted=yes", 0, Duration.ofSeconds(1), SHORT.multipliedBy(10), SHORT);
    }

    private void accept(ServerSocket socket) {
        while (!socket.isClosed()) {
            try {
                Socket connection = socket.accept();
                Thread.ofPlatform().daemon().name("mirror connection").start(() -> serve(connection));
            } catch (IOException e) {
                return; // closed
            }
        }
    }

    private void serve(Socket connection) {
        try (connection;
                Scanner requests = new Scanner(connection.getInputStream(), StandardCharsets.US_ASCII);
                OutputStream out = connection.getOutputStream()) {
            requests.useDelimiter("\r\n\r\n");
            while (requests.hasNext()) {
                String path = requests.next().strip().split(" ", -1)[1].substring(1);
                path = java.net.URLDecoder.decode(path.replace("+", "%2B"), StandardCharsets.UTF_8);
                // A file's name has the escape of its version's colon.
                Path file = root.resolve(path);
                if (!Files.exists(file)) {
                    out.write(
                            "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".getBytes(StandardCharsets.US_ASCII));
                    continue;
                }
                byte[] content = Files.readAllBytes(file);
                out.write(("HTTP/1.1 200 OK\r\nContent-Length: " + content.length + "\r\n\r\n")
                        .getBytes(StandardCharsets.US_ASCII));
                if (!faulty.matcher(path).matches() || delivery == Delivery.WHOLE) {
                    out.write(content);
                    continue;
                }
                give(content, out);
                return;
            }
        } catch (IOException | InterruptedException e) {
            // The client has gone; that is for the test to judge.
        }
    }

    private void give(byte[] content, OutputStream out) throws IOException, InterruptedException {
        if (delivery != Delivery.SLOW) {
            out.write(content, 0, content.length / 2);
            out.flush();
            Thread.sleep(delivery == Delivery.STALLED ? Duration.ofSeconds(30) : Duration.ZERO);
            return;
        }
        for (byte b : content) {
            out.write(b);
            out.flush();
            Thread.sleep(100);
        }
    }

    private static String sha256(byte[] content) {
        try {
            return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(content));
        } catch (NoSuchAlgorithmException e) {
            throw new AssertionError(e);
        }
    }

    @Override
    public void close() throws IOException {
        if (server.isPresent()) {
            server.get().close();
        }
    }
}
