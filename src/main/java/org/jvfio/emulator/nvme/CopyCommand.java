package org.jvfio.emulator.nvme;

import java.lang.foreign.MemorySegment;
import org.jvfio.emulator.nvme.NamespaceOptions.CopyLimits;

/** The Copy command with source ranges of format 0 (NVM Express NVM command set 1.0, 3.2.2). */
final class CopyCommand {
    private static final int ENTRY_BYTES = 32;
    private static final int MAX_ENTRIES = 256;
    private static final int FIRST_BLOCK = 8;
    private static final int BLOCKS = 16;
    private static final int FORMAT_OF_OTHER_PROTECTION = 1;
    private static final int FORCE_UNIT_ACCESS = 1 << 30;
    private static final int AT_ONCE = 1 << 16;

    private final Registers registers;
    private final Prp prp;
    private final Features features;
    private final boolean isQemu;
    private final MemorySegment entries = MemorySegment.ofArray(new long[MAX_ENTRIES * ENTRY_BYTES / Long.BYTES]);
    private final MemorySegment copied = MemorySegment.ofArray(new long[AT_ONCE / Long.BYTES]);

    CopyCommand(Configuration configuration, Registers registers, Prp prp, Features features) {
        this.registers = registers;
        this.prp = prp;
        this.features = features;
        isQemu = configuration.has(Deviation.MORE_COMMANDS);
    }

    /** Copies range by range; dword 0 of the completion is the number of ranges that were copied before an error. */
    int execute(Namespace namespace, Command command) {
        CopyLimits limits = namespace.copyLimits();
        int format = command.dword(12) >>> 8 & 0xf;
        int ranges = (command.dword(12) & 0xff) + 1;
        if (format != 0 && !(isQemu && format == FORMAT_OF_OTHER_PROTECTION)) {
            return Status.INVALID_FIELD_IN_COMMAND;
        }
        if (ranges > limits.ranges()) {
            return Status.COMMAND_SIZE_LIMIT_EXCEEDED;
        }
        if (format != 0) {
            return Status.INVALID_FORMAT;
        }
        int status = prp.map(command, (long) ranges * ENTRY_BYTES, registers.pageBytes());
        if (status == Status.SUCCESS) {
            status = prp.readMemory(entries);
        }
        if (status != Status.SUCCESS) {
            return status;
        }
        long all = 0;
        for (int range = 0; range < ranges; range++) {
            all += blocks(range);
        }
        if (all > limits.blocks()) {
            return Status.COMMAND_SIZE_LIMIT_EXCEEDED;
        }
        long to = command.qword(IoCommands.FIRST_BLOCK);
        for (int range = 0; range < ranges; range++) {
            status = copy(namespace, limits, range, to);
            if (status != Status.SUCCESS) {
                command.result(range);
                return status;
            }
            to += blocks(range);
        }
        boolean cached = features.writeCache() && (command.dword(12) & FORCE_UNIT_ACCESS) == 0;
        return cached ? Status.SUCCESS : namespace.store().flush();
    }

    private long firstBlock(int range) {
        return entries.get(Command.QWORD, (long) range * ENTRY_BYTES + FIRST_BLOCK);
    }

    private long blocks(int range) {
        return (entries.get(Command.DWORD, (long) range * ENTRY_BYTES + BLOCKS) & 0xffff) + 1L;
    }

    private int copy(Namespace namespace, CopyLimits limits, int range, long to) {
        long from = firstBlock(range);
        long count = blocks(range);
        if (count > limits.rangeBlocks()) {
            return Status.COMMAND_SIZE_LIMIT_EXCEEDED;
        }
        if (!namespace.holds(from, count) || !namespace.holds(to, count)) {
            return Status.LBA_OUT_OF_RANGE;
        }
        if (namespace.protection() != 0) {
            return Status.INVALID_PROTECTION_INFORMATION;
        }
        int shift = namespace.blockShift();
        namespace.countRead(count << shift);
        namespace.countWrite(count << shift);
        int status = copy(namespace.store(), from << shift, to << shift, count << shift);
        int metadata = namespace.metadataBytes();
        return status == Status.SUCCESS && metadata > 0
                ? copy(
                        namespace.store(),
                        namespace.metadataOffset(from),
                        namespace.metadataOffset(to),
                        count * metadata)
                : status;
    }

    /** Copies from the end if the destination is behind the source: they may overlap. */
    private int copy(Store store, long from, long to, long length) {
        long done = 0;
        while (done < length) {
            long run = Math.min(AT_ONCE, length - done);
            long offset = to > from ? length - done - run : done;
            int status = store.load(from + offset, copied, run);
            if (status == Status.SUCCESS) {
                status = store.save(to + offset, copied, run);
            }
            if (status != Status.SUCCESS) {
                return status;
            }
            done += run;
        }
        return Status.SUCCESS;
    }
}
