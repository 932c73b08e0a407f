package org.jvfio.driver.nvme;

import java.util.List;
import java.util.NavigableSet;
import java.util.Optional;
import java.util.TreeSet;
import java.util.function.Predicate;
import org.jvfio.VfioException;
import org.jvfio.VfioException.Kind;

/** Finds the active namespaces of a controller and their formats. */
final class Namespaces {
    private static final System.Logger LOGGER = System.getLogger("org.jvfio.driver.nvme");

    private static final int LIST_ENTRIES = ControllerData.BYTES / Integer.BYTES;
    private static final int MAX_LISTED = 1 << 14;
    private static final int MAX_IDENTIFIED = 1 << 10;
    private static final int MAX_UNANSWERED = 16;

    /** CNS 02h is of version 1.1. Of a 1.0 controller, CNS is one bit, and the others are ignored. */
    private static final int LIST_VERSION = 0x0001_0100;
    /** Of a 1.1 controller, CNS is two bits: it returns its list of namespaces for CNS 06h. */
    private static final int WHOLE_CNS_VERSION = 0x0001_0200;
    /** CNS 03h is of version 1.3, and of all controllers that can have other command sets. */
    private static final int DESCRIPTORS_VERSION = 0x0001_0300;

    private static final int DESCRIPTOR_HEADER = 4;
    private static final int DESCRIPTOR_COMMAND_SET = 4;
    private static final int COMMAND_SET_BYTES = 1;
    private static final int NVM = 0;
    private static final int KEY_VALUE = 1;
    private static final int ZONED = 2;

    private static final NvmeStatus INVALID_FIELD = NvmeStatus.of(0x002);
    private static final NvmeStatus INVALID_NAMESPACE = NvmeStatus.of(0x00b);

    /** What a namespace is, validated. */
    record Description(NamespaceFormat format, NamespaceLimits limits) {}

    /** A page of the list of active namespaces. */
    enum Page {
        /** The next page has further namespaces. */
        FULL,
        /** The list ends in it. */
        LAST,
        /** It has an entry that is no namespace identifier, or not in order. */
        INVALID
    }

    private final ControllerLifecycle controller;

    Namespaces(ControllerLifecycle controller) {
        this.controller = controller;
    }

    /**
     * The identifiers of the active namespaces, in ascending order.
     *
     * <p>The list of the controller counts, even where it has identifiers above NN: NN grows when namespaces are
     * created, and some controllers report too low a value. If the controller has no list, as those of before version
     * 1.1, rejects the command, or returns an invalid list, the namespaces of 1 to NN are identified one by one.
     */
    List<Integer> ids() {
        String operation = "list the namespaces of " + controller;
        NavigableSet<Integer> ids = new TreeSet<>();
        if (!readList(operation, ids)) {
            updateIdentity(operation);
            identifyEach(operation, ids);
        } else if (!ids.isEmpty() && ids.last() > controller.identity().mostNamespaces()) {
            updateIdentity(operation);
        }
        return List.copyOf(ids);
    }

    /** Adds the identifiers in the controller's list; false if it has none, or there may be others. */
    private boolean readList(String operation, NavigableSet<Integer> ids) {
        if (!knows(LIST_VERSION)) {
            return false;
        }
        Page page = Page.FULL;
        while (page == Page.FULL) {
            controller.requireUsable();
            AdminQueue.Answer answer = controller
                    .adminCommands()
                    .identify(operation, AdminQueue.IDENTIFY_ACTIVE_NAMESPACES, last(ids), Namespaces::isUnknown);
            if (answer.data().isEmpty()) {
                if (!isUnknown(answer.status())) {
                    warn(operation, "the controller returned %s; each is identified".formatted(answer.status()));
                }
                return false;
            }
            page = addAll(answer.data().get(), ids);
            if (page == Page.FULL && ids.size() > MAX_LISTED) {
                warn(operation, "there are more than %d; the others are left out".formatted(MAX_LISTED));
                return true;
            }
        }
        if (page == Page.INVALID) {
            warn(operation, "the list is invalid after namespace %d; each is identified".formatted(last(ids)));
        }
        return page == Page.LAST;
    }

