package org.jvfio.cli;

import java.io.BufferedOutputStream;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.FilterOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.charset.Charset;
import java.nio.file.Files;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/** Where a command prints its result. It knows why a write failed, which a {@link PrintStream} alone would hide. */
final class StandardOutput extends PrintStream {
    private final Written written;
    private final boolean pipe;

    /** Nobody reads the output any more, as after {@code | head -1}: no reason to complain. */
    static final class ReaderGone extends Failure {
        private static final long serialVersionUID = 1;

        private ReaderGone() {
            super(0, "standard output is closed");
        }
    }

    /**
     * An output to a file.
     *
     * @param to where its bytes go
     * @param charset what text is encoded in
     */
    StandardOutput(OutputStream to, Charset charset) {
        this(to, charset, false);
    }

    /**
     * An output.
     *
     * @param pipe whether a write fails only if the reader is gone
     */
    StandardOutput(OutputStream to, Charset charset, boolean pipe) {
        this(new Written(new BufferedOutputStream(to)), charset, pipe);
    }

    private StandardOutput(Written written, Charset charset, boolean pipe) {
        super(written, true, charset);
        this.written = written;
        this.pipe = pipe;
    }

    /** That of this process. */
    static StandardOutput ofProcess() {
        return new StandardOutput(new FileOutputStream(FileDescriptor.out), System.out.charset(), isPipe());
    }

    private static boolean isPipe() {
        try {
            String target = Files.readSymbolicLink(Path.of("/proc/self/fd/1")).toString();
            return target.startsWith("pipe:") || target.startsWith("socket:");
        } catch (IOException | UnsupportedOperationException _) {
            return false; // no procfs: a write that fails is reported, whatever the reason
        }
    }

    /** The same for bytes, which fails at once when one cannot be written. */
    OutputStream bytes() {
        flush();
        return written;
    }

    /**
     * Requires that all arrived that was printed.
     *
     * @throws ReaderGone if nobody reads it any more
     * @throws Failure if it did not for another reason
     */
    void requireWritten() throws Failure {
        flush();
        IOException failure = written.failure;
        if (failure != null) {
            throw failure(failure);
        }
    }

    /** What becomes of bytes that cannot be written. */
    Failure failure(IOException why) {
        return pipe
                ? new ReaderGone()
                : new Failure(Failure.FAILED, "cannot write to standard output: " + why.getMessage());
    }

    /** Remembers the first write that failed. */
    private static final class Written extends FilterOutputStream {
        private @Nullable IOException failure;

        private Written(OutputStream to) {
            super(to);
        }

        @Override
        public void write(int value) throws IOException {
            try {
                out.write(value);
            } catch (IOException e) {
                throw first(e);
            }
        }

        @Override
        public void write(byte[] bytes, int offset, int count) throws IOException {
            try {
                out.write(bytes, offset, count);
            } catch (IOException e) {
                throw first(e);
            }
        }

        @Override
        public void flush() throws IOException {
            try {
                out.flush();
            } catch (IOException e) {
                throw first(e);
            }
        }

        private IOException first(IOException e) {
            if (failure == null) {
                failure = e;
            }
            return e;
        }
    }
}
