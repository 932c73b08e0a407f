package org.jvfio.emulator;

import java.util.List;

/** The kinds of POWER platform, with what each gives a VFIO program. */
public enum Platform {
    /** POWER5 systems with P5IOC2 bridges: the host's 32-bit table is lent. */
    P5IOC2(Ownership.LENT, "p5ioc2", 0x1000L, 0, 0, false),
    /** POWER7 with P7IOC bridges (IODA1): the host's 32-bit table is lent. */
    IODA1(Ownership.LENT, "ioda1", 0x1000L, 0, 0, false),
    /** POWER8 with PHB3 (IODA2). */
    PHB3(Ownership.TAKEN, "ioda2", 0x11011000L, 2, 5, true),
    /** POWER9 with PHB4. */
    PHB4(Ownership.TAKEN, "ioda2", 0x40211000L, 2, 5, true),
    /** POWER10 with PHB5. */
    PHB5(Ownership.TAKEN, "ioda2", 0x40211000L, 2, 5, true),
    /** A logical partition, or a KVM guest: windows are made by the hypervisor through RTAS. */
    PSERIES(Ownership.TAKEN, "pseries", 0x1211000L, 2, 1, true);

    /** How a platform gives a group to VFIO. */
    enum Ownership {
        /** Through {@code take_ownership} and {@code release_ownership}. */
        TAKEN,
        /** The existing table is lent, when nothing of the host's is in it. */
        LENT
    }

    private final Ownership ownership;
    private final String calls;
    private final long pageSizes;
    private final int dynamicWindows;
    private final int levels;
    private final boolean makesWindows;

    Platform(Ownership ownership, String calls, long pageSizes, int dynamicWindows, int levels, boolean makesWindows) {
        this.ownership = ownership;
        this.calls = calls;
        this.pageSizes = pageSizes;
        this.dynamicWindows = dynamicWindows;
        this.levels = levels;
        this.makesWindows = makesWindows;
    }

    /** The sizes that the processor has for huge pages, as shifts, that of {@code mmap} without a size first. */
    List<Integer> hugePageShifts() {
        return switch (this) {
            case P5IOC2, IODA1, PHB3 -> List.of(24);
            case PHB4, PHB5 -> List.of(21, 30);
            case PSERIES -> List.of(24, 21, 30);
        };
    }

    Ownership ownership() {
        return ownership;
    }

    /** Names the platform's table group calls; groups with different ones cannot share a container. */
    String calls() {
        return calls;
    }

    /** The IOMMU page sizes, in bytes, as a bit map. */
    public long pageSizes() {
        return pageSizes;
    }

    /** How many windows user space may have at once. */
    public int dynamicWindows() {
        return dynamicWindows;
    }

    /** The most levels that a table may have. */
    public int levels() {
        return levels;
    }

    /**
     * Whether a message whose vector is masked in the interrupt controller waits there: PHB3 keeps it, while XIVE, of
     * later bridges and of LPARs, drops it.
     */
    boolean keepsMessages() {
        return this == PHB3;
    }

    /**
     * Whether a line that a device asserts already fires when it is enabled: XICS, and what was before it, look at it then;
     * XIVE, of later bridges and of LPARs, waits until it is asserted anew.
     */
    boolean firesEnabledLine() {
        return switch (this) {
            case P5IOC2, IODA1, PHB3 -> true;
            case PHB4, PHB5, PSERIES -> false;
        };
    }

    boolean makesWindows() {
        return makesWindows;
    }

    /** Whether Linux runs on the bare machine, and not below a hypervisor. */
    public boolean isPowernv() {
        return this != PSERIES;
    }
}
