package org.jvfio;

/**
 * Why a call failed, and what helps.
 *
 * @param reason what is wrong
 * @param hint what to do about it
 */
record Cause(String reason, String hint) {

    /** For an answer of the kernel that has no known cause here. */
    static Cause unknown() {
        return new Cause("the kernel refused", "the kernel's log may tell more: dmesg");
    }
}
