package org.jvfio.emulator.nvme;

import java.util.Arrays;
import java.util.EnumSet;
import java.util.Optional;
import java.util.function.UnaryOperator;
import org.jvfio.emulator.nvme.NamespaceOptions.CopyLimits;

/** A known drive that an {@link EmulatedNvme} can be like. */
public enum DrivePreset {
    /**
     * The controller of QEMU 10 with a drive of its own ({@code -device nvme,drive=...}). Where it differs from the
     * specification, so does this one: constants of {@code Deviation} in the sources name each place. {@code
     * scripts/power diff --nvme} compares the two with random commands. These differences are by design:
     *
     * <ul>
     *   <li>SGLs and the doorbell buffer are not offered: two fields of Identify Controller differ (OACS bit 8, SGLS).
     *   <li>The firmware revision is that of a fixed version of QEMU.
     *   <li>The effects log does not list Security Send and Receive, which QEMU 11's does.
     *   <li>A DMA to an unmapped address fails, and may freeze the PE: in QEMU the host bridge loses the data.
     *   <li>Protection information, zones, and copying between namespaces are refused.
     *   <li>Read and write counters of the health log count commands, those of QEMU what its block layer does.
     *   <li>Deallocated or Unwritten Logical Block (DULBE) is never returned; QEMU's answer depends on the file system.
     * </ul>
     */
    QEMU(
            "qemu",
            builder -> builder.model("QEMU NVMe Ctrl")
                    .commandLimits(new CommandLimits(7, 0, 255, 0x3fffff, 255L * 0x3fffff))
                    .commands(EnumSet.allOf(OptionalCommand.class))
                    .deviations(Deviation.QEMU)
                    .defaultCopyLimits(new CopyLimits(0, 0, 1))),
    /** HGST Ultrastar SN100: hangs when CSTS is read too early. */
    HGST_SN100("hgst-sn100", 0x1c58, 0x0003, "HGST SN100", DriveOddity.HANGS_ON_EARLY_READY_CHECK),
    /** WDC Ultrastar SN200: as {@link #HGST_SN100}. */
    WDC_SN200("wdc-sn200", 0x1c58, 0x0023, "WDC SN200", DriveOddity.HANGS_ON_EARLY_READY_CHECK),
    /** Seagate Nytro: as {@link #HGST_SN100}. */
    SEAGATE_NYTRO("seagate-nytro", 0x1bb1, 0x0100, "Seagate Nytro", DriveOddity.HANGS_ON_EARLY_READY_CHECK),
    /** Memblaze PBlaze4: as {@link #HGST_SN100}. */
    MEMBLAZE_PBLAZE4("memblaze-pblaze4", 0x1c5f, 0x0540, "Memblaze PBlaze4", DriveOddity.HANGS_ON_EARLY_READY_CHECK),
    /** Samsung PM1725: as {@link #HGST_SN100}. */
    SAMSUNG_PM1725("samsung-pm1725", 0x144d, 0xa821, "Samsung PM1725", DriveOddity.HANGS_ON_EARLY_READY_CHECK),
    /** Samsung PM1725a: as {@link #HGST_SN100}, and Write Zeroes does not work. */
    SAMSUNG_PM1725A(
            "samsung-pm1725a",
            0x144d,
            0xa822,
            "Samsung PM1725a",
            DriveOddity.HANGS_ON_EARLY_READY_CHECK,
            DriveOddity.IGNORES_WRITE_ZEROES),
    /** Samsung PM1743: as {@link #HGST_SN100}, and its registers read all ones at first. */
    SAMSUNG_PM1743(
            "samsung-pm1743",
            0x144d,
            0xa826,
            "Samsung PM1743",
            DriveOddity.HANGS_ON_EARLY_READY_CHECK,
            DriveOddity.LATE_REGISTERS),
    /** Samsung Portable SSD X5: as {@link #HGST_SN100}; its PCI ids are those of a drive that is not. */
    SAMSUNG_X5("samsung-x5", 0x144d, 0xa808, "Samsung Portable SSD X5", DriveOddity.HANGS_ON_EARLY_READY_CHECK),
    /** Phison E12: reads a whole page of a range list. */
    PHISON_E12("phison-e12", 0x1987, 0x5012, "Phison E12", DriveOddity.OVER_READS_RANGES),
    /** Sandisk SN530: sends no MSI interrupts. */
    SANDISK_SN530("sandisk-sn530", 0x15b7, 0x5008, "Sandisk SN530", DriveOddity.SILENT_MSI),
    /** Intel P3520: its Identify knows no lists. */
    INTEL_P3520("intel-p3520", 0x8086, 0x0a53, "Intel P3520", DriveOddity.NO_IDENTIFY_LISTS),
    /** Intel 600P: Write Zeroes does not work. */
    INTEL_600P("intel-600p", 0x8086, 0xf1a5, "Intel 600P", DriveOddity.IGNORES_WRITE_ZEROES),
    /** QEMU's controller before 6.0: its Identify confuses lists, and Write Zeroes does not work. */
    QEMU_5(
            "qemu-5",
            0x8086,
            0x5845,
            "QEMU NVMe Ctrl",
            DriveOddity.CONFUSES_IDENTIFY_LISTS,
            DriveOddity.IGNORES_WRITE_ZEROES),
    /** Microsoft Azure: its admin submission queue has a multiple of 64 entries. */
    AZURE("azure", 0x1414, 0xb111, "Microsoft NVMe Direct Disk", DriveOddity.NEEDS_WHOLE_ADMIN_QUEUE),
    /** Amazon EBS: bus addresses have 48 bits. */
    AMAZON_EBS("amazon-ebs", 0x1d0f, 0x8061, "Amazon Elastic Block Store", DriveOddity.DMA_48_BITS),
    /** VirtualBox: new I/O queues are not ready at once. */
    VIRTUALBOX("virtualbox", 0x80ee, 0x4e56, "ORCL-VBOX-NVME-VER12", DriveOddity.SLOW_QUEUE_CREATION),
    /** Any drive whose interrupts never come. */
    SILENT("silent", DriveOddity.SILENT_INTERRUPTS),
    /** Any drive that is degraded, and refuses I/O queues. */
    DEGRADED("degraded", DriveOddity.REFUSES_QUEUES),
    /** Any drive whose namespaces take a while to get ready. */
    SLOW_START("slow-start", DriveOddity.NOT_READY_AT_FIRST);

    private static final int MSI_MESSAGES = 32;

    private final String label;

    @SuppressWarnings("ImmutableEnumChecker") // lambdas without state
    private final UnaryOperator<EmulatedNvme.Builder> settings;

    DrivePreset(String label, DriveOddity oddity) {
        this(label, builder -> builder.oddities(EnumSet.of(oddity)));
    }

    DrivePreset(String label, int vendor, int device, String model, DriveOddity first, DriveOddity... more) {
        this(
                label,
                builder -> builder.pciId(vendor, device)
                        .model(model)
                        .msi(MSI_MESSAGES)
                        .oddities(EnumSet.of(first, more)));
    }

    DrivePreset(String label, UnaryOperator<EmulatedNvme.Builder> settings) {
        this.label = label;
        this.settings = settings;
    }

    /** Its name in machine files. */
    public String label() {
        return label;
    }

    /** The drive with a name of {@link #label}. */
    public static Optional<DrivePreset> of(String label) {
        return Arrays.stream(values()).filter(each -> each.label.equals(label)).findFirst();
    }

    /** A builder with the settings of the drive, which can be changed. */
    public EmulatedNvme.Builder builder() {
        return settings.apply(EmulatedNvme.builder());
    }
}
