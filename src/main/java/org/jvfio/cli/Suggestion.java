package org.jvfio.cli;

import java.util.Collection;
import java.util.Comparator;

/** The word that a user may have meant. */
final class Suggestion {
    private static final int MAX_DISTANCE = 2;

    private Suggestion() {}

    /** "; did you mean WORD?" with the nearest of the words, or nothing if none is near. */
    static String of(String typed, Collection<String> words) {
        return words.stream()
                .filter(word -> distance(typed, word) <= MAX_DISTANCE)
                .min(Comparator.comparingInt(word -> distance(typed, word)))
                .map(word -> "; did you mean " + word + "?")
                .orElse("");
    }

    /** How many letters are to be inserted, removed or replaced to make one word of the other (Levenshtein). */
    private static int distance(String left, String right) {
        int[] above = new int[right.length() + 1];
        for (int column = 0; column <= right.length(); column++) {
            above[column] = column;
        }
        for (int row = 1; row <= left.length(); row++) {
            int[] line = new int[right.length() + 1];
            line[0] = row;
            for (int column = 1; column <= right.length(); column++) {
                int replace = above[column - 1] + (left.charAt(row - 1) == right.charAt(column - 1) ? 0 : 1);
                line[column] = Math.min(replace, Math.min(above[column], line[column - 1]) + 1);
            }
            above = line;
        }
        return above[right.length()];
    }
}
