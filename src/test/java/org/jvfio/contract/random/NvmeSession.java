package org.jvfio.contract.random;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;
import org.jvfio.contract.host.PciDevice;
import org.jvfio.contract.host.RawContainer;
import org.jvfio.contract.host.RawGroup;
import org.jvfio.contract.host.RawNvme;
import org.jvfio.contract.host.VfioProcess;
import org.jvfio.fixture.nvme.NvmeEntry;
import org.jvfio.fixture.nvme.NvmeHostQueue;
import org.jvfio.fixture.nvme.NvmeHostQueue.Completion;
import org.jvfio.fixture.nvme.Opcodes;
import org.jvfio.uapi.vfio_h;

/**
 * An NVMe controller of a process that does what lines of text say, and answers what the controller has answered:
 *
 * <ul>
 *   <li>{@code enable CC}: disables it, and enables it with new queues; the answer is CSTS
 *   <li>{@code shutdown}: sets CC.SHN; the answer is CSTS
 *   <li>{@code admin OPCODE [NAME=VALUE]...}, {@code io ...}: executes a command: {@code flags}, {@code nsid}, {@code
 *       mptr}, {@code prp1}, {@code prp2}, {@code d10} to {@code d15}
 *   <li>{@code event}: an Asynchronous Event Request; {@code abort N}: aborts the Nth one since {@code enable}
 *   <li>{@code doorbell OFFSET VALUE}: writes a doorbell of no queue, or an invalid value
 *   <li>{@code poke ADDRESS VALUE}: 8 bytes of memory; {@code fill ADDRESS BYTES SEED}: random bytes, or zeros for 0
 * </ul>
 *
 * All numbers are hexadecimal, and addresses those of the bus. An answer ends with the events that have come since the
 * last one.
 */
final class NvmeSession implements AutoCloseable {
    /** The memory for data and lists: from this bus address on. */
    static final long AREA = RawNvme.memoryAddress();

    static final long AREA_BYTES = 0xa0000;

    private static final long QUEUES = 0x100000;
    private static final int ENTRIES = 32;
    private static final int SHUTDOWN = 1 << 14;
    private static final int SHUTDOWN_BITS = 3 << 2;
    private static final int PAGE_SHIFT = 12;
    private static final int FEATURE_QUEUES = 7;
    private static final int LIMITS_BYTES = 16;
    private static final ValueLayout.OfLong QWORD = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private final VfioProcess process;
    private final RawNvme drive;
    private final List<Integer> requests = new ArrayList<>();
    private final List<String> events = new ArrayList<>();
    private @Nullable NvmeHostQueue queue;
    private int configuration;
    private int status;

    /** Takes the controller of a process. */
    NvmeSession(VfioProcess process, PciDevice controller) {
        this.process = process;
        RawGroup group = process.openGroup(controller.group());
        RawContainer container = process.openContainer();
        if (group.setContainer(container) != 0 || container.setIommu(vfio_h.VFIO_SPAPR_TCE_v2_IOMMU) != 0) {
            throw new IllegalStateException("the group of " + controller + " is not free");
        }
        drive = new RawNvme(process, container, group.device(controller.address()));
    }

    /** The memory for data and lists. */
    MemorySegment area() {
        return drive.at(AREA, AREA_BYTES);
    }

    /** Whether the last line was a command that succeeded. */
    boolean hasSucceeded() {
        return status == 0;
    }

    /** The page size that the controller was enabled with. */
    long pageBytes() {
        return 1L << (PAGE_SHIFT + (configuration >>> 7 & 0xf));
    }

    /** Does what a line says; returns the answer. */
    String run(String line) {
        String[] words = line.split(" ", -1);
        status = -1;
        events.clear();
        try {
            String answer = switch (words[0]) {
                case "enable" -> enable((int) number(words[1]));
                case "shutdown" -> shutDown();
                case "admin" -> execute(drive.admin(), entry(words));
                case "io" -> queue == null ? "no queue" : execute(queue, entry(words));
                case "event" -> request();
                case "abort" -> abort((int) number(words[1]));
                case "doorbell" -> ring((int) number(words[1]), (int) number(words[2]));
                case "poke" -> {
                    area().set(QWORD, number(words[1]) - AREA, number(words[2]));
                    yield "";
                }
                case "fill" -> {
                    fill(number(words[1]), number(words[2]), number(words[3]));
                    yield "";
                }
                default -> throw new IllegalArgumentException("there is no line '" + line + "'");
            };
            return events.isEmpty() ? answer : answer + "; " + String.join(", ", events);
        } catch (AssertionError unanswered) {
            return "no answer: " + unanswered.getMessage();
        }
    }

