package org.jvfio.observe;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.jr.ob.JSON;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.StringWriter;
import java.math.BigDecimal;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;
import java.util.stream.Collectors;
import jdk.jfr.consumer.RecordedEvent;
import jdk.jfr.consumer.RecordingFile;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.jvfio.Container;
import org.jvfio.DmaDirection;
import org.jvfio.DmaMapping;
import org.jvfio.DmaMemory;
import org.jvfio.emulator.EmulatedMachine;
import org.jvfio.kernel.Kernel;
import org.jvfio.observe.sanitize.ExpectedFindings;
import org.jvfio.observe.sanitize.Finding;
import org.jvfio.observe.sanitize.Sanitizer;

class TraceFormsTest {
    @TempDir
    private Path directory;

    private Path trace(TraceForm form, String name) throws IOException {
        Path file = directory.resolve(name);
        return EduSession.watched(kernel -> {
            try (Observer observer = Observer.trace(form, file, true, "a test")) {
                EduSession.run(observer.observe(kernel));
            }
            return file;
        });
    }

    @Test
    void text_eachCall_lineWithDecodedArguments() throws IOException {
        List<String> lines = Files.readAllLines(trace(TraceForm.TEXT, "x.txt"));
        String all = String.join("\n", lines);
        for (String expected : List.of(
                "open(\"/dev/vfio/vfio\", O_RDWR|O_CLOEXEC) = 3 <",
                "ioctl(3</dev/vfio/vfio>, VFIO_SET_IOMMU(VFIO_SPAPR_TCE_v2_IOMMU)) = 0 <",
                "ioctl(4</dev/vfio/0>, VFIO_GROUP_GET_DEVICE_FD(0000:01:00.0)) = 5 <",
                "VFIO_DEVICE_GET_INFO) = 0 {flags RESET | PCI, num_regions 9, num_irqs 5} <",
                "pread(5<0000:01:00.0>, BAR0+0x0, 4) = 4 0xed000001 <",
                "pwrite(5<0000:01:00.0>, config+0x4, 0x0106) = 2 <",
                "ioctl(3</dev/vfio/vfio>, VFIO_IOMMU_MAP_DMA(",
                "VFIO_DEVICE_SET_IRQS(index 1, TRIGGER EVENTFD, start 0, count 1)) = 0 <",
                "] poll([",
                "close(3</dev/vfio/vfio>) = 0 <")) {
            assertTrue(all.contains(expected), expected + " is not in " + all);
        }
        for (String line : lines) {
            assertTrue(line.matches("\\d+\\.\\d{6} \\[[^]]+] \\w+\\(.* <\\d+\\.\\d{6}>"), line);
        }
    }

    /** Each call is one event, so the events of all kinds are as many as the calls of a record of the same program. */
    @Test
    void flightRecording_eachCall_hasAnEvent() throws IOException {
        Path jfr = directory.resolve("x.jfr");
        Path record = directory.resolve("x.rec");
        try (Observer flight = Observer.trace(TraceForm.JFR, jfr, false, "a test");
                Observer recorder = Observer.record(RecordOptions.of(record), "a test")) {
            // The record reads the facts of the host before, from a kernel that makes no events.
            EduSession.watched(kernel -> {
                EduSession.run(flight.observe(recorder.observe(kernel)));
                return kernel;
            });
        }
        Map<String, Long> counts = RecordingFile.readAllEvents(jfr).stream()
                .filter(event -> event.getEventType().getName().startsWith("jvfio."))
                .collect(Collectors.groupingBy(event -> event.getEventType().getName(), Collectors.counting()));
        Recording recording = Recording.read(record);
        assertEquals(recorded(recording, TraceFormsTest::event), counts);
        assertEquals(
                recording.calls(),
                counts.values().stream().mapToLong(Long::longValue).sum());
    }

    /** The tool of the JDK counts what the trace of the same program has. */
    @Test
    void flightRecording_summaryOfTheTool_sameCounts() throws IOException, InterruptedException {
        Path tool = Path.of(System.getProperty("java.home"), "bin", "jfr");
        assumeTrue(Files.isExecutable(tool), "this Java has no jfr");
        Path jfr = directory.resolve("x.jfr");
        Path record = directory.resolve("x.rec");
        try (Observer flight = Observer.trace(TraceForm.JFR, jfr, false, "a test");
                Observer recorder = Observer.record(RecordOptions.of(record), "a test")) {
            EduSession.watched(kernel -> {
                EduSession.poll(flight.observe(recorder.observe(kernel)), 10);
                return kernel;
            });
        }
        Process process = new ProcessBuilder(tool.toString(), "summary", jfr.toString())
                .redirectErrorStream(true)
                .start();
        Map<String, Long> counts;
        try (BufferedReader out = process.inputReader()) {
            counts = out.lines()
                    .map(line -> line.strip().split("\\s+"))
                    .filter(words -> words[0].startsWith("jvfio.") && !words[1].equals("0"))
                    .collect(Collectors.toMap(words -> words[0], words -> Long.valueOf(words[1])));
        }
        assertEquals(0, process.waitFor());
        assertEquals(recorded(Recording.read(record), TraceFormsTest::event), counts);
    }

