package org.jvfio.observe;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.io.Writer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;
import jdk.jfr.Name;
import jdk.jfr.Recording;
import org.jspecify.annotations.Nullable;
import org.jvfio.kernel.Kernel;

/**
 * A trace or a record of the calls that a program makes. {@link #observe} gives the kernel that the program has to use.
 * Each kernel has a file of its own: that of the second one ends in {@code .2}, and so on. May be used by any number of
 * threads.
 */
public final class Observer implements AutoCloseable {
    /** The trace or record of one kernel. */
    private interface Observation extends AutoCloseable {
        Kernel kernel();

        @Override
        void close() throws IOException;
    }

    /** Begins to observe a kernel, the first being number 1. */
    private interface Opening {
        Observation open(Kernel kernel, int number) throws IOException;
    }

    private final Opening opening;
    private final IdentityHashMap<Kernel, Observation> observations = new IdentityHashMap<>();
    private boolean closed;

    private Observer(Opening opening) {
        this.opening = opening;
    }

    /**
     * Records calls in a file.
     *
     * @param recorded what is recorded, such as a command line, for those who read the record
     */
    public static Observer record(RecordOptions options, String recorded) {
        return new Observer((kernel, number) -> record(kernel, withFile(options, number), recorded));
    }

    /**
     * Traces calls to a file, which is replaced if it exists.
     *
     * @param registers whether devices are reported as not mappable, so that accesses of registers are calls
     * @param traced what is traced, such as a command line
     */
    public static Observer trace(TraceForm form, Path file, boolean registers, String traced) {
        return switch (form) {
            case RECORD ->
                record(
                        new RecordOptions(file, RecordOptions.DEFAULT_BYTES, RecordOptions.ALL, false, registers),
                        traced);
            case JFR -> new Observer((kernel, number) -> new Flight(kernel, numbered(file, number), registers));
            case TEXT, PERFETTO ->
                new Observer((kernel, number) ->
                        live(kernel, form, Files.newBufferedWriter(numbered(file, number)), registers));
        };
    }

    /**
     * Traces calls as text or for Perfetto.
     *
     * @param out closed with the trace
     * @throws IllegalArgumentException if the form is another
     */
    public static Observer trace(TraceForm form, Writer out, boolean registers) {
        if (form != TraceForm.TEXT && form != TraceForm.PERFETTO) {
            throw new IllegalArgumentException("a trace in the form " + form + " needs a file");
        }
        return new Observer((kernel, number) -> live(kernel, form, out, registers));
    }

    private static Path numbered(Path file, int number) {
        return number == 1 ? file : file.resolveSibling(file.getFileName() + "." + number);
    }

    private static RecordOptions withFile(RecordOptions options, int number) {
        return new RecordOptions(
                numbered(options.file(), number),
                options.maxBytes(),
                options.keep(),
                options.memory(),
                options.registers());
    }

    private static Observation record(Kernel kernel, RecordOptions options, String recorded) throws IOException {
        RecordRing ring = new RecordRing(options, HostFacts.of(kernel, recorded).text());
        return new Logged(
                kernel,
                new CallLog(ring, false),
                options.registers(),
                options.memory() ? new DmaShadow(kernel) : null) {
            @Override
            void ended() throws IOException {
                Optional<IOException> failure = ring.failure();
                if (failure.isPresent()) {
                    throw failure.get();
                }
            }
        };
    }

    /** Writes calls that a source passes on. */
    static void write(TraceForm form, Writer out, Consumer<CallDecoder.Listener> calls) throws IOException {
        CallDecoder.Listener listener = listener(form, out);
        calls.accept(listener);
        finish(listener, null);
    }

    private static CallDecoder.Listener listener(TraceForm form, Writer out) {
        return switch (form) {
            case TEXT -> new TextTrace(out);
            case PERFETTO -> new ChromeTrace(out);
            case JFR, RECORD -> throw new IllegalArgumentException("a trace in the form " + form + " needs a file");
        };
    }

