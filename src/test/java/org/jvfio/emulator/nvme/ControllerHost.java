package org.jvfio.emulator.nvme;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.jvfio.fixture.nvme.Opcodes.IDENTIFY;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import org.jvfio.emulator.EmulatedMachine;
import org.jvfio.emulator.Slots;
import org.jvfio.emulator.device.DeviceBus;
import org.jvfio.fixture.nvme.NvmeAccess;
import org.jvfio.fixture.nvme.NvmeEntry;
import org.jvfio.fixture.nvme.NvmeHostQueue;
import org.jvfio.fixture.nvme.NvmeHostQueue.Completion;

/**
 * A host with one NVMe controller and nothing else: memory that the controller reaches, interrupts that are noted, a
 * clock that stands still until it is moved, and a driver that knows registers and queues only.
 */
final class ControllerHost implements DeviceBus, NvmeAccess {
    static final int CAP = 0x00;
    static final int VS = 0x08;
    static final int INTMS = 0x0c;
    static final int INTMC = 0x10;
    static final int CC = 0x14;
    static final int CSTS = 0x1c;
    static final int NSSR = 0x20;
    static final int AQA = 0x24;
    static final int ASQ = 0x28;
    static final int ACQ = 0x30;
    static final int DOORBELLS = 0x1000;

    /** Enabled, entries of 64 and 16 bytes, pages of 4 KiB. */
    static final int ENABLED = 0x00460001;

    static final int READY = 1;
    static final int FATAL = 2;
    static final int DNR = 0x4000;

    static final int PAGE = 4096;
    static final int ADMIN_ENTRIES = 16;

    private static final long BASE = 1L << 59;
    private static final int MEMORY_BYTES = 8 << 20;

    private record Action(long nanos, Runnable action) {}

    private final EmulatedNvme device;
    private final MemorySegment memory = MemorySegment.ofArray(new long[MEMORY_BYTES / Long.BYTES]);
    private final List<Action> later = new ArrayList<>();
    private final List<Integer> messages = new ArrayList<>();
    private long now;
    private long allocated = BASE;
    private long alignment = PAGE;
    private boolean sendsMessages = true;
    private boolean sendsMsix = true;
    private boolean line;
    private NvmeHostQueue admin;

    ControllerHost() {
        this(EmulatedNvme.builder());
    }

    ControllerHost(EmulatedNvme.Builder builder) {
        this(builder.build());
    }

    private ControllerHost(EmulatedNvme controller) {
        device = controller;
        device.plug(this);
        device.reset();
        admin = new NvmeHostQueue(this, 0, ADMIN_ENTRIES, ADMIN_ENTRIES);
    }

    /** A host with the controller that is one of the devices of a machine. */
    static ControllerHost of(EmulatedMachine machine, int slot) {
        return new ControllerHost((EmulatedNvme) Slots.device(machine, slot));
    }

    EmulatedNvme device() {
        return device;
    }

    /** All memory that is asked for from now on begins at a page of so many units of 4 KiB. */
    ControllerHost withPages(int units) {
        alignment = (long) units * PAGE;
        return this;
    }

    @Override
    public long pages(int count) {
        long address = (allocated + alignment - 1) & -alignment;
        allocated = address;
        allocated += (long) count * PAGE;
        assertTrue(allocated <= BASE + MEMORY_BYTES, "the test needs more memory");
        return address;
    }

    /** An address that no memory is at. */
    static long nowhere() {
        return BASE + 2L * MEMORY_BYTES;
    }

    /** Memory from a bus address on. */
    MemorySegment at(long address, long bytes) {
        return memory.asSlice(address - BASE, bytes);
    }

    @Override
    public int dword(long address) {
        return memory.get(Command.DWORD, address - BASE);
    }

    long qword(long address) {
        return memory.get(Command.QWORD, address - BASE);
    }

    @Override
    public void dword(long address, int value) {
        memory.set(Command.DWORD, address - BASE, value);
    }

    void qword(long address, long value) {
        memory.set(Command.QWORD, address - BASE, value);
    }

    /** Fills memory with bytes that depend on a seed. */
    void pattern(long address, int bytes, int seed) {
        for (int index = 0; index < bytes; index++) {
            memory.set(ValueLayout.JAVA_BYTE, address - BASE + index, patternByte(index, seed));
        }
    }

    private static byte patternByte(int index, int seed) {
        return (byte) (index * 31 + index / 251 + seed * 17 + 1);
    }

    void assertPattern(long address, int bytes, int seed) {
        for (int index = 0; index < bytes; index++) {
            int at = index;
            assertEquals(
                    patternByte(index, seed),
                    memory.get(ValueLayout.JAVA_BYTE, address - BASE + index),
                    () -> "byte " + at + " of pattern " + seed);
        }
    }

    void assertZeros(long address, int bytes) {
        assertEquals(-1, MemorySegment.ofArray(new byte[bytes]).mismatch(at(address, bytes)));
    }

