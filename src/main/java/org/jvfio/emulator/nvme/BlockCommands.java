package org.jvfio.emulator.nvme;

import java.lang.foreign.MemorySegment;
import org.jvfio.emulator.device.DeviceBus;

/** Read, Write, Compare, Verify and Write Zeroes: the commands that name one range of blocks (NVM Express 1.4, 6). */
final class BlockCommands {
    private static final int FORCE_UNIT_ACCESS = 1 << 30;
    private static final int AT_ONCE = 1 << 16;
    private static final int DWORD_MASK = Integer.BYTES - 1;

    private final DeviceBus bus;
    private final Configuration configuration;
    private final Registers registers;
    private final Prp prp;
    private final Features features;
    private final boolean pointerIsOptional;
    private final boolean limitsInHostPages;
    private final MemorySegment ofHost = MemorySegment.ofArray(new long[AT_ONCE / Long.BYTES]);
    private final MemorySegment stored = MemorySegment.ofArray(new long[AT_ONCE / Long.BYTES]);

    BlockCommands(DeviceBus bus, Configuration configuration, Registers registers, Prp prp, Features features) {
        this.bus = bus;
        this.configuration = configuration;
        this.registers = registers;
        this.prp = prp;
        this.features = features;
        pointerIsOptional = configuration.has(Deviation.NO_METADATA_POINTER);
        limitsInHostPages = configuration.has(Deviation.LIMITS_IN_HOST_PAGES);
    }

    /** Executes a command and returns its status. */
    int execute(Namespace namespace, Command command, int opcode) {
        long first = command.qword(IoCommands.FIRST_BLOCK);
        long count = (command.dword(12) & 0xffff) + 1L;
        long bytes = namespace.transferBytes(count);
        if (bytes > limit(opcode)) {
            return Status.INVALID_FIELD_IN_COMMAND;
        }
        if (!namespace.holds(first, count)) {
            return Status.LBA_OUT_OF_RANGE;
        }
        if (opcode == IoCommands.WRITE_ZEROES) {
            int status = zero(namespace, first, count);
            return status == Status.SUCCESS ? settle(namespace, command) : status;
        }
        if (namespace.protection() != 0) {
            return Status.INVALID_PROTECTION_INFORMATION;
        }
        if (opcode == IoCommands.VERIFY) {
            return verify(namespace, first, count);
        }
        int status = prp.map(command, bytes, registers.pageBytes());
        if (status != Status.SUCCESS) {
            return status;
        }
        if (opcode == IoCommands.WRITE) {
            namespace.countWrite(count << namespace.blockShift());
            status = namespace.metadataBytes() == 0
                    ? write(namespace, first)
                    : writeWithMetadata(namespace, command, first, count);
            return status == Status.SUCCESS ? settle(namespace, command) : status;
        }
        namespace.countRead(count << namespace.blockShift());
        if (opcode == IoCommands.READ) {
            return namespace.metadataBytes() == 0
                    ? read(namespace, first)
                    : readWithMetadata(namespace, command, first, count);
        }
        return compare(namespace, command, first, count);
    }

    /** The maximum size of a command in bytes. */
    private long limit(int opcode) {
        int shift = switch (opcode) {
            case IoCommands.WRITE_ZEROES -> configuration.commandLimits().writeZeroes();
            case IoCommands.VERIFY -> configuration.commandLimits().verify();
            default -> configuration.limits().mdts();
        };
        if (shift == 0) {
            return Long.MAX_VALUE;
        }
        return (limitsInHostPages
                        ? registers.pageBytes()
                        : 1L << configuration.limits().minPageShift())
                << shift;
    }

    /** Flushes data that must be durable when its command completes. */
    private int settle(Namespace namespace, Command command) {
        boolean cached = features.writeCache() && (command.dword(12) & FORCE_UNIT_ACCESS) == 0;
        return cached ? Status.SUCCESS : namespace.store().flush();
    }

    private static int zero(Namespace namespace, long first, long count) {
        int shift = namespace.blockShift();
        int status = namespace.store().zero(first << shift, count << shift);
        if (status == Status.SUCCESS && namespace.metadataBytes() > 0) {
            status = namespace.store().zero(namespace.metadataOffset(first), count * namespace.metadataBytes());
        }
        return status;
    }

    private int read(Namespace namespace, long first) {
        Store store = namespace.store();
        long from = first << namespace.blockShift();
        for (int range = 0; range < prp.ranges(); range++) {
            int status = store.read(from, prp.length(range), bus, prp.address(range));
            if (status != Status.SUCCESS) {
                return status;
            }
            from += prp.length(range);
        }
        return Status.SUCCESS;
    }

    private int write(Namespace namespace, long first) {
        Store store = namespace.store();
        long to = first << namespace.blockShift();
        for (int range = 0; range < prp.ranges(); range++) {
            int status = store.write(to, prp.length(range), bus, prp.address(range));
            if (status != Status.SUCCESS) {
                return status;
            }
            to += prp.length(range);
        }
        return Status.SUCCESS;
    }

