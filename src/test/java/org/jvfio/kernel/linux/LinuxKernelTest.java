package org.jvfio.kernel.linux;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.jvfio.uapi.vfio_h.EFD_CLOEXEC;
import static org.jvfio.uapi.vfio_h.EFD_NONBLOCK;
import static org.jvfio.uapi.vfio_h.EFD_SEMAPHORE;
import static org.jvfio.uapi.vfio_h.MAP_ANONYMOUS;
import static org.jvfio.uapi.vfio_h.MAP_FIXED;
import static org.jvfio.uapi.vfio_h.MAP_PRIVATE;
import static org.jvfio.uapi.vfio_h.MAP_SHARED;
import static org.jvfio.uapi.vfio_h.O_CLOEXEC;
import static org.jvfio.uapi.vfio_h.O_RDONLY;
import static org.jvfio.uapi.vfio_h.O_RDWR;
import static org.jvfio.uapi.vfio_h.POLLIN;
import static org.jvfio.uapi.vfio_h.POLLNVAL;
import static org.jvfio.uapi.vfio_h.PROT_READ;
import static org.jvfio.uapi.vfio_h.PROT_WRITE;
import static org.jvfio.uapi.vfio_h.RLIMIT_NOFILE;
import static org.jvfio.uapi.vfio_h.VFIO_GET_API_VERSION;
import static org.jvfio.uapi.vfio_h._SC_PAGESIZE;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.SynchronousQueue;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.jvfio.kernel.Errno;
import org.jvfio.uapi.pollfd;
import org.jvfio.uapi.rlimit;

/** System calls on any Linux machine, by constants that have one value on ppc64le and on x86-64. */
@Tag("native")
@EnabledOnOs(OS.LINUX)
class LinuxKernelTest {
    private static final boolean POWER = System.getProperty("os.arch").equals("ppc64le");

    /** Of asm/ioctls.h: takes an int by address, and makes reads of the descriptor not wait. */
    private static final int FIONBIO = POWER ? 0x8004667e : 0x5421;

    /** Of asm/ioctls.h: takes an int by value, and refuses all but 0, 1 and 2. */
    private static final int TCFLSH = POWER ? 0x2000741f : 0x540b;

    private static final int SIGPIPE = 13;

    private final LinuxKernel kernel = LinuxKernel.onAnyMachine();
    private final Arena arena = Arena.ofShared();
    private final List<Integer> descriptors = new ArrayList<>();

    @TempDir
    private Path directory;

    @AfterEach
    void close() {
        descriptors.forEach(kernel::close);
        arena.close();
    }

    @Test
    void onAnyMachine_twice_sameKernel() {
        assertSame(kernel, LinuxKernel.onAnyMachine());
    }

    @Test
    void open_absentPath_enoent() {
        assertEquals(
                Errno.ENOENT.negated(), kernel.open(directory.resolve("absent").toString(), O_RDWR));
    }

    @Test
    void open_pathWithNul_illegalArgument() {
        assertThrows(IllegalArgumentException.class, () -> kernel.open("/dev/null\0/etc", O_RDWR));
    }

    @Test
    void close_twice_ebadf() {
        int fd = kernel.open("/dev/null", O_RDWR | O_CLOEXEC);
        assertTrue(fd >= 0);
        assertEquals(0, kernel.close(fd));
        assertEquals(Errno.EBADF.negated(), kernel.close(fd));
    }

    @Test
    void ioctl_deviceWithoutVfio_enotty() {
        int fd = open("/dev/null");
        assertEquals(Errno.ENOTTY.negated(), kernel.ioctl(fd, VFIO_GET_API_VERSION, 0L));
        assertEquals(Errno.ENOTTY.negated(), kernel.ioctl(fd, VFIO_GET_API_VERSION, arena.allocate(8)));
    }

