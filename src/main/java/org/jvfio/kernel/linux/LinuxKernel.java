package org.jvfio.kernel.linux;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.jvfio.kernel.Errno;
import org.jvfio.kernel.Kernel;
import org.jvfio.uapi.pollfd;
import org.jvfio.uapi.rlimit;
import org.jvfio.uapi.vfio_h;

/**
 * The Linux kernel of this machine. Each call makes the system call of the same name once, through the C library. Its
 * behavior beyond that:
 *
 * <p><b>EINTR</b>: {@link #poll} continues with the remaining time. All other calls return it if the kernel does. That
 * is rare, as the JVM's signal handlers have Linux restart system calls. A {@link #close} that returns EINTR has closed
 * the descriptor and must not be repeated.
 *
 * <p><b>Threads</b>: a call that blocks ({@code poll}, or {@code read} of an eventfd) blocks its thread, and the
 * carrier of a virtual thread, until the kernel returns; interrupting the thread does not end it.
 *
 * <p><b>Arguments</b> that would harm the JVM itself are refused with {@link IllegalArgumentException} before any
 * system call: a heap segment, a read-only segment where the kernel writes, a struct that is too short, an address that
 * this kernel's {@code mmap} did not return. The caller is responsible for the size of an {@code ioctl}'s struct, which
 * this class does not know.
 */
public final class LinuxKernel implements Kernel {
    private static final Path CONTAINER = Path.of("/dev/vfio/vfio");

    private final MappedMemory mapped = new MappedMemory();
    private final long pageSize;

    /** Created at first use. There is one: a process has one kernel, and registers memory with it once. */
    private static final class Only {
        private static final LinuxKernel KERNEL = new LinuxKernel();
    }

    private LinuxKernel() {
        pageSize = sysconf(vfio_h._SC_PAGESIZE);
    }

    /**
     * The kernel of this machine, the same each time.
     *
     * @throws UnsupportedOperationException with the sentence of {@link #unavailable()}, if there is one
     */
    public static LinuxKernel open() {
        unavailable().ifPresent(reason -> {
            throw new UnsupportedOperationException(reason);
        });
        return Only.KERNEL;
    }

    /** The same on any Linux, with or without VFIO: many constants of ppc64le have the same values elsewhere. */
    static LinuxKernel onAnyMachine() {
        return Only.KERNEL;
    }

    /**
     * The kernel of this machine, with or without VFIO and of any architecture, to read its files.
     *
     * @throws UnsupportedOperationException with the sentence of {@link #uninspectable()}, if there is one
     */
    public static LinuxKernel inspect() {
        uninspectable().ifPresent(reason -> {
            throw new UnsupportedOperationException(reason);
        });
        return Only.KERNEL;
    }

    /** Why {@link #inspect()} would fail here, in one sentence with a remedy; empty if it would not. */
    public static Optional<String> uninspectable() {
        Module module = LinuxKernel.class.getModule();
        return unavailable(
                System.getProperty("os.name"),
                "ppc64le",
                module.isNamed() ? module.getName() : "ALL-UNNAMED",
                module.isNativeAccessEnabled(),
                Path.of("/"));
    }

    /**
     * Why {@link #open()} would fail here, in one sentence with a remedy; empty if it would not. It needs no native
     * access itself, and opens nothing.
     */
    public static Optional<String> unavailable() {
        Module module = LinuxKernel.class.getModule();
        return unavailable(
                System.getProperty("os.name"),
                System.getProperty("os.arch"),
                module.isNamed() ? module.getName() : "ALL-UNNAMED",
                module.isNativeAccessEnabled(),
                CONTAINER);
    }

