package org.jvfio.emulator.nvme;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/**
 * The data of the Identify command (NVM Express 1.4, 5.15). The values are those of QEMU's controller, except for what
 * this one lacks: SGLs, metadata, the Copy command, timestamps and namespace management.
 */
final class IdentifyData {
    static final int BYTES = 4096;
    /** NN: the largest valid namespace identifier, as in QEMU. */
    static final int MAX_NAMESPACES = 256;

    static final int BROADCAST = -1;
    static final int ABORT_LIMIT = 4;
    static final String FIRMWARE_REVISION = "1.0";
    static final int WARNING_TEMPERATURE = 0x157;
    static final int CRITICAL_TEMPERATURE = 0x175;

    private static final ValueLayout.OfShort WORD = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfLong BIG_ENDIAN =
            ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.BIG_ENDIAN);

    private static final int CNS_NAMESPACE = 0x00;
    private static final int CNS_CONTROLLER = 0x01;
    private static final int CNS_ACTIVE_NAMESPACES = 0x02;
    private static final int CNS_DESCRIPTORS = 0x03;
    private static final int CNS_NAMESPACE_OF_SET = 0x05;
    private static final int CNS_CONTROLLER_OF_SET = 0x06;
    private static final int CNS_ACTIVE_OF_SET = 0x07;
    private static final int CNS_ALLOCATED_NAMESPACES = 0x10;
    private static final int CNS_ALLOCATED_NAMESPACE = 0x11;
    private static final int CNS_CONTROLLERS_OF_NAMESPACE = 0x12;
    private static final int CNS_CONTROLLERS = 0x13;
    private static final int CNS_COMMAND_SETS = 0x1c;

    private static final int NVM_COMMAND_SET = 0;
    private static final int DESCRIPTOR_EUI64 = 1;
    private static final int DESCRIPTOR_UUID = 3;
    private static final int DESCRIPTOR_COMMAND_SET = 4;
    private static final int GRANULARITY_BYTES = 4096;

    private final Configuration configuration;
    private final List<Namespace> namespaces;

    IdentifyData(Configuration configuration, List<Namespace> namespaces) {
        this.configuration = configuration;
        this.namespaces = namespaces;
    }

    /** Whether a namespace identifier is valid; it need not be allocated. */
    static boolean isValid(int namespace) {
        return namespace > 0 && namespace <= MAX_NAMESPACES;
    }

    /** The namespace with an identifier, if it is attached. */
    @Nullable
    Namespace namespace(int id) {
        Namespace namespace = allocated(id);
        return namespace != null && namespace.isAttached() ? namespace : null;
    }

    private @Nullable Namespace allocated(int id) {
        return id > 0 && id <= namespaces.size() ? namespaces.get(id - 1) : null;
    }

    /** All namespaces, attached or not. */
    List<Namespace> namespaces() {
        return namespaces;
    }

    /** Attaches a namespace to the controller, or detaches it; false if it does not exist. */
    boolean attach(int id, boolean attached) {
        Namespace namespace = allocated(id);
        if (namespace == null) {
            return false;
        }
        namespace.attached(attached);
        return true;
    }

    /**
     * Fills in the data structure that an Identify command requests.
     *
     * @param data 4096 zeros
     * @return a status
     */
    int fill(Command command, MemorySegment data) {
        int id = command.namespace();
        int commandSet = command.dword(11) >>> 24;
        boolean nvm = commandSet == NVM_COMMAND_SET;
        return switch (command.dword(10) & 0xff) {
            case CNS_NAMESPACE -> fillNamespace(id, namespace(id), data);
            case CNS_ALLOCATED_NAMESPACE -> fillNamespace(id, allocated(id), data);
            case CNS_CONTROLLER -> fillController(data);
            case CNS_ACTIVE_NAMESPACES -> fillList(id, false, data);
            case CNS_ALLOCATED_NAMESPACES -> fillList(id, true, data);
            case CNS_DESCRIPTORS -> fillDescriptors(id, data);
            case CNS_NAMESPACE_OF_SET -> nvm ? existing(id) : Status.INVALID_FIELD_IN_COMMAND;
            case CNS_CONTROLLER_OF_SET -> nvm ? Status.SUCCESS : Status.INVALID_FIELD_IN_COMMAND;
            case CNS_ACTIVE_OF_SET -> nvm ? fillList(id, false, data) : Status.INVALID_FIELD_IN_COMMAND;
            case CNS_CONTROLLERS_OF_NAMESPACE ->
                namespace(id) == null ? Status.INVALID_FIELD_IN_COMMAND : fillControllers(command, data);
            case CNS_CONTROLLERS -> fillControllers(command, data);
            case CNS_COMMAND_SETS -> {
                data.set(Command.QWORD, 0, 1L << NVM_COMMAND_SET);
                yield Status.SUCCESS;
            }
            default -> Status.INVALID_FIELD_IN_COMMAND;
        };
    }

    /** An identifier without a namespace is described by zeros. */
    private int existing(int id) {
        return isValid(id) ? Status.SUCCESS : Status.INVALID_NAMESPACE_OR_FORMAT;
    }

    private int fillController(MemorySegment data) {
        data.set(WORD, 0, (short) EmulatedNvme.VENDOR);
        data.set(WORD, 2, (short) EmulatedNvme.SUBSYSTEM_VENDOR);
        text(data, 4, 20, configuration.serial());
        text(data, 24, 40, "JVFIO NVMe Ctrl");
        text(data, 64, 8, FIRMWARE_REVISION);
        data.set(ValueLayout.JAVA_BYTE, 72, (byte) 6); // arbitration burst
        data.set(Command.DWORD, 73, 0x525400); // the vendor's OUI
        data.set(ValueLayout.JAVA_BYTE, 77, (byte) configuration.mdts());
        data.set(Command.DWORD, 80, Registers.VERSION_1_4);
        data.set(Command.DWORD, 92, 1 << 8); // reports changed namespaces
        data.set(ValueLayout.JAVA_BYTE, 111, (byte) 1); // an I/O controller
        data.set(ValueLayout.JAVA_BYTE, 258, (byte) (ABORT_LIMIT - 1));
        data.set(ValueLayout.JAVA_BYTE, 259, (byte) (Events.LIMIT - 1));
        data.set(ValueLayout.JAVA_BYTE, 260, (byte) 3); // one read-only firmware slot
        data.set(ValueLayout.JAVA_BYTE, 261, (byte) 7); // log pages: SMART per namespace, effects, offsets
        data.set(ValueLayout.JAVA_BYTE, 262, (byte) (ErrorLog.ENTRIES - 1));
        data.set(WORD, 266, (short) WARNING_TEMPERATURE);
        data.set(WORD, 268, (short) CRITICAL_TEMPERATURE);
        data.set(ValueLayout.JAVA_BYTE, 512, (byte) (Command.ENTRY_SHIFT << 4 | Command.ENTRY_SHIFT));
        data.set(ValueLayout.JAVA_BYTE, 513, (byte) (CompletionQueue.ENTRY_SHIFT << 4 | CompletionQueue.ENTRY_SHIFT));
        data.set(Command.DWORD, 516, MAX_NAMESPACES);
        data.set(WORD, 520, (short) 0x0d); // compare, dataset management, write zeroes
        data.set(ValueLayout.JAVA_BYTE, 525, (byte) 7); // a volatile write cache; Flush accepts all namespaces
        UUID subsystem = UUID.nameUUIDFromBytes(configuration.serial().getBytes(StandardCharsets.UTF_8));
        data.setString(768, "nqn.2014-08.org.nvmexpress:uuid:" + subsystem);
        data.set(WORD, 2048, (short) 0x9c4); // one power state, at most 25 W
        data.set(Command.DWORD, 2052, 0x10);
        data.set(Command.DWORD, 2056, 0x4);
        return Status.SUCCESS;
    }

    /** Text padded with spaces to a fixed length. */
    static void text(MemorySegment data, long at, int length, String text) {
        byte[] bytes = text.getBytes(StandardCharsets.US_ASCII);
        for (int index = 0; index < length; index++) {
            data.set(ValueLayout.JAVA_BYTE, at + index, index < bytes.length ? bytes[index] : (byte) ' ');
        }
    }

    private int fillNamespace(int id, @Nullable Namespace namespace, MemorySegment data) {
        if (namespace == null) {
            return existing(id);
        }
        data.set(Command.QWORD, 0, namespace.blocks()); // size, capacity and use
        data.set(Command.QWORD, 8, namespace.blocks());
        data.set(Command.QWORD, 16, namespace.blocks());
        data.set(ValueLayout.JAVA_BYTE, 24, (byte) 0x10); // reports preferred sizes
        data.set(ValueLayout.JAVA_BYTE, 25, (byte) (Namespace.FORMATS.length - 1));
        data.set(ValueLayout.JAVA_BYTE, 26, (byte) namespace.format());
        data.set(ValueLayout.JAVA_BYTE, 33, (byte) 0x09); // deallocated blocks read as zeros
        short granularity = (short) ((GRANULARITY_BYTES >>> namespace.blockShift()) - 1);
        data.set(WORD, 68, granularity); // preferred deallocation granularity and alignment
        data.set(WORD, 70, granularity);
        data.set(BIG_ENDIAN, 120, namespace.eui64());
        for (int format = 0; format < Namespace.FORMATS.length; format++) {
            data.set(Command.DWORD, 128 + 4L * format, Namespace.FORMATS[format] << 16);
        }
        return Status.SUCCESS;
    }

    /** The namespaces above an identifier. */
    private int fillList(int above, boolean detachedToo, MemorySegment data) {
        if (Integer.compareUnsigned(above, BROADCAST - 1) >= 0) {
            return Status.INVALID_NAMESPACE_OR_FORMAT;
        }
        long at = 0;
        for (Namespace namespace : namespaces) {
            boolean listed = detachedToo || namespace.isAttached();
            if (listed && Integer.compareUnsigned(namespace.id(), above) > 0) {
                data.set(Command.DWORD, at, namespace.id());
                at += Integer.BYTES;
            }
        }
        return Status.SUCCESS;
    }

    private int fillDescriptors(int id, MemorySegment data) {
        if (!isValid(id)) {
            return Status.INVALID_NAMESPACE_OR_FORMAT;
        }
        Namespace namespace = namespace(id);
        if (namespace == null) {
            return Status.INVALID_FIELD_IN_COMMAND;
        }
        long at = 0;
        at = descriptor(data, at, DESCRIPTOR_UUID, 2 * Long.BYTES);
        data.set(BIG_ENDIAN, at - 16, namespace.uuid().getMostSignificantBits());
        data.set(BIG_ENDIAN, at - 8, namespace.uuid().getLeastSignificantBits());
        at = descriptor(data, at, DESCRIPTOR_EUI64, Long.BYTES);
        data.set(BIG_ENDIAN, at - 8, namespace.eui64());
        at = descriptor(data, at, DESCRIPTOR_COMMAND_SET, 1);
        data.set(ValueLayout.JAVA_BYTE, at - 1, (byte) NVM_COMMAND_SET);
        return Status.SUCCESS;
    }

    /** Writes a descriptor's header, and returns the end of its value. */
    private static long descriptor(MemorySegment data, long at, int type, int length) {
        data.set(ValueLayout.JAVA_BYTE, at, (byte) type);
        data.set(ValueLayout.JAVA_BYTE, at + 1, (byte) length);
        return at + 4 + length;
    }

    /** The only controller is this one, with identifier 0. */
    private int fillControllers(Command command, MemorySegment data) {
        int first = command.dword(10) >>> 16;
        data.set(WORD, 0, (short) (first == 0 ? 1 : 0));
        return Status.SUCCESS;
    }
}