    /** More threads than have a part of the memory for errno, and threads that get the part of one that has ended. */
    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void failedCalls_manyThreadsAtOnce_eachGetsItsErrno(boolean virtual) throws InterruptedException {
        int fd = open("/dev/null");
        AtomicInteger wrong = new AtomicInteger();
        for (int generation = 0; generation < 3; generation++) {
            List<Thread> threads = new ArrayList<>();
            for (int each = 0; each < 150; each++) {
                boolean isOdd = each % 2 == 1;
                threads.add((virtual ? Thread.ofVirtual() : Thread.ofPlatform()).start(() -> {
                    for (int call = 0; call < 100; call++) {
                        int answer = isOdd ? kernel.close(-1) : kernel.ioctl(fd, VFIO_GET_API_VERSION, 0L);
                        if (answer != (isOdd ? Errno.EBADF : Errno.ENOTTY).negated()) {
                            wrong.incrementAndGet();
                        }
                    }
                }));
            }
            for (Thread thread : threads) {
                thread.join();
            }
        }
        assertEquals(0, wrong.get());
    }

    @Test
    void ioctl_struct_passesItsAddress() {
        int fd = eventfd(0, 0);
        assertEquals(0, kernel.ioctl(fd, FIONBIO, arena.allocateFrom(JAVA_INT, 1)));
        assertEquals(Errno.EAGAIN.negated(), kernel.read(fd, arena.allocate(JAVA_LONG)));
        assertEquals(Errno.EFAULT.negated(), kernel.ioctl(fd, FIONBIO, 1L));
    }

    @Test
    void ioctl_value_passesIt() {
        int fd = open("/dev/ptmx");
        assertEquals(0, kernel.ioctl(fd, TCFLSH, 2L));
        assertEquals(Errno.EINVAL.negated(), kernel.ioctl(fd, TCFLSH, 3L));
    }

    @Test
    void eventfd_writtenAndRead_counts() {
        int fd = eventfd(40, EFD_CLOEXEC | EFD_NONBLOCK);
        assertEquals(Long.BYTES, kernel.write(fd, arena.allocateFrom(JAVA_LONG, 2)));
        MemorySegment counter = arena.allocate(JAVA_LONG);
        assertEquals(Long.BYTES, kernel.read(fd, counter));
        assertEquals(42, counter.get(JAVA_LONG, 0));
        assertEquals(Errno.EAGAIN.negated(), kernel.read(fd, counter));
    }

    @Test
    void eventfd_unknownFlags_einval() {
        int fd = eventfd(2, EFD_SEMAPHORE);
        MemorySegment counter = arena.allocate(JAVA_LONG);
        kernel.read(fd, counter);
        assertEquals(1, counter.get(JAVA_LONG, 0));
        assertEquals(Errno.EINVAL.negated(), kernel.eventfd(0, 2));
    }

    @Test
    void poll_oneOfTwoReady_countAndRevents() {
        int idle = eventfd(0, 0);
        int ready = eventfd(1, 0);
        MemorySegment fds = pollfds(idle, ready);
        assertEquals(1, kernel.poll(fds, -1));
        assertEquals(0, pollfd.revents(fds));
        assertEquals(POLLIN, pollfd.revents(pollfd.asSlice(fds, 1)));
    }

    @Test
    void poll_timeout_zero() {
        MemorySegment fds = pollfds(eventfd(0, 0));
        assertEquals(0, kernel.poll(fds, 0));
        assertEquals(0, kernel.poll(fds, 1));
    }

    @Test
    void poll_closedDescriptor_pollnval() {
        MemorySegment fds = pollfds(Integer.MAX_VALUE);
        assertEquals(1, kernel.poll(fds, -1));
        assertEquals(POLLNVAL, pollfd.revents(fds));
    }

    @Test
    void poll_noArrayOfPollfd_illegalArgument() {
        assertThrows(IllegalArgumentException.class, () -> kernel.poll(arena.allocate(12), 0));
    }

