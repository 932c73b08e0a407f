package org.jvfio.driver.nvme;

/** A list that a command's data pointer names, in the memory of its slot. */
enum CommandList {
    /** None: the data pointer names the data, if any. */
    NONE,
    /** The range of a Dataset Management command. */
    RANGE,
    /** The source range of a Copy command. */
    SOURCE
}
