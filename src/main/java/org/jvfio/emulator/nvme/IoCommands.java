package org.jvfio.emulator.nvme;

import java.lang.foreign.MemorySegment;
import org.jvfio.emulator.device.DeviceBus;

/** The commands of I/O queues (NVM Express 1.4, 6). */
final class IoCommands {
    /** The first of the two command dwords of the starting LBA. */
    static final int FIRST_BLOCK = 10;

    static final int FLUSH = 0x00;
    static final int WRITE = 0x01;
    static final int READ = 0x02;
    static final int COMPARE = 0x05;
    static final int WRITE_ZEROES = 0x08;
    static final int DATASET_MANAGEMENT = 0x09;
    static final int VERIFY = 0x0c;
    static final int COPY = 0x19;

    private static final int MANAGEMENT_RECEIVE = 0x12;
    private static final int MANAGEMENT_SEND = 0x1d;
    private static final int RECLAIM_UNIT_HANDLES = 1;

    private static final int OPCODES = 256;
    private static final int DEALLOCATE = 1 << 2;
    private static final int RANGE_BYTES = 16;
    private static final int MAX_RANGES = 256;

    private final DeviceBus bus;
    private final OddState odd;
    private final Features features;
    private final boolean overReads;
    private final boolean ignoresZeroes;
    private final Configuration configuration;
    private final Registers registers;
    private final Prp prp;
    private final NamespaceList namespaces;
    private final BlockCommands blockCommands;
    private final CopyCommand copyCommand;
    private final boolean[] known = new boolean[OPCODES];
    private final boolean namespaceFirst;
    private final boolean skipsInvalidRanges;
    private final boolean deallocationKeepsData;
    private final MemorySegment dataset = MemorySegment.ofArray(new long[MAX_RANGES * RANGE_BYTES / Long.BYTES]);

    IoCommands(
            DeviceBus bus,
            Configuration configuration,
            Registers registers,
            Prp prp,
            NamespaceList namespaces,
            Features features,
            OddState odd) {
        this.bus = bus;
        this.odd = odd;
        this.features = features;
        overReads = odd.has(DriveOddity.OVER_READS_RANGES);
        ignoresZeroes = odd.has(DriveOddity.IGNORES_WRITE_ZEROES);
        this.configuration = configuration;
        this.registers = registers;
        this.prp = prp;
        this.namespaces = namespaces;
        blockCommands = new BlockCommands(bus, configuration, registers, prp, features);
        copyCommand = new CopyCommand(configuration, registers, prp, features);
        for (int opcode = 0; opcode < OPCODES; opcode++) {
            known[opcode] = isKnown(opcode, configuration);
        }
        namespaceFirst = configuration.has(Deviation.NAMESPACE_BEFORE_OPCODE);
        skipsInvalidRanges = configuration.has(Deviation.SKIPS_INVALID_RANGES);
        deallocationKeepsData = configuration.has(Deviation.DEALLOCATION_KEEPS_DATA);
    }

    /** Whether a command changes data. */
    static boolean changesBlocks(int opcode) {
        return switch (opcode) {
            case READ, COMPARE, VERIFY, MANAGEMENT_RECEIVE -> false;
            default -> true;
        };
    }

    /** Whether a controller supports an opcode. */
    static boolean isKnown(int opcode, Configuration configuration) {
        return switch (opcode) {
            case FLUSH, WRITE, READ -> true;
            case MANAGEMENT_RECEIVE, MANAGEMENT_SEND -> configuration.has(Deviation.MORE_COMMANDS);
            default -> isOptional(opcode, configuration);
        };
    }

    private static boolean isOptional(int opcode, Configuration configuration) {
        for (OptionalCommand each : configuration.commands()) {
            if (each.opcode() == opcode) {
                return true;
            }
        }
        return false;
    }

    /** Begins to load the data of a Read command, which need not be valid. */
    void readAhead(Command command) {
        if (command.opcode() != READ) {
            return;
        }
        Namespace namespace = namespaces.attached(command.namespace());
        long first = command.qword(FIRST_BLOCK);
        if (namespace != null && namespace.holds(first, 1)) {
            namespace.store().readAhead(first << namespace.blockShift());
        }
    }

