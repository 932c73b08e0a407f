package org.jvfio.emulator;

/** A step of a platform for ownership and windows, which {@link EmulatedHost#failNext} can make fail. */
public enum PlatformStep {
    /** The host releases ownership of its group. */
    TAKE_OWNERSHIP,
    /** A table for VFIO is allocated. */
    CREATE_TABLE,
    /** The host bridge is set to translate with a table of VFIO. */
    SET_WINDOW,
    /** The host's own table is allocated again. */
    CREATE_HOST_TABLE,
    /** The host bridge is set to translate with the host's own table again. */
    SET_HOST_WINDOW
}