    private static long number(String word) {
        return Long.parseUnsignedLong(word, 16);
    }

    /** The entry of a line's words from the second one on. */
    static NvmeEntry entry(String... words) {
        Map<String, Long> values = values(words);
        long flags = values.getOrDefault("flags", 0L);
        NvmeEntry entry = NvmeEntry.of((int) (number(words[1]) | flags << 8))
                .namespace((int) (long) values.getOrDefault("nsid", 0L))
                .qword(4, values.getOrDefault("mptr", 0L))
                .prp(values.getOrDefault("prp1", 0L), values.getOrDefault("prp2", 0L));
        for (int dword = 10; dword < 16; dword++) {
            entry.dword(dword, (int) (long) values.getOrDefault("d" + dword, 0L));
        }
        return entry;
    }

    /** The values of a line's words from the third one on. */
    static Map<String, Long> values(String... words) {
        Map<String, Long> values = new HashMap<>();
        for (int word = 2; word < words.length; word++) {
            String[] parts = words[word].split("=", 2);
            values.put(parts[0], number(parts[1]));
        }
        return values;
    }

    private String enable(int value) {
        drive.disable();
        requests.clear();
        queue = null;
        configuration = value;
        drive.allocateFrom(QUEUES, Math.max(pageBytes(), RawNvme.PAGE));
        NvmeHostQueue admin = drive.newAdminQueue();
        drive.enableWith((ENTRIES - 1) << 16 | (ENTRIES - 1), admin.submissions(), admin.completions(), value);
        int found = drive.awaitAnyStatus();
        if (found == RawNvme.READY) {
            queue = drive.createQueues(1, ENTRIES);
        } else {
            drive.disable();
        }
        return "CSTS %x, then CC %x".formatted(found, drive.register(RawNvme.CC));
    }

    private String shutDown() {
        drive.register(RawNvme.CC, drive.register(RawNvme.CC) | SHUTDOWN);
        int found = drive.register(RawNvme.CSTS);
        while ((found & SHUTDOWN_BITS) == 0 && drive.pause()) {
            found = drive.register(RawNvme.CSTS);
        }
        return "CSTS %x".formatted(found);
    }

    private String execute(NvmeHostQueue on, NvmeEntry entry) {
        Completion completion = await(on, on.submit(entry));
        if (!requests.isEmpty()) {
            settle();
        }
        status = completion.status();
        return "status %x, result %x".formatted(completion.status(), completion.result());
    }

    private Completion await(NvmeHostQueue on, int command) {
        while (true) {
            Completion completion = on.next();
            if (completion.command() == command) {
                return completion;
            }
            events.add("request %d: status %x, result %x"
                    .formatted(requests.indexOf(completion.command()), completion.status(), completion.result()));
        }
    }

    /** Lets events come: the admin commands before this one have completed then. */
    private void settle() {
        await(
                drive.admin(),
                drive.admin().submit(NvmeEntry.of(Opcodes.GET_FEATURES).dword(10, FEATURE_QUEUES)));
    }

    private String request() {
        requests.add(drive.admin().submit(NvmeEntry.of(Opcodes.ASYNC_EVENT_REQUEST)));
        settle();
        return "";
    }

    private String abort(int number) {
        int command = number < requests.size() ? requests.get(number) : 0xffff;
        return execute(drive.admin(), NvmeEntry.of(Opcodes.ABORT).dword(10, command << 16));
    }

    private String ring(int offset, int value) {
        drive.register(offset, value);
        settle();
        return "";
    }

    private void fill(long address, long bytes, long seed) {
        MemorySegment part = area().asSlice(address - AREA, bytes);
        SplittableRandom random = new SplittableRandom(seed);
        for (long at = 0; at + Long.BYTES <= bytes; at += Long.BYTES) {
            part.set(QWORD, at, seed == 0 ? 0 : random.nextLong());
        }
    }

    /** Identifies a namespace: some bytes of the data structure. */
    byte[] identify(int id) {
        run("admin 6 nsid=%x prp1=%x d10=0".formatted(id, AREA));
        return area().asSlice(0, RawNvme.PAGE).toArray(ValueLayout.JAVA_BYTE);
    }

    /** The limits of commands without data transfer (CNS 06h). */
    String limits() {
        run("admin 6 prp1=%x d10=6".formatted(AREA));
        return HexFormat.of().formatHex(area().asSlice(0, LIMITS_BYTES).toArray(ValueLayout.JAVA_BYTE));
    }

    @Override
    public void close() {
        drive.disable();
        process.end();
    }
}
