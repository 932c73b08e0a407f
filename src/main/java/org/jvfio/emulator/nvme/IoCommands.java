package org.jvfio.emulator.nvme;

import java.lang.foreign.MemorySegment;
import org.jvfio.emulator.device.DeviceBus;

/** The commands of I/O queues (NVM Express 1.4, 6). */
final class IoCommands {
    /** The first of the two command dwords of the starting LBA. */
    static final int FIRST_BLOCK = 10;

    private static final int FLUSH = 0x00;
    private static final int WRITE = 0x01;
    private static final int READ = 0x02;
    private static final int COMPARE = 0x05;
    private static final int WRITE_ZEROES = 0x08;
    private static final int DATASET_MANAGEMENT = 0x09;

    /** The supported commands. */
    static final int[] OPCODES = {FLUSH, WRITE, READ, COMPARE, WRITE_ZEROES, DATASET_MANAGEMENT};

    private static final int FORCE_UNIT_ACCESS = 1 << 30;
    private static final int DEALLOCATE = 1 << 2;
    private static final int RANGE_BYTES = 16;
    private static final int MAX_RANGES = 256;
    private static final int COMPARED_AT_ONCE = 1 << 16;

    private final DeviceBus bus;
    private final Configuration configuration;
    private final Registers registers;
    private final Prp prp;
    private final IdentifyData identity;
    private final Features features;
    private final MemorySegment dataset = MemorySegment.ofArray(new long[MAX_RANGES * RANGE_BYTES / Long.BYTES]);
    private final MemorySegment ofHost = MemorySegment.ofArray(new long[COMPARED_AT_ONCE / Long.BYTES]);
    private final MemorySegment stored = MemorySegment.ofArray(new long[COMPARED_AT_ONCE / Long.BYTES]);

    IoCommands(
            DeviceBus bus,
            Configuration configuration,
            Registers registers,
            Prp prp,
            IdentifyData identity,
            Features features) {
        this.bus = bus;
        this.configuration = configuration;
        this.registers = registers;
        this.prp = prp;
        this.identity = identity;
        this.features = features;
    }

    /** Whether a command changes data. */
    static boolean changesBlocks(int opcode) {
        return opcode != READ && opcode != COMPARE;
    }

    private static boolean isKnown(int opcode) {
        return switch (opcode) {
            case FLUSH, WRITE, READ, COMPARE, WRITE_ZEROES, DATASET_MANAGEMENT -> true;
            default -> false;
        };
    }

    /** Executes a command and returns its status. */
    int execute(Command command) {
        int opcode = command.opcode();
        if (!isKnown(opcode)) {
            return Status.INVALID_COMMAND_OPCODE;
        }
        if (command.isFused() || command.usesScatterGather()) {
            return Status.INVALID_FIELD_IN_COMMAND;
        }
        int id = command.namespace();
        if (opcode == FLUSH && id == IdentifyData.BROADCAST) {
            return flushAll();
        }
        Namespace namespace = identity.namespace(id);
        if (namespace == null) {
            return IdentifyData.isValid(id) ? Status.INVALID_FIELD_IN_COMMAND : Status.INVALID_NAMESPACE_OR_FORMAT;
        }
        int status = switch (opcode) {
            case FLUSH -> namespace.store().flush();
            case DATASET_MANAGEMENT -> manageDataset(namespace, command);
            default -> accessBlocks(namespace, command, opcode);
        };
        namespace.countStatus(status);
        return status;
    }

    private int flushAll() {
        for (Namespace namespace : identity.namespaces()) {
            int status = namespace.store().flush();
            namespace.countStatus(status);
            if (status != Status.SUCCESS) {
                return status;
            }
        }
        return Status.SUCCESS;
    }

