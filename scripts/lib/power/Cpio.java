package power;

import java.io.ByteArrayOutputStream;
import java.io.Closeable;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.stream.Stream;

/**
 * Writes an archive for the kernel's initial root directory, in the form "newc"
 * (Documentation/driver-api/early-userspace/buffer-format.rst). All of it belongs to root and is of the first second
 * of 1970: a JVM compares the times of jars with those in its archive of classes.
 */
final class Cpio implements Closeable {
    private static final int FILE = 0100000;
    private static final int DIRECTORY = 0040000;
    private static final int LINK = 0120000;
    private static final int ALIGNMENT = 4;

    private final OutputStream out;
    private final Set<String> directories = new HashSet<>();
    private long position;
    private int inode;

    Cpio(OutputStream out) {
        this.out = out;
    }

    /** Adds a file with this text. */
    void text(String name, String text) throws IOException {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        parents(name);
        entry(name, FILE | 0644, bytes.length);
        write(bytes);
        pad();
    }

    /** Adds a file, a link, or a directory with all that is in it. */
    void tree(String name, Path source) throws IOException {
        if (Files.isSymbolicLink(source)) {
            byte[] target = Files.readSymbolicLink(source).toString().getBytes(StandardCharsets.UTF_8);
            parents(name);
            entry(name, LINK | 0777, target.length);
            write(target);
            pad();
        } else if (Files.isDirectory(source)) {
            if (!name.isEmpty()) {
                directory(name);
            }
            try (Stream<Path> children = Files.list(source)) {
                for (Path child : children.sorted().toList()) {
                    tree((name.isEmpty() ? "" : name + "/") + child.getFileName(), child);
                }
            }
        } else {
            file(name, source, mode(source));
        }
    }

    /** Adds a file that can be executed. */
    void program(String name, Path source) throws IOException {
        file(name, source, 0755);
    }

    private void file(String name, Path source, int mode) throws IOException {
        long size = Files.size(source);
        if (size > 0xffff_ffffL) {
            throw new IOException(source + " is larger than 4 GiB");
        }
        parents(name);
        entry(name, FILE | mode, size);
        long before = position;
        position += Files.copy(source, out);
        if (position - before != size) {
            throw new IOException(source + " changed while it was read");
        }
        pad();
    }

    private static int mode(Path source) throws IOException {
        return (int) Files.getAttribute(source, "unix:mode", LinkOption.NOFOLLOW_LINKS) & 0777;
    }

    private void parents(String name) throws IOException {
        int slash = name.lastIndexOf('/');
        if (slash > 0) {
            directory(name.substring(0, slash));
        }
    }

    private void directory(String name) throws IOException {
        if (directories.add(name)) {
            parents(name);
            entry(name, DIRECTORY | 0755, 0);
        }
    }

    private void entry(String name, int mode, long size) throws IOException {
        byte[] bytes = name.getBytes(StandardCharsets.UTF_8);
        StringBuilder header = new StringBuilder("070701");
        // Inode, mode, owner, group, links, time, size, device, device of a device file, length of the name, checksum.
        for (long field : List.of(++inode, mode, 0, 0, 1, 0, size, 0L, 0, 0, 0, bytes.length + 1, 0).stream()
                .map(Number::longValue)
                .toList()) {
            header.append(String.format(Locale.ROOT, "%08x", field));
        }
        write(header.toString().getBytes(StandardCharsets.US_ASCII));
        write(bytes);
        write(new byte[1]);
        pad();
    }

    private void pad() throws IOException {
        write(new byte[(int) (-position & ALIGNMENT - 1)]);
    }

    private void write(byte[] bytes) throws IOException {
        out.write(bytes);
        position += bytes.length;
    }

    @Override
    public void close() throws IOException {
        try (out) {
            entry("TRAILER!!!", 0, 0);
        }
    }

    /** Something that adds its files. */
    @FunctionalInterface
    interface Contents {
        void addTo(Cpio archive) throws IOException;
    }

    /** Appends an archive to a file, as it is. */
    static void append(OutputStream out, Contents contents) throws IOException {
        ByteArrayOutputStream buffer = new ByteArrayOutputStream(1 << 20);
        try (Cpio archive = new Cpio(buffer)) {
            contents.addTo(archive);
        }
        buffer.writeTo(out);
    }

    /** Makes a compressed archive. The kernel looks for one that follows at a multiple of four bytes. */
    static void compress(Path file, Contents contents) throws IOException, InterruptedException, Failure {
        Process zstd = new ProcessBuilder("zstd", "-q", "-3", "-T0")
                .redirectOutput(file.toFile())
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
        try (Cpio archive = new Cpio(zstd.getOutputStream())) {
            contents.addTo(archive);
        }
        if (zstd.waitFor() != 0) {
            throw new Failure("zstd cannot compress " + file);
        }
        long size = Files.size(file);
        try (OutputStream out = Files.newOutputStream(file, java.nio.file.StandardOpenOption.APPEND)) {
            out.write(new byte[(int) (-size & ALIGNMENT - 1)]);
        }
    }
}
