package org.jvfio.emulator;

import java.util.List;

/** The kinds of POWER platform, with what each gives a VFIO program. */
public enum Platform {
    /** P5IOC2 bridges: the host's 32-bit table is lent. */
    P5IOC2(Ownership.LENT, 0x1000L, 0, 0),
    /** POWER7 with P7IOC bridges (IODA1): the host's 32-bit table is lent. */
    IODA1(Ownership.LENT, 0x1000L, 0, 0),
    /** POWER8 with PHB3 (IODA2). */
    PHB3(Ownership.TAKEN, 0x11011000L, 2, 5),
    /** POWER9 with PHB4. */
    PHB4(Ownership.TAKEN, 0x40211000L, 2, 5),
    /** POWER10 with PHB5. */
    PHB5(Ownership.TAKEN, 0x40211000L, 2, 5),
    /** A logical partition, or a KVM guest: windows are made by the hypervisor through RTAS. */
    PSERIES(Ownership.TAKEN, 0x1211000L, 2, 1);

    /** How a platform gives a group to VFIO. */
    enum Ownership {
        /** Through {@code take_ownership} and {@code release_ownership}. */
        TAKEN,
        /** The existing table is lent, when nothing of the host's is in it. */
        LENT
    }

    private final Ownership ownership;
    private final long pageSizes;
    private final int dynamicWindows;
    private final int levels;

    Platform(Ownership ownership, long pageSizes, int dynamicWindows, int levels) {
        this.ownership = ownership;
        this.pageSizes = pageSizes;
        this.dynamicWindows = dynamicWindows;
        this.levels = levels;
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

    /** Whether 64-bit DMA of the host bypasses translation: through the window of bit 59, which IODA2 has. */
    boolean bypasses() {
        return switch (this) {
            case PHB3, PHB4, PHB5 -> true;
            case P5IOC2, IODA1, PSERIES -> false;
        };
    }

    /** The number, in hexadecimal, that Linux gives the endpoint of the first bus below the bridge of a domain. */
    String endpoint(int domain) {
        return switch (this) {
            case P5IOC2, IODA1, PHB3 -> "fd";
            case PHB4, PHB5 -> domain == 0 ? "1fd" : "fd";
            case PSERIES -> "0";
        };
    }

    /** The processor, as {@code /proc/cpuinfo} names it. */
    String processor() {
        return switch (this) {
            case P5IOC2, IODA1 -> "POWER7 (raw), altivec supported";
            case PHB3 -> "POWER8E (raw), altivec supported";
            case PHB4 -> "POWER9, altivec supported";
            case PHB5 -> "POWER10, altivec supported";
            case PSERIES -> "POWER9 (architected), altivec supported";
        };
    }

    /** Whether Linux runs on the bare machine, and not below a hypervisor. */
    public boolean isPowernv() {
        return this != PSERIES;
    }
}
