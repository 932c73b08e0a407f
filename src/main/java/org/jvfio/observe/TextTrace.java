package org.jvfio.observe;

import java.io.PrintWriter;
import java.io.Writer;

/** Writes a line for each call when it has ended, and one for each that has not when the trace ends. */
final class TextTrace implements CallDecoder.Listener, AutoCloseable {
    private final PrintWriter out;
    private final Running running = new Running();

    TextTrace(Writer out) {
        this.out = new PrintWriter(out);
    }

    @Override
    public void begun(RecordedCall call) {
        running.begun(call);
    }

    @Override
    public void ended(RecordedCall call) {
        running.ended(call);
        out.println(CallPrinter.line(call));
        out.flush();
    }

    /** Whether something could not be written. */
    boolean failed() {
        return out.checkError();
    }

    @Override
    public void close() {
        running.calls().forEach(call -> out.println(CallPrinter.line(call)));
        out.close();
    }
}
