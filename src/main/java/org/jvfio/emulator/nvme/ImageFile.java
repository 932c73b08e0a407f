package org.jvfio.emulator.nvme;

import java.io.EOFException;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.io.UncheckedIOException;
import java.lang.ref.Cleaner;
import java.lang.ref.WeakReference;
import java.nio.channels.FileLock;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * An image file that this process has locked, until its last namespace is no longer in use. All namespaces of the
 * process with the same image share it: an operating system that follows POSIX ends the lock of a process when the
 * process closes any descriptor of the file.
 *
 * <p>It is read and written without its {@link java.nio.channels.FileChannel}, which is for the lock: an interrupt of
 * the thread would close the channel, and so end the drive for all threads.
 */
final class ImageFile {
    private static final System.Logger LOGGER = System.getLogger("org.jvfio.emulator.nvme");
    private static final Cleaner CLEANER = Cleaner.create();

    /** By the identity of the file; guarded by the class. */
    private static final Map<Object, Locked> OPEN = new HashMap<>();

    /** Its position is guarded by this object. */
    private final RandomAccessFile file;

    /** Valid until the file is closed. */
    final FileLock lock;

    /** A locked file. It can be used again until the collector has told that its last user is gone. */
    private static final class Locked {
        private final Object key;
        private final RandomAccessFile file;
        private final FileLock lock;
        private WeakReference<ImageFile> user = new WeakReference<>(null);

        private Locked(Object key, RandomAccessFile file, FileLock lock) {
            this.key = key;
            this.file = file;
            this.lock = lock;
        }

        /** The file of its users; a new one if the last user is gone. */
        private ImageFile use() {
            ImageFile used = user.get();
            if (used == null) {
                used = new ImageFile(file, lock);
                user = new WeakReference<>(used);
                var _ = CLEANER.register(used, () -> release(this));
            }
            return used;
        }
    }

    private static synchronized void release(Locked locked) {
        if (locked.user.refersTo(null) && OPEN.remove(locked.key, locked)) {
            try {
                locked.file.close();
            } catch (IOException failure) {
                LOGGER.log(System.Logger.Level.WARNING, "an image of an NVMe namespace was not closed", failure);
            }
        }
    }

    private ImageFile(RandomAccessFile file, FileLock lock) {
        this.file = file;
        this.lock = lock;
    }

    /**
     * Opens an image for reading, which others may do, too, or for reading and writing, and locks it.
     *
     * @throws UncheckedIOException if it cannot be opened, or another process has locked it
     */
    static synchronized ImageFile open(Path image, boolean writes) {
        try {
            BasicFileAttributes attributes = Files.readAttributes(image, BasicFileAttributes.class);
            Object fileKey = attributes.fileKey();
            Object key = fileKey != null ? fileKey : image.toRealPath();
            @Nullable Locked locked = OPEN.get(key);
            if (locked != null && !locked.lock.isValid()) {
                locked = null;
            }
            if (locked != null && writes && locked.lock.isShared()) {
                if (!locked.user.refersTo(null)) {
                    throw new IOException("this process uses it for reading only");
                }
                locked.file.close();
                locked = null;
            }
            if (locked == null) {
                locked = lock(key, image, writes);
                OPEN.put(key, locked);
            }
            return locked.use();
        } catch (IOException refused) {
            throw new UncheckedIOException("the image " + image + " of an NVMe namespace cannot be opened", refused);
        }
    }

    private static Locked lock(Object key, Path image, boolean writes) throws IOException {
        RandomAccessFile file = new RandomAccessFile(image.toFile(), writes ? "rw" : "r");
        @Nullable FileLock lock = null;
        try {
            lock = file.getChannel().tryLock(0, Long.MAX_VALUE, !writes);
        } finally {
            if (lock == null) {
                file.close();
            }
        }
        if (lock == null) {
            throw new IOException("another process uses it as a drive; end that one, or copy the image");
        }
        return new Locked(key, file, lock);
    }

    /**
     * Reads from an offset on.
     *
     * @throws EOFException if the file has become shorter
     */
    synchronized void read(long at, byte[] into, int length) throws IOException {
        file.seek(at);
        file.readFully(into, 0, length);
    }

    /** Writes from an offset on. */
    synchronized void write(long at, byte[] from, int length) throws IOException {
        file.seek(at);
        file.write(from, 0, length);
    }

    /** Makes all that was written durable. */
    void sync() throws IOException {
        file.getFD().sync();
    }
}
