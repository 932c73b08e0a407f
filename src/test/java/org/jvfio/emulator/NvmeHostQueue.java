package org.jvfio.emulator;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;

import org.jspecify.annotations.Nullable;
import org.jvfio.emulator.NvmeHost.Completion;

/** A submission queue and its completion queue, as a driver has them. */
final class NvmeHostQueue {
    private final NvmeHost host;
    private final int id;
    private final int entries;
    private final int completionEntries;
    private final long submissions;
    private final long completions;
    private int tail;
    private int head;
    private int phase = 1;
    private int nextCommand = 0x100;

    NvmeHostQueue(NvmeHost host, int id, int entries, int completionEntries) {
        this.host = host;
        this.id = id;
        this.entries = entries;
        this.completionEntries = completionEntries;
        submissions = host.pages((entries * NvmeCommand.ENTRY_BYTES + NvmeHost.PAGE - 1) / NvmeHost.PAGE);
        completions = host.pages((completionEntries * 16 + NvmeHost.PAGE - 1) / NvmeHost.PAGE);
    }

    /** The bus address of the submission queue. */
    long submissions() {
        return submissions;
    }

    /** The bus address of the completion queue. */
    long completions() {
        return completions;
    }

    /** Writes an entry, which the controller does not know of yet: its command identifier. */
    int add(NvmeEntry entry) {
        int command = nextCommand++;
        addAs(command, entry);
        return command;
    }

    void addAs(int command, NvmeEntry entry) {
        entry.id(command);
        for (int number = 0; number < 16; number++) {
            host.dword(submissions + (long) tail * NvmeCommand.ENTRY_BYTES + 4L * number, entry.dword(number));
        }
        tail = (tail + 1) % entries;
    }

    /** Tells the controller of the entries. */
    void ring() {
        ring(tail);
    }

    void ring(int value) {
        host.register(NvmeHost.DOORBELLS + 8 * id, value);
    }

    /** Writes an entry and tells the controller: its command identifier. */
    int submit(NvmeEntry entry) {
        int command = add(entry);
        ring();
        return command;
    }

    /** The next completion, consumed but not acknowledged yet; null if there is none. */
    @Nullable
    Completion poll() {
        long at = completions + head * 16L;
        int last = host.dword(at + 12);
        if ((last >>> 16 & 1) != phase) {
            return null;
        }
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
    void acknowledge() {
        acknowledge(head);
    }

    void acknowledge(int value) {
        host.register(NvmeHost.DOORBELLS + 8 * id + 4, value);
    }

    /** The next completion, which there is; acknowledged. */
    Completion next() {
        Completion completion = poll();
        assertNotNull(completion, "a completion");
        acknowledge();
        return completion;
    }

    /** Executes one command: its completion. */
    Completion execute(NvmeEntry entry) {
        int command = submit(entry);
        Completion completion = next();
        assertEquals(command, completion.command());
        assertEquals(id, completion.queue());
        return completion;
    }
}