    /** Executes a command and returns its status. */
    int execute(Command command) {
        int opcode = command.opcode();
        if (!namespaceFirst) {
            int status = formStatus(command);
            if (status != Status.SUCCESS) {
                return status;
            }
        }
        int id = command.namespace();
        if (opcode == FLUSH && id == NamespaceList.BROADCAST) {
            return namespaces.flush();
        }
        Namespace namespace = namespaces.attached(id);
        if (namespace == null) {
            return NamespaceList.isValid(id) ? Status.INVALID_FIELD_IN_COMMAND : Status.INVALID_NAMESPACE_OR_FORMAT;
        }
        if (namespaceFirst && opcode != FLUSH) {
            int status = formStatus(command);
            if (status != Status.SUCCESS) {
                return status;
            }
        }
        if (odd.isNotReady()) {
            return features.delaysRetries()
                    ? Status.NAMESPACE_NOT_READY | Status.FIRST_RETRY_DELAY
                    : Status.NAMESPACE_NOT_READY;
        }
        if (opcode == WRITE_ZEROES && ignoresZeroes) {
            return Status.SUCCESS;
        }
        if (namespace.commandSet() != CommandSet.NVM) {
            return Status.INVALID_COMMAND_OPCODE;
        }
        if (namespace.isWriteProtected() && writes(command)) {
            return Status.NAMESPACE_IS_WRITE_PROTECTED;
        }
        int status = switch (opcode) {
            case FLUSH -> namespace.store().flush();
            case DATASET_MANAGEMENT -> manageDataset(namespace, command);
            case COPY -> copyCommand.execute(namespace, command);
            case MANAGEMENT_RECEIVE, MANAGEMENT_SEND -> managePlacement(command);
            default -> blockCommands.execute(namespace, command, opcode);
        };
        namespace.countStatus(status);
        return status;
    }

    /** The status of a command that the controller does not support, or not in this form. */
    private int formStatus(Command command) {
        if (command.isFused() && namespaceFirst) {
            return Status.INVALID_FIELD_IN_COMMAND & ~Status.DO_NOT_RETRY;
        }
        if (!known[command.opcode()]) {
            return Status.INVALID_COMMAND_OPCODE;
        }
        return command.isFused() || command.usesScatterGather() ? Status.INVALID_FIELD_IN_COMMAND : Status.SUCCESS;
    }

    /** Whether a command fails in a namespace that is write protected (NVM Express 1.4, 8.19). */
    private static boolean writes(Command command) {
        return switch (command.opcode()) {
            case WRITE, WRITE_ZEROES, COPY -> true;
            case DATASET_MANAGEMENT -> (command.dword(11) & DEALLOCATE) != 0;
            default -> false;
        };
    }

    /** I/O Management without flexible data placement. */
    private static int managePlacement(Command command) {
        return switch (command.dword(10) & 0xff) {
            case 0 -> Status.SUCCESS;
            case RECLAIM_UNIT_HANDLES -> Status.FLEXIBLE_DATA_PLACEMENT_DISABLED;
            default -> Status.INVALID_FIELD_IN_COMMAND;
        };
    }

    /** All ranges are checked before any is deallocated; other hints have no effect. */
    private int manageDataset(Namespace namespace, Command command) {
        boolean deallocates = (command.dword(11) & DEALLOCATE) != 0;
        if (!deallocates && skipsInvalidRanges) {
            return Status.SUCCESS;
        }
        int ranges = (command.dword(10) & 0xff) + 1;
        int status = prp.map(command, (long) ranges * RANGE_BYTES, registers.pageBytes());
        if (status == Status.SUCCESS) {
            status = prp.readMemory(dataset);
        }
        if (status == Status.SUCCESS && overReads && !bus.readMemory(command.prp1(), dataset)) {
            return Status.DATA_TRANSFER_ERROR;
        }
        if (status != Status.SUCCESS || !deallocates) {
            return status;
        }
        if (!skipsInvalidRanges) {
            status = rangeStatus(namespace, ranges);
            if (status != Status.SUCCESS) {
                return status;
            }
        }
        for (int range = 0; range < ranges && !deallocationKeepsData; range++) {
            namespace.deallocate(firstBlock(range), blocks(range));
        }
        return Status.SUCCESS;
    }

    private int rangeStatus(Namespace namespace, int ranges) {
        CommandLimits limits = configuration.commandLimits();
        long all = 0;
        for (int range = 0; range < ranges; range++) {
            if (!namespace.holds(firstBlock(range), blocks(range))) {
                return Status.LBA_OUT_OF_RANGE;
            }
            if (limits.rangeBlocks() != 0 && blocks(range) > limits.rangeBlocks()) {
                return Status.INVALID_FIELD_IN_COMMAND;
            }
            all += blocks(range);
        }
        boolean exceeds =
                (limits.ranges() != 0 && ranges > limits.ranges()) || (limits.blocks() != 0 && all > limits.blocks());
        return exceeds ? Status.INVALID_FIELD_IN_COMMAND : Status.SUCCESS;
    }

    private long firstBlock(int range) {
        return dataset.get(Command.QWORD, (long) range * RANGE_BYTES + Long.BYTES);
    }

    private long blocks(int range) {
        return Integer.toUnsignedLong(dataset.get(Command.DWORD, (long) range * RANGE_BYTES + Integer.BYTES));
    }
}
