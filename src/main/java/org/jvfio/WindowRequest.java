package org.jvfio;

import java.util.Optional;
import java.util.OptionalInt;

/**
 * The requirements of a driver for a DMA window, from which {@link Container#planWindow} chooses one. Immutable; each
 * method with an argument returns another request.
 *
 * <pre>{@code
 * WindowRequest.of(256 << 20).dmaMaskBits(32)
 * }</pre>
 *
 * @param bytes bytes that are mapped at a time, contiguously, at least 1 and at most 2<sup>47</sup>, where user
 *     addresses end
 * @param memoryPageSize the pages that back the mapped memory: the system's if empty, larger ones for hugetlb memory;
 *     no window with larger pages can map it
 * @param dmaMaskBits how many bits of a bus address the device has, 1 to 64
 * @param registeredBytes bytes of the memory that are registered, and so locked, already; what the container has
 *     registered in such pages, or larger ones, and nothing maps yet counts without it
 * @param pageSize the IOMMU page size of the window; empty for any
 * @param levels the levels of its TCE table, at least 1; empty for any
 * @param keepsDefaultWindow whether the default window must stay, for a device that has fewer address bits or needs
 *     small pages
 */
public record WindowRequest(
        long bytes,
        Optional<PageSize> memoryPageSize,
        int dmaMaskBits,
        long registeredBytes,
        Optional<PageSize> pageSize,
        OptionalInt levels,
        boolean keepsDefaultWindow) {
    private static final long MAX_BYTES = 1L << 47;

    public WindowRequest {
        if (bytes < 1 || bytes > MAX_BYTES) {
            throw new IllegalArgumentException(
                    bytes + " bytes to map: ask for 1 byte to " + ByteSize.format(MAX_BYTES));
        }
        DmaConstraints.ofMaskBits(dmaMaskBits);
        if (registeredBytes < 0 || registeredBytes > bytes) {
            throw new IllegalArgumentException(
                    registeredBytes + " bytes are registered already, of " + bytes + " to map");
        }
        if (levels.isPresent() && levels.getAsInt() < 1) {
            throw new IllegalArgumentException("a TCE table of " + levels.getAsInt() + " levels: it has at least 1");
        }
    }

    /**
     * A window for memory of system pages, none of it registered yet, and a device with all 64 address bits.
     *
     * @param bytes how much is mapped at a time, 1 to 2<sup>47</sup>
     * @throws IllegalArgumentException if it is not in that range
     */
    public static WindowRequest of(long bytes) {
        return new WindowRequest(bytes, Optional.empty(), Long.SIZE, 0, Optional.empty(), OptionalInt.empty(), false);
    }

    /** The same for memory backed by pages of a size. */
    public WindowRequest memoryPageSize(PageSize size) {
        return new WindowRequest(
                bytes, Optional.of(size), dmaMaskBits, registeredBytes, pageSize, levels, keepsDefaultWindow);
    }

    /**
     * The same for a device with so many address bits: the mask is 2<sup>bits</sup> - 1.
     *
     * @throws IllegalArgumentException if they are not in 1..64
     */
    public WindowRequest dmaMaskBits(int bits) {
        return new WindowRequest(bytes, memoryPageSize, bits, registeredBytes, pageSize, levels, keepsDefaultWindow);
    }

    /**
     * The same when so many bytes of the memory are registered already, or will never be registered.
     *
     * @throws IllegalArgumentException if they are not in 0..{@link #bytes}
     */
    public WindowRequest registeredBytes(long registered) {
        return new WindowRequest(bytes, memoryPageSize, dmaMaskBits, registered, pageSize, levels, keepsDefaultWindow);
    }

    /** The same with this IOMMU page size and no other. */
    public WindowRequest pageSize(PageSize size) {
        return new WindowRequest(
                bytes, memoryPageSize, dmaMaskBits, registeredBytes, Optional.of(size), levels, keepsDefaultWindow);
    }

    /** The same with so many levels of the TCE table and no others. */
    public WindowRequest levels(int count) {
        return new WindowRequest(
                bytes,
                memoryPageSize,
                dmaMaskBits,
                registeredBytes,
                pageSize,
                OptionalInt.of(count),
                keepsDefaultWindow);
    }

    /** The same with the default window kept. */
    public WindowRequest keepDefaultWindow() {
        return new WindowRequest(bytes, memoryPageSize, dmaMaskBits, registeredBytes, pageSize, levels, true);
    }

    /** The highest bus address that the device can use, unsigned. */
    long dmaMask() {
        return DmaConstraints.ofMaskBits(dmaMaskBits).mask();
    }

    /** As it follows "cannot plan a window for". */
    @Override
    public String toString() {
        return "%s of %s, for a device with %d address bits%s%s%s"
                .formatted(
                        ByteSize.format(bytes),
                        memoryPageSize.map(size -> "memory in pages of " + size).orElse("memory"),
                        dmaMaskBits,
                        pageSize.map(size -> ", with IOMMU pages of " + size).orElse(""),
                        levels.isPresent() ? ", with %d levels".formatted(levels.getAsInt()) : "",
                        keepsDefaultWindow ? ", beside the default window" : "");
    }
}
