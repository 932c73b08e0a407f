package org.jvfio.contract.host;

import java.util.ArrayList;
import java.util.List;
import org.jvfio.emulator.EmulatedMachine;
import org.jvfio.emulator.KernelVersion;
import org.jvfio.emulator.Platform;
import org.jvfio.observe.sanitize.ExpectedFindings;

/** A host that the contract is checked on, with what is known of it without asking VFIO. */
public interface ContractHost {

    Platform platform();

    /** The version of Linux: its own, or the last one before it that differs for a VFIO program. */
    KernelVersion version();

    /** Whether EEH is on. */
    boolean hasEeh();

    /** Whether a DMA that fails freezes the partitionable endpoint; QEMU's host bridges only drop it. */
    boolean freezes();

    /**
     * Whether the platform resets endpoints however often it is asked to. Under QEMU's PHB4 and PHB5 the firmware loses
     * track of its slot after some resets ("Unexpected slot state"): each later one is an EIO, and the kernel then
     * removes the device. The first resets after boot succeed, so that with the system property {@code jvfio.resets} a
     * test of them can be run alone.
     */
    boolean resetsReliably();

    /**
     * Whether PCI Express devices have 4096 bytes of configuration space; below QEMU's PHB3 they have but the first
     * 256.
     */
    boolean hasExtendedConfig();

    /** Whether the kernel can take a device's power (D3hot); below QEMU's PHB4 and PHB5 the device stays in D0. */
    boolean takesPower();

    /** Starts a process that may open all groups and has CAP_IPC_LOCK. */
    VfioProcess start();

    /**
     * Starts such a process for a test of the project's drivers: the sanitizer must find nothing in it, where there is
     * one, on an emulated host.
     *
     * @param expected the mistakes that the test makes on purpose: it adds them as it makes them
     */
    default VfioProcess startWatched(ExpectedFindings expected) {
        return start();
    }

    /** Starts such a process for a test that makes no mistake. */
    default VfioProcess startWatched() {
        return startWatched(new ExpectedFindings());
    }

    /** An emulated machine like this host, to compare it with. It stops at the hazards that the host must not meet. */
    EmulatedMachine mirror();

    /** Devices that vfio-pci has, each alone in its group. */
    List<PciDevice> devices();

    /** Starts a process for scripts, with CAP_IPC_LOCK. */
    ScriptedProcess startScripted();

    /** How many random sequences of calls the contract is checked with. */
    int randomSequences();

    /** Whether a struct may be at an address of the kernel's: what Linux 7.2 then reads is not known. */
    default boolean readsKernelAddresses() {
        return version().atLeast(KernelVersion.V7_2);
    }

    /** What random sequences do not do on this host. */
    default List<String> neverSent() {
        List<String> never = new ArrayList<>(List.of(
                "DMA of devices, and registers of devices but for those with one known value",
                "whether a BAR can be mapped, which none of the emulator can",
                "the addresses in BARs before they are written, and registers outside of all capabilities, which QEMU's"
                        + " devices keep when they are reset",
                "resets of a function by its PCI Express capability",
                "unmapping of huge pages, whose addresses another mapping would get",
                "resets by EEH_PE_OP: under QEMU a device cannot be opened again after some of them (ENODEV)"));
        if (readsKernelAddresses()) {
            never.add(
                    "structs at addresses of the kernel's, from 0x8000000000000000 on: this Linux does not answer EFAULT");
        }
        if (isPowernv()) {
            never.add("resets of a bus, by DEVICE_RESET of a conventional device or PCI_HOT_RESET: each takes firmware"
                    + " seconds, and under QEMU's PHB4 and PHB5 the slot is lost in the end");
        }
        if (!hasExtendedConfig()) {
            never.add("the size and the end of an NVMe controller's configuration space, of which this host has less");
        }
        if (!takesPower()) {
            never.add("power states: devices stay in D0");
        }
        return never;
    }

    /** Whether VFIO gets the host's table of a group lent, and makes none. */
    default boolean lendsTables() {
        return switch (platform()) {
            case P5IOC2, IODA1 -> true;
            case PHB3, PHB4, PHB5 -> version().before(KernelVersion.V4_2);
            case PSERIES -> version().before(KernelVersion.V6_11);
        };
    }

    default boolean isPowernv() {
        return platform().isPowernv();
    }
}
