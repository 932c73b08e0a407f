package org.jvfio.observe;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.io.Writer;
import java.math.BigDecimal;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Iterator;
import java.util.Map;
import java.util.NavigableMap;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import org.jvfio.ioctl.Ioctl;
import org.jvfio.uapi.vfio_h;

/**
 * A trace in the Trace Event Format, as Perfetto and Chrome read it: a slice for each call on the track of its thread,
 * an asynchronous slice for each mapping, an instant for each interrupt, and counters for the mapped bytes of each
 * window and the doorbells of NVMe queues.
 */
final class ChromeTrace implements CallDecoder.Listener, AutoCloseable {
    /** Of the process, and of its first thread: what belongs to no thread is there. */
    private static final int PROCESS = 1;

    private static final int NANO_DIGITS = 3;
    private static final int REGION_SHIFT = 40;
    private static final long DOORBELLS = 0x1000;
    private static final long MAX_DOORBELLS = 0x2000;
    private static final int NVME_CLASS = 0x010802;

    private final JsonGenerator json;
    private final Windows windows = new Windows();
    private final Running running = new Running();
    private final Set<Integer> named = new HashSet<>();
    // The bytes between two doorbells of the NVMe controllers that are known, by their address.
    private final Map<String, Integer> strides = new HashMap<>();
    // The names of the slices of mappings, by container and first bus address.
    private final Map<Integer, NavigableMap<Long, String>> openMappings = new HashMap<>();
    private long last;

    /** @throws IllegalStateException if the library that writes JSON is missing; the message says what to add */
    ChromeTrace(Writer out) {
        requireLibrary();
        try {
            json = new JsonFactory().createGenerator(out);
            json.writeStartObject();
            // No displayTimeUnit: some versions of Perfetto take it for the unit of the times, which are microseconds.
            json.writeArrayFieldStart("traceEvents");
            metadata("process_name", PROCESS, "jvfio");
        } catch (IOException e) {
            throw new UncheckedIOException("cannot write the trace", e);
        }
    }

    private static void requireLibrary() {
        try {
            Class.forName("com.fasterxml.jackson.core.JsonFactory", false, ChromeTrace.class.getClassLoader());
        } catch (ClassNotFoundException missing) {
            throw new IllegalStateException(
                    "a trace for Perfetto needs com.fasterxml.jackson.core:jackson-core: put it on the class path, or on"
                            + " the module path with --add-modules com.fasterxml.jackson.core",
                    missing);
        }
    }

    /** Writes an event; what is special about it is written inside. */
    private interface Fields {
        void write() throws IOException;
    }

    private void event(String phase, String name, int thread, long nanos, Fields fields) {
        try {
            json.writeStartObject();
            json.writeStringField("ph", phase);
            json.writeStringField("name", name);
            json.writeStringField("cat", "jvfio");
            json.writeNumberField("pid", PROCESS);
            json.writeNumberField("tid", thread);
            micros("ts", nanos);
            fields.write();
            json.writeEndObject();
        } catch (IOException e) {
            throw new UncheckedIOException("cannot write the trace", e);
        }
        last = Math.max(last, nanos);
    }

    /** Microseconds with three decimals, never with an exponent. */
    private void micros(String field, long nanos) throws IOException {
        json.writeFieldName(field);
        json.writeNumber(BigDecimal.valueOf(nanos, NANO_DIGITS).toPlainString());
    }

    private void metadata(String what, int thread, String name) {
        event("M", what, thread, 0, () -> {
            json.writeObjectFieldStart("args");
            json.writeStringField("name", name);
            json.writeEndObject();
        });
    }

    private void counter(String name, long nanos, String series, long value) {
        event("C", name, PROCESS, nanos, () -> {
            json.writeObjectFieldStart("args");
            json.writeNumberField(series, value);
            json.writeEndObject();
        });
    }

    /** A thread's number in the trace, from 1: 0 is the idle thread of Linux. */
    private int thread(RecordedCall call) {
        int number = call.caller().number() + 1;
        if (named.add(number)) {
            metadata("thread_name", number, call.caller().name());
        }
        return number;
    }

    @Override
    public void begun(RecordedCall call) {
        running.begun(call);
    }

    @Override
    public void ended(RecordedCall call) {
        running.ended(call);
        slice(call, call.endNanos());
        long nanos = call.endNanos();
        windows.ended(call).ifPresent(change -> mapping(change, call, nanos));
        if (isInterrupt(call)) {
            event("i", "interrupt " + call.descriptor(), thread(call), nanos, () -> json.writeStringField("s", "t"));
        }
        learn(call);
        doorbell(call, nanos);
    }

