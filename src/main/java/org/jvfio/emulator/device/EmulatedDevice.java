package org.jvfio.emulator.device;

import java.nio.file.Path;
import java.util.List;

/**
 * A PCI device behind an emulated host bridge: registers in; DMA, interrupts and time out. Write one to prototype the
 * driver of a device that is not at hand. It is put into a machine by {@link EmulatedMachine.Builder#device}, which says
 * where, or by a machine file, if it has a {@link DeviceModel}; its configuration space is made of what it says of
 * itself. {@code Adder}, among the examples in this project's tests, is one, with its driver.
 *
 * <p>All calls come with the host's lock held, one at a time, so a device needs no locking of its own and must not
 * wait; what takes time is done with {@link DeviceBus#after}.
 */
public interface EmulatedDevice {
    /** What the device says of itself in configuration space. */
    DeviceIdentity identity();

    /**
     * The sizes of its memory BARs in bytes, powers of two and at least 16; BARs that are missing at the end do not
     * exist, and 0 stands for one that does not.
     */
    long[] barBytes();

    /** Whether a BAR is 64 bits wide, and so takes the place of the next one, whose size is 0, too. */
    default boolean isWideBar(int bar) {
        return false;
    }

    /** How it interrupts; not at all unless it says so. */
    default DeviceInterrupts interrupts() {
        return DeviceInterrupts.NONE;
    }

    /**
     * Whether it is a PCI Express endpoint, with 4096 bytes of configuration space, a reset of its own (FLR), power
     * management and the interrupt index for errors; else it has 256 bytes, and is reset with its bus.
     */
    default boolean isExpress() {
        return false;
    }

    /**
     * Capabilities of its own, after those that are made of {@link #interrupts} and {@link #isExpress}; those past the
     * first 256 bytes are for PCI Express devices only.
     */
    default List<EmulatedCapability> capabilities() {
        return List.of();
    }

    /**
     * The contents of its expansion ROM, up to 16 MiB; none if it is empty. Linux shows users only images: each begins with
     * the bytes 0x55, 0xaa, and has at 0x18 the place of a PCI data structure ({@code PCIR}), which has the image's length.
     */
    default byte[] rom() {
        return new byte[0];
    }

    /**
     * The files of this computer that it keeps its contents in, which nobody else should write to meanwhile; none unless
     * it says so.
     */
    default List<Path> files() {
        return List.of();
    }

    /** The device is plugged in; called once, before anything else. */
    void plug(DeviceBus bus);

    /** A reset of the function: every register as at power on, everything under way forgotten. */
    void reset();

    /**
     * Whether the device answers an access; one that it does not answer is a machine check.
     *
     * @param size 1, 2, 4 or 8 bytes
     */
    boolean answers(int bar, long offset, int size);

    /**
     * Reads registers.
     *
     * @param offset bytes into the BAR, aligned to {@code size}
     * @param size 1, 2, 4 or 8 bytes
     * @return the value, of which the lowest byte is at the lowest address
     */
    long read(int bar, long offset, int size);

    /**
     * Writes registers.
     *
     * @param offset bytes into the BAR, aligned to {@code size}
     * @param size 1, 2, 4 or 8 bytes
     * @param value of which the lowest byte goes to the lowest address
     */
    void write(int bar, long offset, int size, long value);
}
