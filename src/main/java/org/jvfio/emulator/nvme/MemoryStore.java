package org.jvfio.emulator.nvme;

import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;
import org.jvfio.emulator.device.DeviceBus;

/**
 * A namespace in the Java heap. Only written chunks of 1 MiB use memory: with smaller ones, random reads would find the
 * headers of their arrays in no cache of the processor.
 */
final class MemoryStore implements Store {
    /** The maximum size, for which the index alone takes 1 MiB. */
    static final long MAX_BYTES = 1L << 44;

    private static final int CHUNK_SHIFT = 20;
    private static final int CHUNK_BYTES = 1 << CHUNK_SHIFT;
    private static final int GROUP_SHIFT = 6;
    private static final int GROUP_CHUNKS = 1 << GROUP_SHIFT;
    private static final long GROUP_BYTES = (long) GROUP_CHUNKS * CHUNK_BYTES;
    private static final MemorySegment ZEROS = newChunk().asReadOnly();

    /** Consecutive chunks. */
    private static final class Group {
        private final @Nullable MemorySegment[] chunks = new @Nullable MemorySegment[GROUP_CHUNKS];
    }

    private final long bytes;
    private final @Nullable Group[] groups;
    /** Unused: without it the compiler would remove the loads of {@link #readAhead}. */
    long loaded;

    MemoryStore(long bytes) {
        this.bytes = bytes;
        groups = new @Nullable Group[Math.toIntExact(Math.ceilDiv(bytes, GROUP_BYTES))];
    }

    private static MemorySegment newChunk() {
        return MemorySegment.ofArray(new long[CHUNK_BYTES / Long.BYTES]);
    }

    @Override
    public long bytes() {
        return bytes;
    }

    private @Nullable MemorySegment chunk(long at) {
        Group group = groups[(int) (at / GROUP_BYTES)];
        return group == null ? null : group.chunks[index(at)];
    }

    private static int index(long at) {
        return (int) (at >>> CHUNK_SHIFT) & (GROUP_CHUNKS - 1);
    }

    private MemorySegment chunkToWrite(long at) {
        int number = (int) (at / GROUP_BYTES);
        Group group = groups[number];
        if (group == null) {
            group = new Group();
            groups[number] = group;
        }
        MemorySegment chunk = group.chunks[index(at)];
        if (chunk == null) {
            chunk = newChunk();
            group.chunks[index(at)] = chunk;
        }
        return chunk;
    }

    private static long inChunk(long at) {
        return at & (CHUNK_BYTES - 1);
    }

    private static long run(long at, long left) {
        return Math.min(CHUNK_BYTES - inChunk(at), left);
    }

    @Override
    public void readAhead(long at) {
        MemorySegment chunk = chunk(at);
        if (chunk != null) {
            loaded += chunk.get(Command.QWORD, inChunk(at));
        }
    }

    @Override
    public int read(long at, long length, DeviceBus bus, long busAddress) {
        for (long done = 0; done < length; ) {
            long from = at + done;
            long run = run(from, length - done);
            MemorySegment chunk = chunk(from);
            if (!bus.writeMemory(busAddress + done, chunk == null ? ZEROS : chunk, inChunk(from), run)) {
                return Status.DATA_TRANSFER_ERROR;
            }
            done += run;
        }
        return Status.SUCCESS;
    }

    @Override
    public int write(long at, long length, DeviceBus bus, long busAddress) {
        try {
            for (long done = 0; done < length; ) {
                long to = at + done;
                long run = run(to, length - done);
                if (!bus.readMemory(busAddress + done, chunkToWrite(to), inChunk(to), run)) {
                    return Status.DATA_TRANSFER_ERROR;
                }
                done += run;
            }
        } catch (OutOfMemoryError heapIsFull) {
            return Status.INTERNAL_ERROR; // the namespace has room, this process has not
        }
        return Status.SUCCESS;
    }

    @Override
    public int load(long at, MemorySegment into, long length) {
        for (long done = 0; done < length; ) {
            long from = at + done;
            long run = run(from, length - done);
            MemorySegment chunk = chunk(from);
            MemorySegment.copy(chunk == null ? ZEROS : chunk, inChunk(from), into, done, run);
            done += run;
        }
        return Status.SUCCESS;
    }

    @Override
    public int save(long at, MemorySegment from, long length) {
        try {
            for (long done = 0; done < length; ) {
                long to = at + done;
                long run = run(to, length - done);
                MemorySegment.copy(from, done, chunkToWrite(to), inChunk(to), run);
                done += run;
            }
        } catch (OutOfMemoryError heapIsFull) {
            return Status.INTERNAL_ERROR; // the namespace has room, this process has not
        }
        return Status.SUCCESS;
    }

    @Override
    public int zero(long at, long length) {
        for (long done = 0; done < length; ) {
            long from = at + done;
            long run = Math.min(GROUP_BYTES - (from & (GROUP_BYTES - 1)), length - done);
            int number = (int) (from / GROUP_BYTES);
            Group group = groups[number];
            if (run == GROUP_BYTES) {
                groups[number] = null;
            } else if (group != null) {
                zero(group, from, run);
            }
            done += run;
        }
        return Status.SUCCESS;
    }

    private static void zero(Group group, long at, long length) {
        for (long done = 0; done < length; ) {
            long from = at + done;
            long run = run(from, length - done);
            MemorySegment chunk = group.chunks[index(from)];
            if (run == CHUNK_BYTES) {
                group.chunks[index(from)] = null;
            } else if (chunk != null) {
                MemorySegment.copy(ZEROS, 0, chunk, inChunk(from), run);
            }
            done += run;
        }
    }

    @Override
    public void deallocate(long at, long length) {
        zero(at, length);
    }

    @Override
    public boolean deallocatedIsZero() {
        return true;
    }

    @Override
    public int flush() {
        return Status.SUCCESS;
    }
}
