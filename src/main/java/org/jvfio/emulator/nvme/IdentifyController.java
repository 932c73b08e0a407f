package org.jvfio.emulator.nvme;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.UUID;

/** The Identify data structures of the controller (NVM Express 1.4, 5.15.2.2; NVM command set 1.0, 4.1.5.2). */
final class IdentifyController {
    static final int ABORT_LIMIT = 4;
    static final int WARNING_TEMPERATURE = 0x157;
    static final int CRITICAL_TEMPERATURE = 0x175;

    static final ValueLayout.OfShort WORD = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private static final int SHARED = 1 << 1;
    private static final int FORMAT = 1 << 1;
    private static final int MANAGEMENT = 1 << 3;
    private static final int DIRECTIVES = 1 << 5;
    /** ONCS: selectable features, timestamps, and copying that is atomic for single commands and as fast as writing. */
    private static final int QEMU_COMMANDS = 1 << 4 | 1 << 6 | 1 << 9 | 1 << 10;

    /** ONCS: Verify. QEMU's controller has it and does not report it. */
    private static final int VERIFY = 1 << 7;

    private static final int EXTENDED_FORMATS = 1 << 15;
    private static final int ENDURANCE_GROUPS = 1 << 4;

    private final Configuration configuration;

    IdentifyController(Configuration configuration) {
        this.configuration = configuration;
    }

    /** CNS 01h. */
    void fill(MemorySegment data) {
        Configuration.Names names = configuration.names();
        boolean isQemu = configuration.has(Deviation.MORE_COMMANDS);
        data.set(WORD, 0, (short) configuration.oddities().vendor());
        data.set(WORD, 2, (short) EmulatedNvme.SUBSYSTEM_VENDOR);
        text(data, 4, 20, names.serial());
        text(data, 24, 40, names.model());
        text(data, 64, 8, isQemu ? "10.0" : LogPages.FIRMWARE_REVISION);
        data.set(ValueLayout.JAVA_BYTE, 72, (byte) 6); // arbitration burst
        data.set(Command.DWORD, 73, 0x525400); // the vendor's OUI
        data.set(ValueLayout.JAVA_BYTE, 76, (byte) (names.subsystem() == null ? 0 : SHARED));
        data.set(ValueLayout.JAVA_BYTE, 77, (byte) configuration.limits().mdts());
        data.set(WORD, 78, (short) names.controllerId());
        data.set(Command.DWORD, 80, Registers.VERSION_1_4);
        data.set(Command.DWORD, 92, 1 << 8); // reports changed namespaces
        data.set(ValueLayout.JAVA_BYTE, 111, (byte) 1); // an I/O controller
        if (configuration.oddities().has(DriveOddity.NOT_READY_AT_FIRST)) {
            data.set(WORD, 128, (short) 1); // CRDT1, in units of 100 ms
        }
        data.set(ValueLayout.JAVA_BYTE, 258, (byte) (ABORT_LIMIT - 1));
        data.set(ValueLayout.JAVA_BYTE, 259, (byte) (Events.LIMIT - 1));
        data.set(ValueLayout.JAVA_BYTE, 260, (byte) 3); // one read-only firmware slot
        data.set(ValueLayout.JAVA_BYTE, 261, (byte) 7); // log pages: SMART per namespace, effects, offsets
        data.set(WORD, 266, (short) WARNING_TEMPERATURE);
        data.set(WORD, 268, (short) CRITICAL_TEMPERATURE);
        data.set(ValueLayout.JAVA_BYTE, 512, (byte) (Command.ENTRY_SHIFT << 4 | Command.ENTRY_SHIFT));
        data.set(ValueLayout.JAVA_BYTE, 513, (byte) (CompletionQueue.ENTRY_SHIFT << 4 | CompletionQueue.ENTRY_SHIFT));
        data.set(Command.DWORD, 516, NamespaceList.MAX_ID);
        int commands = OptionalCommand.mask(configuration.commands());
        data.set(WORD, 520, (short) (isQemu ? (commands & ~VERIFY) | QEMU_COMMANDS : commands));
        data.set(ValueLayout.JAVA_BYTE, 525, (byte) 7); // a volatile write cache; Flush accepts all namespaces
        data.set(WORD, 534, (short) (isQemu ? 0xf : 1)); // formats of source ranges of Copy
        if (isQemu) {
            boolean shares = names.subsystem() != null;
            data.set(Command.DWORD, 96, EXTENDED_FORMATS | (shares ? ENDURANCE_GROUPS : 0));
            data.set(WORD, 256, (short) (FORMAT | MANAGEMENT | DIRECTIVES));
            data.set(WORD, 340, (short) (shares ? 1 : 0)); // endurance groups
        } else {
            data.set(ValueLayout.JAVA_BYTE, 262, (byte) (ErrorLog.ENTRIES - 1));
        }
        data.setString(768, qualifiedName(isQemu));
        data.set(WORD, 2048, (short) 0x9c4); // one power state, at most 25 W
        data.set(Command.DWORD, 2052, 0x10);
        data.set(Command.DWORD, 2056, 0x4);
    }

    private String qualifiedName(boolean isQemu) {
        String subsystem = configuration.names().subsystem();
        if (subsystem != null) {
            return subsystem;
        }
        String serial = configuration.names().serial();
        return isQemu
                ? "nqn.2019-08.org.qemu:" + serial
                : "nqn.2014-08.org.nvmexpress:uuid:" + UUID.nameUUIDFromBytes(serial.getBytes(StandardCharsets.UTF_8));
    }

    /** CNS 06h for the NVM command set. */
    static void fill(CommandLimits limits, MemorySegment data) {
        data.set(ValueLayout.JAVA_BYTE, 0, (byte) limits.verify());
        data.set(ValueLayout.JAVA_BYTE, 1, (byte) limits.writeZeroes());
        data.set(ValueLayout.JAVA_BYTE, 3, (byte) limits.ranges());
        data.set(Command.DWORD, 4, (int) limits.rangeBlocks());
        data.set(Command.QWORD, 8, limits.blocks());
    }

    /** CNS 14h: the resources of a primary controller without secondary ones. */
    void fillResources(MemorySegment data) {
        data.set(WORD, 0, (short) configuration.names().controllerId());
        data.set(ValueLayout.JAVA_BYTE, 4, (byte) 3); // queues and interrupts
        data.set(WORD, 42, (short) (configuration.limits().queuePairs() + 1));
        data.set(WORD, 46, (short) 1);
        data.set(WORD, 74, (short) configuration.vectors());
        data.set(WORD, 78, (short) 1);
    }

    /** A list of the controllers of the subsystem, from an identifier on (CNS 12h, 13h). */
    void fillControllers(int first, MemorySegment data) {
        int count = Math.max(0, configuration.names().controllers() - first);
        data.set(WORD, 0, (short) count);
        for (int index = 0; index < count; index++) {
            data.set(WORD, 2L + 2L * index, (short) (first + index));
        }
    }

    /** Text padded with spaces to a fixed length. */
    static void text(MemorySegment data, long at, int length, String text) {
        byte[] bytes = text.getBytes(StandardCharsets.US_ASCII);
        for (int index = 0; index < length; index++) {
            data.set(ValueLayout.JAVA_BYTE, at + index, index < bytes.length ? bytes[index] : (byte) ' ');
        }
    }
}
