package org.jvfio.observe;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;
import org.jvfio.kernel.Errno;
import org.jvfio.kernel.Kernel;
import org.jvfio.uapi.pollfd;
import org.jvfio.uapi.vfio_h;

/**
 * Makes the calls of a record on another kernel, such as an emulated one, in their order, and lists the answers that
 * differ. A record of a real host is so a test of the emulated one.
 *
 * <p>Descriptors and addresses are those of the other kernel. What depends on time is waited for: of equal reads of a
 * register in a row the last one counts, and it is repeated until its answer comes, or some time is over; so are polls,
 * which may find more than then, and reads of eventfds, which find as many signals. Not compared, but counted: the
 * kernel's log, and files that have more about the host than VFIO has to do with, of which what matters is compared
 * ({@link ComparedFile}).
 */
public final class RecordCheck {
    private static final byte[] NONE = {};
    private static final long MAX_ADOPTED = 1L << 32;
    private static final long RETRY_NANOS = TimeUnit.MILLISECONDS.toNanos(1);

    private final Recording recording;
    private final Kernel kernel;
    private final long patienceNanos;
    private final ComparedFile comparedFile;
    private final Arena arena = Arena.ofShared();
    private final ReplayMemory memory = new ReplayMemory();
    private final Map<Long, Long> mapped = new HashMap<>();
    private final Map<Integer, Integer> descriptors = new HashMap<>();
    private final List<Difference> differences = new ArrayList<>();
    private final Map<String, Long> notCompared = new TreeMap<>();
    /** How many signals were read of eventfds that the record reads later. */
    private final Map<Integer, Long> surplus = new HashMap<>();

    private final IdentityHashMap<RecordedCall, Long> numbers = new IdentityHashMap<>();
    private long calls;

    /**
     * What came out.
     *
     * @param calls how many calls were made
     * @param differences the answers that differ
     * @param notCompared why calls were not compared, and how many
     */
    public record Result(long calls, List<Difference> differences, Map<String, Long> notCompared) {}

    /** An answer of the other kernel. */
    private static final class Answer {
        private final Outcome outcome;
        private final long result;
        private final byte[] written;

        private Answer(Outcome outcome, long result, byte[] written) {
            this.outcome = outcome;
            this.result = result;
            this.written = written;
        }

        static Answer of(long result) {
            return new Answer(Outcome.RETURNED, result, NONE);
        }
    }

    private RecordCheck(Recording recording, Kernel kernel, Duration patience) {
        this.recording = recording;
        this.kernel = kernel;
        this.patienceNanos = patience.toNanos();
        this.comparedFile = new ComparedFile(kernel);
    }

    /**
     * Checks a kernel by a record.
     *
     * @param patience how long an answer that depends on time is waited for
     * @throws RecordException if calls are missing in the record, as they were overwritten by later ones
     */
    public static Result run(Recording recording, Kernel kernel, Duration patience) throws RecordException {
        ReplayedKernel.requireWhole(recording);
        return new RecordCheck(recording, kernel, patience).run();
    }

    private Result run() {
        List<Recording.Event> events = recording.events();
        try (arena) {
            for (int index = 0; index < events.size(); index++) {
                switch (events.get(index)) {
                    case Recording.Begin begin -> {
                        numbers.put(begin.call(), numbers.size() + 1L);
                        if (!waits(begin.call())) {
                            check(begin.call(), isRepeated(begin.call(), index));
                        }
                    }
                    case Recording.End end -> {
                        if (waits(end.call())) {
                            check(end.call(), false);
                        }
                    }
                    case Recording.Memory change -> write(change);
                }
            }
        } finally {
            // Whatever the record has left open.
            descriptors.values().forEach(kernel::close);
        }
        return new Result(calls, List.copyOf(differences), notCompared);
    }

    /** Whether a call waits for others: it is made when it ended in the record, and all others when they began. */
    private static boolean waits(RecordedCall call) {
        return call.kind() == CallKind.POLL || (call.kind() == CallKind.READ && call.fileKind() == FileKind.EVENTFD);
    }

    private void write(Recording.Memory change) {
        long address = memory.actual(change.address());
        MemorySegment area = memory.segment(address, change.bytes().length);
        if (area != null) {
            memory.write(change.address(), change.bytes());
        }
    }

