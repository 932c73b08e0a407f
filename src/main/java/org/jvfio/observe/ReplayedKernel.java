package org.jvfio.observe;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.jvfio.kernel.Errno;
import org.jvfio.kernel.Kernel;
import org.jvfio.observe.RecordedCall.Caller;
import org.jvfio.uapi.pollfd;

/**
 * The kernel of a recorded host: it answers the calls of a record, and no others. The program has to make the calls
 * that it made then, in each thread; the first one that is another throws {@link ReplayException}, and so do all later
 * ones.
 *
 * <p>Descriptors are those of the record; memory is elsewhere, and its addresses are compared as those of the record.
 * What a device wrote to memory is there if the record has memory ({@link RecordOptions#memory}). Threads keep to the
 * order of the record: see {@link #of(Recording, Duration)}.
 *
 * <p>How often eventfds are polled and read depends on time, and so does how often a thread looks at a register of a
 * BAR that does not change. These calls may be more or fewer than then: eventfds are signalled where the host signalled
 * them, and each signal that the program had read it has to read again. A program whose threads decide by timing which
 * other calls they make can differ from its own record.
 */
public final class ReplayedKernel implements Kernel {
    private static final long DEFAULT_PAGE = 1 << 16;
    private static final byte[] NONE = {};
    private static final long[] NO_NUMBERS = {};

    private final ReplayMemory memory = new ReplayMemory();
    private final ReplaySchedule schedule;
    private final Map<Integer, String> files = new ConcurrentHashMap<>();
    private final long page;

    private ReplayedKernel(Recording recording, Duration stall) {
        schedule = new ReplaySchedule(recording, memory, stall.toNanos());
        page = recording
                .facts()
                .value("pageBytes")
                .filter(bytes -> bytes.matches("[1-9][0-9]{0,8}"))
                .map(Long::parseLong)
                .filter(bytes -> Long.bitCount(bytes) == 1)
                .orElse(DEFAULT_PAGE);
    }

    /** As {@link #of(Recording, Duration)}, with a limit of 20 seconds. */
    public static ReplayedKernel of(Recording recording) throws RecordException {
        return of(recording, Duration.ofSeconds(20));
    }

    /**
     * The kernel of a record. A call returns when all calls have returned that did so before it in the record, so that
     * a replay with several threads can take as long as the record. A read of a register that a thread repeats more
     * often than it did, as one that checks a device at intervals, returns what it returned last.
     *
     * @param stall how long no thread may make the call that comes next, beyond the time that this took in the record
     * @throws RecordException if calls are missing in the record, as they were overwritten by later ones
     */
    public static ReplayedKernel of(Recording recording, Duration stall) throws RecordException {
        requireWhole(recording);
        return new ReplayedKernel(recording, stall);
    }

    static void requireWhole(Recording recording) throws RecordException {
        if (!recording.isWhole()) {
            throw new RecordException(recording.name()
                    + " does not begin with the program: its first calls were overwritten; make a larger record");
        }
    }

    /**
     * The first difference, once the program has ended: a call that is another one, or a call of the record that the
     * program has not made.
     */
    public Optional<Difference> end() {
        return schedule.end(Duration.ofSeconds(1).toNanos());
    }

    /** The number of calls in the record. */
    public long calls() {
        return schedule.calls();
    }

    private RecordedCall make(CallKind kind, long[] numbers, String text, byte[] given, Consumer<RecordedCall> done) {
        String file = kind == CallKind.MMAP
                ? files.getOrDefault((int) numbers[3], "")
                : numbers.length == 0 ? "" : files.getOrDefault((int) numbers[0], "");
        RecordedCall actual =
                new RecordedCall(kind, new Caller(0, Thread.currentThread().getName()), 0, numbers, text, given, file);
        RecordedCall call = schedule.make(actual, CallComparison::differs, done);
        if (call.outcome() == Outcome.THREW) {
            throw new IllegalStateException("the recorded call threw " + call.answer());
        }
        return call;
    }

    private RecordedCall make(CallKind kind, long... numbers) {
        return make(kind, numbers, "", NONE, call -> {});
    }

    private static byte[] bytes(MemorySegment segment) {
        requireNative(segment);
        return segment.asSlice(0, Math.min(segment.byteSize(), Frame.MAX_DATA)).toArray(ValueLayout.JAVA_BYTE);
    }

    private static void requireNative(MemorySegment segment) {
        if (!segment.isNative()) {
            throw new IllegalArgumentException(
                    "a system call needs off-heap memory; allocate the segment from an Arena");
        }
    }

    private static Consumer<RecordedCall> writeTo(MemorySegment buffer) {
        return call -> {
            byte @Nullable [] written = call.written();
            if (written != null && !buffer.isReadOnly()) {
                MemorySegment.copy(written, 0, buffer, ValueLayout.JAVA_BYTE, 0, (int)
                        Math.min(written.length, buffer.byteSize()));
            }
        };
    }

    private static void writeFound(Map<Integer, Short> found, MemorySegment pollfds) {
        for (long at = 0; at < pollfds.byteSize(); at += pollfd.sizeof()) {
            MemorySegment each = pollfds.asSlice(at, pollfd.sizeof());
            pollfd.revents(each, found.getOrDefault(pollfd.fd(each), (short) 0));
        }
    }

    private int opened(RecordedCall call, String name) {
        if (call.opens()) {
            files.put((int) call.result(), name);
        }
        return (int) call.result();
    }

    @Override
    public int open(String path, int flags) {
        return opened(make(CallKind.OPEN, new long[] {flags}, path, NONE, call -> {}), path);
    }

