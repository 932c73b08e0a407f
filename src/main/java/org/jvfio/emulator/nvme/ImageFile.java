package org.jvfio.emulator.nvme;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.ref.Cleaner;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * An image file that this process has locked, until its last namespace is no longer in use. All namespaces of the
 * process with the same image share it: an operating system that follows POSIX ends the lock of a process when the
 * process closes any descriptor of the file.
 */
final class ImageFile {
    /** By the identity of the file; guarded by the class. */
    private static final Map<Object, Locked> LOCKED = new HashMap<>();

    private static final System.Logger LOGGER = System.getLogger(ImageFile.class.getName());
    private static final Cleaner CLEANER = Cleaner.create();

    private final Locked file;

    /** The open file, and who uses it: nobody for a while, between the end of the last namespace and the cleaner. */
    private static final class Locked {
        private final FileChannel channel;
        private final FileLock lock;
        private int users;

        Locked(FileChannel channel, FileLock lock) {
            this.channel = channel;
            this.lock = lock;
        }
    }

    private ImageFile(Locked file) {
        this.file = file;
    }

    /**
     * Opens an image for reading and writing, and locks it.
     *
     * @throws UncheckedIOException if it cannot be opened, or another process has locked it
     */
    static synchronized ImageFile open(Path image) {
        try {
            BasicFileAttributes attributes = Files.readAttributes(image, BasicFileAttributes.class);
            Object fileKey = attributes.fileKey();
            Object key = fileKey != null ? fileKey : image.toRealPath();
            Locked file = LOCKED.get(key);
            if (file == null) {
                file = lock(image);
                LOCKED.put(key, file);
            }
            Locked used = file;
            used.users++;
            ImageFile open = new ImageFile(used);
            CLEANER.register(open, () -> release(key, used));
            return open;
        } catch (IOException refused) {
            throw new UncheckedIOException("the image " + image + " of an NVMe namespace cannot be opened", refused);
        }
    }

    private static synchronized void release(Object key, Locked file) {
        if (--file.users == 0) {
            LOCKED.remove(key);
            try {
                file.channel.close();
            } catch (IOException lost) {
                LOGGER.log(System.Logger.Level.WARNING, "an image of an NVMe namespace was not closed", lost);
            }
        }
    }

    @SuppressWarnings("MustBeClosedChecker") // closed when no namespace uses it any more
    private static Locked lock(Path image) throws IOException {
        FileChannel channel = FileChannel.open(image, StandardOpenOption.READ, StandardOpenOption.WRITE);
        @Nullable FileLock lock = null;
        try {
            lock = channel.tryLock();
        } finally {
            if (lock == null) {
                channel.close();
            }
        }
        if (lock == null) {
            throw new IOException("another process uses it as a drive; end that one, or copy the image");
        }
        return new Locked(channel, lock);
    }

    /** The open file. Its position is not used. */
    FileChannel channel() {
        if (!file.lock.isValid()) {
            throw new IllegalStateException("the lock of an image was lost");
        }
        return file.channel;
    }
}
