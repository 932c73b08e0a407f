package org.jvfio.observe;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.function.IntConsumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.jvfio.Container;
import org.jvfio.Device;
import org.jvfio.emulator.EmulatedMachine;
import org.jvfio.ioctl.SetIrqs;
import org.jvfio.kernel.Errno;
import org.jvfio.kernel.Kernel;
import org.jvfio.observe.sanitize.Sanitizer;
import org.jvfio.uapi.pollfd;
import org.jvfio.uapi.vfio_h;

class ReplayTest {
    private static final Duration STALL = Duration.ofMillis(300);

    @TempDir
    private Path directory;

    private Recording record(Consumer<Kernel> program) {
        return RecordedSession.record(RecordOptions.of(directory.resolve("x.rec")), EduSession.boot(), program);
    }

    private Recording polled() throws IOException {
        RecordOptions options = RecordOptions.of(directory.resolve("x.rec")).withMemory();
        return EduSession.watched(host -> RecordedSession.record(options, host, kernel -> EduSession.poll(kernel, 10)));
    }

    @Test
    void replay_sameProgram_noDifference() throws IOException {
        Recording recording = polled();
        ReplayedKernel kernel = ReplayedKernel.of(recording);
        EduSession.poll(kernel, 10);
        assertEquals(Optional.empty(), kernel.end());
        assertEquals(recording.calls(), kernel.calls());
    }

    @Test
    void replay_interrupts_noDifferenceEachTime() throws IOException {
        Recording recording = RecordedSession.ofEdu(directory.resolve("x.rec"));
        assertTrue(
                recording.events().stream()
                        .anyMatch(event -> event instanceof Recording.End end
                                && end.call().kind() == CallKind.READ
                                && end.call().fileKind() == FileKind.EVENTFD),
                "no interrupt is in the record");
        for (int each = 0; each < 5; each++) {
            ReplayedKernel kernel = ReplayedKernel.of(recording);
            EduSession.run(kernel);
            assertEquals(Optional.empty(), kernel.end(), "replay " + each);
        }
    }