    /** Whether the thread's next call is the same read of a register. */
    private boolean isRepeated(RecordedCall call, int begin) {
        if (call.kind() != CallKind.PREAD) {
            return false;
        }
        for (int index = begin + 1; index < recording.events().size(); index++) {
            if (recording.events().get(index) instanceof Recording.Begin next
                    && next.call().caller().equals(call.caller())) {
                return next.call().kind() == CallKind.PREAD
                        && Arrays.equals(next.call().numbers(), call.numbers());
            }
        }
        return false;
    }

    private void check(RecordedCall call, boolean repeated) {
        if (!call.hasEnded()) {
            count("calls that had not ended");
            return;
        }
        if (call.outcome() == Outcome.THREW) {
            count("calls that threw an exception");
            return;
        }
        if (repeated) {
            count("reads of a register that were repeated");
            return;
        }
        if (call.kind() == CallKind.READ && call.file().equals("/dev/kmsg")) {
            count("reads of the kernel's log");
            return;
        }
        calls++;
        long end = System.nanoTime() + patienceNanos;
        Answer answer = isSuccessfulRead(call) ? takeAll(call, end) : make(call);
        while (dependsOnTime(call) && !isSame(call, answer) && System.nanoTime() - end < 0) {
            LockSupport.parkNanos(RETRY_NANOS);
            answer = make(call);
        }
        note(call, answer);
        if (!isSame(call, answer)) {
            differences.add(new Difference(
                    numbers.getOrDefault(call, 0L),
                    recording.calls(),
                    call.caller().name(),
                    CallPrinter.withResult(call),
                    CallPrinter.result(answered(call, answer))));
        }
    }

    private void count(String reason) {
        notCompared.merge(reason, 1L, Long::sum);
    }

    private static boolean isSuccessfulRead(RecordedCall call) {
        return call.fileKind() == FileKind.EVENTFD && ReplayOrder.isRead(call) && !call.failed();
    }

    /** Reads an eventfd until there were as many signals as in the record: how many one read takes depends on time. */
    private Answer takeAll(RecordedCall call, long end) {
        long wanted = ReplayOrder.number(call.after());
        long taken = surplus.getOrDefault(call.descriptor(), 0L);
        while (taken < wanted) {
            Answer answer = make(call);
            if (answer.result == Long.BYTES) {
                taken += ReplayOrder.number(answer.written);
            } else if (answer.result != Errno.EAGAIN.negated()) {
                return answer;
            } else if (System.nanoTime() - end >= 0) {
                return taken == 0 ? answer : number(taken);
            } else {
                LockSupport.parkNanos(RETRY_NANOS);
            }
        }
        surplus.put(call.descriptor(), taken - wanted);
        return number(wanted);
    }

    private static Answer number(long number) {
        byte[] bytes = new byte[Long.BYTES];
        MemorySegment.ofArray(bytes).set(RecordFormat.LONG, 0, number);
        return new Answer(Outcome.RETURNED, bytes.length, bytes);
    }

    private static boolean dependsOnTime(RecordedCall call) {
        return switch (call.kind()) {
            case POLL -> true;
            case PREAD -> call.fileKind() == FileKind.DEVICE;
            default -> false;
        };
    }

    /** The recorded call with another answer. */
    private static RecordedCall answered(RecordedCall call, Answer answer) {
        RecordedCall other = new RecordedCall(
                call.kind(), call.caller(), call.beginNanos(), call.numbers(), call.text(), call.given(), call.file());
        other.ended(call.endNanos(), answer.outcome, answer.result, answer.written);
        return other;
    }

    private boolean isSame(RecordedCall call, Answer answer) {
        if (call.outcome() != answer.outcome) {
            return false;
        }
        if (call.kind() == CallKind.READ_FILE || call.kind() == CallKind.LIST) {
            return call.outcome() != Outcome.RETURNED
                    || comparedFile.isSame(
                            call.text(), call.answer(), answered(call, answer).answer());
        }
        if (call.outcome() != Outcome.RETURNED) {
            return true;
        }
        boolean anySuccess = call.kind() == CallKind.MMAP || call.kind().opens(call.request());
        if (anySuccess && !Errno.isError(call.result()) && !Errno.isError(answer.result)) {
            return true;
        }
        if (call.kind() == CallKind.POLL && call.result() > 0) {
            return answer.result > 0 && hasAll(results(call.after()), results(answer.written));
        }
        if (call.result() != answer.result) {
            return false;
        }
        return switch (call.kind()) {
            case POLL -> true;
            case IOCTL -> call.failed() || hasSameStruct(call, answer);
            case GETRLIMIT -> true;
            default -> Arrays.equals(call.after(), answer.written);
        };
    }

