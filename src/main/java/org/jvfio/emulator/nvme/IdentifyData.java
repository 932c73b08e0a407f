package org.jvfio.emulator.nvme;

import java.lang.foreign.MemorySegment;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/** The Identify command: which data structure it requests (NVM Express 2.0, 5.17). */
final class IdentifyData {
    static final int BYTES = 4096;

    private static final int NAMESPACE = 0x00;
    private static final int CONTROLLER = 0x01;
    private static final int ACTIVE_NAMESPACES = 0x02;
    private static final int DESCRIPTORS = 0x03;
    private static final int NAMESPACE_OF_SET = 0x05;
    private static final int CONTROLLER_OF_SET = 0x06;
    private static final int ACTIVE_OF_SET = 0x07;
    private static final int INDEPENDENT_NAMESPACE = 0x08;
    private static final int ALLOCATED_NAMESPACES = 0x10;
    private static final int ALLOCATED_NAMESPACE = 0x11;
    private static final int CONTROLLERS_OF_NAMESPACE = 0x12;
    private static final int CONTROLLERS = 0x13;
    private static final int PRIMARY_CONTROLLER = 0x14;
    private static final int SECONDARY_CONTROLLERS = 0x15;
    private static final int ENDURANCE_GROUPS = 0x19;
    private static final int ALLOCATED_OF_SET = 0x1a;
    private static final int ALLOCATED_NAMESPACE_OF_SET = 0x1b;
    private static final int COMMAND_SETS = 0x1c;
    private static final int ALLOCATED_INDEPENDENT_NAMESPACE = 0x1f;

    private final Configuration configuration;
    private final NamespaceList namespaces;
    private final IdentifyController controller;
    private final ReportedLimits limits;
    private final IdentifyNamespace namespaceData;
    private final boolean isQemu;
    private final boolean hasNoLists;
    private final boolean confusesLists;

    IdentifyData(Configuration configuration, NamespaceList namespaces, ReportedLimits limits) {
        this.configuration = configuration;
        this.namespaces = namespaces;
        controller = new IdentifyController(configuration);
        this.limits = limits;
        namespaceData = new IdentifyNamespace(configuration);
        isQemu = configuration.has(Deviation.MORE_COMMANDS);
        hasNoLists = configuration.oddities().has(DriveOddity.NO_IDENTIFY_LISTS);
        confusesLists = configuration.oddities().has(DriveOddity.CONFUSES_IDENTIFY_LISTS);
    }

    /**
     * Fills in the data structure that an Identify command requests.
     *
     * @param data 4096 zeros
     * @return a status
     */
    int fill(Command command, MemorySegment data) {
        int id = command.namespace();
        int structure = command.dword(10) & 0xff;
        if (structure > CONTROLLER && hasNoLists) {
            return Status.INVALID_FIELD_IN_COMMAND;
        }
        if (structure > CONTROLLER && confusesLists) {
            controller.fill(data);
            return Status.SUCCESS;
        }
        int commandSet = command.dword(11) >>> 24;
        return switch (structure) {
            case NAMESPACE, ALLOCATED_NAMESPACE -> fillNamespace(id, structure == ALLOCATED_NAMESPACE, data);
            case CONTROLLER -> {
                controller.fill(data);
                yield Status.SUCCESS;
            }
            case ACTIVE_NAMESPACES -> fillList(id, Namespace::isAttached, data);
            case ALLOCATED_NAMESPACES -> fillList(id, _ -> true, data);
            case DESCRIPTORS -> fillDescriptors(id, data);
            case NAMESPACE_OF_SET -> fillOfSet(id, commandSet, namespaces.attached(id), data);
            case CONTROLLER_OF_SET -> fillControllerOfSet(commandSet, data);
            case ACTIVE_OF_SET -> fillListOfSet(id, commandSet, Namespace::isAttached, data);
            case INDEPENDENT_NAMESPACE -> fillIndependent(id, namespaces.attached(id), data);
            case CONTROLLERS_OF_NAMESPACE -> fillControllersOf(command, data);
            case CONTROLLERS -> {
                controller.fillControllers(command.dword(10) >>> 16, data);
                yield Status.SUCCESS;
            }
            case COMMAND_SETS -> {
                data.set(Command.QWORD, 0, commandSets());
                yield Status.SUCCESS;
            }
            default -> isQemu ? fillMore(structure, command, data) : Status.INVALID_FIELD_IN_COMMAND;
        };
    }

    /** Structures that the specification leaves optional. */
    private int fillMore(int structure, Command command, MemorySegment data) {
        int id = command.namespace();
        int commandSet = command.dword(11) >>> 24;
        return switch (structure) {
            case PRIMARY_CONTROLLER -> {
                controller.fillResources(data);
                yield Status.SUCCESS;
            }
            case SECONDARY_CONTROLLERS -> Status.SUCCESS;
            case ENDURANCE_GROUPS -> {
                if ((command.dword(11) & 0xffff) == 0) {
                    data.set(Command.DWORD, 0, 1 << 16 | 1); // one group, number 1
                }
                yield Status.SUCCESS;
            }
            case ALLOCATED_OF_SET -> fillListOfSet(id, commandSet, _ -> true, data);
            case ALLOCATED_NAMESPACE_OF_SET -> fillOfSet(id, commandSet, namespaces.allocated(id), data);
            case ALLOCATED_INDEPENDENT_NAMESPACE -> fillIndependent(id, namespaces.allocated(id), data);
            default -> Status.INVALID_FIELD_IN_COMMAND;
        };
    }

