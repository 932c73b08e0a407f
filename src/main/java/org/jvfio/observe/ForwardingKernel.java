package org.jvfio.observe;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Objects;
import org.jvfio.kernel.Kernel;
import org.jvfio.kernel.MemoryUse;

/**
 * A kernel that passes every call on to another one: the base of all decorators, which override the calls that they
 * observe or change. It keeps no state, and may be called by any number of threads.
 */
public class ForwardingKernel implements Kernel {
    private final Kernel behind;

    /**
     * Passes calls on.
     *
     * @param behind the kernel that makes the calls
     */
    public ForwardingKernel(Kernel behind) {
        this.behind = Objects.requireNonNull(behind);
    }

    /** The kernel that makes the calls. */
    protected final Kernel behind() {
        return behind;
    }

    @Override
    public int open(String path, int flags) {
        return behind.open(path, flags);
    }

    @Override
    public int close(int fd) {
        return behind.close(fd);
    }

    @Override
    public int ioctl(int fd, int request, long argument) {
        return behind.ioctl(fd, request, argument);
    }

    @Override
    public int ioctl(int fd, int request, MemorySegment argument) {
        return behind.ioctl(fd, request, argument);
    }

    @Override
    public long mmap(long length, int protection, int flags, int fd, long offset) {
        return behind.mmap(length, protection, flags, fd, offset);
    }

    @Override
    public int munmap(long address, long length) {
        return behind.munmap(address, length);
    }

    @Override
    public MemorySegment memory(long address, long length) {
        return behind.memory(address, length);
    }

    @Override
    public void adopt(MemorySegment memory) {
        behind.adopt(memory);
    }

    @Override
    public void disown(MemorySegment memory) {
        behind.disown(memory);
    }

    @Override
    public void announce(long address, long length, MemoryUse use) {
        behind.announce(address, length, use);
    }

    @Override
    public long pread(int fd, MemorySegment buffer, long offset) {
        return behind.pread(fd, buffer, offset);
    }

    @Override
    public long pwrite(int fd, MemorySegment buffer, long offset) {
        return behind.pwrite(fd, buffer, offset);
    }

    @Override
    public long read(int fd, MemorySegment buffer) {
        return behind.read(fd, buffer);
    }

    @Override
    public long write(int fd, MemorySegment buffer) {
        return behind.write(fd, buffer);
    }

    @Override
    public int eventfd(int initialValue, int flags) {
        return behind.eventfd(initialValue, flags);
    }

    @Override
    public int poll(MemorySegment pollfds, int timeoutMillis) {
        return behind.poll(pollfds, timeoutMillis);
    }

    @Override
    public int getrlimit(int resource, MemorySegment rlimit) {
        return behind.getrlimit(resource, rlimit);
    }

    @Override
    public int setrlimit(int resource, MemorySegment rlimit) {
        return behind.setrlimit(resource, rlimit);
    }

    @Override
    public long sysconf(int name) {
        return behind.sysconf(name);
    }

    @Override
    public String readFile(String path) throws IOException {
        return behind.readFile(path);
    }

    @Override
    public String readLink(String path) throws IOException {
        return behind.readLink(path);
    }

    @Override
    public List<String> list(String directory) throws IOException {
        return behind.list(directory);
    }
}
