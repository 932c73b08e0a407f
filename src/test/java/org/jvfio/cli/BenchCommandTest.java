package org.jvfio.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;
import org.jvfio.emulator.EmulatedKernel;
import org.jvfio.emulator.EmulatedMachine;

/** The shape of what {@code jvfio bench} prints; the figures are of no account here. */
class BenchCommandTest {
    private static final String SHORT = "bench --millis 1 ";

    private static List<Map<?, ?>> operations(Ran ran) {
        List<Map<?, ?>> operations = new ArrayList<>();
        for (Object each :
                (List<?>) Objects.requireNonNull(ran.ok().json("bench").get("operations"))) {
            operations.add((Map<?, ?>) each);
        }
        return operations;
    }

    private static double number(Map<?, ?> operation, String member) {
        return ((Number) Objects.requireNonNull(operation.get(member), member)).doubleValue();
    }

    private static String reason(Map<?, ?> operation) {
        return (String) Objects.requireNonNull(operation.get("reason"));
    }

    @Test
    void bench_namedOperations_measuresThoseInItsOrder() {
        Ran ran = Ran.of(SHORT + "--json eventfd map-64k window");
        List<Map<?, ?>> operations = operations(ran);
        assertEquals(
                List.of("window", "map-64k", "eventfd"),
                operations.stream().map(each -> each.get("name")).toList());
        for (Map<?, ?> each : operations) {
            assertTrue(number(each, "nanos") > 0, ran.out());
            assertTrue(number(each, "firstNanos") > 0, ran.out());
            assertFalse(each.containsKey("reason"), ran.out());
        }
        assertTrue(number(operations.get(1), "bareNanos") > 0, ran.out());
        assertTrue(number(operations.get(1), "ratio") > 0, ran.out());
        assertFalse(operations.getLast().containsKey("bareNanos"), ran.out());
    }

    @Test
    void bench_withoutJson_tableWithMachineAndReasons() {
        List<String> lines =
                Ran.of(SHORT + "ioctl map-4k read-mapped").ok().out().lines().toList();
        assertTrue(lines.get(0).startsWith("kernel   Linux 6.12.0-emulated, of an emulated POWER8 host"), lines.get(0));
        assertTrue(lines.get(1).startsWith("machine  "), lines.get(1));
        assertTrue(lines.get(2).startsWith("java     " + System.getProperty("java.vm.name")), lines.get(2));
        assertTrue(lines.get(4).matches("operation +each +first +bare +ratio +what it does"), lines.get(4));
        assertTrue(lines.get(5).matches("ioctl +- +- +[0-9.]+ (ns|us|ms) +- +VFIO_GET_API_VERSION.*"), lines.get(5));
        assertTrue(lines.get(6).matches("map-4k +[0-9.]+ (ns|us|ms) +[0-9.]+ (ns|us|ms) +- +- +map.*"), lines.get(6));
        assertTrue(lines.get(7).matches("read-mapped +- +- +- +- +read.*"), lines.get(7));
        assertEquals("Not measured:", lines.get(9));
        assertTrue(lines.get(10).startsWith("  read-mapped: cannot access BAR 0 of 0000:01:00.0"), lines.get(10));
        assertEquals(11, lines.size());
    }

    @Test
    void bench_anyOutcome_givesTheDeviceBack() {
        EmulatedKernel process = EmulatedKernel.boot(EmulatedMachine.power8());
        long locked = process.lockedBytes();
        Ran ran =
                Ran.on(process, SHORT + "--json map-64k map-pages map-64k-unprepared eventfd read-mapped read-syscall");
        assertEquals(6, operations(ran).size());
        assertEquals(locked, process.lockedBytes());
        assertEquals(0, process.registeredRegions());
        // The same again: nothing is left that would be in the way.
        operations(Ran.on(process, SHORT + "--json map-64k"));
    }

    @Test
    void bench_versionOneOfTheIommu_measuresTheDefaultWindowAndSaysWhyNotMore() {
        Ran ran = Ran.of(SHORT + "--machine power7 --json ioctl map-4k map-64k");
        List<Map<?, ?>> operations = operations(ran);
        assertTrue(
                reason(operations.get(0)).contains("VFIO_SET_IOMMU")
                        || reason(operations.get(0)).contains("VFIO_IOMMU_SPAPR_TCE_CREATE"),
                ran.out());
        assertTrue(operations.get(1).containsKey("nanos"), ran.out());
        assertTrue(reason(operations.get(2)).contains("version 1 of the SPAPR TCE IOMMU"), ran.out());
    }

    @Test
    void bench_unknownOperation_namesTheNearest() {
        Ran ran = Ran.of("bench map-64");
        assertEquals(2, ran.status());
        assertTrue(
                ran.err().startsWith("jvfio: there is no operation 'map-64'; did you mean map-64k?; use window"),
                ran.err());
        assertEquals("", ran.out());
    }

    @Test
    void bench_noTime_usage() {
        Ran ran = Ran.of("bench --millis 0");
        assertEquals(2, ran.status());
        assertEquals("jvfio: --millis 0: use a number from 1 to 3600000\n", ran.err());
    }

    @Test
    void timer_slowAndFastOperations_countsEachCallOnce() {
        AtomicLong calls = new AtomicLong();
        BenchTimer.Times times = new BenchTimer(100).measure(count -> calls.addAndGet(count));
        assertTrue(calls.get() > BenchTimer.FIRST, calls.toString());
        assertTrue(times.each() > 0 && times.each() <= times.first(), times.toString());
        AtomicInteger slow = new AtomicInteger();
        new BenchTimer(1).measure(count -> {
            slow.addAndGet(count);
            long end = System.nanoTime() + 2_000_000;
            while (System.nanoTime() < end) {
                Thread.onSpinWait();
            }
        });
        assertEquals(2, slow.get());
    }
}
