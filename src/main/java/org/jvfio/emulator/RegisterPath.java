package org.jvfio.emulator;

import java.time.Duration;

/**
 * The way of an access to the registers of a PCI function: whether it arrives there, or reads all ones and has no
 * effect. Guarded by the host's lock.
 */
final class RegisterPath {
    /** The expansion ROM, where a BAR is asked for. */
    static final int ROM = -1;

    private final EmulatedHost host;
    private final PciFunction function;
    private final Pe pe;
    private boolean barsLost;
    private boolean removed;
    private boolean becomesSilent;
    private long silentUntil;

    RegisterPath(EmulatedHost host, PciFunction function, Pe pe) {
        this.host = host;
        this.function = function;
        this.pe = pe;
    }

    /**
     * Whether an access of a BAR arrives.
     *
     * @param busAddress where it is made
     * @param bar the BAR, or {@link #ROM}
     */
    boolean reaches(long busAddress, boolean write, int bar) {
        return pe.registerAccess(busAddress, write) && !removed && !isSilent() && !lacksBars(bar);
    }

    /** Whether loads from a mapped BAR arrive. */
    boolean isOpen() {
        return !pe.registersFrozen() && !removed && !barsLost && !isSilent();
    }

    private boolean lacksBars(int bar) {
        if (barsLost) {
            function.machineCheck(() -> ("access to %s of %s, which lost its BARs in the reset of its PE; write its"
                            + " command register, upon which vfio-pci restores them")
                    .formatted(bar == ROM ? "the ROM" : "BAR " + bar, function.address()));
        }
        return barsLost;
    }

    /** The device decodes no BARs until {@link #restoreBars}. */
    void loseBars() {
        barsLost = true;
    }

    void restoreBars() {
        barsLost = false;
    }

    /** The function was pulled out of its slot. */
    void remove() {
        removed = true;
    }

    boolean isRemoved() {
        return removed;
    }

    /** The function was bound to vfio-pci, but is not to be silent before its first open. */
    void bound(boolean atBoot) {
        becomesSilent = atBoot;
        if (!atBoot) {
            beSilent();
        }
    }

    void opened() {
        if (becomesSilent) {
            becomesSilent = false;
            beSilent();
        }
    }

    private void beSilent() {
        Duration silence = function.options().silence();
        if (silence.isPositive()) {
            silentUntil = host.kernelLog().micros() + silence.toNanos() / 1000;
            // At its end the host shows the contents of mapped BARs again.
            host.after(silence, () -> {});
        }
    }

    private boolean isSilent() {
        return silentUntil != 0 && host.kernelLog().micros() < silentUntil;
    }
}