    static Optional<String> unavailable(
            String system, String architecture, String module, boolean nativeAccess, Path container) {
        if (!system.equals("Linux")) {
            return Optional.of("VFIO is a part of Linux, and this is " + system + ": use the emulated kernel.");
        }
        if (!architecture.equals("ppc64le")) {
            return Optional.of("VFIO with the SPAPR TCE IOMMU is for ppc64le, and this Java runs on " + architecture
                    + ": use the emulated kernel, or a machine with POWER8 or newer.");
        }
        if (!nativeAccess) {
            return Optional.of("System calls need native access, and this Java was started without it:"
                    + " start it with --enable-native-access=" + module + ".");
        }
        if (Files.notExists(container)) {
            return Optional.of("There is no " + container + ", so VFIO is not loaded: modprobe vfio-pci.");
        }
        return Optional.empty();
    }

    /**
     * {@inheritDoc}
     *
     * <p>A file that {@code O_CREAT} creates has no permission bits.
     *
     * @throws IllegalArgumentException if the path has a NUL character, where C would end it
     */
    @Override
    public int open(String path, int flags) {
        if (path.indexOf('\0') >= 0) {
            throw new IllegalArgumentException("open: the path has a NUL character: " + path.replace("\0", "\\0"));
        }
        try (Arena arena = Arena.ofConfined()) {
            return SystemCalls.open(arena.allocateFrom(path), flags, 0);
        }
    }

    @Override
    public int close(int fd) {
        return SystemCalls.close(fd);
    }

    @Override
    public int ioctl(int fd, int request, long argument) {
        return SystemCalls.ioctl(fd, Integer.toUnsignedLong(request), argument);
    }

    @Override
    public int ioctl(int fd, int request, MemorySegment argument) {
        return SystemCalls.ioctl(fd, Integer.toUnsignedLong(request), nativeMemory("ioctl", argument));
    }

    /**
     * {@inheritDoc}
     *
     * <p>With {@code MAP_HUGETLB}, {@code length} should be whole huge pages: the kernel rounds it up, and unmaps whole
     * ones only.
     *
     * @throws IllegalArgumentException if {@code flags} has {@code MAP_FIXED} or {@code MAP_FIXED_NOREPLACE}: the
     *     address is of the kernel's choice
     */
    @Override
    public long mmap(long length, int protection, int flags, int fd, long offset) {
        if ((flags & (vfio_h.MAP_FIXED | vfio_h.MAP_FIXED_NOREPLACE)) != 0) {
            throw new IllegalArgumentException(
                    "mmap: flags 0x%x ask for a fixed address, and only the kernel chooses it".formatted(flags));
        }
        long address = SystemCalls.mmap(0, length, protection, flags, fd, offset);
        if (!Errno.isError(address)) {
            mapped.add(address, wholePages(length));
        }
        return address;
    }

    /**
     * {@inheritDoc}
     *
     * @throws IllegalArgumentException if the range is not all inside memory that {@code mmap} of this kernel returned:
     *     it may be the JVM's own
     */
    @Override
    public int munmap(long address, long length) {
        if (length <= 0 || address % pageSize != 0) {
            return SystemCalls.munmap(address, length);
        }
        // Removed first: after munmap, another thread's mmap may return the same address.
        long whole = wholePages(length);
        if (!mapped.remove(address, whole)) {
            throw notMapped("munmap", address, length);
        }
        int answer = SystemCalls.munmap(address, length);
        if (answer != 0) {
            mapped.add(address, whole);
        }
        return answer;
    }

    @Override
    public MemorySegment memory(long address, long length) {
        MemorySegment segment = mapped.segment(address, length);
        if (segment == null) {
            throw notMapped("memory", address, length);
        }
        return segment;
    }

    @Override
    public void adopt(MemorySegment memory) {
        // The kernel finds it in the page tables of the process.
    }

    @Override
    public void disown(MemorySegment memory) {
        // See adopt.
    }

    @Override
    public long pread(int fd, MemorySegment buffer, long offset) {
        return SystemCalls.pread(fd, writable("pread", buffer), buffer.byteSize(), offset);
    }

    @Override
    public long pwrite(int fd, MemorySegment buffer, long offset) {
        return SystemCalls.pwrite(fd, nativeMemory("pwrite", buffer), buffer.byteSize(), offset);
    }