    /** Whether a struct is the same; if the recorder has hidden that BARs can be mapped, in both. */
    private boolean hasSameStruct(RecordedCall call, Answer answer) {
        if (call.fileKind() != FileKind.DEVICE
                || call.request() != Requests.GET_REGION_INFO
                || !recording.hasRegisters()) {
            return Arrays.equals(call.after(), answer.written);
        }
        return Arrays.equals(unmappable(call, call.after()), unmappable(call, answer.written));
    }

    private static byte[] unmappable(RecordedCall call, byte[] answer) {
        MemorySegment copy = Windows.struct(answer);
        UnmappableKernel.hideMapping(copy, Windows.struct(call.given()));
        return copy.toArray(ValueLayout.JAVA_BYTE);
    }

    /** Whether all that was found is found again; there may be more already. */
    private static boolean hasAll(byte[] recorded, byte[] actual) {
        for (int each = 0; each < recorded.length; each++) {
            if (each >= actual.length || (recorded[each] & ~actual[each]) != 0) {
                return false;
            }
        }
        return true;
    }

    /** What was found of each descriptor, of an array of {@code struct pollfd}. */
    private static byte[] results(byte[] pollfds) {
        int size = (int) pollfd.sizeof();
        int from = (int) pollfd.revents$offset();
        byte[] results = new byte[2 * (pollfds.length / size)];
        for (int each = 0; each < results.length / 2; each++) {
            results[2 * each] = pollfds[each * size + from];
            results[2 * each + 1] = pollfds[each * size + from + 1];
        }
        return results;
    }

    /** Takes note of what a call has opened, closed, mapped or unmapped. */
    private void note(RecordedCall call, Answer answer) {
        boolean failed = answer.outcome != Outcome.RETURNED || Errno.isError(answer.result);
        if (call.opens()) {
            if (!failed) {
                descriptors.put((int) call.result(), (int) answer.result);
            }
        } else if (call.kind() == CallKind.CLOSE) {
            descriptors.remove(call.descriptor());
            surplus.remove(call.descriptor());
        }
    }

    private int descriptor(long recorded) {
        return descriptors.getOrDefault((int) recorded, (int) recorded);
    }

    /** Makes a call on the other kernel. */
    private Answer make(RecordedCall call) {
        try (Arena ofCall = Arena.ofConfined()) {
            return switch (call.kind()) {
                case OPEN -> Answer.of(kernel.open(call.text(), (int) call.number(0)));
                case CLOSE -> Answer.of(kernel.close(descriptor(call.number(0))));
                case IOCTL_VALUE ->
                    Answer.of(kernel.ioctl(descriptor(call.number(0)), (int) call.number(1), call.number(2)));
                case IOCTL -> ioctl(call, ofCall);
                case MMAP -> Answer.of(mmap(call));
                case MUNMAP -> Answer.of(munmap(call));
                case ADOPT -> adopt(call);
                case DISOWN -> disown(call);
                case PREAD -> {
                    MemorySegment buffer = buffer(ofCall, call.number(1));
                    yield written(kernel.pread(descriptor(call.number(0)), buffer, call.number(2)), buffer);
                }
                case PWRITE ->
                    Answer.of(kernel.pwrite(descriptor(call.number(0)), copy(ofCall, call.given()), call.number(2)));
                case READ -> {
                    MemorySegment buffer = buffer(ofCall, call.number(1));
                    yield written(kernel.read(descriptor(call.number(0)), buffer), buffer);
                }
                case WRITE -> Answer.of(kernel.write(descriptor(call.number(0)), copy(ofCall, call.given())));
                case EVENTFD -> Answer.of(kernel.eventfd((int) call.number(0), (int) call.number(1)));
                case POLL -> poll(call, ofCall);
                case GETRLIMIT -> {
                    MemorySegment limits = buffer(ofCall, 2 * Long.BYTES);
                    int answer = kernel.getrlimit((int) call.number(0), limits);
                    yield new Answer(Outcome.RETURNED, answer, limits.toArray(ValueLayout.JAVA_BYTE));
                }
                case SETRLIMIT -> Answer.of(kernel.setrlimit((int) call.number(0), copy(ofCall, call.given())));
                case SYSCONF -> Answer.of(kernel.sysconf((int) call.number(0)));
                case READ_FILE -> text(kernel.readFile(call.text()));
                case READ_LINK -> text(kernel.readLink(call.text()));
                case LIST -> text(RecordedCall.join(kernel.list(call.text())));
            };
        } catch (IOException e) {
            return new Answer(Outcome.of(e), 0, Outcome.text(e).getBytes(StandardCharsets.UTF_8));
        } catch (RuntimeException e) {
            return new Answer(Outcome.THREW, 0, e.toString().getBytes(StandardCharsets.UTF_8));
        }
    }

