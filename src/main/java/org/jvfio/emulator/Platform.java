package org.jvfio.emulator;

import java.util.List;

/** The POWER platforms, with what they offer a VFIO program. */
public enum Platform {
    /** P5IOC2 bridges: the host's 32-bit table is lent. */
    P5IOC2(Ownership.LENT, 0x1000L, 0, 0),
    /** POWER7 with P7IOC bridges (IODA1): the host's 32-bit table is lent. */
    IODA1(Ownership.LENT, 0x1000L, 0, 0),
    /** POWER8 with PHB3 (IODA2). */
    PHB3(Ownership.TAKEN, 0x11011000L, 2, 5),
    /** POWER9 with PHB4. */
    PHB4(Ownership.TAKEN, 0x40211000L, 2, 5),
    /** POWER10 and POWER11 with PHB5. */
    PHB5(Ownership.TAKEN, 0x40211000L, 2, 5),
    /** A logical partition, or a KVM guest: the hypervisor creates windows, through RTAS. */
    PSERIES(Ownership.TAKEN, 0x1211000L, 2, 1);

    /** How a platform hands a group to VFIO. */
    enum Ownership {
        /** Through {@code take_ownership} and {@code release_ownership}. */
        TAKEN,
        /** The existing table is lent, if the host has no entries in it. */
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

    /** The huge page sizes of the processor as shifts; the default of {@code mmap} first. */
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

    /** The maximum number of windows at once. */
    public int dynamicWindows() {
        return dynamicWindows;
    }

    /** The maximum number of levels of a table. */
    public int levels() {
        return levels;
    }

    /**
     * Whether a message whose vector is masked in the interrupt controller stays pending: PHB3 keeps it; XIVE, of later
     * bridges and of LPARs, drops it.
     */
    boolean keepsMessages() {
        return this == PHB3;
    }

    /**
     * Whether an INTx that is already asserted fires when it is enabled. XICS and earlier controllers sample it then;
     * XIVE, of later bridges and of LPARs, waits until it is asserted again.
     */
    boolean firesEnabledLine() {
        return switch (this) {
            case P5IOC2, IODA1, PHB3 -> true;
            case PHB4, PHB5, PSERIES -> false;
        };
    }

    /** Whether the bridge has I/O space; from PHB3 on it has none. */
    boolean hasPorts() {
        return switch (this) {
            case P5IOC2, IODA1, PSERIES -> true;
            case PHB3, PHB4, PHB5 -> false;
        };
    }

    /** Whether 64-bit DMA of the host bypasses translation, through IODA2's window at bit 59. */
    boolean bypasses() {
        return switch (this) {
            case PHB3, PHB4, PHB5 -> true;
            case P5IOC2, IODA1, PSERIES -> false;
        };
    }

    /** The number, in hexadecimal, that Linux gives the endpoint of the first bus below the bridge of a domain. */
    String endpoint(int domain) {
        return isPowernv() ? Integer.toHexString(eehEndpoint(domain)) : "0";
    }

    /** The number of the same endpoint in EEH: in an LPAR, the configuration address that RTAS uses for it. */
    int eehEndpoint(int domain) {
        return switch (this) {
            case P5IOC2, IODA1, PHB3 -> 0xfd;
            case PHB4, PHB5 -> domain == 0 ? 0x1fd : 0xfd;
            case PSERIES -> 0x10000;
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

    /** Whether Linux runs without a hypervisor (powernv). */
    public boolean isPowernv() {
        return this != PSERIES;
    }
}
