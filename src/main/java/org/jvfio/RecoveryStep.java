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
     * The interrupts, the mapped BARs and settings in configuration space are as before; windows and mappings were
     * kept. The device is in its reset state, for the driver to initialize again.
     *
     * <p>The settings are the command register; and if the driver has written them by {@link Device#config}, the cache
     * line size, latency timer and interrupt line, the device control registers of PCI Express, and the masks,
     * severities and control of advanced error reporting. A reset of the PE leaves these as firmware set them at boot,
     * and a device that is opened again has those of before it was opened. Other registers, as of vendor-specific
     * capabilities, can have side effects: the driver writes them again.
     */
    RESTORED
}
