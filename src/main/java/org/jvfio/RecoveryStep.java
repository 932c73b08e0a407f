package org.jvfio;

/** A step of {@link Device#recover} that is done, as the driver is told it. */
public enum RecoveryStep {
    /** The device does not respond, and can perhaps be recovered: the driver submits nothing more to it. */
    DIAGNOSED,
    /**
     * Its registers can be read for a dump, while DMA stays frozen. Left out where the platform cannot do it, as
     * without EEH.
     */
    REGISTERS_READABLE,
    /** The device was reset, and responds; its command register and interrupts are not restored yet. */
    RESET,
    /**
     * The command register, the interrupts and the mapped BARs are as before; windows and mappings were kept. The
     * device is in its reset state, for the driver to initialize again.
     */
    RESTORED
}
