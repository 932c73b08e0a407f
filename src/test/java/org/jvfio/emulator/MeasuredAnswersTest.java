package org.jvfio.emulator;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.DynamicTest.dynamicTest;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;
import org.jvfio.kernel.CallScript;

@DisplayName("The emulated kernel answers as real kernels were measured to answer")
class MeasuredAnswersTest {
    private static final Pattern CALL = Pattern.compile("[0-9]+ (.+?) = (.*)");
    private static final Pattern LOG = Pattern.compile(" +log (.*)");

    /** What one process called, what it was answered, and what the kernel logged meanwhile. */
    private record Section(String name, List<String> calls, List<String> answers, List<String> log) {}

    @TestFactory
    Stream<DynamicTest> onPower8With64KPages() throws IOException {
        return replay("p8-64k", asQemuModels(EmulatedMachine.power8()));
    }

    @TestFactory
    Stream<DynamicTest> onPower8With4KPages() throws IOException {
        return replay("p8-4k", asQemuModels(EmulatedMachine.power8()).pages4K());
    }

    @TestFactory
    Stream<DynamicTest> onPower9() throws IOException {
        return replay("p9-64k", asQemuModels(EmulatedMachine.power9()));
    }

    @TestFactory
    Stream<DynamicTest> onPower9WithLinux72() throws IOException {
        return replay("p9-72", asQemuModels(EmulatedMachine.power9()).pages4K().kernel(KernelVersion.V7_2));
    }

    @TestFactory
    Stream<DynamicTest> inAnLpar() throws IOException {
        return replay("pseries-64k", asQemuModels(EmulatedMachine.pseries()));
    }

    private static EmulatedMachine.Builder asQemuModels(EmulatedMachine machine) {
        return machine.toBuilder().freezes(false).hazards(HazardPolicy.AS_LINUX);
    }

    private static Stream<DynamicTest> replay(String recording, EmulatedMachine.Builder machine) throws IOException {
        EmulatedKernel first = EmulatedKernel.boot(machine.build());
        return read(recording).stream()
                .map(section -> dynamicTest(section.name(), () -> {
                    EmulatedKernel process = first.newProcess();
                    int logged = process.host().log().size();
                    List<String> answers = new ArrayList<>();
                    try (CallScript script = new CallScript(process, process::capIpcLock)) {
                        for (String call : section.calls()) {
                            answers.add(call + " = " + script.run(call));
                        }
                    }
                    List<String> expected = new ArrayList<>();
                    for (int call = 0; call < section.calls().size(); call++) {
                        expected.add(section.calls().get(call) + " = "
                                + section.answers().get(call));
                    }
                    process.exit();
                    List<String> log = process.host().log();
                    assertEquals(String.join("\n", expected), String.join("\n", answers));
                    assertEquals(
                            String.join("\n", section.log()),
                            String.join("\n", comparable(log, logged, section.log())));
                }));
    }

    /** The recordings cut long lines, and the kernel's warnings name addresses of its build. */
    private static List<String> comparable(List<String> log, int from, List<String> recorded) {
        List<String> lines = log.subList(from, log.size()).stream()
                .filter(line -> !line.contains("WARNING"))
                .toList();
        List<String> comparable = new ArrayList<>();
        for (int line = 0; line < lines.size(); line++) {
            boolean cut = line < recorded.size() && lines.get(line).startsWith(recorded.get(line));
            comparable.add(cut ? recorded.get(line) : lines.get(line));
        }
        return comparable;
    }

    private static List<Section> read(String recording) throws IOException {
        List<Section> sections = new ArrayList<>();
        for (String line : lines(recording)) {
            Matcher call = CALL.matcher(line);
            Matcher log = LOG.matcher(line);
            if (line.startsWith("== ")) {
                sections.add(new Section(line.substring(3), new ArrayList<>(), new ArrayList<>(), new ArrayList<>()));
            } else if (call.matches()) {
                sections.getLast().calls().add(call.group(1));
                sections.getLast().answers().add(call.group(2).strip());
            } else if (log.matches() && !log.group(1).contains("WARNING")) {
                sections.getLast().log().add(log.group(1).strip());
            }
        }
        return sections;
    }

    private static List<String> lines(String recording) throws IOException {
        String resource = "measured/" + recording + ".txt";
        try (InputStream in = Objects.requireNonNull(MeasuredAnswersTest.class.getResourceAsStream(resource))) {
            return new String(in.readAllBytes(), StandardCharsets.UTF_8).lines().toList();
        }
    }
}
