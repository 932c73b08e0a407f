package org.jvfio;

/**
 * A place where a capability list of a device is malformed, as {@link ConfigSpace#capabilityDefects} reports it. A list
 * ends at an invalid pointer or header; a capability that is too short for its registers is skipped over.
 *
 * @param extended whether it is the list of extended capabilities, which begins at 0x100
 * @param offset where the invalid pointer, header or capability is in configuration space, in bytes
 * @param reason what is wrong there, in one clause
 */
public record CapabilityDefect(boolean extended, int offset, String reason) {

    /** The defect in one clause, as in {@code capability list, 0x41: the pointer leads back to 0x40}. */
    @Override
    public String toString() {
        return "%s list, 0x%x: %s".formatted(extended ? "extended capability" : "capability", offset, reason);
    }
}