    private static Map<String, Long> recorded(Recording recording, Function<RecordedCall, String> event) {
        return recording.events().stream()
                .filter(Recording.End.class::isInstance)
                .map(each -> event.apply(((Recording.End) each).call()))
                .collect(Collectors.groupingBy(name -> name, Collectors.counting()));
    }

    private static String event(RecordedCall call) {
        return switch (call.kind()) {
            case IOCTL_VALUE -> "jvfio.Ioctl";
            case IOCTL -> CallPrinter.call(call).contains("MAP_DMA(") ? "jvfio.Map" : "jvfio.Ioctl";
            case PREAD, PWRITE -> "jvfio.Register";
            case READ -> ChromeTrace.isInterrupt(call) ? "jvfio.Interrupt" : "jvfio.Call";
            default -> "jvfio.Call";
        };
    }

    @Test
    void flightRecording_aMapping_hasItsFields() throws IOException {
        RecordedEvent map = RecordingFile.readAllEvents(trace(TraceForm.JFR, "x.jfr")).stream()
                .filter(event -> event.getEventType().getName().equals("jvfio.Map"))
                .min(Comparator.comparing(RecordedEvent::getStartTime))
                .orElseThrow();
        assertEquals("MAP_DMA", map.getString("operation"));
        assertEquals(1 << 16, map.getLong("size"));
        assertEquals(0, map.getLong("result"));
        assertEquals(Thread.currentThread().getName(), map.getThread().getJavaName());
    }

    /** POWER8 freezes the PE for a DMA to where nothing is mapped. */
    @Test
    void flightRecording_frozenPe_isAnEvent() throws IOException {
        Sanitizer sanitizer = Sanitizer.boot(EmulatedMachine.power8());
        Path file = directory.resolve("x.jfr");
        try (Observer observer = Observer.trace(TraceForm.JFR, file, true, "a test")) {
            FrozenSession.run(observer.observe(sanitizer.kernel()));
        }
        ExpectedFindings expected = new ExpectedFindings();
        expected.add(Finding.Kind.UNMAPPED_DMA, "0000:01:00.0 wrote 8 bytes to 0x100000, which is in no window", "");
        expected.requireIn(sanitizer);
        List<RecordedEvent> freezes = RecordingFile.readAllEvents(file).stream()
                .filter(event -> event.getEventType().getName().equals("jvfio.Freeze"))
                .toList();
        assertFalse(freezes.isEmpty());
        assertEquals(2, freezes.getFirst().getInt("state"));
    }

    private static List<Map<String, Object>> events(String json) throws IOException {
        Map<String, Object> root = JSON.std.mapFrom(json);
        return ((List<?>) root.getOrDefault("traceEvents", List.of()))
                .stream().map(TraceFormsTest::object).toList();
    }

    @SuppressWarnings("unchecked") // of JSON
    private static Map<String, Object> object(Object event) {
        return (Map<String, Object>) event;
    }

    private static long nanos(Map<String, Object> event, String field) {
        return new BigDecimal(String.valueOf(event.get(field)))
                .movePointRight(3)
                .longValueExact();
    }

    private static String name(Map<String, Object> event) {
        return String.valueOf(event.get("name"));
    }

    private static String id(Map<String, Object> event) {
        return String.valueOf(event.get("id"));
    }

