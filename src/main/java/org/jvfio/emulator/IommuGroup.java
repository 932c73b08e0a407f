package org.jvfio.emulator;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.jvfio.kernel.Errno;

/**
 * An IOMMU group with its VFIO state ({@code struct vfio_group} of {@code drivers/vfio/group.c}).
 */
final class IommuGroup {
    private final int number;
    private final Pe pe;
    private final List<PciFunction> functions = new ArrayList<>();
    private final Eeh eeh;
    private boolean descriptorOpen;
    private @Nullable VfioContainer container;
    private int openDevices;
    private boolean claimed;

    IommuGroup(int number, Pe pe) {
        this.number = number;
        this.pe = pe;
        this.eeh = new Eeh(pe, functions);
    }

    int number() {
        return number;
    }

    Pe pe() {
        return pe;
    }

    Eeh eeh() {
        return eeh;
    }

    List<PciFunction> functions() {
        return functions;
    }

    @Nullable
    VfioContainer container() {
        return container;
    }

    int openDevices() {
        return openDevices;
    }

    /** Whether {@code /dev/vfio/N} exists, because a device of the group is bound to vfio-pci. */
    boolean hasNode() {
        return functions.stream().anyMatch(PciFunction::isBoundToVfio);
    }

    /** Whether a device of the group is bound to an ordinary host driver. */
    boolean usedByHost() {
        return functions.stream().anyMatch(PciFunction::isUsedByHost);
    }

    /**
     * Enters a container: releases the host's ownership, and attaches the group to the container's IOMMU, if one is
     * set.
     */
    int enter(VfioContainer entered, Mm caller) {
        KernelVersion version = pe.machine().kernel();
        if (version.setContainerChecksViability() && usedByHost()) {
            return Errno.EPERM.negated();
        }
        if (version.takesOwnershipAtSetContainer()) {
            int taken = pe.calls().takeOwnership(pe);
            if (taken != 0) {
                return taken;
            }
            claimed = true;
        }
        int answer = entered.add(this, caller);
        if (answer != 0) {
            giveBack();
            return answer;
        }
        container = entered;
        return 0;
    }

    /**
     * Leaves its container and returns the group to the host.
     *
     * @param caller the memory of the calling process; null for the host itself
     */
    void leave(@Nullable Mm caller) {
        VfioContainer left = container;
        if (left == null) {
            return;
        }
        container = null;
        left.remove(this, caller);
        giveBack();
        left.releaseIfEmpty();
    }

    private void giveBack() {
        if (claimed) {
            claimed = false;
            pe.calls().releaseOwnership(pe);
        }
    }

    /** Whether VFIO owns the group, and not the host. */
    boolean isClaimed() {
        return claimed;
    }

    void opened() {
        descriptorOpen = true;
    }

    void closed(Mm closer) {
        descriptorOpen = false;
        leaveIfUnused(closer);
    }

    void deviceOpened() {
        openDevices++;
    }

    /** A device descriptor was closed; it may have been the last one that kept the group open. */
    void deviceClosed(Mm closer) {
        openDevices--;
        leaveIfUnused(closer);
    }

    /** Whether a descriptor of the group or of one of its devices is open. */
    boolean isOpen() {
        return descriptorOpen || openDevices > 0;
    }

    private void leaveIfUnused(Mm closer) {
        if (!isOpen()) {
            leave(closer);
        }
    }
}
