package org.jvfio.emulator;

import java.util.Optional;
import org.jvfio.kernel.Errno;

/**
 * A version of Linux, as far as a VFIO program on POWER can distinguish it from others. Every difference between
 * versions is a method here, so this class is the matrix of versions. Each constant covers all versions up to the next
 * one.
 */
public enum KernelVersion {
    /** The last without ownership callbacks: one group per container, whose host table is lent. */
    V4_1("4.1"),
    /** Ownership callbacks, dynamic windows, preregistered memory. */
    V4_2("4.2"),
    /** A container belongs to one process; the default window is created at first use. */
    V4_10("4.10"),
    /** The v1 IOMMU only where windows cannot be created; LPARs lend their table. */
    V4_12("4.12"),
    /** Unregistering mapped memory returns 0. */
    V5_0("5.0"),
    /** VFIO cannot bind a device on POWER, up to and including 6.3. */
    V5_19("5.19"),
    /** SET_CONTAINER takes ownership. */
    V6_4("6.4"),
    /** LPARs create windows; a group that leaves a container clears the tables of those that stay. */
    V6_11("6.11"),
    V6_12("6.12"),
    /** Unmapping past a window's end is refused. */
    V7_2("7.2"),
    /** Every PCI device has an error interrupt (from 7.3-rc7). */
    V7_3("7.3");

    private final String release;

    KernelVersion(String release) {
        this.release = release;
    }

    /** The version's number, for instance {@code 6.12}. */
    public String release() {
        return release;
    }

    /**
     * The constant that stands for a release.
     *
     * @param release the first two numbers of a release, for instance {@code 6.1}
     * @return empty if it is none, or older than the first constant
     */
    public static Optional<KernelVersion> of(String release) {
        if (!release.matches("[0-9]{1,3}\\.[0-9]{1,3}")) {
            return Optional.empty();
        }
        Optional<KernelVersion> found = Optional.empty();
        for (KernelVersion version : values()) {
            if (ordinal(version.release) <= ordinal(release)) {
                found = Optional.of(version);
            }
        }
        return found;
    }

    private static int ordinal(String release) {
        int dot = release.indexOf('.');
        return Integer.parseInt(release, 0, dot, 10) * 1000 + Integer.parseInt(release, dot + 1, release.length(), 10);
    }

    /** Whether this is {@code version} or a later one. */
    public boolean atLeast(KernelVersion version) {
        return compareTo(version) >= 0;
    }

    /** Whether this is earlier than {@code version}. */
    public boolean before(KernelVersion version) {
        return compareTo(version) < 0;
    }

    /** Whether vfio-pci can bind a device; from 5.19 to 6.3 its probe fails with EINVAL. */
    boolean bindsDevices() {
        return before(V5_19) || atLeast(V6_4);
    }

    /** Whether {@code VFIO_SPAPR_TCE_v2_IOMMU} (type 7) exists. */
    boolean knowsV2() {
        return atLeast(V4_2);
    }

    /** Whether v1 accepts only groups without window calls, and v2 only groups with them. */
    boolean tiesIommuTypeToPlatform() {
        return atLeast(V4_12) && before(V6_4);
    }

    /** Whether v2 refuses a group whose platform reports that it can have no dynamic windows. */
    boolean v2NeedsWindows() {
        return atLeast(V6_4);
    }

    /** Whether a lent table is the default window, set up at first use like any other. */
    boolean borrowsTables() {
        return atLeast(V6_4);
    }

    /** Whether the kernel has ownership callbacks; without them every group's table is lent. */
    boolean hasOwnershipCallbacks() {
        return atLeast(V4_2);
    }

    /** Whether VFIO takes ownership at SET_CONTAINER, and not when the group is attached to an IOMMU. */
    boolean takesOwnershipAtSetContainer() {
        return atLeast(V6_4);
    }

    /** Whether the pseries platform code creates and removes windows. */
    boolean lparMakesWindows() {
        return atLeast(V6_11);
    }

    /** Whether LPARs have IOMMU groups for VFIO. */
    boolean lparHasGroups() {
        return atLeast(V4_12);
    }

    /** Whether the default window is created at first use. */
    boolean defaultWindowIsLazy() {
        return atLeast(V4_10);
    }

    /** Whether MAP and UNMAP need an enabled container. */
    boolean mapNeedsEnable() {
        return atLeast(V4_2);
    }

    /** Whether a second registration of the same range in a container fails, instead of being counted. */
    boolean refusesSecondRegistration() {
        return atLeast(V4_10);
    }

    /** Whether unregistering mapped memory returns 0 and leaks the registration; earlier, EBUSY. */
    boolean leaksRegistrationWithMappings() {
        return atLeast(V5_0);
    }

