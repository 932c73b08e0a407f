package org.jvfio.emulator;

/** The operations of a platform that lets user space create windows; the host's own window is removed for it. */
interface WindowCalls extends TableGroupCalls {
    /** Creates the host's own window, and enables bypass if the platform has it. */
    void setUpHost(Pe pe);

    @Override
    default boolean makesWindows() {
        return true;
    }

    @Override
    default void releaseOwnership(Pe pe) {
        if (pe.window(0) == null) {
            setUpHost(pe);
        }
        pe.hostOwned(true);
    }
}
