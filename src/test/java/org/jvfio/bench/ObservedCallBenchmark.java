package org.jvfio.bench;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.jvfio.emulator.EmulatedKernel;
import org.jvfio.emulator.EmulatedMachine;
import org.jvfio.kernel.Kernel;
import org.jvfio.observe.Observer;
import org.jvfio.observe.RecordOptions;
import org.jvfio.observe.TraceForm;
import org.jvfio.uapi.vfio_h;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/** What observation adds to a call: sysconf of the emulated kernel costs next to nothing itself. */
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(1)
@State(Scope.Benchmark)
public class ObservedCallBenchmark {
    /** How the call is observed. */
    @Param({"none", "record", "jfr"})
    private String form = "none";

    private @Nullable Observer observer;
    private @Nullable Path file;
    private Kernel kernel = EmulatedKernel.boot(EmulatedMachine.power8());

    /** With the parameter that JMH sets. */
    public ObservedCallBenchmark() {}

    ObservedCallBenchmark(String form) {
        this.form = form;
    }

    @Setup
    public void observe() throws IOException {
        if (form.equals("none")) {
            return;
        }
        Path trace = Files.createTempFile("jvfio", "." + form);
        file = trace;
        Observer made = form.equals("jfr")
                ? Observer.trace(TraceForm.JFR, trace, true, "a benchmark")
                : Observer.record(RecordOptions.of(trace), "a benchmark");
        observer = made;
        kernel = made.observe(kernel);
    }

    @Benchmark
    public long sysconf() {
        return kernel.sysconf(vfio_h._SC_PAGESIZE);
    }

    @TearDown
    public void end() throws IOException {
        if (observer != null) {
            observer.close();
        }
        if (file != null) {
            Files.deleteIfExists(file);
        }
    }
}
