package org.jvfio.driver.nvme;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jvfio.VfioException;
import org.jvfio.VfioException.Kind;

/** Finds the active namespaces of a controller and their formats. */
final class Namespaces {
    private static final int LIST_ENTRIES = ControllerData.BYTES / Integer.BYTES;
    private static final int MAX_COUNT = 1 << 14;
    private static final long MAX_ID = 0xffff_fffeL;

    private static final int DESCRIPTOR_HEADER = 4;
    private static final int DESCRIPTOR_COMMAND_SET = 4;
    private static final int NVM = 0;
    private static final int KEY_VALUE = 1;
    private static final int ZONED = 2;

    private static final NvmeStatus INVALID_FIELD = NvmeStatus.of(0x002);
    private static final NvmeStatus INVALID_NAMESPACE = NvmeStatus.of(0x00b);

    /** What a namespace is, validated. */
    record Description(NamespaceFormat format, NamespaceLimits limits) {}

    private final ControllerLifecycle controller;

    Namespaces(ControllerLifecycle controller) {
        this.controller = controller;
    }

    /**
     * The identifiers of the active namespaces, in ascending order.
     *
     * <p>The list of the controller counts, even where it has identifiers above NN: NN grows when namespaces are
     * created, and some controllers report too low a value. Controllers of before version 1.1 have no list; their
     * namespaces are identified one by one.
     */
    List<Integer> ids() {
        String operation = "list the namespaces of " + controller;
        if (controller.quirks().contains(NvmeQuirk.NO_NAMESPACE_LIST)) {
            return identifyEach(operation);
        }
        List<Integer> ids = new ArrayList<>();
        boolean isComplete = false;
        while (!isComplete) {
            controller.requireUsable();
            Optional<ControllerData> list = controller
                    .adminCommands()
                    .identifyUnless(INVALID_FIELD, operation, AdminQueue.IDENTIFY_ACTIVE_NAMESPACES, last(ids));
            if (list.isEmpty()) {
                return identifyEach(operation);
            }
            isComplete = addAll(operation, list.get(), ids);
        }
        if (Integer.toUnsignedLong(last(ids)) > controller.identity().mostNamespaces()) {
            controller.identify(operation);
        }
        return List.copyOf(ids);
    }

    private static int last(List<Integer> ids) {
        return ids.isEmpty() ? 0 : ids.getLast();
    }

    /** Adds the identifiers of a page of the list; true if the list ends there. */
    static boolean addAll(String operation, ControllerData page, List<Integer> ids) {
        for (int i = 0; i < LIST_ENTRIES; i++) {
            long last = Integer.toUnsignedLong(last(ids));
            long id = Integer.toUnsignedLong(page.integer(i * Integer.BYTES));
            if (id == 0) {
                return true;
            }
            if (id <= last || id > MAX_ID || ids.size() == MAX_COUNT) {
                throw new VfioException(
                        Kind.DEVICE_ERROR,
                        operation,
                        "the list has namespace %d after %d".formatted(id, last),
                        "use another drive, or newer firmware");
            }
            ids.add((int) id);
        }
        return false;
    }

    private List<Integer> identifyEach(String operation) {
        controller.identify(operation);
        long count = controller.identity().mostNamespaces();
        if (count > MAX_COUNT) {
            throw new VfioException(
                    Kind.UNSUPPORTED,
                    operation,
                    "it has no list of them, and up to %d".formatted(count),
                    "use namespaces by their identifiers");
        }
        List<Integer> ids = new ArrayList<>();
        for (int id = 1; id <= count; id++) {
            controller.requireUsable();
            if (identify(operation, id).isPresent()) {
                ids.add(id);
            }
        }
        return List.copyOf(ids);
    }

    /** The Identify Namespace data structure; empty if the namespace is not active. */
    private Optional<ControllerData> identify(String operation, int id) {
        return controller
                .adminCommands()
                .identifyUnless(INVALID_NAMESPACE, operation, AdminQueue.IDENTIFY_NAMESPACE, id)
                .filter(data -> data.longInteger(0) != 0);
    }

    /**
     * The format and limits of an active namespace.
     *
     * @throws VfioException if it is not active, or this driver does not support its command set or its format
     */
    Description describe(String operation, int id) {
        controller.requireUsable();
        if (controller.ioQueues().count() == 0) {
            throw controller.withoutQueues(operation);
        }
        // Some drives do not know the descriptors, and need not be asked where all namespaces are of one command set.
        if (controller.hasCommandSets()) {
            requireNvmCommands(operation, id);
        }
        Optional<ControllerData> data = identify(operation, id);
        if (data.isEmpty()) {
            requireNvmCommands(operation, id);
            throw new VfioException(Kind.NOT_FOUND, operation, "it is not active", "use one of " + ids());
        }
        NamespaceFormat format = NamespaceFormat.of(operation, data.get());
        if (controller.maxTransferBytes() < format.transferBytes(1)) {
            throw new VfioException(
                    Kind.UNSUPPORTED,
                    operation,
                    "a command transfers at most %d bytes, and a block has %d"
                            .formatted(controller.maxTransferBytes(), format.transferBytes(1)),
                    "open the controller with larger transfers, or use another drive");
        }
        ControllerData ofCommandSet = controller
                .adminCommands()
                .identifyUnlessRejected(operation, AdminQueue.IDENTIFY_CONTROLLER_OF_COMMAND_SET, 0)
                .orElse(ControllerData.ZEROS);
        NamespaceLimits limits =
                NamespaceLimits.of(ofCommandSet, data.get(), controller.minPageShift(), format.blockShift());
        return new Description(format, limits);
    }

    /** Rejects a namespace whose descriptors name another command set. */
    private void requireNvmCommands(String operation, int id) {
        int set = controller
                .adminCommands()
                .identifyUnlessRejected(operation, AdminQueue.IDENTIFY_DESCRIPTORS, id)
                .map(Namespaces::commandSet)
                .orElse(NVM);
        if (set != NVM) {
            String name = switch (set) {
                case KEY_VALUE -> "Key Value Command Set";
                case ZONED -> "Zoned Namespace Command Set";
                default -> "I/O command set %02xh".formatted(set);
            };
            throw new VfioException(
                    Kind.UNSUPPORTED,
                    operation,
                    "its commands are those of the %s (CSI %02xh), and this driver supports the NVM Command Set only"
                            .formatted(name, set),
                    "use another namespace");
        }
    }

    /** The command set identifier in a list of descriptors, which a type of zero ends. */
    static int commandSet(ControllerData descriptors) {
        int at = 0;
        while (at + DESCRIPTOR_HEADER < ControllerData.BYTES && descriptors.unsignedByte(at) != 0) {
            if (descriptors.unsignedByte(at) == DESCRIPTOR_COMMAND_SET) {
                return descriptors.unsignedByte(at + DESCRIPTOR_HEADER);
            }
            at += DESCRIPTOR_HEADER + descriptors.unsignedByte(at + 1);
        }
        return NVM;
    }
}
