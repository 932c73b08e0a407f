package org.jvfio.observe;

import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.OutputStreamWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Optional;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import org.jvfio.kernel.FileErrors;
import org.jvfio.kernel.Kernel;

/**
 * The trace that the user of any program on this library asks for by system properties. Without {@code jvfio.trace}
 * kernels are used as they are.
 *
 * <ul>
 *   <li>{@code jvfio.trace}: the file; {@code -} for standard error
 *   <li>{@code jvfio.trace.form}: {@code text}, {@code perfetto}, {@code jfr} or {@code record}; by default as the
 *       file's name ends: {@code .json} for Perfetto, {@code .jfr}, {@code .rec} for a record, or else text
 *   <li>{@code jvfio.trace.registers}: {@code true} to trace accesses of registers, too: devices are then reported as
 *       not mappable, so that each access is a system call
 *   <li>{@code jvfio.trace.memory}: {@code true} to record the memory that devices can access, in a record
 * </ul>
 *
 * <p>The trace ends with the JVM.
 */
public final class TraceProperty {
    static final String FILE = "jvfio.trace";
    static final String FORM = "jvfio.trace.form";
    static final String REGISTERS = "jvfio.trace.registers";
    static final String MEMORY = "jvfio.trace.memory";

    private static final boolean ON = System.getProperty(FILE) != null;

    private TraceProperty() {}

    /** Made at the first use, if there is one. */
    private static final class Only {
        private static final @Nullable Observer OBSERVER;
        private static final @Nullable IllegalArgumentException WRONG;

        static {
            Observer observer = null;
            IllegalArgumentException wrong = null;
            try {
                observer = of(System::getProperty).orElse(null);
                if (observer != null) {
                    Runtime.getRuntime().addShutdownHook(new Thread(closing(observer), "jvfio trace end"));
                }
            } catch (IllegalArgumentException e) {
                wrong = e;
            }
            OBSERVER = observer;
            WRONG = wrong;
        }
    }

    @SuppressWarnings("SystemOut") // There is no caller left to report to.
    private static Runnable closing(Observer observer) {
        return () -> {
            try {
                observer.close();
            } catch (IOException e) {
                System.err.println("jvfio: the trace is not complete: " + FileErrors.reason(e));
            }
        };
    }

    /**
     * The kernel to be used: this one, or its decorator if there is a trace.
     *
     * @throws IllegalArgumentException if the properties are wrong
     * @throws java.io.UncheckedIOException if the file cannot be written
     */
    public static Kernel observe(Kernel kernel) {
        if (!ON) {
            return kernel;
        }
        IllegalArgumentException wrong = Only.WRONG;
        if (wrong != null) {
            throw new IllegalArgumentException(wrong.getMessage(), wrong);
        }
        Observer observer = Only.OBSERVER;
        return observer == null ? kernel : observer.observe(kernel);
    }

    /** The observer that properties ask for, if they do. */
    static Optional<Observer> of(Function<String, @Nullable String> property) {
        String file = property.apply(FILE);
        if (file == null) {
            return Optional.empty();
        }
        if (file.isEmpty()) {
            throw new IllegalArgumentException("-D%s has no file; use -D%s=FILE".formatted(FILE, FILE));
        }
        TraceForm form = form(file, property.apply(FORM));
        boolean registers = flag(property, REGISTERS);
        boolean memory = flag(property, MEMORY);
        if (memory && form != TraceForm.RECORD) {
            throw new IllegalArgumentException("-D%s=true needs a record; add -D%s=record".formatted(MEMORY, FORM));
        }
        if (file.equals("-")) {
            if (form != TraceForm.TEXT) {
                throw new IllegalArgumentException("-D%s=%s needs a file; use -D%s=FILE".formatted(FORM, form, FILE));
            }
            return Optional.of(Observer.trace(
                    form,
                    new OutputStreamWriter(new FileOutputStream(FileDescriptor.err), StandardCharsets.UTF_8),
                    registers));
        }
        String traced = ProcessHandle.current().info().commandLine().orElse("");
        Path path = Path.of(file);
        return Optional.of(
                memory
                        ? Observer.record(RecordOptions.of(path).withMemory(), traced)
                        : Observer.trace(form, path, registers, traced));
    }

    private static TraceForm form(String file, @Nullable String name) {
        if (name == null) {
            return TraceForm.ofFile(file);
        }
        return TraceForm.of(name)
                .orElseThrow(() -> new IllegalArgumentException(
                        "-D%s=%s: use %s".formatted(FORM, name, String.join(", ", TraceForm.names()))));
    }

    private static boolean flag(Function<String, @Nullable String> property, String name) {
        String value = property.apply(name);
        if (value == null || value.equals("false")) {
            return false;
        }
        if (!value.equals("true")) {
            throw new IllegalArgumentException("-D%s=%s: use true or false".formatted(name, value));
        }
        return true;
    }
}
