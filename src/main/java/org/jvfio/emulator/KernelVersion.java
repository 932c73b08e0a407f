package org.jvfio.emulator;

import java.util.Optional;
import org.jvfio.kernel.Errno;

/**
 * A version of Linux, as far as a VFIO program on POWER can tell it from the others. Every difference between versions
 * is a method here, so this class is the matrix of versions; each constant stands for all versions up to the next one.
 */
public enum KernelVersion {
    /** The last before the ownership callbacks: one group a container, its host's table lent. */
    V4_1("4.1"),
    /** Ownership callbacks, dynamic windows, preregistered memory. */
    V4_2("4.2"),
    /** A container keeps to one process; the default window comes with its first use. */
    V4_10("4.10"),
    /** Type 1 of the SPAPR IOMMU only where windows cannot be made; LPARs lend their table. */
    V4_12("4.12"),
    /** Unregistering mapped memory answers 0. */
    V5_0("5.0"),
    /** VFIO cannot bind a device on POWER, up to and including 6.3. */
    V5_19("5.19"),
    /** Ownership moves at SET_CONTAINER. */
    V6_4("6.4"),
    /** LPARs make windows; leaving a container clears the tables of the groups that stay. */
    V6_11("6.11"),
    V6_12("6.12"),
    /** Unmapping past a window's end is refused. */
    V7_2("7.2");

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

    /** Whether the kernel has {@code version}'s number or a smaller one. */
    public boolean before(KernelVersion version) {
        return compareTo(version) < 0;
    }

    /** Whether vfio-pci binds a device at all; from 5.19 to 6.3 its probe fails with EINVAL. */
    boolean bindsDevices() {
        return before(V5_19) || atLeast(V6_4);
    }

    /** Whether type 7, {@code VFIO_SPAPR_TCE_v2_IOMMU}, is known. */
    boolean knowsV2() {
        return atLeast(V4_2);
    }

    /** Whether a type fits only groups of its kind: type 2 those without window calls, type 7 those with them. */
    boolean tiesTypeToPlatform() {
        return atLeast(V4_12) && before(V6_4);
    }

    /** Whether type 7 is refused to a group whose platform makes no windows by looking at how many it can have. */
    boolean type7NeedsWindows() {
        return atLeast(V6_4);
    }

    /** Whether a table that is lent counts as the default window, made in its turn with its first use. */
    boolean borrowsTables() {
        return atLeast(V6_4);
    }

    /** Whether the kernel has ownership callbacks; without, every group's table is lent. */
    boolean hasOwnershipCallbacks() {
        return atLeast(V4_2);
    }

    /** Whether ownership goes to VFIO with SET_CONTAINER, and not with the attaching to an IOMMU. */
    boolean takesOwnershipAtSetContainer() {
        return atLeast(V6_4);
    }

    /** Whether the platform code for LPARs makes and removes windows. */
    boolean lparMakesWindows() {
        return atLeast(V6_11);
    }

    /** Whether LPARs have IOMMU groups for VFIO. */
    boolean lparHasGroups() {
        return atLeast(V4_12);
    }

    /** Whether the default window waits for its first use. */
    boolean defaultWindowIsLazy() {
        return atLeast(V4_10);
    }

    /** Whether MAP and UNMAP need an enabled container. */
    boolean mapNeedsEnable() {
        return atLeast(V4_2);
    }

    /** Whether a second registration of the same range in a container fails, instead of counting. */
    boolean refusesSecondRegistration() {
        return atLeast(V4_10);
    }

    /** Whether unregistering of memory with mappings answers 0 and leaks the registration; before, EBUSY. */
    boolean leaksRegistrationWithMappings() {
        return atLeast(V5_0);
    }

    /** Whether a container's registrations end with it. */
    boolean releasesRegistrations() {
        return atLeast(V4_10);
    }

    /** Whether a container belongs to the process that first changed it. */
    boolean bindsContainerToProcess() {
        return atLeast(V4_10);
    }

    /** Whether a misaligned iova is answered with 1, which is no error number. */
    boolean answersOneForMisalignedIova() {
        return atLeast(V4_12);
    }

    /** Whether the end of an UNMAP is checked: with EINVAL before 4.12, with 1 from 7.2. */
    boolean checksEndOfUnmap() {
        return before(V4_12) || atLeast(V7_2);
    }

    /**
     * Whether the TCE caches of a bridge are told of a range of entries at once: from 5.4, which the constant of 5.0 stands
     * for, too. Before, each entry was told by itself, and of no entries nothing.
     */
    boolean invalidatesRanges() {
        return atLeast(V5_0);
    }

    /** Whether a mapping may take the place of another one, instead of finding the entry busy. */
    boolean replacesMappings() {
        return atLeast(V4_2);
    }

    /** Whether mapped memory is pinned for writing, whatever the direction. */
    boolean pinsForWriting() {
        return atLeast(V4_2);
    }

    /** What MAP and UNMAP answer for a bus address outside of all windows. */
    Errno outsideOfWindows() {
        return atLeast(V4_2) ? Errno.ENXIO : Errno.EINVAL;
    }

    /** Whether a group that leaves a container takes the mappings of those that stay with it. */
    boolean clearsTablesOnDetach() {
        return atLeast(V6_11);
    }

    /** Whether a register of a BAR is read and written 8 bytes at once. */
    boolean readsEightBytes() {
        return atLeast(V6_11);
    }

    /** Whether DEVICE_IOEVENTFD writes 8 bytes: powerpc then has {@code iowrite64} as a macro. */
    boolean signalsEightBytes() {
        return before(V7_2);
    }

    /** Whether a huge page can take several entries of a page table; before, it had a table of its own. */
    boolean spreadsHugePages() {
        return atLeast(V6_11);
    }

    /** Whether SET_CONTAINER refuses a group that a host driver uses, instead of GET_DEVICE_FD. */
    boolean setContainerChecksViability() {
        return atLeast(V6_4);
    }

    /** Whether GET_DEVICE_FD looks for the name before it looks for the container. */
    boolean looksUpDeviceFirst() {
        return atLeast(V5_19);
    }

    /**
     * Whether several groups may share a container of type 2 as one of type 7, if their platform makes windows; later only
     * one of type 7 has several groups, and before 4.2, which has no such platform, none.
     */
    boolean type2SharesContainers() {
        return before(V6_4);
    }

    /** Whether a failed TCE_CREATE keeps what it charged to locked memory. */
    boolean leaksChargeOfFailedCreate() {
        return atLeast(V5_0);
    }

    /** Whether the host gets its bypass back even when its own window could not be set up again. */
    boolean bypassesWithoutHostWindow() {
        return atLeast(V5_19);
    }

    /** Whether SET_CONTAINER looks at the descriptor before the group; before, it refuses negative ones, and then grouped ones. */
    boolean looksUpContainerFirst() {
        return atLeast(V5_19);
    }

    /** What SET_CONTAINER answers for a descriptor that is no container. */
    Errno notAContainer() {
        return atLeast(V6_4) ? Errno.EBADFD : Errno.EINVAL;
    }
}