    private static Observation live(Kernel kernel, TraceForm form, Writer out, boolean registers) {
        CallDecoder.Listener listener = listener(form, out);
        LiveTrace trace = new LiveTrace(listener);
        return new Logged(kernel, new CallLog(trace, true), registers, null) {
            @Override
            void ended() throws IOException {
                finish(listener, trace.failure());
            }
        };
    }

    private static void finish(CallDecoder.Listener listener, @Nullable Throwable failure) throws IOException {
        try {
            switch (listener) {
                case TextTrace text -> {
                    text.close();
                    if (text.failed()) {
                        throw new IOException("it cannot be written");
                    }
                }
                case ChromeTrace chrome -> chrome.close();
                default -> throw new IllegalStateException("no trace: " + listener);
            }
        } catch (UncheckedIOException e) {
            throw new IOException(e.getMessage(), e);
        }
        if (failure != null) {
            throw new IOException("it has ended early: " + failure, failure);
        }
    }

    /** Calls that are logged. */
    private abstract static class Logged implements Observation {
        private final Kernel kernel;
        private final CallLog log;

        Logged(Kernel behind, CallLog log, boolean registers, @Nullable DmaShadow shadow) {
            this.log = log;
            this.kernel = new RecordingKernel(registers ? new UnmappableKernel(behind) : behind, log, shadow);
        }

        @Override
        public Kernel kernel() {
            return kernel;
        }

        /** The log has ended: completes the file. */
        abstract void ended() throws IOException;

        @Override
        public void close() throws IOException {
            log.close();
            ended();
        }
    }

    /** Events of a flight recording of its own. */
    private static final class Flight implements Observation {
        private final Kernel kernel;
        private final Path file;
        private final Recording recording = new Recording();

        private Flight(Kernel behind, Path file, boolean registers) throws IOException {
            this.file = file;
            // Fails now if it cannot be written, not when all is over.
            Files.write(file, new byte[0]);
            Map<String, String> settings = new HashMap<>();
            for (Class<?> event : FlightEvents.class.getDeclaredClasses()) {
                Name name = event.getAnnotation(Name.class);
                if (name != null) {
                    settings.put(name.value() + "#enabled", "true");
                    settings.put(name.value() + "#threshold", "0 ns");
                }
            }
            recording.setName("jvfio");
            recording.setSettings(settings);
            recording.start();
            kernel = new FlightKernel(registers ? new UnmappableKernel(behind) : behind);
        }

        @Override
        public Kernel kernel() {
            return kernel;
        }

        @Override
        public void close() throws IOException {
            try (recording) {
                recording.stop();
                recording.dump(file);
            }
        }
    }

    /**
     * The kernel that the program has to use: a decorator of this one, the same each time. A decorator that this has
     * returned is returned as it is.
     *
     * @throws UncheckedIOException if the file cannot be written
     * @throws IllegalStateException if this is closed, or the form needs a library that is missing
     */
    public synchronized Kernel observe(Kernel kernel) {
        if (closed) {
            throw new IllegalStateException("the trace has ended");
        }
        if (isObserved(kernel)) {
            return kernel;
        }
        Observation known = observations.get(kernel);
        if (known == null) {
            try {
                known = opening.open(kernel, observations.size() + 1);
            } catch (IOException e) {
                throw new UncheckedIOException("cannot begin the trace", e);
            }
            observations.put(kernel, known);
        }
        return known.kernel();
    }

    @SuppressWarnings("ReferenceEquality") // a decorator is equal to itself alone
    private boolean isObserved(Kernel kernel) {
        return observations.values().stream().anyMatch(known -> known.kernel() == kernel);
    }

    /**
     * Ends the trace: calls that kernels make from now on are not in it.
     *
     * @throws IOException if a file could not be written
     */
    @Override
    public synchronized void close() throws IOException {
        if (closed) {
            return;
        }
        closed = true;
        List<IOException> failures = new ArrayList<>();
        for (Observation observation : observations.values()) {
            try {
                observation.close();
            } catch (IOException e) {
                failures.add(e);
            }
        }
        if (!failures.isEmpty()) {
            IOException first = failures.removeFirst();
            failures.forEach(first::addSuppressed);
            throw first;
        }
    }
}