    @Override
    public long read(int fd, MemorySegment buffer) {
        return SystemCalls.read(fd, writable("read", buffer), buffer.byteSize());
    }

    @Override
    public long write(int fd, MemorySegment buffer) {
        return SystemCalls.write(fd, nativeMemory("write", buffer), buffer.byteSize());
    }

    @Override
    public int eventfd(int initialValue, int flags) {
        return SystemCalls.eventfd(initialValue, flags);
    }

    @Override
    public int poll(MemorySegment pollfds, int timeoutMillis) {
        writable("poll", pollfds);
        if (pollfds.byteSize() % pollfd.sizeof() != 0) {
            throw new IllegalArgumentException("poll: %d bytes are no array of struct pollfd, which has %d bytes"
                    .formatted(pollfds.byteSize(), pollfd.sizeof()));
        }
        long count = pollfds.byteSize() / pollfd.sizeof();
        long deadline = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(timeoutMillis);
        int answer = SystemCalls.poll(pollfds, count, timeoutMillis);
        while (answer == Errno.EINTR.negated()) {
            answer = SystemCalls.poll(pollfds, count, timeoutMillis < 0 ? timeoutMillis : millisUntil(deadline));
        }
        return answer;
    }

    @Override
    public int getrlimit(int resource, MemorySegment rlimit) {
        return SystemCalls.getrlimit(resource, limits("getrlimit", writable("getrlimit", rlimit)));
    }

    @Override
    public int setrlimit(int resource, MemorySegment rlimit) {
        return SystemCalls.setrlimit(resource, limits("setrlimit", nativeMemory("setrlimit", rlimit)));
    }

    /**
     * {@inheritDoc}
     *
     * <p>The C library returns -1 for a name that it does not know and for a value without a limit; both are EINVAL
     * here.
     */
    @Override
    public long sysconf(int name) {
        long value = SystemCalls.sysconf(name);
        return value < 0 ? Errno.EINVAL.negated() : value;
    }

    @Override
    public String readFile(String path) throws IOException {
        return Files.readString(Path.of(path));
    }

    @Override
    public String readLink(String path) throws IOException {
        return Files.readSymbolicLink(Path.of(path)).toString();
    }

    @Override
    public List<String> list(String directory) throws IOException {
        Path path = Path.of(directory);
        try (Stream<Path> entries = Files.list(path)) {
            return entries.map(entry -> path.relativize(entry).toString())
                    .sorted()
                    .toList();
        } catch (UncheckedIOException e) {
            throw e.getCause();
        }
    }

    private long wholePages(long length) {
        return (length + pageSize - 1) / pageSize * pageSize;
    }

    /** Milliseconds, rounded up; 0 after the deadline, a {@link System#nanoTime()}. */
    private static int millisUntil(long deadline) {
        long nanos = Math.max(0, deadline - System.nanoTime());
        return Math.toIntExact((nanos + 999_999) / 1_000_000);
    }

    private static MemorySegment nativeMemory(String call, MemorySegment segment) {
        if (!segment.isNative()) {
            throw new IllegalArgumentException(
                    call + ": the kernel cannot use a segment of the Java heap; allocate it in an Arena");
        }
        return segment;
    }

    private static MemorySegment writable(String call, MemorySegment segment) {
        if (segment.isReadOnly()) {
            throw new IllegalArgumentException(call + ": the kernel writes to this segment, and it is read-only");
        }
        return nativeMemory(call, segment);
    }

    private static MemorySegment limits(String call, MemorySegment segment) {
        if (segment.byteSize() < rlimit.sizeof()) {
            throw new IllegalArgumentException("%s: struct rlimit has %d bytes, and the segment only %d"
                    .formatted(call, rlimit.sizeof(), segment.byteSize()));
        }
        return segment;
    }

    private static IllegalArgumentException notMapped(String call, long address, long length) {
        return new IllegalArgumentException(
                "%s: %d bytes at 0x%x are not all memory that mmap returned and munmap has left"
                        .formatted(call, length, address));
    }
}
