package org.jvfio.emulator;

/**
 * How the kernel log names a partitionable endpoint.
 *
 * @param prefix the beginning of a message about its windows
 * @param domain the PCI domain, which numbers the host bridge
 * @param number its number in its bridge
 */
record PeName(String prefix, int domain, int number) {
    /** As EEH names it. */
    @Override
    public String toString() {
        return "PHB#%x-PE#%x".formatted(domain, number);
    }
}