    private int accessBlocks(Namespace namespace, Command command, int opcode) {
        long first = command.qword(FIRST_BLOCK);
        long count = (command.dword(12) & 0xffff) + 1L;
        long bytes = count << namespace.blockShift();
        if (opcode != WRITE_ZEROES && bytes > configuration.maxBytes()) {
            return Status.INVALID_FIELD_IN_COMMAND;
        }
        if (!namespace.holds(first, count)) {
            return Status.LBA_OUT_OF_RANGE;
        }
        long at = first << namespace.blockShift();
        int status = Status.SUCCESS;
        if (opcode != WRITE_ZEROES) {
            status = prp.map(command, bytes, registers.pageBytes());
            if (status != Status.SUCCESS) {
                return status;
            }
        }
        return switch (opcode) {
            case READ -> {
                namespace.countRead(bytes);
                yield read(namespace, at);
            }
            case COMPARE -> {
                namespace.countRead(bytes);
                yield compare(namespace, at);
            }
            case WRITE -> {
                namespace.countWrite(bytes);
                status = write(namespace, at);
                yield status == Status.SUCCESS ? settle(namespace, command) : status;
            }
            default -> {
                status = namespace.store().zero(at, bytes);
                yield status == Status.SUCCESS ? settle(namespace, command) : status;
            }
        };
    }

    /** Flushes data that must be durable when its command completes. */
    private int settle(Namespace namespace, Command command) {
        boolean cached = features.writeCache() && (command.dword(12) & FORCE_UNIT_ACCESS) == 0;
        return cached ? Status.SUCCESS : namespace.store().flush();
    }

    private int read(Namespace namespace, long at) {
        long from = at;
        for (int range = 0; range < prp.ranges(); range++) {
            int status = namespace.store().read(from, prp.length(range), bus, prp.address(range));
            if (status != Status.SUCCESS) {
                return status;
            }
            from += prp.length(range);
        }
        return Status.SUCCESS;
    }

    private int write(Namespace namespace, long at) {
        long to = at;
        for (int range = 0; range < prp.ranges(); range++) {
            int status = namespace.store().write(to, prp.length(range), bus, prp.address(range));
            if (status != Status.SUCCESS) {
                return status;
            }
            to += prp.length(range);
        }
        return Status.SUCCESS;
    }

    private int compare(Namespace namespace, long at) {
        long from = at;
        for (int range = 0; range < prp.ranges(); range++) {
            long length = prp.length(range);
            for (long done = 0; done < length; done += COMPARED_AT_ONCE) {
                long run = Math.min(COMPARED_AT_ONCE, length - done);
                int status = compare(namespace, from + done, prp.address(range) + done, run);
                if (status != Status.SUCCESS) {
                    return status;
                }
            }
            from += length;
        }
        return Status.SUCCESS;
    }

    private int compare(Namespace namespace, long at, long busAddress, long length) {
        if (!bus.readMemory(busAddress, ofHost, 0, length)) {
            return Status.DATA_TRANSFER_ERROR;
        }
        int status = namespace.store().load(at, stored, length);
        if (status != Status.SUCCESS) {
            return status;
        }
        return MemorySegment.mismatch(ofHost, 0, length, stored, 0, length) < 0
                ? Status.SUCCESS
                : Status.COMPARE_FAILURE;
    }

    /** All ranges are checked before any is deallocated; other hints have no effect. */
    private int manageDataset(Namespace namespace, Command command) {
        int ranges = (command.dword(10) & 0xff) + 1;
        int status = prp.map(command, (long) ranges * RANGE_BYTES, registers.pageBytes());
        if (status == Status.SUCCESS) {
            status = prp.readMemory(dataset);
        }
        if (status != Status.SUCCESS || (command.dword(11) & DEALLOCATE) == 0) {
            return status;
        }
        for (int range = 0; range < ranges; range++) {
            if (!namespace.holds(firstBlock(range), blocks(range))) {
                return Status.LBA_OUT_OF_RANGE;
            }
        }
        int shift = namespace.blockShift();
        for (int range = 0; range < ranges; range++) {
            namespace.store().deallocate(firstBlock(range) << shift, blocks(range) << shift);
        }
        return Status.SUCCESS;
    }

    private long firstBlock(int range) {
        return dataset.get(Command.QWORD, (long) range * RANGE_BYTES + Long.BYTES);
    }

    private long blocks(int range) {
        return Integer.toUnsignedLong(dataset.get(Command.DWORD, (long) range * RANGE_BYTES + Integer.BYTES));
    }
}
