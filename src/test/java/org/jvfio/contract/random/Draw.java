package org.jvfio.contract.random;

import java.util.List;
import java.util.Random;

/** Random choices, the same ones for the same seed. */
public final class Draw {
    private final Random random;

    public Draw(long seed) {
        random = new Random(seed * 0x9e3779b97f4a7c15L);
    }

    /** Whether something happens that happens once in so many times. */
    public boolean oneIn(int times) {
        return random.nextInt(times) == 0;
    }

    /** A number from 0 on that is below the bound. */
    public int below(int bound) {
        return random.nextInt(bound);
    }

    public long below(long bound) {
        return random.nextLong(bound);
    }

    @SafeVarargs
    public final <T> T pick(T... choices) {
        return choices[random.nextInt(choices.length)];
    }

    public <T> T pick(List<T> choices) {
        return choices.get(random.nextInt(choices.size()));
    }
}
