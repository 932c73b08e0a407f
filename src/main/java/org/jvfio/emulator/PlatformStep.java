package org.jvfio.emulator;

/** What a platform does for ownership and windows, and what {@link EmulatedHost#failNext} can make it fail at. */
public enum PlatformStep {
    /** The host gives its group away. */
    TAKE_OWNERSHIP,
    /** A table for VFIO is made. */
    CREATE_TABLE,
    /** The host bridge is told to translate with a table of VFIO's. */
    SET_WINDOW,
    /** The host's own table is made again. */
    CREATE_HOST_TABLE,
    /** The host bridge is told to translate with the host's own table again. */
    SET_HOST_WINDOW
}