    private void slice(RecordedCall call, long end) {
        event("X", name(call), thread(call), call.beginNanos(), () -> {
            micros("dur", end - call.beginNanos());
            json.writeObjectFieldStart("args");
            json.writeStringField("call", CallPrinter.call(call));
            json.writeStringField("result", CallPrinter.result(call));
            json.writeEndObject();
        });
    }

    /** The name of a slice: an ioctl's without its arguments. */
    private static String name(RecordedCall call) {
        Optional<Ioctl> ioctl = call.request() < 0 ? Optional.empty() : CallPrinter.ioctl(call, call.given());
        return ioctl.map(known -> known.toString().replaceFirst("\\(.*", ""))
                .orElse(call.kind().call());
    }

    private void mapping(Windows.Change change, RecordedCall call, long nanos) {
        Windows.Window window = change.window();
        NavigableMap<Long, String> open =
                openMappings.computeIfAbsent(window.container(), _ -> new TreeMap<>(Long::compareUnsigned));
        if (change.maps()) {
            String name = "0x%x bytes at 0x%x".formatted(change.size(), change.start());
            if (open.putIfAbsent(change.start(), name) == null) {
                async("b", name, window.container(), change.start(), nanos);
            }
        } else {
            // Perfetto finds the beginning of a slice by its name and id, also if only a part is unmapped.
            Iterator<Map.Entry<Long, String>> rest =
                    open.tailMap(change.start(), true).entrySet().iterator();
            while (rest.hasNext()) {
                Map.Entry<Long, String> mapped = rest.next();
                if (Long.compareUnsigned(mapped.getKey() - change.start(), change.size()) >= 0) {
                    break;
                }
                async("e", mapped.getValue(), window.container(), mapped.getKey(), nanos);
                rest.remove();
            }
        }
        counter(
                "window 0x%x of container %d".formatted(window.start(), call.descriptor()),
                nanos,
                "mapped bytes",
                window.mapped());
    }

    private void async(String phase, String name, int container, long start, long nanos) {
        event(phase, name, PROCESS, nanos, () -> json.writeStringField("id", "%d:0x%x".formatted(container, start)));
    }

    static boolean isInterrupt(RecordedCall call) {
        return call.kind() == CallKind.READ && call.fileKind() == FileKind.EVENTFD && call.result() == Long.BYTES;
    }

    /** Learns which devices are NVMe controllers, from their class codes, and where their doorbells are, from CAP. */
    private void learn(RecordedCall call) {
        if (call.kind() == CallKind.READ_FILE && call.text().startsWith("/sys/bus/pci/devices/")) {
            String[] path = call.text().split("/", -1);
            if (path[path.length - 1].equals("class")
                    && call.answer().strip().equals("0x0" + Integer.toHexString(NVME_CLASS))) {
                strides.put(path[path.length - 2], Integer.BYTES);
            }
        }
        if (call.kind() == CallKind.PREAD
                && strides.containsKey(call.file())
                && call.number(2) == 0
                && call.result() == Long.BYTES) {
            int stride = call.after()[Integer.BYTES] & 0xf;
            strides.put(call.file(), Integer.BYTES << stride);
        }
    }

    private void doorbell(RecordedCall call, long nanos) {
        Integer stride = strides.get(call.file());
        if (stride == null || call.kind() != CallKind.PWRITE || call.result() != Integer.BYTES) {
            return;
        }
        long offset = call.number(2) - DOORBELLS;
        boolean isBar0 = call.number(2) >>> REGION_SHIFT == vfio_h.VFIO_PCI_BAR0_REGION_INDEX;
        if (!isBar0 || offset < 0 || offset >= MAX_DOORBELLS || offset % stride != 0) {
            return;
        }
        long doorbell = offset / stride;
        int value = Windows.struct(call.given()).get(RecordFormat.INT, 0);
        counter(
                "%s queue %d".formatted(call.file(), doorbell / 2),
                nanos,
                doorbell % 2 == 0 ? "submission tail" : "completion head",
                Integer.toUnsignedLong(value));
    }

    @Override
    public void close() {
        running.calls().forEach(call -> slice(call, Math.max(last, call.beginNanos())));
        try (json) {
            json.writeEndArray();
            json.writeEndObject();
        } catch (IOException e) {
            throw new UncheckedIOException("cannot write the trace", e);
        }
    }
}
