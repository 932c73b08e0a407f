package org.jvfio.bench;

import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Setup;

/** A device interrupts its driver, when the driver writes a register. */
public class InterruptBenchmark extends EmulatedBenchmark {
    private int event;

    @Setup
    public void enable() {
        event = process.messageEvent();
    }

    /** A write of a register that does nothing. */
    @Benchmark
    public void write() {
        process.write(DmaEngine.NOTHING, 0L);
    }

    /** A write of a register that sends a message. */
    @Benchmark
    public void writeAndSend() {
        process.write(DmaEngine.SEND, 0L);
    }

    /** A write of a register that sends a message, and the read of its eventfd. */
    @Benchmark
    public void writeSendAndTake() {
        process.write(DmaEngine.SEND, 0L);
        process.take(event);
    }
}