    int register(int offset) {
        return (int) device.read(0, offset, Integer.BYTES);
    }

    long register64(int offset) {
        return device.read(0, offset, Long.BYTES);
    }

    @Override
    public void register(int offset, int value) {
        device.write(0, offset, Integer.BYTES, Integer.toUnsignedLong(value));
    }

    void register64(int offset, long value) {
        device.write(0, offset, Long.BYTES, value);
    }

    /** Enables the controller, as the specification says, and expects it to be ready. */
    ControllerHost enabled() {
        return enabled(ENABLED);
    }

    ControllerHost enabled(int configuration) {
        setAdminQueues();
        register(CC, configuration);
        assertEquals(READY, register(CSTS));
        return this;
    }

    /** Makes new admin queues and tells the controller of them. */
    void setAdminQueues() {
        admin = new NvmeHostQueue(this, 0, ADMIN_ENTRIES, ADMIN_ENTRIES);
        register(AQA, (ADMIN_ENTRIES - 1) << 16 | (ADMIN_ENTRIES - 1));
        register64(ASQ, admin.submissions());
        register64(ACQ, admin.completions());
    }

    NvmeHostQueue admin() {
        return admin;
    }

    /** Executes an admin command. */
    Completion admin(NvmeEntry entry) {
        return admin.execute(entry);
    }

    /** Creates a pair of I/O queues without interrupts. */
    NvmeHostQueue createQueues(int id, int entries) {
        return createQueues(id, entries, 0, false);
    }

    NvmeHostQueue createQueues(int id, int entries, int vector, boolean interrupts) {
        NvmeHostQueue queue = new NvmeHostQueue(this, id, entries, entries);
        int flags = 1 | (interrupts ? 2 : 0);
        assertSuccess(admin(NvmeEntry.createCompletionQueue(id, entries, queue.completions(), vector, flags)));
        assertSuccess(admin(NvmeEntry.createSubmissionQueue(id, entries, queue.submissions(), id, 1)));
        return queue;
    }

    /** What an Identify command fills in: the address of 4096 bytes. */
    long identify(int structure, int namespace) {
        long data = pages(1);
        assertSuccess(
                admin(NvmeEntry.of(IDENTIFY).namespace(namespace).prp(data, 0).dword(10, structure)));
        return data;
    }

    static Completion assertSuccess(Completion completion) {
        assertEquals(0, completion.status(), completion::toString);
        return completion;
    }

    /** Expects a status by its type and code, whatever the other bits say. */
    static void assertStatus(int expected, Completion completion) {
        assertEquals("0x%x".formatted(expected), "0x%x".formatted(completion.code()), completion::toString);
    }

    /** Lets time pass, and does what the controller has put off until then. */
    void pass(Duration time) {
        long end = now + time.toNanos();
        while (true) {
            Action next = later.stream()
                    .filter(action -> action.nanos() <= end)
                    .min(Comparator.comparingLong(Action::nanos))
                    .orElse(null);
            if (next == null) {
                break;
            }
            later.remove(next);
            now = next.nanos();
            next.action().run();
        }
        now = end;
    }

    /** The vectors that messages were sent of, in their order, since this was last asked. */
    List<Integer> takeMessages() {
        List<Integer> taken = List.copyOf(messages);
        messages.clear();
        return taken;
    }

    /** The controller does all at once, or when its time has come. */
    @Override
    public boolean pause() {
        return false;
    }

    boolean line() {
        return line;
    }

    /** The driver uses MSI, not MSI-X. */
    ControllerHost withMsi() {
        sendsMsix = false;
        return this;
    }

    /** The driver uses the interrupt line, not messages. */
    ControllerHost withLine() {
        sendsMsix = false;
        sendsMessages = false;
        return this;
    }

    private boolean isMemory(long address, long length) {
        long offset = address - BASE;
        return offset >= 0 && offset <= MEMORY_BYTES - length;
    }

    @Override
    public boolean readMemory(long busAddress, MemorySegment into, long offset, long length) {
        if (!isMemory(busAddress, length)) {
            return false;
        }
        MemorySegment.copy(memory, busAddress - BASE, into, offset, length);
        return true;
    }

    @Override
    public boolean writeMemory(long busAddress, MemorySegment from, long offset, long length) {
        if (!isMemory(busAddress, length)) {
            return false;
        }
        MemorySegment.copy(from, offset, memory, busAddress - BASE, length);
        return true;
    }

    @Override
    public void sendMessage(int vector) {
        messages.add(vector);
    }

    @Override
    public boolean sendsMessages() {
        return sendsMessages;
    }

    @Override
    public boolean sendsMsix() {
        return sendsMsix;
    }

    @Override
    public void setLine(boolean asserted) {
        line = asserted;
    }

    @Override
    public void after(Duration delay, Runnable action) {
        later.add(new Action(now + delay.toNanos(), action));
    }
}