    private static int last(NavigableSet<Integer> ids) {
        return ids.isEmpty() ? 0 : ids.last();
    }

    /** Adds the identifiers of a page of the list, as far as it is valid. Identifiers above 2^31 - 1 are not used. */
    static Page addAll(ControllerData page, NavigableSet<Integer> ids) {
        for (int i = 0; i < LIST_ENTRIES; i++) {
            int id = page.integer(i * Integer.BYTES);
            if (id == 0) {
                return Page.LAST;
            }
            if (id <= last(ids)) {
                return Page.INVALID;
            }
            ids.add(id);
        }
        return Page.FULL;
    }

    /** Reads NN again; if the controller refuses that, what it has reported before still counts. */
    private void updateIdentity(String operation) {
        try {
            controller.identify(operation);
        } catch (VfioException e) {
            controller.requireUsable();
            warn(operation, e.reason());
        }
    }

    /**
     * Adds the active namespaces of 1 to NN. One is not left out because the controller refuses to identify it now:
     * {@link #describe} says why it cannot be used.
     */
    private void identifyEach(String operation, NavigableSet<Integer> ids) {
        long count = controller.identity().mostNamespaces();
        if (count > MAX_IDENTIFIED) {
            warn(operation, "NN is %d; those above %d are left out".formatted(count, MAX_IDENTIFIED));
        }
        boolean isAnswered = !ids.isEmpty();
        for (int id = 1; id <= Math.min(count, MAX_IDENTIFIED); id++) {
            controller.requireUsable();
            AdminQueue.Answer answer = controller
                    .adminCommands()
                    .identify(operation, AdminQueue.IDENTIFY_NAMESPACE, id, Namespaces::isInactiveOrBusy);
            int number = id;
            boolean isInactive = answer.data()
                    .map(data -> !isActive(data) && !hasOtherCommands(operation, number))
                    .orElseGet(() -> isInactive(answer.status()));
            if (!isInactive) {
                ids.add(id);
            }
            isAnswered |= answer.data().isPresent() || isInactiveOrBusy(answer.status());
            if (!isAnswered && (id == MAX_UNANSWERED || id == count)) {
                throw answer.rejection().orElseThrow();
            }
        }
    }

    private void warn(String operation, String reason) {
        LOGGER.log(System.Logger.Level.WARNING, "{0}: {1}", operation, reason);
    }

    /** Whether a controller knows what a version of the specification has introduced. */
    private boolean knows(int version) {
        return controller.version() >= version && !controller.quirks().contains(NvmeQuirk.NO_NAMESPACE_LIST);
    }

    /** Whether a status is that of a value of CNS that the controller does not know. */
    private static boolean isUnknown(NvmeStatus status) {
        return status.hasCodeOf(INVALID_FIELD);
    }

    /** Whether a status is that of a namespace that there is not, or that is not active. */
    private static boolean isInactive(NvmeStatus status) {
        return status.hasCodeOf(INVALID_FIELD) || status.hasCodeOf(INVALID_NAMESPACE);
    }

    /** Whether a status says that a namespace is inactive, or that it is there, but not ready. */
    private static boolean isInactiveOrBusy(NvmeStatus status) {
        return isInactive(status) || status.kind() == Kind.BUSY;
    }

