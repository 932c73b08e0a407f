package org.jvfio.cli;

import java.io.BufferedOutputStream;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.FilterOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.charset.Charset;
import org.jspecify.annotations.Nullable;

/** Where a command prints its answer. It knows why a write failed, which a {@link PrintStream} alone would hide. */
final class StandardOutput extends PrintStream {
    private final Written written;

    /**
     * An output.
     *
     * @param to where its bytes go
     * @param charset what text is encoded in
     */
    StandardOutput(OutputStream to, Charset charset) {
        this(new Written(new BufferedOutputStream(to)), charset);
    }

    private StandardOutput(Written written, Charset charset) {
        super(written, true, charset);
        this.written = written;
    }

    /** That of this process. */
    static StandardOutput ofProcess() {
        return new StandardOutput(new FileOutputStream(FileDescriptor.out), System.out.charset());
    }

    /** The same for bytes, which fails at once when one cannot be written. */
    OutputStream bytes() {
        flush();
        return written;
    }

    /**
     * Demands that all arrived that was printed.
     *
     * @throws Failure if it did not
     */
    void requireWritten() throws Failure {
        flush();
        IOException failure = written.failure;
        if (failure != null) {
            throw failure(failure);
        }
    }

    /** What to tell the user of bytes that cannot be written. */
    static Failure failure(IOException why) {
        return new Failure(Failure.FAILED, "cannot write to standard output: " + why.getMessage());
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
