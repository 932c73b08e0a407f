package org.jvfio.emulator;

/**
 * Thrown out of an emulated system call that would have spun, corrupted, leaked or warned in a real kernel.
 *
 * <p>It is an error of the program that made the call, which no errno would have told it of. With
 * {@link EmulatedMachine.Builder#hazards(HazardPolicy)} the emulated kernel can be made to answer as Linux does.
 */
public final class HostHazard extends RuntimeException {
    private static final long serialVersionUID = 1L;

    private final transient Hazard hazard;

    HostHazard(Hazard hazard, String call) {
        super(call + ": " + hazard.harm() + " [" + hazard + "; " + hazard.where() + "]");
        this.hazard = hazard;
    }

    /** Which hazard it is. */
    public Hazard hazard() {
        return hazard;
    }
}