    /** Whether the Identify Namespace data structure is that of an active namespace: it has a size (NSZE). */
    private static boolean isActive(ControllerData identifyNamespace) {
        return identifyNamespace.longInteger(0) != 0;
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
        boolean isDescribed = controller.hasCommandSets();
        if (isDescribed) {
            requireNvmCommands(operation, id);
        }
        Optional<ControllerData> data = identify(operation, AdminQueue.IDENTIFY_NAMESPACE, id, Namespaces::isInactive)
                .filter(Namespaces::isActive);
        if (data.isEmpty()) {
            if (!isDescribed) {
                requireNvmCommands(operation, id);
            }
            throw inactive(operation, id);
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
        ControllerData ofCommandSet = !knows(WHOLE_CNS_VERSION)
                ? ControllerData.ZEROS
                : identify(operation, AdminQueue.IDENTIFY_CONTROLLER_OF_COMMAND_SET, 0, Namespaces::isUnknown)
                        .orElse(ControllerData.ZEROS);
        NamespaceLimits limits =
                NamespaceLimits.of(ofCommandSet, data.get(), controller.minPageShift(), format.transferBytes(1));
        return new Description(format, limits);
    }

    private Optional<ControllerData> identify(String operation, int cns, int id, Predicate<NvmeStatus> isExpected) {
        return controller
                .adminCommands()
                .identify(operation, cns, id, isExpected)
                .unless(isExpected);
    }

    /** The failure to use a namespace that the controller does not identify; names the others. */
    private VfioException inactive(String operation, int id) {
        try {
            List<Integer> listed = ids();
            List<Integer> others = listed.stream().filter(other -> other != id).toList();
            boolean isListed = others.size() < listed.size();
            String hint = isListed ? "try again" : "create and attach a namespace first";
            return notFound(
                    operation,
                    isListed ? "it is not active, though the controller lists it" : "it is not active",
                    others.isEmpty() ? hint : "use one of " + others);
        } catch (VfioException e) {
            VfioException inactive = notFound(operation, "it is not active", "check the drive's health");
            inactive.addSuppressed(e);
            return inactive;
        }
    }

    private static VfioException notFound(String operation, String reason, String hint) {
        return new VfioException(Kind.NOT_FOUND, operation, reason, hint);
    }

    /** Rejects a namespace whose descriptors name another command set, or that the controller does not know. */
    private void requireNvmCommands(String operation, int id) {
        // Where there are command sets, a drive with NO_NAMESPACE_LIST is asked too: it may know the descriptors.
        if (!controller.hasCommandSets() && !knows(DESCRIPTORS_VERSION)) {
            return;
        }
        AdminQueue.Answer answer = descriptors(operation, id);
        if (answer.status().hasCodeOf(INVALID_NAMESPACE)) {
            throw inactive(operation, id);
        }
        int set =
                answer.unless(Namespaces::isUnknown).map(Namespaces::commandSet).orElse(NVM);
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

    /** Whether a namespace that has no size in CNS 00h is one of another command set. */
    private boolean hasOtherCommands(String operation, int id) {
        if (!controller.hasCommandSets()) {
            return false;
        }
        Optional<ControllerData> descriptors = descriptors(operation, id).data();
        return descriptors.isPresent() && commandSet(descriptors.get()) != NVM;
    }

    private AdminQueue.Answer descriptors(String operation, int id) {
        return controller
                .adminCommands()
                .identify(operation, AdminQueue.IDENTIFY_DESCRIPTORS, id, Namespaces::isInactive);
    }

    /**
     * The command set identifier in a list of descriptors, which a type of zero ends; that of NVM if it has none, or is
     * another data structure.
     */
    static int commandSet(ControllerData descriptors) {
        int at = 0;
        while (at + DESCRIPTOR_HEADER < ControllerData.BYTES && descriptors.unsignedByte(at) != 0) {
            if (descriptors.unsignedByte(at) == DESCRIPTOR_COMMAND_SET) {
                return descriptors.unsignedByte(at + 1) == COMMAND_SET_BYTES
                        ? descriptors.unsignedByte(at + DESCRIPTOR_HEADER)
                        : NVM;
            }
            at += DESCRIPTOR_HEADER + descriptors.unsignedByte(at + 1);
        }
        return NVM;
    }
}