    /**
     * What the Trace Event Format asks of each kind of event, and Perfetto's importer, {@code
     * json_trace_parser_impl.cc}: slices of a thread do not overlap, and one of a mapping ends with the name that it
     * began with.
     */
    @Test
    void perfetto_recording_slicesForCallsTracksForMappingsAndWindows() throws IOException {
        Recording recording = RecordedSession.ofEdu(directory.resolve("x.rec"));
        StringWriter out = new StringWriter();
        recording.write(TraceForm.PERFETTO, out);
        List<Map<String, Object>> events = events(out.toString());
        Set<Object> open = new HashSet<>();
        Set<Object> named = new HashSet<>();
        Map<Object, Long> ends = new HashMap<>();
        long slices = 0;
        for (Map<String, Object> event : events) {
            assertTrue(event.get("name") instanceof String, () -> event.toString());
            assertTrue(nanos(event, "ts") >= 0, () -> event.toString());
            assertEquals(1, event.get("pid"));
            switch (String.valueOf(event.get("ph"))) {
                case "M" -> named.add(event.get("tid"));
                case "X" -> {
                    slices++;
                    assertTrue(named.contains(event.get("tid")), () -> event.toString());
                    assertTrue(nanos(event, "dur") >= 0, () -> event.toString());
                    assertTrue(nanos(event, "ts") >= ends.getOrDefault(event.get("tid"), 0L), () -> event.toString());
                    ends.put(event.get("tid"), nanos(event, "ts") + nanos(event, "dur"));
                }
                case "b" -> assertTrue(open.add(List.of(name(event), id(event))), () -> event.toString());
                case "e" -> assertTrue(open.remove(List.of(name(event), id(event))), () -> event.toString());
                case "C" -> assertTrue(event.get("args") instanceof Map, () -> event.toString());
                case "i" -> assertEquals("t", event.get("s"));
                default -> throw new AssertionError(event);
            }
        }
        assertEquals(recording.calls(), slices);
        assertEquals(Set.of(), open);
        List<Map<String, Object>> windows = events.stream()
                .filter(event -> "C".equals(event.get("ph")))
                .filter(event -> String.valueOf(event.get("name")).startsWith("window 0x0 of container 3"))
                .toList();
        assertEquals(
                List.of(Map.of("mapped bytes", 1 << 16), Map.of("mapped bytes", 0)),
                windows.stream().map(event -> event.get("args")).toList());
    }

    /** A mapping whose last parts are unmapped after the first one. */
    @Test
    void perfetto_mappingUnmappedInParts_oneSliceThatEndsWithItsFirstPart() throws IOException {
        StringWriter out = new StringWriter();
        try (Observer observer = Observer.trace(TraceForm.PERFETTO, out, true);
                Container container = Container.open(observer.observe(EduSession.boot()))) {
            container.attach(0);
            DmaMemory memory = container.allocate(3 << 16);
            DmaMapping mapping = container.defaultWindow().map(memory, DmaDirection.TO_DEVICE);
            mapping.unmapRange(0, 1 << 16);
        }
        List<Map<String, Object>> slices = events(out.toString()).stream()
                .filter(event -> Set.of("b", "e").contains(String.valueOf(event.get("ph"))))
                .toList();
        assertEquals(
                List.of("b", "e"), slices.stream().map(event -> event.get("ph")).toList());
        assertEquals(name(slices.getFirst()), name(slices.getLast()));
        assertEquals(id(slices.getFirst()), id(slices.getLast()));
    }

    @Test
    void perfetto_longCall_plainNumbers() throws IOException {
        StringWriter out = new StringWriter();
        ChromeTrace trace = new ChromeTrace(out);
        RecordedCall call = new RecordedCall(
                CallKind.CLOSE, new RecordedCall.Caller(0, "main"), 1, new long[] {3}, "", new byte[0], "");
        trace.begun(call);
        call.ended(20_000_000_000_001L, Outcome.RETURNED, 0, null);
        trace.ended(call);
        trace.close();
        assertTrue(out.toString().contains("\"ts\":0.001,\"dur\":20000000000.000,"), out.toString());
    }

    @Test
    void perfetto_liveTrace_complete() throws IOException {
        assertFalse(
                events(Files.readString(trace(TraceForm.PERFETTO, "x.json"))).isEmpty());
    }

    @Test
    void observe_secondKernel_hasAFileOfItsOwn() throws IOException {
        Path file = directory.resolve("x.txt");
        try (Observer observer = Observer.trace(TraceForm.TEXT, file, true, "a test")) {
            Kernel first = EduSession.boot();
            Kernel observed = observer.observe(first);
            assertEquals(observed, observer.observe(first));
            assertEquals(observed, observer.observe(observed));
            observed.eventfd(0, 0);
            observer.observe(EduSession.boot()).sysconf(1);
        }
        assertTrue(Files.readString(file).contains("eventfd(0, 0) = 3"));
        assertTrue(
                Files.readString(directory.resolve("x.txt.2")).contains("sysconf(1) = -1 EINVAL (Invalid argument)"));
    }

    @Test
    void observe_afterTheEnd_refused() throws IOException {
        Observer observer = Observer.trace(TraceForm.TEXT, new StringWriter(), true);
        observer.close();
        assertThrows(IllegalStateException.class, () -> observer.observe(EduSession.boot()));
    }

    @Test
    void trace_formThatNeedsAFileToAWriter_refused() {
        assertThrows(IllegalArgumentException.class, () -> Observer.trace(TraceForm.JFR, new StringWriter(), true));
    }
}
