package org.jvfio.kernel;

/** Who accesses a part of DMA memory, as a program announces it with {@link Kernel#announce}. */
public enum MemoryUse {
    /** The program alone. */
    PROGRAM,
    /** Devices read it, and the program must not write it. */
    DEVICE_READS,
    /** Devices write it, and the program must not access it. */
    DEVICE_WRITES,
    /** Devices read and write it, and the program must not access it. */
    DEVICE,
    /** The program and devices at the same time, as queues. */
    SHARED
}
