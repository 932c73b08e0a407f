package org.jvfio.cli;

import java.util.Collection;
import java.util.Comparator;

/** The word that a user may have meant. */
final class Suggestion {
    private static final int MAX_DISTANCE = 2;
    /** Of each so many letters, one may be wrong. */
    private static final int LETTERS_PER_MISTAKE = 3;

    private Suggestion() {}

    /** "; did you mean WORD?" with the nearest of the words, or nothing if none is near. */
    static String of(String typed, Collection<String> words) {
        return words.stream()
                .filter(word -> distance(typed, word) <= maxDistance(typed, word))
                .min(Comparator.comparingInt(word -> distance(typed, word)))
                .map(word -> "; did you mean " + word + "?")
                .orElse("");
    }

    /** Short words are alike by chance, unless one is the beginning of the other. */
    private static int maxDistance(String typed, String word) {
        boolean isPart = word.startsWith(typed);
        return isPart ? MAX_DISTANCE : Math.min(MAX_DISTANCE, Math.max(1, word.length() / LETTERS_PER_MISTAKE));
    }

    /**
     * How many letters are to be inserted, removed, replaced or swapped with the next one to make one word of the other
     * (optimal string alignment).
     */
    private static int distance(String left, String right) {
        int[][] rows = new int[left.length() + 1][right.length() + 1];
        for (int row = 0; row <= left.length(); row++) {
            for (int column = 0; column <= right.length(); column++) {
                rows[row][column] = row == 0 || column == 0 ? row + column : step(rows, left, right, row, column);
            }
        }
        return rows[left.length()][right.length()];
    }

    private static int step(int[][] rows, String left, String right, int row, int column) {
        boolean same = left.charAt(row - 1) == right.charAt(column - 1);
        int best = rows[row - 1][column - 1] + (same ? 0 : 1);
        best = Math.min(best, Math.min(rows[row - 1][column], rows[row][column - 1]) + 1);
        boolean swapped = row > 1
                && column > 1
                && left.charAt(row - 1) == right.charAt(column - 2)
                && left.charAt(row - 2) == right.charAt(column - 1);
        return swapped ? Math.min(best, rows[row - 2][column - 2] + 1) : best;
    }
}
