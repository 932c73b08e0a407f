package org.jvfio.contract.random;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.BiFunction;
import org.junit.jupiter.api.Test;
import org.jvfio.contract.host.EmulatedContractHost;
import org.jvfio.contract.host.Hosts;
import org.jvfio.contract.host.ScriptedProcess;
import org.jvfio.contract.random.Differential.Difference;
import org.jvfio.emulator.EmulatedKernel;
import org.jvfio.emulator.Hazard;
import org.jvfio.kernel.Errno;
import org.jvfio.kernel.Kernel;
import org.jvfio.observe.ForwardingKernel;
import org.jvfio.uapi.vfio_h;

/** The comparison of kernels finds what differs, and says so in few words. */
class DifferentialCommandTest {
    private static final EmulatedContractHost HOST = new EmulatedContractHost("POWER8", Hosts.POWER8);
    private static final List<String> IN_CONTAINER = List.of(
            "open c1 /dev/vfio/vfio",
            "open g2 /dev/vfio/0",
            "setcont g2 c1",
            "setiommu c1 7",
            "mem m3 0x20000",
            "reg c1 m3 0x20000");

    private static List<String> calls(String... more) {
        List<String> calls = new ArrayList<>(IN_CONTAINER);
        calls.addAll(List.of(more));
        return calls;
    }

    /** What is said of a kernel that answers ioctls otherwise: to the request and the right answer, another one. */
    private static String report(BiFunction<Integer, Integer, Integer> otherwise, int seeds) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        Differential differential = comparison(otherwise);
        DifferentialCommand command =
                new DifferentialCommand(HOST, differential, new PrintStream(out, true, StandardCharsets.UTF_8));
        boolean equal = command.runSeeds(1, seeds, 100);
        String report = out.toString(StandardCharsets.UTF_8);
        assertEquals(equal, report.contains(" 0 seeds differ"), report);
        return report;
    }

    private static Differential comparison(BiFunction<Integer, Integer, Integer> otherwise) {
        return new Differential(HOST::mirror, HOST.devices(), () -> {
            EmulatedKernel kernel = EmulatedKernel.boot(HOST.mirror());
            ScriptedProcess right = ScriptedProcess.of(kernel, () -> {});
            return new ScriptedProcess(
                    answering(right.kernel(), otherwise),
                    right.lockable(),
                    right.second(),
                    right.newMessages(),
                    right.end());
        });
    }

    private static Kernel answering(Kernel right, BiFunction<Integer, Integer, Integer> otherwise) {
        return new ForwardingKernel(right) {
            @Override
            public int ioctl(int fd, int request, long argument) {
                return otherwise.apply(request, super.ioctl(fd, request, argument));
            }

            @Override
            public int ioctl(int fd, int request, MemorySegment argument) {
                return otherwise.apply(request, super.ioctl(fd, request, argument));
            }
        };
    }

    /** Of an address outside of all windows another kernel might say that it is invalid. */
    private static int otherwiseOutsideOfWindows(int request, int answer) {
        boolean outside = request == vfio_h.VFIO_IOMMU_MAP_DMA && answer == Errno.ENXIO.negated();
        return outside ? Errno.EINVAL.negated() : answer;
    }

    @Test
    void runSeeds_equalKernels_noDifference() {
        assertTrue(report((_, answer) -> answer, 5).contains("5 seeds of 100 calls each from seed 1 on"));
    }

    @Test
    void runSeeds_kernelWithOtherErrno_shrunkSequence() {
        String report = report(DifferentialCommandTest::otherwiseOutsideOfWindows, 4);
        List<String> lines = report.lines().toList();
        int first = lines.stream()
                .filter(line -> line.matches("seed [0-9]+ differs after [0-9]+ of 100 calls; .*"))
                .findFirst()
                .map(lines::indexOf)
                .orElseThrow(() -> new AssertionError(report));
        List<String> shown = lines.subList(first + 1, lines.size()).stream()
                .takeWhile(line -> line.startsWith("    "))
                .toList();
        assertTrue(shown.size() <= 9, report);
        assertTrue(shown.getLast().startsWith("    map "), report);
        assertTrue(report.contains("    emulated  -1 ENXIO"), report);
        assertTrue(report.contains("    here      -1 EINVAL"), report);
        assertTrue(report.contains("  again: --first-seed "), report);
        assertEquals(report, report(DifferentialCommandTest::otherwiseOutsideOfWindows, 4), "a seed is repeatable");
    }

    @Test
    void runCalls_writtenByHand_showsEveryResult() {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        DifferentialCommand command = new DifferentialCommand(
                HOST,
                comparison(DifferentialCommandTest::otherwiseOutsideOfWindows),
                new PrintStream(out, true, StandardCharsets.UTF_8));
        boolean equal = command.runCalls(calls(
                "# a comment", "map c1 m3 0x4000000000 0x10000", "map c1 m3 0x0 0x0", "map c1 m3 0x10000 0x10000"));
        assertFalse(equal);
        assertEquals(
                """
                open c1 /dev/vfio/vfio = 0
                open g2 /dev/vfio/0 = 0
                setcont g2 c1 = 0
                setiommu c1 7 = 0
                mem m3 0x20000 = 0
                reg c1 m3 0x20000 = 0; locked 0x20000
                  map c1 m3 0x4000000000 0x10000
                    emulated  -1 ENXIO; locked 0x820000
                    here      -1 EINVAL; locked 0x820000
                map c1 m3 0x0 0x0
                  left out  %s
                map c1 m3 0x10000 0x10000 = 0; locked 0x820000
                POWER8: 9 calls, 1 answered otherwise
                """.formatted(Differential.words(Hazard.PHB3_INVALIDATES_FOR_EVER)),
                out.toString(StandardCharsets.UTF_8));
    }

    @Test
    void run_groupStatusDiffersAtEnd_difference() {
        Differential differential = comparison(
                (request, answer) -> request == vfio_h.VFIO_GROUP_GET_STATUS ? Errno.ENODEV.negated() : answer);
        Difference difference = differential.run(calls()).orElseThrow();
        assertEquals("status last", difference.call());
        assertEquals(IN_CONTAINER.size(), difference.step());
    }

    @Test
    void sequence_sameSeed_sameCalls() {
        assertEquals(sequence(3), sequence(3));
        assertNotEquals(sequence(3), sequence(4));
    }

    private static List<String> sequence(long seed) {
        return new CallGenerator(HOST, seed).sequence(100);
    }

    @Test
    void sequence_fiftySeeds_everyCallIsMade() {
        List<String> names = new ArrayList<>();
        for (int seed = 1; seed <= 50; seed++) {
            sequence(seed)
                    .forEach(
                            call -> names.addAll(List.of(CallNotation.name(call).split(" "))));
        }
        CallNotation.names().forEach(name -> assertTrue(names.contains(name), name));
        assertTrue(names.contains(CallNotation.IN_SECOND.strip()));
        assertTrue(names.contains(CallNotation.WITHOUT_DESCRIPTORS.strip()));
    }

    @Test
    void run_callThatHangsPower8_leftOutAndNamed() {
        Differential differential = comparison((_, answer) -> answer);
        assertEquals(Optional.empty(), differential.run(calls("map c1 m3 0x0 0x0", "map c1 m3 0x0 0x10000")));
        assertEquals(
                List.of(Differential.words(Hazard.PHB3_INVALIDATES_FOR_EVER)),
                List.copyOf(differential.leftOut().keySet()));
        assertEquals(Map.of("0", 1), differential.answers().get("map"));
    }
}
