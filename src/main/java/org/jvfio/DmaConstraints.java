package org.jvfio;

/**
 * The bus addresses that a device can use. Immutable; {@link #alignedTo} returns another one.
 *
 * <pre>{@code
 * DmaConstraints.ofMaskBits(32).alignedTo(1 << 20)
 * }</pre>
 *
 * @param maskBits how many bits of a bus address the device has, 1 to 64: its DMA mask is 2<sup>maskBits</sup> - 1, the
 *     highest address that it can use. Address bit 59 selects the second window on powernv, so a device with fewer than
 *     60 has the first one only
 * @param alignment the first address is a multiple of it; bytes, a power of two; at least the window's page in any case
 */
public record DmaConstraints(int maskBits, long alignment) {
    /** A device with all 64 address bits that takes any page. */
    public static final DmaConstraints NONE = new DmaConstraints(Long.SIZE, 1);

    public DmaConstraints {
        if (maskBits < 1 || maskBits > Long.SIZE) {
            throw new IllegalArgumentException("a DMA mask of " + maskBits + " bits: a device has 1 to 64");
        }
        if (alignment < 1 || Long.bitCount(alignment) != 1) {
            throw new IllegalArgumentException("an alignment of " + alignment + " bytes: not a power of two");
        }
    }

    /**
     * A device with so many address bits that takes any page.
     *
     * @throws IllegalArgumentException if they are not in 1..64
     */
    public static DmaConstraints ofMaskBits(int bits) {
        return new DmaConstraints(bits, 1);
    }

    /**
     * The same where the first address is a multiple of so many bytes.
     *
     * @throws IllegalArgumentException if that is no power of two
     */
    public DmaConstraints alignedTo(long bytes) {
        return new DmaConstraints(maskBits, bytes);
    }

    /** The DMA mask: the highest bus address that the device can use, unsigned. */
    public long mask() {
        return -1L >>> (Long.SIZE - maskBits);
    }

    /** As it follows what is to be mapped: {@code for a device with 32 address bits, at a multiple of 1M}. */
    @Override
    public String toString() {
        return "for a device with %d address bits%s"
                .formatted(maskBits, alignment == 1 ? "" : ", at a multiple of " + ByteSize.format(alignment));
    }
}
