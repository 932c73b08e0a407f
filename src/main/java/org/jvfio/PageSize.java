package org.jvfio;

/**
 * The size of a page, of the system or of an IOMMU: a power of two.
 *
 * @param shift the base-2 logarithm of the size in bytes, 0 to 62; {@code page_shift} in {@code linux/vfio.h}
 */
public record PageSize(int shift) implements Comparable<PageSize> {
    /** 4 KiB, which every platform with SPAPR TCEs has. */
    public static final PageSize SIZE_4K = new PageSize(12);
    /** 64 KiB, the system page of most POWER servers. */
    public static final PageSize SIZE_64K = new PageSize(16);
    /** 2 MiB, on PHB4 and PHB5 (POWER9, POWER10). */
    public static final PageSize SIZE_2M = new PageSize(21);
    /** 16 MiB, on PHB3 (POWER8). */
    public static final PageSize SIZE_16M = new PageSize(24);
    /** 256 MiB, on PHB3 (POWER8). */
    public static final PageSize SIZE_256M = new PageSize(28);
    /** 1 GiB, on PHB4 and PHB5 (POWER9, POWER10). */
    public static final PageSize SIZE_1G = new PageSize(30);

    public PageSize {
        if (shift < 0 || shift > 62) {
            throw new IllegalArgumentException("a page shift of " + shift + " is not in 0..62");
        }
    }

    /**
     * The page of a size.
     *
     * @param bytes a power of two
     * @throws IllegalArgumentException if it is none
     */
    public static PageSize of(long bytes) {
        if (bytes <= 0 || Long.bitCount(bytes) != 1) {
            throw new IllegalArgumentException("a page of " + bytes + " bytes: not a power of two");
        }
        return new PageSize(Long.numberOfTrailingZeros(bytes));
    }

    /**
     * The page of {@code 1 << shift} bytes.
     *
     * @throws IllegalArgumentException if the shift is not in 0..62
     */
    public static PageSize ofShift(int shift) {
        return new PageSize(shift);
    }

    /** The size in bytes. */
    public long bytes() {
        return 1L << shift;
    }

    /** Whether an address or a size is a multiple of this page. */
    public boolean isAligned(long value) {
        return (value & (bytes() - 1)) == 0;
    }

    /**
     * The smallest multiple of this page that is not below a size.
     *
     * @param bytes at least 0
     * @throws IllegalArgumentException if it is negative, or the result would be more than {@link Long#MAX_VALUE}
     */
    public long roundUp(long bytes) {
        if (bytes < 0 || bytes > Long.MAX_VALUE - (bytes() - 1)) {
            throw new IllegalArgumentException(bytes + " bytes cannot be rounded up to pages of " + this);
        }
        return (bytes + bytes() - 1) & -bytes();
    }

    // Those that the compiler makes for a record are linked at run time, which takes longer than a short command.
    @Override
    public boolean equals(Object other) {
        return other instanceof PageSize page && page.shift == shift;
    }

    @Override
    public int hashCode() {
        return shift;
    }

    @Override
    public int compareTo(PageSize other) {
        return Integer.compare(shift, other.shift);
    }

    /** As in {@code 64K}. */
    @Override
    public String toString() {
        return ByteSize.format(bytes());
    }
}