    /** Waits for a signal of an eventfd, and reads it. */
    private static void poll(Kernel kernel, int event) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment entry = arena.allocate(pollfd.layout());
            pollfd.fd(entry, event);
            pollfd.events(entry, (short) vfio_h.POLLIN);
            kernel.poll(entry, -1);
        }
    }

    /**
     * A device signals an eventfd, and a thread takes that.
     *
     * @param handler what the thread does then
     */
    @SuppressWarnings("try") // the device is used by its descriptor
    private static void interrupted(Kernel kernel, IntConsumer handler) {
        OpenedDevice opened = new OpenedDevice(kernel);
        try (Container container = Container.open(opened);
                Device _ = container.attach(EduSession.ADDRESS).openDevice(EduSession.ADDRESS)) {
            int event = kernel.eventfd(0, 0);
            Thread handling = Thread.ofPlatform().name("handler").start(() -> {
                poll(kernel, event);
                handler.accept(event);
            });
            int trigger = vfio_h.VFIO_IRQ_SET_ACTION_TRIGGER;
            setIrqs(opened, trigger | vfio_h.VFIO_IRQ_SET_DATA_EVENTFD, 1, event);
            setIrqs(opened, trigger | vfio_h.VFIO_IRQ_SET_DATA_NONE, 1);
            join(handling);
            setIrqs(opened, trigger | vfio_h.VFIO_IRQ_SET_DATA_NONE, 0);
            kernel.close(event);
        }
    }

    private static void setIrqs(OpenedDevice device, int flags, int count, int... eventfds) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment struct = SetIrqs.of(arena, flags, vfio_h.VFIO_PCI_MSI_IRQ_INDEX, 0, count, eventfds)
                    .struct();
            assertEquals(0, device.ioctl(device.descriptor, vfio_h.VFIO_DEVICE_SET_IRQS, struct));
        }
    }

    /** Knows the descriptor of the device that was opened. */
    private static final class OpenedDevice extends ForwardingKernel {
        private int descriptor;

        OpenedDevice(Kernel behind) {
            super(behind);
        }

        @Override
        public int ioctl(int fd, int request, MemorySegment argument) {
            int answer = super.ioctl(fd, request, argument);
            if (request == vfio_h.VFIO_GROUP_GET_DEVICE_FD) {
                descriptor = answer;
            }
            return answer;
        }
    }

    /** Reads the counter of an eventfd. */
    private static void take(Kernel kernel, int event) {
        try (Arena arena = Arena.ofConfined()) {
            assertEquals(Long.BYTES, kernel.read(event, arena.allocate(Long.BYTES)));
        }
    }

    @Test
    void replay_anotherCallOfTheInterruptThread_bothSides() throws IOException {
        Recording recording = record(original -> interrupted(original, event -> {
            take(original, event);
            original.sysconf(vfio_h._SC_PAGESIZE);
        }));
        ReplayedKernel same = ReplayedKernel.of(recording);
        interrupted(same, event -> {
            take(same, event);
            same.sysconf(vfio_h._SC_PAGESIZE);
        });
        assertEquals(Optional.empty(), same.end());
        ReplayedKernel kernel = ReplayedKernel.of(recording, STALL);
        assertThrows(
                RuntimeException.class,
                () -> interrupted(kernel, event -> {
                    take(kernel, event);
                    assertThrows(ReplayException.class, () -> kernel.eventfd(1, 0));
                }));
        Difference difference = kernel.end().orElseThrow();
        assertEquals("handler", difference.thread());
        assertEquals("sysconf(_SC_PAGESIZE) = 65536", difference.recorded());
        assertTrue(difference.actual().startsWith("eventfd("), difference.actual());
    }

    @Test
    void replay_interruptThatIsNotTaken_bothSides() throws IOException {
        Recording recording = record(original -> interrupted(original, event -> take(original, event)));
        ReplayedKernel kernel = ReplayedKernel.of(recording, STALL);
        assertThrows(RuntimeException.class, () -> interrupted(kernel, event -> {}));
        Difference difference = kernel.end().orElseThrow();
        assertEquals("handler", difference.thread());
        assertTrue(difference.recorded().startsWith("read("), difference.recorded());
        assertEquals("nothing: the thread does not make this call", difference.actual());
    }

    @Test
    void replay_anotherProgram_bothSidesOfTheFirstDifference() throws IOException {
        Recording recording = polled();
        ReplayedKernel kernel = ReplayedKernel.of(recording);
        assertThrows(RuntimeException.class, () -> EduSession.poll(kernel, 7));
        Difference difference = kernel.end().orElseThrow();
        assertTrue(difference.recorded().contains("BAR0+0x8, 0x0a000000) = 4"), difference.recorded());
        assertTrue(difference.actual().contains("BAR0+0x8, 0x07000000)"), difference.actual());
        assertEquals(recording.calls(), difference.calls());
        assertTrue(difference
                .toString()
                .startsWith("Call %d of %d, of thread ".formatted(difference.number(), difference.calls())));
    }

    @Test
    void call_afterADifference_throwsTheSameOne() throws IOException {
        ReplayedKernel kernel = ReplayedKernel.of(record(original -> original.sysconf(vfio_h._SC_PAGESIZE)));
        ReplayException first = assertThrows(ReplayException.class, () -> kernel.close(3));
        ReplayException second = assertThrows(ReplayException.class, () -> kernel.sysconf(vfio_h._SC_PAGESIZE));
        assertEquals(first.difference(), second.difference());
        assertEquals("sysconf(_SC_PAGESIZE) = 65536", first.difference().recorded());
        assertEquals("close(3)", first.difference().actual());
    }

    @Test
    void call_behindTheEndOfTheRecord_difference() throws IOException {
        ReplayedKernel kernel = ReplayedKernel.of(record(original -> original.sysconf(vfio_h._SC_PAGESIZE)));
        assertEquals(65536, kernel.sysconf(vfio_h._SC_PAGESIZE));
        ReplayException e = assertThrows(ReplayException.class, () -> kernel.sysconf(vfio_h._SC_PAGESIZE));
        assertEquals(0, e.difference().number());
    }

    @Test
    void end_beforeTheLastCallOfTheRecord_difference() throws IOException {
        Recording recording = record(original -> {
            original.sysconf(vfio_h._SC_PAGESIZE);
            original.eventfd(0, 0);
        });
        ReplayedKernel kernel = ReplayedKernel.of(recording, STALL);
        kernel.sysconf(vfio_h._SC_PAGESIZE);
        Difference difference = kernel.end().orElseThrow();
        assertEquals(2, difference.number());
        assertEquals("eventfd(0, 0) = 3", difference.recorded());
    }

    @Test
    void call_waitsForOneThatDoesNotCome_endsTheReplay() throws Exception {
        Recording recording = record(original -> {
            Thread other = Thread.ofPlatform().name("other").start(() -> original.eventfd(0, 0));
            join(other);
            original.sysconf(vfio_h._SC_PAGESIZE);
        });
        ReplayedKernel kernel = ReplayedKernel.of(recording, STALL);
        ReplayException e = assertThrows(ReplayException.class, () -> kernel.sysconf(vfio_h._SC_PAGESIZE));
        assertEquals("other", e.difference().thread());
        assertEquals(
                "nothing: the thread does not make this call", e.difference().actual());
    }

    private static void join(Thread thread) {
        try {
            thread.join();
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    @Test
    void replay_severalThreads_keepToTheOrderOfTheRecord() throws Exception {
        Recording recording = record(original -> {
            int event = original.eventfd(0, 0);
            Thread reader = Thread.ofPlatform().name("reader").start(() -> read(original, event));
            sleep();
            write(original, event);
            join(reader);
        });
        ReplayedKernel kernel = ReplayedKernel.of(recording);
        int event = kernel.eventfd(0, 0);
        Thread reader = Thread.ofPlatform().name("reader").start(() -> read(kernel, event));
        write(kernel, event);
        join(reader);
        assertEquals(Optional.empty(), kernel.end());
    }

    private static void sleep() {
        try {
            Thread.sleep(20);
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    private static void read(Kernel kernel, int event) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment counter = arena.allocate(Long.BYTES);
            if (kernel.read(event, counter) != Long.BYTES || counter.get(RecordFormat.LONG, 0) != 5) {
                throw new IllegalStateException("not what was written");
            }
        }
    }

    private static void write(Kernel kernel, int event) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment counter = arena.allocate(Long.BYTES);
            counter.set(RecordFormat.LONG, 0, 5);
            kernel.write(event, counter);
        }
    }

    @Test
    void files_ofTheRecord_withTheirErrors() throws IOException {
        Recording recording = record(original -> {
            assertThrows(NoSuchFileException.class, () -> original.readFile("/sys/none"));
            assertThrows(NoSuchFileException.class, () -> original.list("/sys/none"));
            try {
                original.list("/sys/bus/pci/devices");
                original.readFile("/proc/cpuinfo");
            } catch (IOException e) {
                throw new IllegalStateException(e);
            }
            original.open("/dev/vfio/99", vfio_h.O_RDWR);
        });
        ReplayedKernel kernel = ReplayedKernel.of(recording);
        assertThrows(NoSuchFileException.class, () -> kernel.readFile("/sys/none"));
        assertThrows(NoSuchFileException.class, () -> kernel.list("/sys/none"));
        assertEquals(1, kernel.list("/sys/bus/pci/devices").size());
        assertTrue(kernel.readFile("/proc/cpuinfo").contains("PowerNV"));
        assertEquals(Errno.ENOENT.negated(), kernel.open("/dev/vfio/99", vfio_h.O_RDWR));
        assertEquals(Optional.empty(), kernel.end());
    }

    @Test
    void munmap_memoryOfTheRecord_ends() throws IOException {
        int anonymous = vfio_h.MAP_PRIVATE | vfio_h.MAP_ANONYMOUS;
        int protection = vfio_h.PROT_READ | vfio_h.PROT_WRITE;
        Recording recording = record(original -> {
            long address = original.mmap(1 << 16, protection, anonymous, -1, 0);
            original.munmap(address, 1 << 16);
        });
        ReplayedKernel kernel = ReplayedKernel.of(recording);
        long address = kernel.mmap(1 << 16, protection, anonymous, -1, 0);
        assertEquals(0, address % (1 << 16));
        MemorySegment memory = kernel.memory(address, 1 << 16);
        assertThrows(IllegalArgumentException.class, () -> kernel.memory(address, (1 << 16) + 1));
        kernel.munmap(address, 1 << 16);
        assertThrows(IllegalStateException.class, () -> memory.get(RecordFormat.INT, 0));
        assertEquals(Optional.empty(), kernel.end());
    }

    @Test
    void pread_heapSegment_refused() throws IOException {
        ReplayedKernel kernel = ReplayedKernel.of(record(original -> original.sysconf(vfio_h._SC_PAGESIZE)));
        MemorySegment heap = MemorySegment.ofArray(new byte[8]);
        assertThrows(IllegalArgumentException.class, () -> kernel.pread(3, heap, 0));
        assertThrows(IllegalArgumentException.class, () -> kernel.pwrite(3, heap, 0));
        assertThrows(IllegalArgumentException.class, () -> kernel.ioctl(3, 0, heap));
        assertThrows(IllegalArgumentException.class, () -> kernel.adopt(heap));
    }

    @Test
    void check_sameMachine_noDifference() throws IOException {
        Recording recording = RecordedSession.ofEdu(directory.resolve("x.rec"));
        RecordCheck.Result result = RecordCheck.run(recording, EduSession.boot(), Duration.ofSeconds(10));
        assertEquals(List.of(), result.differences());
        assertTrue(result.calls() > 80, "calls: " + result.calls());
    }

    @Test
    void check_anotherMachine_everyDifference() throws IOException {
        Recording recording = RecordedSession.ofEdu(directory.resolve("x.rec"));
        EmulatedMachine pages4k = EduSession.machine().toBuilder().pages4K().build();
        RecordCheck.Result result =
                RecordCheck.run(recording, Sanitizer.boot(pages4k).kernel(), Duration.ofMillis(10));
        Difference first = result.differences().getFirst();
        assertEquals("sysconf(_SC_PAGESIZE) = 65536", first.recorded());
        assertEquals("4096", first.actual());
    }

    @Test
    void record_tokenOfAVirtualFunction_leftOut() throws IOException {
        String token = "01234567-89ab-cdef-0123-456789abcdef";
        Recording recording = record(original -> {
            try (Arena arena = Arena.ofConfined()) {
                original.ioctl(
                        77, vfio_h.VFIO_GROUP_GET_DEVICE_FD, arena.allocateFrom("0000:01:00.0 vf_token=" + token));
            }
        });
        String bytes = Files.readString(directory.resolve("x.rec"), StandardCharsets.ISO_8859_1);
        assertTrue(bytes.contains("0000:01:00.0"));
        assertTrue(!bytes.contains("01234567"), "the token is in the record");
        ReplayedKernel kernel = ReplayedKernel.of(recording);
        try (Arena arena = Arena.ofConfined()) {
            kernel.ioctl(77, vfio_h.VFIO_GROUP_GET_DEVICE_FD, arena.allocateFrom("0000:01:00.0 vf_token=" + token));
        }
        assertEquals(Optional.empty(), kernel.end());
    }
}
