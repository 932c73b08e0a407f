package org.jvfio.emulator;

/** What the emulated kernel does when a call would harm a real host. */
public enum HazardPolicy {
    /**
     * Throws {@link HostHazard} and changes nothing. A close cannot be refused: its hazards are recorded, as with
     * {@link #AS_LINUX}.
     */
    STOP,
    /**
     * Executes the call as Linux does and records the hazard in {@link EmulatedHost#hazards()}. A call that never
     * returns on Linux is stopped all the same.
     */
    AS_LINUX
}
