package org.jvfio;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.concurrent.locks.StampedLock;
import java.util.function.Function;
import java.util.function.IntSupplier;
import java.util.function.Supplier;
import org.jvfio.ioctl.IoctlFile;
import org.jvfio.kernel.Errno;
import org.jvfio.kernel.Kernel;
import org.jvfio.uapi.vfio_h;

/**
 * A file descriptor and its lifetime. A read/write lock orders close after all calls in flight, so that no call uses a
 * number that the kernel has given to another file since.
 */
final class Descriptor implements IoctlFile, AutoCloseable {
    private static final int CLOSED = -1;
    private static final MemorySegment ONE =
            Arena.global().allocateFrom(ValueLayout.JAVA_LONG, 1).asReadOnly();

    private final Kernel kernel;
    private final String name;
    private final StampedLock lock = new StampedLock();
    private final IoctlFile keptOpen = new KeptOpen();
    private int number;

    /**
     * Takes over an open descriptor.
     *
     * @param name its name in messages
     */
    Descriptor(Kernel kernel, String name, int number) {
        this.kernel = kernel;
        this.name = name;
        this.number = number;
    }

    /**
     * Opens a file.
     *
     * @param operation what it is opened for, as it follows "cannot"
     * @param causes what each errno means
     * @throws VfioException if the kernel refuses
     */
    static Descriptor open(Kernel kernel, String path, int flags, String operation, Function<Errno, Cause> causes) {
        int answer = kernel.open(path, flags | vfio_h.O_CLOEXEC);
        if (answer < 0) {
            throw VfioException.failed(operation, "open(" + path + ")", answer, Cause.of(answer, causes));
        }
        return new Descriptor(kernel, path, answer);
    }

    /**
     * Creates an eventfd with reads that do not block.
     *
     * @param name its name in messages
     * @param operation what it is created for, as it follows "cannot"
     * @throws VfioException if the kernel refuses
     */
    static Descriptor eventfd(Kernel kernel, String name, Supplier<String> operation) {
        int answer = kernel.eventfd(0, vfio_h.EFD_CLOEXEC | vfio_h.EFD_NONBLOCK);
        if (answer < 0) {
            throw VfioException.failed(operation.get(), "eventfd", answer, Cause.of(answer, KnownCauses::descriptor));
        }
        return new Descriptor(kernel, name, answer);
    }

    /**
     * The number, to be passed to the kernel while the caller keeps this from being closed.
     *
     * @throws IllegalStateException if it is closed
     */
    int number() {
        if (number == CLOSED) {
            throw new IllegalStateException(name + " is closed");
        }
        return number;
    }

    /** Whether it is open at this moment. */
    boolean isOpen() {
        long stamp = lock.readLock();
        try {
            return number != CLOSED;
        } finally {
            lock.unlockRead(stamp);
        }
    }

    /** @throws IllegalStateException if it is closed */
    void requireOpen() {
        long stamp = lock.readLock();
        try {
            number();
        } finally {
            lock.unlockRead(stamp);
        }
    }

    @Override
    public int ioctl(int request, long argument) {
        long stamp = lock.readLock();
        try {
            return kernel.ioctl(number(), request, argument);
        } finally {
            lock.unlockRead(stamp);
        }
    }

    @Override
    public int ioctl(int request, MemorySegment argument) {
        long stamp = lock.readLock();
        try {
            return kernel.ioctl(number(), request, argument);
        } finally {
            lock.unlockRead(stamp);
        }
    }

    /** Makes ioctls without the lock, for a caller who keeps this from being closed meanwhile. */
    IoctlFile keptOpen() {
        return keptOpen;
    }

    private final class KeptOpen implements IoctlFile {
        @Override
        public int ioctl(int request, long argument) {
            return kernel.ioctl(number(), request, argument);
        }

        @Override
        public int ioctl(int request, MemorySegment struct) {
            return kernel.ioctl(number(), request, struct);
        }
    }

    long read(MemorySegment buffer) {
        long stamp = lock.readLock();
        try {
            return kernel.read(number(), buffer);
        } finally {
            lock.unlockRead(stamp);
        }
    }

    /**
     * Adds 1 to the counter of an eventfd.
     *
     * @throws VfioException if the kernel refuses
     * @throws IllegalStateException if it is closed
     */
    void signal() {
        long stamp = lock.readLock();
        try {
            long answer = kernel.write(number(), ONE);
            if (answer != ONE.byteSize()) {
                throw VfioException.failed("signal " + name, "write(" + name + ")", answer, Cause.unknown());
            }
        } finally {
            lock.unlockRead(stamp);
        }
    }

    long pread(MemorySegment buffer, long offset) {
        long stamp = lock.readLock();
        try {
            return kernel.pread(number(), buffer, offset);
        } finally {
            lock.unlockRead(stamp);
        }
    }

    long pwrite(MemorySegment buffer, long offset) {
        long stamp = lock.readLock();
        try {
            return kernel.pwrite(number(), buffer, offset);
        } finally {
            lock.unlockRead(stamp);
        }
    }

    /**
     * Closes it, and opens it again with another number; calls of other threads wait.
     *
     * @param opener returns a descriptor, or throws, with which this stays closed
     * @throws VfioException if the close fails, after the opener was called
     */
    void replace(IntSupplier opener) {
        long stamp = lock.writeLock();
        try {
            Teardown teardown = new Teardown();
            teardown.step(this::closeNumber);
            teardown.step(() -> number = opener.getAsInt());
            teardown.end();
        } finally {
            lock.unlockWrite(stamp);
        }
    }

    /** Closes it once; the number is gone whatever the kernel answers. */
    @Override
    public void close() {
        long stamp = lock.writeLock();
        try {
            closeNumber();
        } finally {
            lock.unlockWrite(stamp);
        }
    }

    private void closeNumber() {
        if (number == CLOSED) {
            return;
        }
        int answer = kernel.close(number);
        number = CLOSED;
        if (answer != 0) {
            throw VfioException.failed("close " + name, "close(" + name + ")", answer, Cause.unknown());
        }
    }

    /** What it is. */
    @Override
    public String toString() {
        return name;
    }
}
