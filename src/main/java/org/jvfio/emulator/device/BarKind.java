package org.jvfio.emulator.device;

/** What is behind a BAR of an emulated device. */
public enum BarKind {
    /**
     * Memory space with registers, whose accesses can have side effects: {@link EmulatedDevice#read} and {@link
     * EmulatedDevice#write} make them. It cannot be mapped, because a load in Java cannot call the device.
     */
    REGISTERS,
    /**
     * Memory space with plain memory, such as a frame buffer or a controller memory buffer; it is prefetchable, and has
     * 1 GiB at most. The host keeps its bytes, users can map it, and the device accesses it by {@link
     * DeviceBus#barMemory}. Its contents outlive a reset, unless the device clears them.
     */
    MEMORY,
    /**
     * I/O ports, whose accesses are calls of the device as for {@link #REGISTERS}: 4 to 256 bytes, accessed by 1, 2 or
     * 4 bytes. Bridges from PHB3 on have no I/O space, so there the BAR gets no address, as in Linux.
     */
    IO_PORTS
}
