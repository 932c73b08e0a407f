package org.jvfio.emulator.nvme;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import org.jvfio.emulator.nvme.NamespaceOptions.CopyLimits;

/** The Identify data structures of a namespace (NVM Express 1.4, 5.15.2.1, 5.15.2.4; NVM command set 1.0, 4.1.5.3). */
final class IdentifyNamespace {
    private static final ValueLayout.OfLong BIG_ENDIAN =
            ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.BIG_ENDIAN);

    private static final int DESCRIPTOR_EUI64 = 1;
    private static final int DESCRIPTOR_UUID = 3;
    private static final int DESCRIPTOR_COMMAND_SET = 4;
    private static final int GRANULARITY_BYTES = 4096;

    private static final int PREFERRED_SIZES = 0x10;
    private static final int PREFERRED_LARGE_SIZES = 0x30;
    private static final int DEALLOCATED_ERROR = 0x04;
    private static final int EXTENDED = 0x10;
    private static final int BOTH_METADATA = 3;
    private static final int ALL_PROTECTION = 0x1f;
    /** DLFEAT bits 2:0: deallocated blocks read as zeros; 0 does not report what they read. */
    private static final int READS_ZEROS = 0x01;

    private static final int WRITE_ZEROES_DEALLOCATES = 0x08;
    private static final int READY = 1;
    /** NSATTR bit 0. */
    private static final int WRITE_PROTECTED = 1;

    private static final int LARGE_GRANULARITY = 268;
    private static final int LARGE_ALIGNMENT = 284;

    private final Configuration configuration;
    private final boolean isQemu;

    IdentifyNamespace(Configuration configuration) {
        this.configuration = configuration;
        isQemu = configuration.has(Deviation.MORE_COMMANDS);
    }

    private boolean isShared() {
        return configuration.names().subsystem() != null;
    }

    /** CNS 00h and 11h. */
    void fill(Namespace namespace, MemorySegment data) {
        data.set(Command.QWORD, 0, namespace.blocks()); // size, capacity and use
        data.set(Command.QWORD, 8, namespace.blocks());
        data.set(Command.QWORD, 16, namespace.blocks());
        set(data, 24, isQemu ? PREFERRED_LARGE_SIZES | DEALLOCATED_ERROR : PREFERRED_SIZES);
        set(data, 25, namespace.formats().size() - 1);
        set(data, 26, namespace.formats().indexOf(namespace.format()) | (namespace.isExtended() ? EXTENDED : 0));
        boolean hasMetadata = namespace.formats().size() > BlockFormat.PLAIN.size();
        set(data, 27, hasMetadata ? BOTH_METADATA : 0);
        set(data, 28, isQemu || namespace.protection() != 0 ? ALL_PROTECTION : 0);
        set(data, 29, namespace.protection());
        set(data, 30, isShared() ? 1 : 0);
        boolean readsZeros =
                namespace.store().deallocatedIsZero() || configuration.has(Deviation.DEALLOCATION_KEEPS_DATA);
        set(data, 33, WRITE_ZEROES_DEALLOCATES | (readsZeros ? READS_ZEROS : 0));
        short granularity = (short) ((GRANULARITY_BYTES >>> namespace.blockShift()) - 1);
        data.set(IdentifyController.WORD, 68, granularity); // preferred deallocation granularity and alignment
        data.set(IdentifyController.WORD, 70, granularity);
        if (configuration.commands().contains(OptionalCommand.COPY)) {
            CopyLimits copy = namespace.copyLimits();
            data.set(IdentifyController.WORD, 74, (short) copy.rangeBlocks());
            data.set(Command.DWORD, 76, copy.blocks());
            set(data, 80, copy.ranges() - 1);
        }
        set(data, 99, namespace.isWriteProtected() ? WRITE_PROTECTED : 0);
        if (!isQemu || isShared()) {
            data.set(BIG_ENDIAN, 120, namespace.eui64());
        }
        for (int format = 0; format < namespace.formats().size(); format++) {
            data.set(
                    Command.DWORD,
                    128 + 4L * format,
                    namespace.formats().get(format).entry());
        }
    }

    /** CNS 05h and 1bh for the NVM command set; all but these sizes is about protection information. */
    void fillOfNvm(Namespace namespace, MemorySegment data) {
        if (isQemu) {
            int granularity = GRANULARITY_BYTES >>> namespace.blockShift();
            data.set(Command.DWORD, LARGE_GRANULARITY, granularity);
            data.set(Command.DWORD, LARGE_ALIGNMENT, granularity);
        }
    }

    private static void set(MemorySegment data, long at, int value) {
        data.set(ValueLayout.JAVA_BYTE, at, (byte) value);
    }

    /** CNS 08h and 1fh: what does not depend on the command set. */
    void fillIndependent(Namespace namespace, MemorySegment data) {
        set(data, 8, namespace.isWriteProtected() ? WRITE_PROTECTED : 0);
        if (isShared()) {
            set(data, 1, 1);
        }
        if (isShared() || !isQemu) {
            set(data, 14, READY);
        }
    }

    /** CNS 03h. */
    void fillDescriptors(Namespace namespace, MemorySegment data) {
        long at = 0;
        // A drive of QEMU's without the device nvme-ns has no identifiers.
        if (!isQemu) {
            at = descriptor(data, at, DESCRIPTOR_UUID, 2 * Long.BYTES);
            data.set(BIG_ENDIAN, at - 16, namespace.uuid().getMostSignificantBits());
            data.set(BIG_ENDIAN, at - 8, namespace.uuid().getLeastSignificantBits());
        }
        if (!isQemu || isShared()) {
            at = descriptor(data, at, DESCRIPTOR_EUI64, Long.BYTES);
            data.set(BIG_ENDIAN, at - 8, namespace.eui64());
        }
        at = descriptor(data, at, DESCRIPTOR_COMMAND_SET, 1);
        set(data, at - 1, namespace.commandSet().identifier());
    }

    /** Writes a descriptor's header, and returns the end of its value. */
    private static long descriptor(MemorySegment data, long at, int type, int length) {
        set(data, at, type);
        set(data, at + 1, length);
        return at + 4 + length;
    }
}
