package org.jvfio;

import java.util.Locale;
import java.util.Objects;
import org.jvfio.uapi.vfio_h;

/**
 * An error that {@link Eeh#inject} has the platform inject into the next access of its kind ({@code EEH_ERR_*} of the
 * kernel's {@code asm/eeh.h}).
 *
 * @param width the address space of the access
 * @param function the kind of access
 * @param address the address that is accessed: a register's or a bus address; 0 with a mask of 0 for any address
 * @param mask which bits of the address must match; 0 for none
 */
public record EehError(Width width, Function function, long address, long mask) {
    /** An address space of the host bridge. */
    public enum Width {
        /** Its 32-bit memory space, and DMA below bus address 1&lt;&lt;59. */
        BITS_32(vfio_h.EEH_ERR_TYPE_32),
        /** Its 64-bit memory space, and DMA from bus address 1&lt;&lt;59 on. */
        BITS_64(vfio_h.EEH_ERR_TYPE_64);

        private final int number;

        Width(int number) {
            this.number = number;
        }

        /** {@code EEH_ERR_TYPE_*}. */
        public int number() {
            return number;
        }
    }

    /** A kind of access, with the phase of it that fails ({@code EEH_ERR_FUNC_*}). */
    public enum Function {
        /** A load from a memory BAR: the address. */
        LOAD_MEMORY_ADDRESS(vfio_h.EEH_ERR_FUNC_LD_MEM_ADDR),
        /** A load from a memory BAR: the data. */
        LOAD_MEMORY_DATA(vfio_h.EEH_ERR_FUNC_LD_MEM_DATA),
        /** A load from an I/O BAR: the address. */
        LOAD_IO_ADDRESS(vfio_h.EEH_ERR_FUNC_LD_IO_ADDR),
        /** A load from an I/O BAR: the data. */
        LOAD_IO_DATA(vfio_h.EEH_ERR_FUNC_LD_IO_DATA),
        /** A read of configuration space: the address. */
        LOAD_CONFIG_ADDRESS(vfio_h.EEH_ERR_FUNC_LD_CFG_ADDR),
        /** A read of configuration space: the data. */
        LOAD_CONFIG_DATA(vfio_h.EEH_ERR_FUNC_LD_CFG_DATA),
        /** A store to a memory BAR: the address. */
        STORE_MEMORY_ADDRESS(vfio_h.EEH_ERR_FUNC_ST_MEM_ADDR),
        /** A store to a memory BAR: the data. */
        STORE_MEMORY_DATA(vfio_h.EEH_ERR_FUNC_ST_MEM_DATA),
        /** A store to an I/O BAR: the address. */
        STORE_IO_ADDRESS(vfio_h.EEH_ERR_FUNC_ST_IO_ADDR),
        /** A store to an I/O BAR: the data. */
        STORE_IO_DATA(vfio_h.EEH_ERR_FUNC_ST_IO_DATA),
        /** A write of configuration space: the address. */
        STORE_CONFIG_ADDRESS(vfio_h.EEH_ERR_FUNC_ST_CFG_ADDR),
        /** A write of configuration space: the data. */
        STORE_CONFIG_DATA(vfio_h.EEH_ERR_FUNC_ST_CFG_DATA),
        /** A DMA read: the address. */
        DMA_READ_ADDRESS(vfio_h.EEH_ERR_FUNC_DMA_RD_ADDR),
        /** A DMA read: the data. */
        DMA_READ_DATA(vfio_h.EEH_ERR_FUNC_DMA_RD_DATA),
        /** A DMA read: an abort by the master. */
        DMA_READ_MASTER(vfio_h.EEH_ERR_FUNC_DMA_RD_MASTER),
        /** A DMA read: an abort by the target. */
        DMA_READ_TARGET(vfio_h.EEH_ERR_FUNC_DMA_RD_TARGET),
        /** A DMA write: the address. */
        DMA_WRITE_ADDRESS(vfio_h.EEH_ERR_FUNC_DMA_WR_ADDR),
        /** A DMA write: the data. */
        DMA_WRITE_DATA(vfio_h.EEH_ERR_FUNC_DMA_WR_DATA),
        /** A DMA write: an abort by the master. */
        DMA_WRITE_MASTER(vfio_h.EEH_ERR_FUNC_DMA_WR_MASTER),
        /** A DMA write: an abort by the target. */
        DMA_WRITE_TARGET(vfio_h.EEH_ERR_FUNC_DMA_WR_TARGET);

        private final int number;

        Function(int number) {
            this.number = number;
        }

        /** {@code EEH_ERR_FUNC_*}. */
        public int number() {
            return number;
        }
    }

    /** Requires a width and a function. */
    public EehError {
        Objects.requireNonNull(width, "width");
        Objects.requireNonNull(function, "function");
    }

    /** An error of the next access of a kind, at any address. */
    public static EehError of(Width width, Function function) {
        return new EehError(width, function, 0, 0);
    }

    /** As in {@code dma-read-address of 64 bits at 0x800000000000000, mask 0xfffffffffffff000}. */
    @Override
    public String toString() {
        return "%s of %d bits at 0x%x, mask 0x%x"
                .formatted(
                        function.name().toLowerCase(Locale.ROOT).replace('_', '-'),
                        width == Width.BITS_64 ? Long.SIZE : Integer.SIZE,
                        address,
                        mask);
    }
}
