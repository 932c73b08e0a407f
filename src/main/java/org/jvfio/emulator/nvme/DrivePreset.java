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
     * specification, so does this one: constants of {@code Deviation} in the sources name each place. Random commands
     * are answered the same by both, but for these differences, which are by design:
     *
     * <ul>
     *   <li>SGLs and the doorbell buffer are not offered, so two fields of Identify Controller differ (OACS bit 8, SGLS).
     *   <li>The firmware revision is that of a fixed version of QEMU.
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
                    .defaultCopyLimits(new CopyLimits(0, 0, 1)));

    private final String label;
    private final UnaryOperator<EmulatedNvme.Builder> settings;

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