    @Override
    public int close(int fd) {
        int answer = (int) make(CallKind.CLOSE, fd).result();
        files.remove(fd);
        return answer;
    }

    @Override
    public int ioctl(int fd, int request, long argument) {
        return (int) make(CallKind.IOCTL_VALUE, fd, Integer.toUnsignedLong(request), argument)
                .result();
    }

    @Override
    public int ioctl(int fd, int request, MemorySegment argument) {
        requireNative(argument);
        FileKind kind = FileKind.of(files.getOrDefault(fd, ""));
        byte[] given = Secrets.without(kind, request, argument);
        if (Requests.hasVaddr(kind, request) && given.length >= Requests.VADDR + Long.BYTES) {
            MemorySegment struct = MemorySegment.ofArray(given);
            long vaddr = struct.get(RecordFormat.LONG, Requests.VADDR);
            struct.set(RecordFormat.LONG, Requests.VADDR, memory.recorded(vaddr));
        }
        RecordedCall call = make(CallKind.IOCTL, new long[] {fd, Integer.toUnsignedLong(request)}, "", given, ended -> {
            if (!Requests.hasVaddr(kind, request)) {
                writeTo(argument).accept(ended);
            }
        });
        return request == Requests.GET_DEVICE_FD ? opened(call, Secrets.name(given)) : (int) call.result();
    }

    @Override
    public long mmap(long length, int protection, int flags, int fd, long offset) {
        long[] address = new long[1];
        make(
                CallKind.MMAP,
                new long[] {length, protection, flags, fd, offset},
                "",
                NONE,
                call -> address[0] = Errno.isError(call.result())
                        ? call.result()
                        : memory.map(call.result(), length, page).address());
        return address[0];
    }

    @Override
    public int munmap(long address, long length) {
        int answer =
                (int) make(CallKind.MUNMAP, memory.recorded(address), length).result();
        if (answer == 0) {
            memory.remove(address, length);
        }
        return answer;
    }

    @Override
    public MemorySegment memory(long address, long length) {
        MemorySegment segment = memory.segment(address, length);
        if (segment == null) {
            throw new IllegalArgumentException(
                    "0x%x bytes at 0x%x are not inside one mapping of this process".formatted(length, address));
        }
        return segment;
    }

    @Override
    public void adopt(MemorySegment segment) {
        requireNative(segment);
        make(
                CallKind.ADOPT,
                new long[] {segment.address(), segment.byteSize()},
                "",
                NONE,
                call -> memory.add(call.number(0), segment));
    }

    @Override
    public void disown(MemorySegment segment) {
        make(CallKind.DISOWN, memory.recorded(segment.address()), segment.byteSize());
        memory.forget(segment.address());
    }

    @Override
    public long pread(int fd, MemorySegment buffer, long offset) {
        requireNative(buffer);
        return make(CallKind.PREAD, new long[] {fd, buffer.byteSize(), offset}, "", NONE, writeTo(buffer))
                .result();
    }

    @Override
    public long pwrite(int fd, MemorySegment buffer, long offset) {
        return make(CallKind.PWRITE, new long[] {fd, buffer.byteSize(), offset}, "", bytes(buffer), call -> {})
                .result();
    }

    @Override
    public long read(int fd, MemorySegment buffer) {
        requireNative(buffer);
        return make(CallKind.READ, new long[] {fd, buffer.byteSize()}, "", NONE, writeTo(buffer))
                .result();
    }

    @Override
    public long write(int fd, MemorySegment buffer) {
        return make(CallKind.WRITE, new long[] {fd, buffer.byteSize()}, "", bytes(buffer), call -> {})
                .result();
    }

    @Override
    public int eventfd(int initialValue, int flags) {
        return opened(make(CallKind.EVENTFD, initialValue, flags), FileKind.EVENTFD_NAME);
    }

    @Override
    public int poll(MemorySegment pollfds, int timeoutMillis) {
        return (int) make(
                        CallKind.POLL,
                        new long[] {timeoutMillis},
                        "",
                        bytes(pollfds),
                        call -> writeFound(CallComparison.found(call.after()), pollfds))
                .result();
    }

    @Override
    public int getrlimit(int resource, MemorySegment rlimit) {
        requireNative(rlimit);
        return (int) make(CallKind.GETRLIMIT, new long[] {resource}, "", NONE, writeTo(rlimit))
                .result();
    }

    @Override
    public int setrlimit(int resource, MemorySegment rlimit) {
        return (int) make(CallKind.SETRLIMIT, new long[] {resource}, "", bytes(rlimit), call -> {})
                .result();
    }

    @Override
    public long sysconf(int name) {
        return make(CallKind.SYSCONF, name).result();
    }

    private RecordedCall reading(CallKind kind, String path) throws IOException {
        RecordedCall call = make(kind, NO_NUMBERS, path, NONE, ended -> {});
        if (call.outcome() != Outcome.RETURNED) {
            throw call.outcome().exception(path, call.answer());
        }
        return call;
    }

    @Override
    public String readFile(String path) throws IOException {
        return reading(CallKind.READ_FILE, path).answer();
    }

    @Override
    public String readLink(String path) throws IOException {
        return reading(CallKind.READ_LINK, path).answer();
    }

    @Override
    public List<String> list(String directory) throws IOException {
        return reading(CallKind.LIST, directory).names();
    }

    /** The record that it follows, for messages. */
    @Override
    public String toString() {
        return "a replay of %d calls".formatted(calls());
    }
}
