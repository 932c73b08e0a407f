package org.jvfio.kernel;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.util.List;

/**
 * The system calls that a VFIO program makes, and the files of sysfs and procfs that it reads: the boundary between
 * user space and kernel.
 *
 * <p>Descriptors, request numbers and the bytes of the uapi structs pass through it unchanged. Every call returns what
 * the system call returns: a value, or the negated number of an {@link Errno}; no call throws because the kernel
 * refuses it. A value above zero is not always a success: see the call's own documentation in {@code linux/vfio.h} and
 * in the users of this interface.
 *
 * <p>Structs passed to {@code ioctl}, {@code getrlimit}, {@code setrlimit} and {@code poll}, and the buffers of reads
 * and writes, are native segments in the byte order of ppc64le. A heap segment is refused with
 * {@link IllegalArgumentException} by every implementation.
 *
 * <p>Implementations may be called by any number of threads.
 */
public interface Kernel {

    /** {@code open(2)}: a descriptor, or a negated errno. {@code flags} are those of ppc64le. */
    int open(String path, int flags);

    /** {@code close(2)}: 0 or a negated errno. */
    int close(int fd);

    /** {@code ioctl(2)} with an argument passed by value, or with an address that may be no memory of this process. */
    int ioctl(int fd, int request, long argument);

    /** {@code ioctl(2)} with a struct. The segment must hold all that the kernel reads and writes for this request. */
    int ioctl(int fd, int request, MemorySegment argument);

    /**
     * {@code mmap(2)} at an address of the kernel's choice: the address, page aligned, or a negated errno.
     *
     * @param length bytes
     * @param fd a descriptor, or -1 with {@code MAP_ANONYMOUS}
     * @param offset bytes into the file, page aligned
     */
    long mmap(long length, int protection, int flags, int fd, long offset);

    /**
     * {@code munmap(2)} of whole pages: 0 or a negated errno. It closes the segments over the mappings that it touches.
     *
     * @throws IllegalStateException if another thread's call uses such a segment at this moment; nothing is unmapped
     */
    int munmap(long address, long length);

    /**
     * The memory of this process that one {@link #mmap} returned, as a segment that lives until any of that memory is
     * {@linkplain #munmap unmapped}; a later access throws {@link IllegalStateException}.
     *
     * @throws IllegalArgumentException if the range is not inside memory that one {@code mmap} of this kernel returned
     */
    MemorySegment memory(long address, long length);

    /**
     * Announces memory that did not come from {@link #mmap}, before a call passes its address. Linux knows the memory
     * of its processes, and does nothing; a kernel in Java cannot reach memory by its address alone. For memory of this
     * kernel's own {@code mmap} it has no effect.
     *
     * @param memory whole system pages, accessible by all threads
     */
    void adopt(MemorySegment memory);

    /** Reverts {@link #adopt} for the same range, which may be freed already. */
    void disown(MemorySegment memory);

    /**
     * Announces who accesses a part of memory that is registered for DMA from now on. DMA is coherent on POWER, so
     * Linux has no call for it and nothing happens; a decorator can check the program's accesses and the devices' by
     * it.
     *
     * @param address the first byte
     * @param length bytes
     */
    default void announce(long address, long length, MemoryUse use) {}

    /** {@code pread(2)}: the count of bytes read, or a negated errno. */
    long pread(int fd, MemorySegment buffer, long offset);

    /** {@code pwrite(2)}: the count of bytes written, or a negated errno. */
    long pwrite(int fd, MemorySegment buffer, long offset);

    /** {@code read(2)}, as of an eventfd's counter: the count of bytes read, or a negated errno. */
    long read(int fd, MemorySegment buffer);

    /** {@code write(2)}, as to an eventfd's counter: the count of bytes written, or a negated errno. */
    long write(int fd, MemorySegment buffer);

    /** {@code eventfd(2)}: a descriptor, or a negated errno. */
    int eventfd(int initialValue, int flags);

    /**
     * {@code poll(2)} of an array of {@code struct pollfd}: the number of ready ones, 0 after the timeout, or a negated
     * errno.
     *
     * @param timeoutMillis milliseconds; negative for no timeout
     */
    int poll(MemorySegment pollfds, int timeoutMillis);

    /** {@code getrlimit(2)} into a {@code struct rlimit}: 0 or a negated errno. */
    int getrlimit(int resource, MemorySegment rlimit);

    /** {@code setrlimit(2)} from a {@code struct rlimit}: 0 or a negated errno. */
    int setrlimit(int resource, MemorySegment rlimit);

    /** {@code sysconf(3)}: the value, or a negated errno. */
    long sysconf(int name);

    /**
     * The text of a file of sysfs or procfs.
     *
     * @throws java.nio.file.NoSuchFileException if there is none
     * @throws IOException if it cannot be read
     */
    String readFile(String path) throws IOException;

    /**
     * The target of a symbolic link of sysfs, as it is written in the link.
     *
     * @throws java.nio.file.NoSuchFileException if there is none
     * @throws IOException if it cannot be read
     */
    String readLink(String path) throws IOException;

    /**
     * The names in a directory of sysfs, sorted.
     *
     * @throws java.nio.file.NoSuchFileException if there is none
     * @throws IOException if it cannot be read
     */
    List<String> list(String directory) throws IOException;
}
