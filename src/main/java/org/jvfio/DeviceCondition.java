package org.jvfio;

import static org.jvfio.uapi.vfio_h.PCI_CLASS_REVISION;

import java.util.Objects;
import java.util.Optional;
import org.jvfio.VfioException.Kind;
import org.jvfio.kernel.Kernel;

/**
 * Whether a device responds, and if not, why: {@link Device#condition}. It is what the kernel and the device report at
 * one moment, and never a guess: where they do not tell a frozen PE from a device that is gone, the state is {@link
 * State#UNKNOWN}.
 *
 * @param state the result
 * @param pe the state of the PE; empty if the platform does not report it
 * @param evidence what was looked at, and what it said. Of a frozen PE it has the newest message of the kernel log
 * about
 *     it, where the log can be read; an emulated host logs the DMA that froze it, as in {@code PE frozen: 0000:01:00.0
 *     wrote 4096 bytes to 0x800000000020000, unmapped 3 ms before by process 2 (EEH state 2)}
 */
public record DeviceCondition(State state, Optional<PeState> pe, String evidence) {
    private static final int ALL_ONES = -1;

    /** What a device does. */
    public enum State {
        /** The device responds. */
        RESPONDING,
        /** Its PE is frozen or in reset, or the host is recovering it. */
        FROZEN,
        /** The device was removed, or does not respond although its PE is not frozen. */
        GONE,
        /** It is in a low power state, in which its BARs are not accessible. */
        ASLEEP,
        /** Its command register disables its memory BARs. */
        DISABLED,
        /** It does not respond, and nothing here tells why. */
        UNKNOWN
    }

    /** Requires all components. */
    public DeviceCondition {
        Objects.requireNonNull(state, "state");
        Objects.requireNonNull(pe, "pe");
        Objects.requireNonNull(evidence, "evidence");
    }

    static DeviceCondition of(State state, Optional<PeState> pe, String evidence) {
        return new DeviceCondition(state, pe, evidence);
    }

    /**
     * The condition of a device that need not be open, nor bound to vfio-pci, from sysfs: {@code eeh_pe_state}, and its
     * class in {@code config}. Nothing is changed: opening a device would thaw its PE.
     *
     * @throws VfioException if there is no such device, or its files cannot be read
     */
    public static DeviceCondition read(Kernel kernel, PciAddress address) {
        PciFunction.at(kernel, address);
        FreezeLog log = new FreezeLog(kernel, address);
        try {
            String path = "/sys/bus/pci/devices/" + address + "/";
            boolean responds = Sysfs.readInt(kernel, path + "config", PCI_CLASS_REVISION) != ALL_ONES;
            // After the access, which may be what froze the PE.
            Optional<PeState> pe = Sysfs.find(kernel, path + "eeh_pe_state").flatMap(PeState::parse);
            PeState state = pe.orElse(PeState.NORMAL);
            if (state != PeState.NORMAL) {
                return of(State.FROZEN, pe, log.describe(state));
            }
            if (responds) {
                return of(State.RESPONDING, pe, "its configuration space responds");
            }
            String evidence = "its configuration space reads all ones";
            return pe.isPresent()
                    ? of(State.GONE, pe, evidence + ", and its PE is not frozen")
                    : of(
                            State.UNKNOWN,
                            pe,
                            evidence + "; the platform does not report its PE: frozen or gone" + log.describe());
        } finally {
            log.close();
        }
    }

    /** Whether the device responds. */
    public boolean isResponding() {
        return state == State.RESPONDING;
    }

    /**
     * The failure of an operation in this condition.
     *
     * @param operation what was to be done, as it follows "cannot"
     */
    public VfioException failure(String operation) {
        return new VfioException(operation, cause());
    }

    Cause cause() {
        return switch (state) {
            case RESPONDING ->
                new Cause(Kind.DEVICE_ERROR, "the access failed, but the device responds: " + evidence, "see dmesg");
            case FROZEN -> new Cause(Kind.FROZEN, evidence, "call Device.recover");
            case GONE -> new Cause(Kind.GONE, evidence, "close the device, and see dmesg");
            case ASLEEP ->
                new Cause(Kind.FROZEN, evidence, "call exitLowPower, or set power state D0, whichever put it to sleep");
            case DISABLED -> new Cause(Kind.FROZEN, evidence, "call enableMemory: a reset of the PE disables it");
            case UNKNOWN -> new Cause(Kind.FROZEN, evidence, "call Device.recover, and see dmesg");
        };
    }

    /** State and evidence, as in {@code FROZEN: its PE is frozen (EEH state 2)}. */
    @Override
    public String toString() {
        return state + ": " + evidence;
    }
}
