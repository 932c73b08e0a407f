package org.jvfio.cli;

import java.util.List;

/** Lists and counts as a sentence has them. */
final class Words {
    private Words() {}

    /** {@code a, b or c}. */
    static String oneOf(List<String> words) {
        return join(words, " or ");
    }

    /** {@code a, b and c}. */
    static String all(List<String> words) {
        return join(words, " and ");
    }

    private static String join(List<String> words, String last) {
        return words.size() < 2
                ? String.join("", words)
                : String.join(", ", words.subList(0, words.size() - 1)) + last + words.getLast();
    }

    /** {@code 1 window} or {@code 2 windows}. */
    static String count(long count, String thing) {
        return count + " " + thing + (count == 1 ? "" : "s");
    }
}
