package org.jvfio.bench;

import org.jvfio.ioctl.MapDma;
import org.jvfio.ioctl.TceCreate;
import org.jvfio.ioctl.TceRemove;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Setup;

/** Creating and removing a window of 64K pages; with {@code -prof gc}, how much heap it takes. */
public class WindowBenchmark extends EmulatedBenchmark {
    /** The size of the window in bytes: 2 GiB and 1 TiB. */
    @Param({"2147483648", "1099511627776"})
    private long bytes;

    private final long memory = process.registeredMemory(PAGE);
    private final TceCreate create = process.windowOf(SHIFT_64K, 0, 2);
    private final TceRemove remove = process.removalOf(BenchProcess.SECOND_WINDOW);
    private final MapDma map = process.mapOf(memory, BenchProcess.SECOND_WINDOW, PAGE);

    @Setup
    public void setSize() {
        create.fill(SHIFT_64K, bytes, 2);
    }

    @Benchmark
    public void createAndRemove() {
        process.call(create);
        process.call(remove);
    }

    /** With one page mapped in it, for which the levels of the table are made; removing the window unmaps it. */
    @Benchmark
    public void createMapPageAndRemove() {
        process.call(create);
        process.call(map);
        process.call(remove);
    }
}
