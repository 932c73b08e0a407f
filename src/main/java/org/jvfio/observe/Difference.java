package org.jvfio.observe;

/**
 * A call that differs from a record.
 *
 * @param number the call in the record, from 1; 0 if the record has no such call
 * @param calls the number of calls in the record
 * @param thread the name of the thread that makes it
 * @param recorded the call in the record with its result, or what is there instead
 * @param actual the other call, or the other result
 */
public record Difference(long number, long calls, String thread, String recorded, String actual) {

    /** Both sides in three lines. */
    @Override
    public String toString() {
        String where = number == 0 ? "A call that is not recorded" : "Call %d of %d".formatted(number, calls);
        return "%s, of thread %s:%n  recorded  %s%n  now       %s".formatted(where, thread, recorded, actual);
    }
}