    @Test
    @SuppressWarnings("restricted")
    void poll_signal_goesOn() throws Exception {
        Linker linker = Linker.nativeLinker();
        MethodHandle self = linker.downcallHandle(
                linker.defaultLookup().findOrThrow("pthread_self"), FunctionDescriptor.of(JAVA_LONG));
        MethodHandle kill = linker.downcallHandle(
                linker.defaultLookup().findOrThrow("pthread_kill"),
                FunctionDescriptor.of(JAVA_INT, JAVA_LONG, JAVA_INT));
        int fd = eventfd(0, 0);
        SynchronousQueue<Long> threads = new SynchronousQueue<>();
        try (ExecutorService executor = Executors.newSingleThreadExecutor()) {
            Future<List<Integer>> answers = executor.submit(() -> {
                threads.put(invoke(self));
                return List.of(kernel.poll(pollfds(fd), 60_000), kernel.poll(pollfds(fd), -1));
            });
            long thread = threads.take();
            // The JVM ignores SIGPIPE in a handler of its own, which is all that ends a poll.
            for (int signal = 0; signal < 50; signal++) {
                assertEquals(0L, invoke(kill, thread, SIGPIPE));
                Thread.sleep(1);
            }
            kernel.write(fd, arena.allocateFrom(JAVA_LONG, 1));
            assertEquals(List.of(1, 1), answers.get());
        }
    }

    @Test
    void preadAndPwrite_atOffset_fileChanges() throws IOException {
        int fd = open(Files.writeString(directory.resolve("file"), "0123456789").toString());
        assertEquals(2, kernel.pwrite(fd, arena.allocateFrom("ab").asSlice(0, 2), 4));
        MemorySegment buffer = arena.allocate(8);
        assertEquals(7, kernel.pread(fd, buffer, 3));
        assertEquals("3ab6789", buffer.getString(0));
        assertEquals(0, kernel.pread(fd, buffer, 10));
        assertEquals(Errno.EINVAL.negated(), kernel.pread(fd, buffer, -1));
        assertEquals(Errno.ESPIPE.negated(), kernel.pread(eventfd(0, 0), buffer, 0));
    }

    @Test
    void mmap_anonymous_usableUntilUnmapped() {
        long length = 2 * pageSize();
        long address = mapAnonymous(length);
        MemorySegment memory = kernel.memory(address, length);
        memory.set(JAVA_LONG, length - Long.BYTES, 0x0123456789abcdefL);
        assertEquals(
                0x0123456789abcdefL,
                kernel.memory(address + length - Long.BYTES, Long.BYTES).get(JAVA_LONG, 0));
        assertEquals(0, kernel.munmap(address, length));
        assertThrows(IllegalArgumentException.class, () -> kernel.memory(address, 1));
    }

