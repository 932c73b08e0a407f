package org.jvfio.contract;

import java.util.List;
import java.util.Random;

/** Random choices, the same ones for the same seed. */
final class Draw {
    private final Random random;

    Draw(long seed) {
        random = new Random(seed * 0x9e3779b97f4a7c15L);
    }

    /** Whether something happens that happens once in so many times. */
    boolean oneIn(int times) {
        return random.nextInt(times) == 0;
    }

    /** A number from 0 on that is below the bound. */
    int below(int bound) {
        return random.nextInt(bound);
    }

    long below(long bound) {
        return random.nextLong(bound);
    }

    @SafeVarargs
    final <T> T pick(T... choices) {
        return choices[random.nextInt(choices.length)];
    }

    <T> T pick(List<T> choices) {
        return choices.get(random.nextInt(choices.size()));
    }
}