    private static Answer text(String text) {
        return new Answer(Outcome.RETURNED, 0, text.getBytes(StandardCharsets.UTF_8));
    }

    private static MemorySegment buffer(Arena ofCall, long bytes) {
        return ofCall.allocate(Math.clamp(bytes, 0, Frame.MAX_DATA), Long.BYTES);
    }

    private static MemorySegment copy(Arena ofCall, byte[] bytes) {
        return ofCall.allocate(bytes.length, Long.BYTES).copyFrom(MemorySegment.ofArray(bytes));
    }

    private static Answer written(long answer, MemorySegment buffer) {
        byte[] bytes = answer > 0 ? buffer.asSlice(0, answer).toArray(ValueLayout.JAVA_BYTE) : NONE;
        return new Answer(Outcome.RETURNED, answer, bytes);
    }

    private Answer ioctl(RecordedCall call, Arena ofCall) {
        MemorySegment struct = copy(ofCall, call.given());
        long request = call.request();
        boolean hasVaddr =
                Requests.hasVaddr(call.fileKind(), request) && struct.byteSize() >= Requests.VADDR + Long.BYTES;
        long vaddr = 0;
        if (hasVaddr) {
            vaddr = struct.get(RecordFormat.LONG, Requests.VADDR);
            struct.set(RecordFormat.LONG, Requests.VADDR, memory.actual(vaddr));
        }
        Descriptors.translate(call, struct, this::descriptor);
        int answer = kernel.ioctl(descriptor(call.number(0)), (int) request, struct);
        if (hasVaddr) {
            struct.set(RecordFormat.LONG, Requests.VADDR, vaddr);
        }
        byte[] written = struct.toArray(ValueLayout.JAVA_BYTE);
        // The descriptors in the struct are those of the record again.
        return new Answer(Outcome.RETURNED, answer, Descriptors.has(call) ? call.given() : written);
    }

    private long mmap(RecordedCall call) {
        long length = call.number(0);
        int flags = (int) call.number(2);
        int fd = (flags & vfio_h.MAP_ANONYMOUS) != 0 ? -1 : descriptor(call.number(3));
        long address = kernel.mmap(length, (int) call.number(1), flags, fd, call.number(4));
        if (!Errno.isError(address) && !Errno.isError(call.result())) {
            mapped.put(call.result(), address);
            memory.add(call.result(), kernel.memory(address, length));
        }
        return address;
    }

    private int munmap(RecordedCall call) {
        long address = memory.actual(call.number(0));
        memory.forget(address);
        mapped.remove(call.number(0));
        return kernel.munmap(address, call.number(1));
    }

    private Answer adopt(RecordedCall call) {
        MemorySegment known = memory.segment(memory.actual(call.number(0)), call.number(1));
        @Nullable MemorySegment adopted = known;
        if (adopted == null) {
            if (call.number(1) < 0 || call.number(1) > MAX_ADOPTED) {
                throw new IllegalArgumentException("0x%x bytes are too many to adopt".formatted(call.number(1)));
            }
            long alignment = Math.clamp(Long.lowestOneBit(call.number(0)), Long.BYTES, 16L << 20);
            adopted = arena.allocate(call.number(1), alignment);
            memory.add(call.number(0), adopted);
        }
        kernel.adopt(adopted);
        return Answer.of(0);
    }

    private Answer disown(RecordedCall call) {
        long address = memory.actual(call.number(0));
        Optional.ofNullable(memory.segment(address, call.number(1))).ifPresent(kernel::disown);
        if (!mapped.containsKey(call.number(0))) {
            memory.forget(address);
        }
        return Answer.of(0);
    }

    private Answer poll(RecordedCall call, Arena ofCall) {
        MemorySegment pollfds = copy(ofCall, call.given());
        for (long at = 0; at + pollfd.sizeof() <= pollfds.byteSize(); at += pollfd.sizeof()) {
            MemorySegment each = pollfds.asSlice(at, pollfd.sizeof());
            pollfd.fd(each, descriptor(pollfd.fd(each)));
        }
        int answer = kernel.poll(pollfds, 0);
        return new Answer(Outcome.RETURNED, answer, pollfds.toArray(ValueLayout.JAVA_BYTE));
    }
}
