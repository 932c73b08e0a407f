package org.jvfio.observe.sanitize;

import java.util.List;
import java.util.Objects;

/**
 * A mistake of a driver that a {@link Sanitizer} has seen.
 *
 * @param kind what kind of mistake
 * @param text what happened, in a sentence without a full stop
 * @param sites where: the first is the place of the mistake or, of what was left, of its creation; those that follow
 *     are the places that the text refers to, such as that of the mapping. Empty if a device did it by itself
 * @param times how often it happened, from 1
 */
public record Finding(Kind kind, String text, List<Site> sites, int times) {
    /** The kinds of mistakes. */
    public enum Kind {
        /** A descriptor was not closed. */
        LEFT_OPEN,
        /** Memory is still mapped at bus addresses. */
        LEFT_MAPPED,
        /** Memory is still registered for DMA. */
        LEFT_REGISTERED,
        /** A DMA window was not removed. */
        LEFT_WINDOW,
        /** Memory of {@code mmap} was not unmapped. */
        LEFT_ALLOCATED,
        /** Interrupts or bus mastering of a device were not disabled. */
        LEFT_ENABLED,
        /** A call that would harm a real host. */
        HAZARD,
        /** DMA to a bus address that was unmapped before, or to memory that was freed. */
        STALE_DMA,
        /** DMA to a bus address that was never mapped, or is mapped for the other direction. */
        UNMAPPED_DMA,
        /** DMA to memory that is mapped, outside of the parts that the driver gave to the device. */
        DMA_OUTSIDE_BUFFER,
        /** The driver takes memory back for reading that the device has not written. */
        NEVER_WRITTEN,
        /** The program wrote memory while the device owned it. */
        WRITTEN_WHILE_OWNED,
        /** An access to registers that are reserved, or of the wrong width. */
        RESERVED_REGISTER,
        /** An interrupt that the driver never took note of. */
        UNACKNOWLEDGED_INTERRUPT,
        /** A call that can block, made with a lock held. */
        LOCK_HELD
    }

    /** Requires all components. */
    public Finding {
        Objects.requireNonNull(kind, "kind");
        Objects.requireNonNull(text, "text");
        sites = List.copyOf(sites);
        if (times < 1) {
            throw new IllegalArgumentException("a finding happened at least once, not " + times + " times");
        }
    }

    Finding again() {
        return new Finding(kind, text, sites, times + 1);
    }

    /** The kind and the text in a line, and lines with the sites. */
    @Override
    public String toString() {
        StringBuilder all = new StringBuilder(kind + ": " + text);
        if (times > 1) {
            all.append(" (").append(times).append(" times)");
        }
        sites.forEach(site -> all.append(System.lineSeparator()).append(site));
        return all.toString();
    }
}
