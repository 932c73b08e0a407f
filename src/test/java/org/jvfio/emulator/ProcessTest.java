package org.jvfio.emulator;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.CompletableFuture;
import java.util.function.Supplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.jvfio.kernel.Errno;
import org.jvfio.uapi.pollfd;
import org.jvfio.uapi.rlimit;
import org.jvfio.uapi.vfio_h;

/** What a process has from its parent, and what is left of it when it has ended. */
class ProcessTest {
    private static final int NO_TIMEOUT = -1;
    private static final long PAGE = 1 << 16;

    private final EmulatedKernel kernel = EmulatedKernel.boot(EmulatedMachine.power8());
    private final EmulatedKernel ended = kernel.newProcess();
    private final Arena arena = Arena.ofShared();

    @AfterEach
    void free() {
        arena.close();
    }

    @Test
    void open_endedProcess_refused() {
        int container = kernel.open("/dev/vfio/vfio", vfio_h.O_RDWR);
        ended.exit();
        assertEquals(Errno.EBADF.negated(), ended.open("/dev/vfio/vfio", vfio_h.O_RDWR));
        assertEquals(Errno.EBADF.negated(), ended.open("/dev/vfio/0", vfio_h.O_RDWR));
        assertEquals(Errno.EBADF.negated(), ended.eventfd(0, 0));
        assertEquals(Errno.EBADF.negated(), ended.receive(kernel, container));
        assertEquals(0, ended.openDescriptors());
        assertFalse(kernel.host().group(0).open());
    }

    @Test
    void calls_endedProcess_ebadfAndNoMemory() {
        int container = ended.open("/dev/vfio/vfio", vfio_h.O_RDWR);
        ended.exit();
        assertEquals(Errno.EBADF.negated(), ended.ioctl(container, vfio_h.VFIO_GET_API_VERSION, 0));
        assertEquals(Errno.EBADF.negated(), ended.read(container, arena.allocate(8)));
        assertEquals(Errno.EBADF.negated(), ended.poll(descriptors(container), 0));
        assertEquals(Errno.EBADF.negated(), kernel.receive(ended, container));
        int anonymous = vfio_h.MAP_PRIVATE | vfio_h.MAP_ANONYMOUS;
        assertEquals(Errno.ENOMEM.negated(), ended.mmap(PAGE, vfio_h.PROT_READ, anonymous, -1, 0));
        ended.adopt(arena.allocate(PAGE, PAGE));
        assertEquals(0, kernel.host().userMemoryBytes());
    }

    @Test
    void fork_endedProcess_illegalState() {
        ended.exit();
        IllegalStateException refused = assertThrows(IllegalStateException.class, ended::fork);
        assertEquals("the process has ended and cannot fork", refused.getMessage());
    }

    @Test
    void send_openFileAndFreeDescriptor_received() {
        int container = kernel.open("/dev/vfio/vfio", vfio_h.O_RDWR);
        EmulatedKernel receiver = kernel.newProcess();
        assertEquals(Errno.EBADF.negated(), receiver.receive(kernel, -1));
        int given = receiver.receive(kernel, container);
        assertEquals(vfio_h.VFIO_API_VERSION, receiver.ioctl(given, vfio_h.VFIO_GET_API_VERSION, 0));
        MemorySegment limit = rlimit.allocate(arena);
        rlimit.rlim_cur(limit, given + 1);
        rlimit.rlim_max(limit, given + 1);
        assertEquals(0, receiver.setrlimit(vfio_h.RLIMIT_NOFILE, limit));
        assertEquals(Errno.EMFILE.negated(), receiver.receive(kernel, container));
        EmulatedKernel elsewhere = EmulatedKernel.boot(EmulatedMachine.power8());
        assertThrows(IllegalArgumentException.class, () -> elsewhere.receive(kernel, container));
    }

    private MemorySegment descriptors(int... numbers) {
        MemorySegment pollfds = arena.allocate(pollfd.layout(), numbers.length);
        for (int each = 0; each < numbers.length; each++) {
            MemorySegment entry = pollfd.asSlice(pollfds, each);
            pollfd.fd(entry, numbers[each]);
            pollfd.events(entry, (short) vfio_h.POLLIN);
        }
        return pollfds;
    }

    /** Makes a call that waits in another thread, and ends the process meanwhile: what the call answers. */
    private long answerToTheWaiting(Supplier<Long> call) throws Exception {
        CompletableFuture<Long> answer = new CompletableFuture<>();
        Thread waiting = Thread.ofPlatform().daemon().start(() -> answer.complete(call.get()));
        while (waiting.getState() != Thread.State.WAITING) {
            assertFalse(answer.isDone(), "it waits");
            Thread.onSpinWait();
        }
        ended.exit();
        return answer.get();
    }

    @Test
    void read_processEnds_returns() throws Exception {
        int event = ended.eventfd(0, 0);
        MemorySegment counter = arena.allocate(8);
        assertEquals(Errno.EBADF.negated(), answerToTheWaiting(() -> ended.read(event, counter)));
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void poll_processEnds_returns(boolean forSomething) throws Exception {
        int event = ended.eventfd(0, 0);
        MemorySegment polled = descriptors(forSomething ? event : -1);
        assertEquals(Errno.EBADF.negated(), answerToTheWaiting(() -> (long) ended.poll(polled, NO_TIMEOUT)));
    }

    private void lock(long soft, long hard) {
        MemorySegment limit = rlimit.allocate(arena);
        rlimit.rlim_cur(limit, soft);
        rlimit.rlim_max(limit, hard);
        assertEquals(0, kernel.setrlimit(vfio_h.RLIMIT_MEMLOCK, limit));
    }

    @Test
    void fork_lockLimit_inherited() throws IOException {
        lock(3 * PAGE, 5 * PAGE);
        kernel.capIpcLock(false);
        EmulatedKernel child = kernel.fork();
        MemorySegment limit = rlimit.allocate(arena);
        assertEquals(0, child.getrlimit(vfio_h.RLIMIT_MEMLOCK, limit));
        assertEquals(3 * PAGE, rlimit.rlim_cur(limit));
        assertEquals(5 * PAGE, rlimit.rlim_max(limit));
        assertEquals(capabilities(kernel), capabilities(child));
        kernel.capIpcLock(true);
        assertEquals(capabilities(kernel), capabilities(kernel.fork()));
    }

    private static String capabilities(EmulatedKernel process) throws IOException {
        return process.readFile("/proc/self/status")
                .lines()
                .filter(line -> line.startsWith("CapEff"))
                .findFirst()
                .orElseThrow();
    }
}
