package org.jvfio.bench;

import java.util.Locale;
import org.jvfio.Container;
import org.jvfio.DmaDirection;
import org.jvfio.DmaMapping;
import org.jvfio.DmaMemory;
import org.jvfio.PageSize;
import org.jvfio.emulator.EmulatedKernel;
import org.jvfio.emulator.EmulatedMachine;

/**
 * What mapping and unmapping a page by the library costs on the emulated kernel: nanoseconds of processor time and
 * bytes of heap. {@code scripts/bench --observe} runs it with the library and with one that lacks
 * {@code org.jvfio.observe}, which this class therefore does not know.
 */
public final class MappingCost {
    private static final int PAGE = 1 << 16;
    private static final int WARM_UP_ROUNDS = 3;
    private static final int ROUNDS = 10;

    private MappingCost() {}

    /** Measures, and prints the best of some rounds: {@code MappingCost COUNT}, the pairs of calls in a round. */
    public static void main(String[] arguments) {
        int count = Integer.parseInt(arguments[0]);
        try (Container container = Container.open(EmulatedKernel.boot(EmulatedMachine.power8()))) {
            container.attach(0);
            DmaMemory memory = container.allocate(PAGE);
            DmaMapping mapping = container
                    .createWindow(PageSize.SIZE_64K, 1L << 30, 1)
                    .prepare(memory.range(0, PAGE), DmaDirection.BIDIRECTIONAL);
            ThreadCost best = ThreadCost.best(WARM_UP_ROUNDS, ROUNDS, count, () -> mapAndUnmap(mapping, count));
            System.out.printf(Locale.ROOT, "%.2f %.2f%n", best.nanos(), best.bytes());
        }
    }

    private static void mapAndUnmap(DmaMapping mapping, int count) {
        for (int each = 0; each < count; each++) {
            mapping.map();
            mapping.unmap();
        }
    }
}
