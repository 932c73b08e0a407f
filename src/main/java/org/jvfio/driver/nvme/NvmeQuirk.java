package org.jvfio.driver.nvme;

/**
 * A way in which a controller differs from the specification, or from what it reports, and which the driver copes with
 * where it is known: {@link NvmeQuirks} has the drives. {@link NvmeOptions.Builder#quirks} overrides it.
 *
 * <p>The driver copes with these with every drive: queues and lists are in whole pages of 4 KiB, because some
 * controllers fetch more of them than there is (Phison E12, Silicon Motion SM226x: Linux 530436c45ef2); the admin
 * queues have 64 entries, because some accept only multiples (Microsoft Azure 1414:b111: SPDK,
 * NVME_QUIRK_MINIMUM_ADMIN_QUEUE_SIZE); and registers that read all ones for up to a second after the device was
 * opened, reset or disabled are read again (Samsung PM1743: SPDK issue 3675; Toshiba RD400: SPDK issue 105).
 */
public enum NvmeQuirk {
    /** After CC.EN was cleared, CSTS must not be read for 2.3 seconds. */
    READY_CHECK_DELAY,
    /**
     * Identify knows controllers and namespaces (CNS 00h and 01h), and returns something else for other structures:
     * namespaces are identified one by one, and those of other command sets than NVM are not enabled.
     */
    NO_NAMESPACE_LIST,
    /** MSI interrupts, but not MSI-X, are never sent: the driver polls instead. */
    BROKEN_MSI,
    /** Write Zeroes is reported, and does not work or takes very long: it counts as not supported. */
    NO_WRITE_ZEROES,
    /** Bus addresses have 48 bits: a window above them, as that at 1&lt;&lt;59, is refused. */
    DMA_48_BITS,
    /** I/O queues accept no commands right after they were created: the driver waits for 100 ms. */
    QUEUE_CREATION_DELAY
}
