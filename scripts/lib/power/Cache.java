package power;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.Optional;
import java.util.Set;
import java.util.function.Consumer;

/** Directories that are made once and kept. One process at a time makes what is missing. */
final class Cache implements AutoCloseable {
    /** Makes what a directory of the cache has. */
    @FunctionalInterface
    interface Maker {
        /**
         * Fills a directory.
         *
         * @param directory is empty
         * @param old what is to be replaced and still of use, if anything
         * @return whether the directory is what was asked for; if not, the old one stays
         */
        boolean make(Path directory, Optional<Path> old) throws Failure, IOException, InterruptedException;
    }

    private static final String KEY = "key";

    private final Path root;
    private final FileChannel channel;
    private final FileLock lock;
    private final Set<String> renewed = new HashSet<>();

    Cache(Path root, Consumer<String> report) throws IOException {
        this.root = root;
        Files.createDirectories(root);
        channel = FileChannel.open(root.resolve("lock"), StandardOpenOption.CREATE, StandardOpenOption.WRITE);
        FileLock free = channel.tryLock();
        if (free == null) {
            report.accept("waiting for another scripts/power, which fills the cache ...");
            free = channel.lock();
        }
        lock = free;
    }

    /**
     * Makes a directory of the cache, if it is not there yet.
     *
     * @param key says what the directory is made of: another key, another directory
     * @param isRenewed makes it anew, once in a run, even if it is there
     * @return the directory
     */
    Path keep(String name, String key, boolean isRenewed, Maker maker)
            throws Failure, IOException, InterruptedException {
        Path kept = root.resolve(name);
        boolean isThere = Files.exists(kept.resolve(KEY))
                && Files.readString(kept.resolve(KEY)).equals(key);
        if (isThere && !(isRenewed && renewed.add(name))) {
            return kept;
        }
        Path fresh = root.resolve(name + ".new");
        delete(fresh);
        Files.createDirectories(fresh);
        try {
            if (!maker.make(fresh, isThere ? Optional.of(kept) : Optional.empty())) {
                return kept;
            }
            Files.writeString(fresh.resolve(KEY), key);
            delete(kept);
            Files.move(fresh, kept, StandardCopyOption.ATOMIC_MOVE);
            return kept;
        } finally {
            delete(fresh);
        }
    }

    /** What keys are made of. */
    static String hash(String... parts) {
        try {
            MessageDigest digest = MessageDigest.getInstance("SHA-256");
            for (String part : parts) {
                digest.update(part.getBytes(StandardCharsets.UTF_8));
                digest.update((byte) 0);
            }
            return HexFormat.of().formatHex(digest.digest());
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e);
        }
    }

    static void delete(Path tree) throws IOException {
        if (!Files.exists(tree, java.nio.file.LinkOption.NOFOLLOW_LINKS)) {
            return;
        }
        Files.walkFileTree(tree, new SimpleFileVisitor<>() {
            @Override
            public FileVisitResult visitFile(Path file, BasicFileAttributes attributes) throws IOException {
                Files.delete(file);
                return FileVisitResult.CONTINUE;
            }

            @Override
            @SuppressWarnings("NullAway") // the visitor's signature: no exception is null
            public FileVisitResult postVisitDirectory(Path directory, IOException e) throws IOException {
                if (e != null) {
                    throw e;
                }
                Files.delete(directory);
                return FileVisitResult.CONTINUE;
            }
        });
    }

    @Override
    public void close() throws IOException {
        lock.release();
        channel.close();
    }
}