    /** The command sets of the only supported combination. */
    private long commandSets() {
        long sets = 1L << CommandSet.NVM.identifier();
        if (isQemu) {
            sets |= 1L << CommandSet.ZONED.identifier();
        }
        for (Namespace namespace : namespaces.all()) {
            sets |= 1L << namespace.commandSet().identifier();
        }
        return sets;
    }

    /**
     * An identifier without a namespace is described by zeros, and so is a namespace of another command set, or of one
     * that the host has not selected: only its descriptors say what it is.
     */
    private int fillNamespace(int id, boolean allocated, MemorySegment data) {
        if (!NamespaceList.isValid(id)) {
            return Status.INVALID_NAMESPACE_OR_FORMAT;
        }
        Namespace namespace = allocated ? namespaces.allocated(id) : namespaces.attached(id);
        if (namespace != null
                && (allocated || namespace.isEnabled())
                && namespace.commandSet() != CommandSet.KEY_VALUE) {
            namespaceData.fill(namespace, data);
        }
        return Status.SUCCESS;
    }

    private int fillOfSet(int id, int commandSet, @Nullable Namespace namespace, MemorySegment data) {
        if (!NamespaceList.isValid(id)) {
            return Status.INVALID_NAMESPACE_OR_FORMAT;
        }
        boolean isKnown = commandSet == CommandSet.NVM.identifier()
                || (namespace != null && commandSet == namespace.commandSet().identifier());
        if (namespace != null && commandSet == CommandSet.NVM.identifier()) {
            namespaceData.fillOfNvm(namespace, data);
        }
        return isKnown || (isQemu && namespace == null) ? Status.SUCCESS : Status.INVALID_FIELD_IN_COMMAND;
    }

    private int fillControllerOfSet(int commandSet, MemorySegment data) {
        if (commandSet == CommandSet.NVM.identifier()) {
            IdentifyController.fill(limits.now(), data);
            return Status.SUCCESS;
        }
        return (commandSets() >>> commandSet & 1) != 0 && commandSet < Long.SIZE
                ? Status.SUCCESS
                : Status.INVALID_FIELD_IN_COMMAND;
    }

    private int fillIndependent(int id, @Nullable Namespace namespace, MemorySegment data) {
        if (!NamespaceList.isValid(id)) {
            return Status.INVALID_NAMESPACE_OR_FORMAT;
        }
        if (namespace != null) {
            namespaceData.fillIndependent(namespace, data);
        }
        return Status.SUCCESS;
    }

    private int fillListOfSet(int above, int commandSet, Predicate<Namespace> listed, MemorySegment data) {
        if (Integer.compareUnsigned(above, NamespaceList.BROADCAST - 1) >= 0) {
            return Status.INVALID_NAMESPACE_OR_FORMAT;
        }
        if (commandSet >= Long.SIZE || (commandSets() >>> commandSet & 1) == 0) {
            return Status.INVALID_FIELD_IN_COMMAND;
        }
        return fillList(above, each -> listed.test(each) && each.commandSet().identifier() == commandSet, data);
    }

    /** The namespaces above an identifier. */
    private int fillList(int above, Predicate<Namespace> listed, MemorySegment data) {
        if (Integer.compareUnsigned(above, NamespaceList.BROADCAST - 1) >= 0) {
            return Status.INVALID_NAMESPACE_OR_FORMAT;
        }
        long at = 0;
        for (Namespace namespace : namespaces.all()) {
            if (listed.test(namespace) && Integer.compareUnsigned(namespace.id(), above) > 0) {
                data.set(Command.DWORD, at, namespace.id());
                at += Integer.BYTES;
            }
        }
        return Status.SUCCESS;
    }

    private int fillDescriptors(int id, MemorySegment data) {
        if (!NamespaceList.isValid(id)) {
            return Status.INVALID_NAMESPACE_OR_FORMAT;
        }
        Namespace namespace = namespaces.attached(id);
        if (namespace == null) {
            return Status.INVALID_FIELD_IN_COMMAND;
        }
        namespaceData.fillDescriptors(namespace, data);
        return Status.SUCCESS;
    }

    private int fillControllersOf(Command command, MemorySegment data) {
        Namespace namespace = namespaces.allocated(command.namespace());
        if (namespace == null || (!isQemu && !namespace.isAttached())) {
            return Status.INVALID_FIELD_IN_COMMAND;
        }
        if (namespace.isAttached()) {
            controller.fillControllers(command.dword(10) >>> 16, data);
        }
        return Status.SUCCESS;
    }

    /** The configuration that is reported. */
    Configuration configuration() {
        return configuration;
    }
}