    /** Whether a container releases its registrations when it is closed. */
    boolean releasesRegistrations() {
        return atLeast(V4_10);
    }

    /** Whether a container belongs to the process that first changed it. */
    boolean bindsContainerToProcess() {
        return atLeast(V4_10);
    }

    /** Whether a misaligned iova returns 1, which is not an errno. */
    boolean answersOneForMisalignedIova() {
        return atLeast(V4_12);
    }

    /** Whether the end of an UNMAP is checked: it returns EINVAL before 4.12, 1 from 7.2. */
    boolean checksEndOfUnmap() {
        return before(V4_12) || atLeast(V7_2);
    }

    /**
     * Whether a bridge's TCE cache is invalidated for a range of entries at once: from 5.4, which the constant for 5.0
     * covers, too. Earlier, each entry was invalidated by itself, and an empty range not at all.
     */
    boolean invalidatesRanges() {
        return atLeast(V5_0);
    }

    /** Whether a mapping may replace another one; otherwise EBUSY. */
    boolean replacesMappings() {
        return atLeast(V4_2);
    }

    /** Whether mapped memory is pinned for writing, whatever the direction. */
    boolean pinsForWriting() {
        return atLeast(V4_2);
    }

    /** The result of MAP and UNMAP for a bus address outside all windows. */
    Errno outsideOfWindows() {
        return atLeast(V4_2) ? Errno.ENXIO : Errno.EINVAL;
    }

    /** Whether a group that leaves a container clears the mappings of those that stay. */
    boolean clearsTablesOnDetach() {
        return atLeast(V6_11);
    }

    /** Whether a BAR register can be accessed with 8 bytes at once. */
    boolean readsEightBytes() {
        return atLeast(V6_11);
    }

    /**
     * The number of a DEVICE_FEATURE that the kernel knows, and vfio-pci does not have: it returns EINVAL, where an
     * unknown one is ENOTTY; -1 for none.
     */
    int featureOfNewerKernels() {
        return atLeast(V7_2) ? 12 : -1;
    }

    /**
     * Whether a BAR with the MSI-X table can be mapped as a whole ({@code VFIO_REGION_INFO_CAP_MSIX_MAPPABLE}): from
     * 4.16, here from the constant for 5.0.
     */
    boolean mapsMsixTable() {
        return atLeast(V5_0);
    }

    /**
     * Whether a BAR with the MSI-X table lists the parts that can be mapped ({@code
     * VFIO_REGION_INFO_CAP_SPARSE_MMAP}): from 4.6, here from the constant for 4.10; earlier the caller has to know.
     */
    boolean listsMappableParts() {
        return atLeast(V4_10) && !mapsMsixTable();
    }

    /** Whether DEVICE_IOEVENTFD writes 8 bytes: powerpc then has {@code iowrite64} as a macro. */
    boolean signalsEightBytes() {
        return before(V7_2);
    }

    /** Whether devices that are not PCI Express have {@code VFIO_PCI_ERR_IRQ_INDEX}, too. */
    boolean anyDeviceHasErrorInterrupt() {
        return atLeast(V7_3);
    }

    /** Whether a huge page can occupy several entries of a page table; earlier, it had a table of its own. */
    boolean spreadsHugePages() {
        return atLeast(V6_11);
    }

    /** Whether SET_CONTAINER, and not GET_DEVICE_FD, refuses a group that a host driver uses. */
    boolean setContainerChecksViability() {
        return atLeast(V6_4);
    }

    /** Whether GET_DEVICE_FD checks the device name before the container. */
    boolean looksUpDeviceFirst() {
        return atLeast(V5_19);
    }

    /**
     * Whether several groups may share a v1 container, too, if their platform creates windows. Later only a v2
     * container has several groups; before 4.2, which has no such platform, none does.
     */
    boolean v1SharesContainers() {
        return before(V6_4);
    }

    /** Whether a failed TCE_CREATE leaks its charge to locked memory. */
    boolean leaksChargeOfFailedCreate() {
        return atLeast(V5_0);
    }

    /** Whether the host regains bypass even if its own window could not be set up again. */
    boolean bypassesWithoutHostWindow() {
        return atLeast(V5_19);
    }

    /**
     * Whether SET_CONTAINER checks the descriptor before the group; earlier, it first refused negative descriptors, and
     * then groups that have a container.
     */
    boolean looksUpContainerFirst() {
        return atLeast(V5_19);
    }

    /** The error of SET_CONTAINER for a descriptor that is not a container. */
    Errno notAContainer() {
        return atLeast(V6_4) ? Errno.EBADFD : Errno.EINVAL;
    }
}
