package org.jvfio.emulator.nvme;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;

import java.lang.invoke.VarHandle;
import org.jspecify.annotations.Nullable;

/** A submission queue and its completion queue, as a driver has them. */
public final class NvmeHostQueue {
    private static final int DOORBELLS = 0x1000;
    private static final int PAGE = 4096;
    private static final int ENTRY_BYTES = 64;

    /** What a completion entry says. */
    public record Completion(int result, int head, int queue, int command, int status) {
        /** The code and its type, without the bits that say more. */
        public int code() {
            return status & 0x7ff;
        }
    }

    private final NvmeAccess host;
    private final int id;
    private final int entries;
    private final int completionEntries;
    private final long submissions;
    private final long completions;
    private int tail;
    private int head;
    private int phase = 1;
    private int nextCommand = 0x100;

    public NvmeHostQueue(NvmeAccess host, int id, int entries, int completionEntries) {
        this.host = host;
        this.id = id;
        this.entries = entries;
        this.completionEntries = completionEntries;
        submissions = host.pages((entries * ENTRY_BYTES + PAGE - 1) / PAGE);
        completions = host.pages((completionEntries * 16 + PAGE - 1) / PAGE);
    }

    /** The bus address of the submission queue. */
    public long submissions() {
        return submissions;
    }

    /** The bus address of the completion queue. */
    public long completions() {
        return completions;
    }

    /** Writes an entry, which the controller does not know of yet: its command identifier. */
    public int add(NvmeEntry entry) {
        int command = nextCommand++;
        addAs(command, entry);
        return command;
    }

    public void addAs(int command, NvmeEntry entry) {
        entry.id(command);
        for (int number = 0; number < 16; number++) {
            host.dword(submissions + (long) tail * ENTRY_BYTES + 4L * number, entry.dword(number));
        }
        tail = (tail + 1) % entries;
    }

    /** Tells the controller of the entries. */
    public void ring() {
        ring(tail);
    }

    public void ring(int value) {
        host.register(DOORBELLS + 8 * id, value);
    }

    /** Writes an entry and tells the controller: its command identifier. */
    public int submit(NvmeEntry entry) {
        int command = add(entry);
        ring();
        return command;
    }

    /** Whether there is no completion that was not consumed. */
    public boolean isEmpty() {
        return (host.dword(completions + head * 16L + 12) >>> 16 & 1) != phase;
    }

    /** The next completion, consumed but not acknowledged yet; null if there is none. */
    @Nullable
    Completion poll() {
        if (isEmpty()) {
            return null;
        }
        // The rest is there when the phase bit is, if it is read after it.
        VarHandle.fullFence();
        long at = completions + head * 16L;
        int last = host.dword(at + 12);
        head++;
        if (head == completionEntries) {
            head = 0;
            phase ^= 1;
        }
        int middle = host.dword(at + 8);
        assertEquals(0, host.dword(at + 4), "the reserved dword");
        return new Completion(host.dword(at), middle & 0xffff, middle >>> 16, last & 0xffff, last >>> 17);
    }

    /** Tells the controller what was consumed. */
    public void acknowledge() {
        acknowledge(head);
    }

    public void acknowledge(int value) {
        host.register(DOORBELLS + 8 * id + 4, value);
    }

    /** The next completion, which there is; acknowledged. */
    public Completion next() {
        Completion completion = poll();
        while (completion == null && host.pause()) {
            completion = poll();
        }
        assertNotNull(completion, "a completion");
        acknowledge();
        return completion;
    }

    /** Executes one command: its completion. */
    public Completion execute(NvmeEntry entry) {
        int command = submit(entry);
        Completion completion = next();
        assertEquals(command, completion.command());
        assertEquals(id, completion.queue());
        return completion;
    }
}
