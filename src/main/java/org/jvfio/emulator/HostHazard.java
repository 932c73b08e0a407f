package org.jvfio.emulator;

/**
 * Thrown by an emulated system call that would have hung, corrupted, leaked or warned in a real kernel.
 *
 * <p>It is a bug of the calling program that no errno would report. {@link
 * EmulatedMachine.Builder#hazards(HazardPolicy)} makes the emulated kernel behave as Linux does instead.
 */
public final class HostHazard extends RuntimeException {
    private static final long serialVersionUID = 1L;

    private final transient Hazard hazard;

    HostHazard(Hazard hazard, String call) {
        super(call + ": " + hazard.harm() + " [" + hazard + "; " + hazard.where() + "]");
        this.hazard = hazard;
    }

    /** The hazard. */
    public Hazard hazard() {
        return hazard;
    }
}
