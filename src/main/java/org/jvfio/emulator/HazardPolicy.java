package org.jvfio.emulator;

/** What the emulated kernel does with a call that would harm a real host. */
public enum HazardPolicy {
    /** Throws {@link HostHazard} and changes nothing. What a close does is kept, as with {@link #AS_LINUX}. */
    STOP,
    /**
     * Answers as Linux does and keeps the hazard in {@link EmulatedHost#hazards()}. What never returns on Linux is
     * stopped all the same.
     */
    AS_LINUX
}
