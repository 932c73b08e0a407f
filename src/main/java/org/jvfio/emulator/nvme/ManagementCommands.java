package org.jvfio.emulator.nvme;

import java.lang.foreign.MemorySegment;

/** Admin commands of QEMU's controller for namespaces: attachment, Format NVM, directives (NVM Express 1.4, 5). */
final class ManagementCommands {
    static final int ATTACHMENT = 0x15;
    static final int DIRECTIVE_SEND = 0x19;
    static final int DIRECTIVE_RECEIVE = 0x1a;
    static final int FORMAT = 0x80;

    private static final int ATTACH = 0;
    private static final int DETACH = 1;
    private static final int MAX_CONTROLLERS = 2047;
    private static final int IDENTIFY_DIRECTIVE_BYTES = 4096;
    private static final int DIRECTIVE_ENABLED = 32;
    private static final int MAX_PROTECTION = 3;

    private final Configuration configuration;
    private final Registers registers;
    private final Prp prp;
    private final NamespaceList namespaces;
    private final ReportedLimits limits;
    private final LogPages logs;
    private final MemorySegment data = MemorySegment.ofArray(new long[IdentifyData.BYTES / Long.BYTES]);

    ManagementCommands(
            Configuration configuration,
            Registers registers,
            Prp prp,
            NamespaceList namespaces,
            ReportedLimits limits,
            LogPages logs) {
        this.configuration = configuration;
        this.registers = registers;
        this.prp = prp;
        this.namespaces = namespaces;
        this.limits = limits;
        this.logs = logs;
    }

    static boolean isKnown(int opcode) {
        return opcode == ATTACHMENT || opcode == FORMAT || opcode == DIRECTIVE_SEND || opcode == DIRECTIVE_RECEIVE;
    }

    /** Executes a command and returns its status. */
    int execute(Command command) {
        return switch (command.opcode()) {
            case ATTACHMENT -> attach(command);
            case FORMAT -> format(command);
            case DIRECTIVE_RECEIVE -> receiveDirective(command);
            default -> Status.INVALID_FIELD_IN_COMMAND;
        };
    }

    private int attach(Command command) {
        int id = command.namespace();
        if (!NamespaceList.isValid(id) && id != NamespaceList.BROADCAST) {
            return Status.INVALID_NAMESPACE_OR_FORMAT;
        }
        Namespace namespace = namespaces.allocated(id);
        if (namespace == null) {
            return Status.INVALID_FIELD_IN_COMMAND;
        }
        int status = prp.map(command, IdentifyData.BYTES, registers.pageBytes());
        if (status == Status.SUCCESS) {
            status = prp.readMemory(data);
        }
        if (status != Status.SUCCESS) {
            return status;
        }
        int count = Math.min(controller(0), MAX_CONTROLLERS);
        if (count == 0) {
            return Status.CONTROLLER_LIST_INVALID;
        }
        for (int index = 1; index <= count; index++) {
            status = attach(namespace, controller(index), command.dword(10) & 0xf);
            if (status != Status.SUCCESS) {
                return status;
            }
        }
        return Status.SUCCESS;
    }

    private int controller(int index) {
        return Short.toUnsignedInt(data.get(IdentifyController.WORD, 2L * index));
    }

    /** Only this controller's own attachments are known. */
    private int attach(Namespace namespace, int controller, int selection) {
        if (controller != configuration.names().controllerId()) {
            return Status.CONTROLLER_LIST_INVALID;
        }
        if (selection == ATTACH) {
            if (namespace.isAttached()) {
                return Status.NAMESPACE_ALREADY_ATTACHED;
            }
            if (namespace.commandSet() != CommandSet.NVM && !registers.hasAllCommandSets()) {
                return Status.IO_COMMAND_SET_NOT_SUPPORTED;
            }
            namespace.attached(true);
            limits.attached(namespace);
        } else if (selection == DETACH) {
            if (!namespace.isAttached()) {
                return Status.NAMESPACE_NOT_ATTACHED;
            }
            namespace.attached(false);
            limits.attached(namespaces);
        } else {
            return Status.INVALID_FIELD_IN_COMMAND;
        }
        logs.namespaceChanged(namespace.id());
        return Status.SUCCESS;
    }

    private int format(Command command) {
        int id = command.namespace();
        if (id == NamespaceList.BROADCAST) {
            for (Namespace namespace : namespaces.all()) {
                int status = namespace.isAttached() ? format(namespace, command) : Status.SUCCESS;
                if (status != Status.SUCCESS) {
                    return status;
                }
            }
            return Status.SUCCESS;
        }
        if (!NamespaceList.isValid(id)) {
            return Status.INVALID_NAMESPACE_OR_FORMAT;
        }
        Namespace namespace = namespaces.attached(id);
        return namespace == null ? Status.INVALID_FIELD_IN_COMMAND : format(namespace, command);
    }

    /** Formats with zeros. Protection information is refused. */
    private int format(Namespace namespace, Command command) {
        int dword10 = command.dword(10);
        int index = dword10 & 0xf;
        int protection = dword10 >>> 5 & 0x7;
        if (namespace.commandSet() != CommandSet.NVM
                || index >= namespace.formats().size()) {
            return Status.INVALID_FORMAT;
        }
        BlockFormat format = namespace.formats().get(index);
        if (protection != 0 && format.metadataBytes() < BlockFormat.PROTECTION_BYTES) {
            return Status.INVALID_FORMAT;
        }
        if (protection != 0) {
            return protection > MAX_PROTECTION ? Status.INVALID_FIELD_IN_COMMAND : Status.INVALID_FORMAT;
        }
        if (namespace.isWriteProtected()) {
            return Status.NAMESPACE_IS_WRITE_PROTECTED;
        }
        int status = namespace.store().zero(0, namespace.store().bytes());
        if (status == Status.SUCCESS) {
            namespace.format(format, (dword10 >>> 4 & 1) != 0);
        }
        return status;
    }

    /** Only the directive Identify exists: it returns that it is supported and enabled. */
    private int receiveDirective(Command command) {
        int dword11 = command.dword(11);
        boolean returnsParameters = (dword11 & 0xffff) == 1;
        if (!returnsParameters || namespaces.attached(command.namespace()) == null) {
            return Status.INVALID_FIELD_IN_COMMAND;
        }
        data.fill((byte) 0);
        data.set(Command.DWORD, 0, 1);
        data.set(Command.DWORD, DIRECTIVE_ENABLED, 1);
        long bytes = Math.min(IDENTIFY_DIRECTIVE_BYTES, Integer.toUnsignedLong((command.dword(10) + 1) << 2));
        if (bytes == 0) {
            return Status.SUCCESS;
        }
        int status = prp.map(command, bytes, registers.pageBytes());
        return status == Status.SUCCESS ? prp.writeMemory(data, 0, bytes) : status;
    }
}