    private int readWithMetadata(Namespace namespace, Command command, long first, long count) {
        if (!namespace.isExtended()) {
            long pointer = command.metadata();
            int status = pointerStatus(pointer);
            if (status == Status.SUCCESS) {
                status = read(namespace, first);
            }
            return status == Status.SUCCESS && transfersMetadata(pointer)
                    ? namespace
                            .store()
                            .read(namespace.metadataOffset(first), count * namespace.metadataBytes(), bus, pointer)
                    : status;
        }
        int block = (int) namespace.transferBytes(1);
        for (long done = 0; done < count; done++) {
            int status = load(namespace, first + done);
            if (status == Status.SUCCESS) {
                status = prp.writeNext(stored, 0, block);
            }
            if (status != Status.SUCCESS) {
                return status;
            }
        }
        return Status.SUCCESS;
    }

    private int writeWithMetadata(Namespace namespace, Command command, long first, long count) {
        if (!namespace.isExtended()) {
            long pointer = command.metadata();
            int status = pointerStatus(pointer);
            if (status == Status.SUCCESS) {
                status = write(namespace, first);
            }
            return status == Status.SUCCESS && transfersMetadata(pointer)
                    ? namespace
                            .store()
                            .write(namespace.metadataOffset(first), count * namespace.metadataBytes(), bus, pointer)
                    : status;
        }
        int data = 1 << namespace.blockShift();
        int block = (int) namespace.transferBytes(1);
        for (long done = 0; done < count; done++) {
            long at = first + done;
            int status = prp.readNext(ofHost, 0, block);
            if (status == Status.SUCCESS) {
                status = namespace.store().save(at << namespace.blockShift(), ofHost, data);
            }
            if (status == Status.SUCCESS) {
                status = namespace
                        .store()
                        .save(namespace.metadataOffset(at), ofHost.asSlice(data), namespace.metadataBytes());
            }
            if (status != Status.SUCCESS) {
                return status;
            }
        }
        return Status.SUCCESS;
    }

    private int pointerStatus(long pointer) {
        return (pointer & DWORD_MASK) != 0 && !pointerIsOptional ? Status.INVALID_FIELD_IN_COMMAND : Status.SUCCESS;
    }

    private boolean transfersMetadata(long pointer) {
        return pointer != 0 || !pointerIsOptional;
    }

    /** Loads the data of a block, and the metadata after it. */
    private int load(Namespace namespace, long block) {
        int data = 1 << namespace.blockShift();
        int status = namespace.store().load(block << namespace.blockShift(), stored, data);
        return status == Status.SUCCESS && namespace.metadataBytes() > 0
                ? namespace
                        .store()
                        .load(namespace.metadataOffset(block), stored.asSlice(data), namespace.metadataBytes())
                : status;
    }

    private int verify(Namespace namespace, long first, long count) {
        for (long done = 0; done < count; done++) {
            int status = load(namespace, first + done);
            if (status != Status.SUCCESS) {
                return status;
            }
        }
        return Status.SUCCESS;
    }

    private int compare(Namespace namespace, Command command, long first, long count) {
        if (namespace.isExtended()) {
            return compareExtended(namespace, first, count);
        }
        long pointer = command.metadata();
        boolean hasMetadata = namespace.metadataBytes() > 0;
        if (hasMetadata && pointerStatus(pointer) != Status.SUCCESS) {
            return pointerStatus(pointer);
        }
        int status = compareMapped(namespace, first << namespace.blockShift());
        if (status != Status.SUCCESS || !hasMetadata) {
            return status;
        }
        prp.mapContiguous(pointer, count * namespace.metadataBytes());
        return compareMapped(namespace, namespace.metadataOffset(first));
    }

    private int compareExtended(Namespace namespace, long first, long count) {
        int block = (int) namespace.transferBytes(1);
        for (long done = 0; done < count; done++) {
            int status = load(namespace, first + done);
            if (status == Status.SUCCESS) {
                status = prp.readNext(ofHost, 0, block);
            }
            if (status != Status.SUCCESS) {
                return status;
            }
            if (MemorySegment.mismatch(ofHost, 0, block, stored, 0, block) >= 0) {
                return Status.COMPARE_FAILURE;
            }
        }
        return Status.SUCCESS;
    }

    /** Compares the mapped memory with the store from an offset on. */
    private int compareMapped(Namespace namespace, long at) {
        long left = prp.bytes();
        long from = at;
        while (left > 0) {
            long run = Math.min(AT_ONCE, left);
            int status = prp.readNext(ofHost, 0, run);
            if (status == Status.SUCCESS) {
                status = namespace.store().load(from, stored, run);
            }
            if (status != Status.SUCCESS) {
                return status;
            }
            if (MemorySegment.mismatch(ofHost, 0, run, stored, 0, run) >= 0) {
                return Status.COMPARE_FAILURE;
            }
            from += run;
            left -= run;
        }
        return Status.SUCCESS;
    }
}
