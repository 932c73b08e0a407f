package org.jvfio.emulator.device;

import java.nio.file.Path;
import java.util.List;

/**
 * A PCI device below an emulated host bridge. The host calls its registers; it uses a {@link DeviceBus} for DMA,
 * interrupts and time. Implement it to prototype a driver without the hardware. {@link
 * org.jvfio.emulator.EmulatedMachine.Builder#device} adds it to a machine, as does a machine file if it has a {@link
 * DeviceModel}. The emulator builds its configuration space from the properties here, which do not change and are not
 * null; it reads them before the device has its bus. {@code Adder}, among the examples in this project's tests, is a
 * device with its driver.
 *
 * <p>The host's lock is held during all calls, so a device needs no locking of its own and must not block; use {@link
 * DeviceBus#after} for what takes time.
 */
public interface EmulatedDevice {
    /** Its identity in configuration space. */
    DeviceIdentity identity();

    /**
     * The sizes of its BARs in bytes: powers of two, at least 16 (at least 4 of I/O ports), or 0 for a BAR that does
     * not exist; trailing BARs can be omitted.
     */
    long[] barBytes();

    /** What is behind a BAR that exists; registers by default. */
    default BarKind barKind(int bar) {
        return BarKind.REGISTERS;
    }

    /** Whether a BAR is 64 bits wide; it then also occupies the next BAR, whose size must be 0. */
    default boolean isWideBar(int bar) {
        return false;
    }

    /** Its interrupts; none by default. */
    default DeviceInterrupts interrupts() {
        return DeviceInterrupts.NONE;
    }

    /**
     * Whether it is a PCI Express endpoint: with 4096 bytes of configuration space, FLR, power management and an error
     * interrupt. Other devices have 256 bytes, are reset with their bus, and have an error interrupt from Linux 7.3 on.
     */
    default boolean isExpress() {
        return false;
    }

    /**
     * Additional capabilities, after those created from {@link #interrupts} and {@link #isExpress}. Extended
     * capabilities are for PCI Express devices only.
     */
    default List<EmulatedCapability> capabilities() {
        return List.of();
    }

    /**
     * The contents of its expansion ROM, 26 bytes to 16 MiB; empty for no ROM. Linux shows users only valid images:
     * each begins with the bytes 0x55, 0xaa, and has at 0x18 the offset of a PCI data structure ({@code PCIR}) with the
     * image's length.
     */
    default byte[] rom() {
        return new byte[0];
    }

    /**
     * The files on this computer that back it, which no other program should write to; none by default.
     */
    default List<Path> files() {
        return List.of();
    }

    /**
     * Plugs the device into a host; called once, when the host has read the properties above, and before {@link #reset}
     * and all accesses of registers. The properties can be read again later.
     */
    void plug(DeviceBus bus);

    /** A function reset: sets all registers to their power-on values, and cancels operations in flight. */
    void reset();

    /**
     * Whether the device supports an access; an unsupported access causes a machine check. It is not called for a BAR
     * of {@linkplain BarKind#MEMORY memory}, and neither are {@link #read} and {@link #write}.
     *
     * @param size 1, 2, 4 or 8 bytes
     */
    boolean answers(int bar, long offset, int size);

    /**
     * Whether an access that the device supports is one that drivers must not make: no register is there, the register
     * is reserved, or it has another width. The device answers it all the same; a sanitizer reports it.
     *
     * @param size 1, 2, 4 or 8 bytes
     */
    default boolean isReserved(int bar, long offset, int size) {
        return false;
    }

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