    @Test
    void munmap_partOfMapping_segmentIsDead() {
        long page = pageSize();
        long address = kernel.mmap(2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        MemorySegment whole = kernel.memory(address, 2 * page);
        assertEquals(0, kernel.munmap(address, page));
        assertThrows(IllegalStateException.class, () -> whole.get(JAVA_BYTE, page));
        kernel.memory(address + page, page).fill((byte) 1);
        assertEquals(0, kernel.munmap(address + page, page));
    }

    @Test
    void mmap_fileAtOffset_itsBytes() throws IOException {
        byte[] bytes = new byte[(int) pageSize() + 1];
        bytes[(int) pageSize()] = 42;
        int fd = open(Files.write(directory.resolve("file"), bytes).toString());
        long address = kernel.mmap(1, PROT_READ, MAP_SHARED, fd, pageSize());
        assertEquals(42, kernel.memory(address, 1).get(JAVA_BYTE, 0));
        assertEquals(0, kernel.munmap(address, 1));
    }

    @Test
    void mmap_invalidArguments_errnoOfTheKernel() {
        assertEquals(Errno.EINVAL.negated(), kernel.mmap(0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
        assertEquals(Errno.EBADF.negated(), kernel.mmap(pageSize(), PROT_READ, MAP_SHARED, -1, 0));
        assertEquals(
                Errno.ENOMEM.negated(), kernel.mmap(Long.MAX_VALUE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
        assertEquals(Errno.ENODEV.negated(), kernel.mmap(pageSize(), PROT_READ, MAP_SHARED, eventfd(0, 0), 0));
    }

    @Test
    void mmap_fixed_illegalArgument() {
        assertThrows(
                IllegalArgumentException.class,
                () -> kernel.mmap(pageSize(), PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
    }

    @Test
    void munmap_middleOfMapping_restStays() {
        long page = pageSize();
        long address = mapAnonymous(3 * page);
        assertEquals(0, kernel.munmap(address + page, page));
        assertThrows(IllegalArgumentException.class, () -> kernel.memory(address, 3 * page));
        kernel.memory(address + 2 * page, page).fill((byte) 1);
        assertEquals(0, kernel.munmap(address, page));
        assertEquals(0, kernel.munmap(address + 2 * page, page));
    }

    @Test
    void munmap_foreignMemory_illegalArgument() {
        long foreign = arena.allocate(pageSize(), pageSize()).address();
        assertThrows(IllegalArgumentException.class, () -> kernel.memory(foreign, 1));
        assertThrows(IllegalArgumentException.class, () -> kernel.munmap(foreign, pageSize()));
        assertThrows(IllegalArgumentException.class, () -> kernel.munmap(0, Long.MAX_VALUE));
    }

    @Test
    void munmap_invalidLength_einvalAndMemoryStays() {
        long address = mapAnonymous(pageSize());
        assertEquals(Errno.EINVAL.negated(), kernel.munmap(address, 0));
        assertEquals(Errno.EINVAL.negated(), kernel.munmap(address + 1, pageSize()));
        assertEquals(Errno.EINVAL.negated(), kernel.munmap(address, -1));
        kernel.memory(address, pageSize()).fill((byte) 1);
        assertEquals(0, kernel.munmap(address, pageSize()));
    }

    @Test
    void setrlimit_lowerLimit_readBack() {
        MemorySegment before = rlimit.allocate(arena);
        assertEquals(0, kernel.getrlimit(RLIMIT_NOFILE, before));
        MemorySegment lower = rlimit.allocate(arena).copyFrom(before);
        rlimit.rlim_cur(lower, rlimit.rlim_cur(before) - 1);
        assertEquals(0, kernel.setrlimit(RLIMIT_NOFILE, lower));
        try {
            MemorySegment after = rlimit.allocate(arena);
            assertEquals(0, kernel.getrlimit(RLIMIT_NOFILE, after));
            assertEquals(-1, after.mismatch(lower));
        } finally {
            assertEquals(0, kernel.setrlimit(RLIMIT_NOFILE, before));
        }
        assertEquals(Errno.EINVAL.negated(), kernel.getrlimit(-1, before));
    }

    @Test
    void getrlimit_shortStruct_illegalArgument() {
        MemorySegment half = arena.allocate(8);
        assertThrows(IllegalArgumentException.class, () -> kernel.getrlimit(RLIMIT_NOFILE, half));
        assertThrows(IllegalArgumentException.class, () -> kernel.setrlimit(RLIMIT_NOFILE, half));
    }

    @Test
    void sysconf_pageSizeAndUnknownName_powerOfTwoAndEinval() {
        assertEquals(1, Long.bitCount(pageSize()));
        assertTrue(pageSize() >= 4096);
        assertEquals(Errno.EINVAL.negated(), kernel.sysconf(-1));
    }

    @Test
    void everyCall_heapSegment_illegalArgument() {
        MemorySegment heap = MemorySegment.ofArray(new long[2]);
        int fd = open("/dev/null");
        assertThrows(IllegalArgumentException.class, () -> kernel.ioctl(fd, VFIO_GET_API_VERSION, heap));
        assertThrows(IllegalArgumentException.class, () -> kernel.pread(fd, heap, 0));
        assertThrows(IllegalArgumentException.class, () -> kernel.pwrite(fd, heap, 0));
        assertThrows(IllegalArgumentException.class, () -> kernel.read(fd, heap));
        assertThrows(IllegalArgumentException.class, () -> kernel.write(fd, heap));
        assertThrows(IllegalArgumentException.class, () -> kernel.poll(heap, 0));
        assertThrows(IllegalArgumentException.class, () -> kernel.getrlimit(RLIMIT_NOFILE, heap));
        assertThrows(IllegalArgumentException.class, () -> kernel.setrlimit(RLIMIT_NOFILE, heap));
    }

    @Test
    void everyReadingCall_readOnlySegment_illegalArgument() {
        MemorySegment readOnly = arena.allocate(16).asReadOnly();
        int fd = open("/dev/null");
        assertThrows(IllegalArgumentException.class, () -> kernel.pread(fd, readOnly, 0));
        assertThrows(IllegalArgumentException.class, () -> kernel.read(fd, readOnly));
        assertThrows(IllegalArgumentException.class, () -> kernel.poll(readOnly, 0));
        assertThrows(IllegalArgumentException.class, () -> kernel.getrlimit(RLIMIT_NOFILE, readOnly));
        assertEquals(16, kernel.write(fd, readOnly));
    }

    @Test
    void write_segmentOfClosedArena_illegalState() {
        MemorySegment closed;
        try (Arena other = Arena.ofConfined()) {
            closed = other.allocate(8);
        }
        int fd = open("/dev/null");
        assertThrows(IllegalStateException.class, () -> kernel.write(fd, closed));
    }

    @Test
    void ioctl_manyThreads_ownErrno() throws Exception {
        int fd = open("/dev/null");
        try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
            List<Future<List<Integer>>> answers = new ArrayList<>();
            for (int thread = 0; thread < 200; thread++) {
                answers.add(threads.submit(() -> {
                    int missing = kernel.open("/absent", O_RDONLY);
                    int notADevice = kernel.ioctl(fd, VFIO_GET_API_VERSION, 0L);
                    return List.of(missing, notADevice, kernel.close(-1));
                }));
            }
            for (Future<List<Integer>> answer : answers) {
                assertEquals(
                        List.of(Errno.ENOENT.negated(), Errno.ENOTTY.negated(), Errno.EBADF.negated()), answer.get());
            }
        }
    }

    @Test
    void readFile_sysfs_textLinksAndSortedNames() throws IOException {
        Files.createFile(directory.resolve("b"));
        Files.writeString(directory.resolve("a"), "text\n");
        Files.createSymbolicLink(directory.resolve("c"), Path.of("../x/y"));
        assertEquals(List.of("a", "b", "c"), kernel.list(directory.toString()));
        assertEquals("text\n", kernel.readFile(directory.resolve("a").toString()));
        assertEquals("../x/y", kernel.readLink(directory.resolve("c").toString()));
        assertEquals("Linux\n", kernel.readFile("/proc/sys/kernel/ostype"));
    }

    @Test
    void readFile_absent_noSuchFile() {
        String absent = directory.resolve("absent").toString();
        assertThrows(NoSuchFileException.class, () -> kernel.readFile(absent));
        assertThrows(NoSuchFileException.class, () -> kernel.readLink(absent));
        assertThrows(NoSuchFileException.class, () -> kernel.list(absent));
    }

    private int open(String path) {
        return opened(kernel.open(path, O_RDWR | O_CLOEXEC));
    }

    private int eventfd(int initialValue, int flags) {
        return opened(kernel.eventfd(initialValue, flags));
    }

    private int opened(int fd) {
        assertTrue(fd >= 0, () -> "no descriptor: " + Errno.of(-fd));
        descriptors.add(fd);
        return fd;
    }

    private MemorySegment pollfds(int... fds) {
        MemorySegment array = pollfd.allocateArray(fds.length, arena);
        for (int i = 0; i < fds.length; i++) {
            pollfd.fd(pollfd.asSlice(array, i), fds[i]);
            pollfd.events(pollfd.asSlice(array, i), (short) POLLIN);
        }
        return array;
    }

    private long mapAnonymous(long length) {
        long address = kernel.mmap(length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        assertTrue(!Errno.isError(address));
        return address;
    }

    private long pageSize() {
        return kernel.sysconf(_SC_PAGESIZE);
    }

    private static long invoke(MethodHandle function, Object... arguments) {
        try {
            return ((Number) function.invokeWithArguments(arguments)).longValue();
        } catch (Throwable e) {
            throw new AssertionError(e);
        }
    }
}
