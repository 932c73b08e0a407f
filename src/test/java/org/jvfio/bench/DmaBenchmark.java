package org.jvfio.bench;

import java.lang.foreign.MemorySegment;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Setup;

/** A device copies memory by DMA, started by a write to its register; beside it, the same copy without a device. */
public class DmaBenchmark extends EmulatedBenchmark {
    /** What is copied, in bytes. */
    @Param({"4096", "1048576"})
    private int bytes;

    /** The pages of the window, as a shift. */
    @Param({"12", "16"})
    private int pageShift;

    private MemorySegment memory = MemorySegment.NULL;
    private MemorySegment buffer = MemorySegment.NULL;

    @Setup
    public void map() {
        long registered = Math.max(bytes, PAGE);
        long address = process.registeredMemory(registered);
        process.call(process.windowOf(pageShift, GIB, 1));
        process.call(process.mapOf(address, BenchProcess.SECOND_WINDOW, registered));
        memory = process.kernel().memory(address, bytes);
        buffer = engine.buffer(bytes);
    }

    /** The device reads memory. */
    @Benchmark
    public void readMemory() {
        process.write(DmaEngine.READ, BenchProcess.SECOND_WINDOW);
    }

    /** The device writes memory. */
    @Benchmark
    public void writeMemory() {
        process.write(DmaEngine.WRITE, BenchProcess.SECOND_WINDOW);
    }

    /** What {@link #readMemory} copies, without a device. */
    @Benchmark
    public void plainCopy() {
        MemorySegment.copy(memory, 0, buffer, 0, bytes);
    }
}
