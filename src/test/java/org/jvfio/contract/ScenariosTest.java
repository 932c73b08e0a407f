package org.jvfio.contract;

import static com.tngtech.archunit.base.DescribedPredicate.describe;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.domain.JavaMethod;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** Every scenario has a test that runs on Linux too, or a reason why it has none. */
class ScenariosTest {
    private static final Pattern SCENARIO =
            Pattern.compile("([A-K][1-9][0-9]?) +(.+?) = (.+?)( -- (not tested|emulator only): (.+))?");

    private static final JavaClasses TESTS = new ClassFileImporter().importPackages("org.jvfio.contract");

    /** A line of {@code scenarios.txt}. */
    private record Line(String number, Tested where) {}

    private enum Tested {
        EVERYWHERE,
        ON_THE_EMULATOR,
        NOWHERE
    }

    private static List<Line> lines() throws IOException {
        try (InputStream in = Objects.requireNonNull(ScenariosTest.class.getResourceAsStream("scenarios.txt"))) {
            return new String(in.readAllBytes(), StandardCharsets.UTF_8)
                    .lines()
                    .filter(line -> !line.isEmpty() && !line.startsWith("#"))
                    .map(ScenariosTest::parse)
                    .toList();
        }
    }

    private static Line parse(String text) {
        Matcher scenario = SCENARIO.matcher(text);
        assertTrue(scenario.matches(), text);
        Tested where = Tested.EVERYWHERE;
        if (scenario.group(4) != null) {
            where = scenario.group(5).equals("not tested") ? Tested.NOWHERE : Tested.ON_THE_EMULATOR;
        }
        return new Line(scenario.group(1), where);
    }

    private static Set<String> covered(JavaClasses tests) {
        return tests.stream()
                .flatMap(javaClass -> javaClass.getMethods().stream())
                .flatMap(ScenariosTest::scenarios)
                .collect(Collectors.toCollection(TreeSet::new));
    }

    /** The scenarios of tests that run on all hosts. */
    private static Set<String> coveredEverywhere() {
        return covered(TESTS.that(describe("tests on all hosts", ScenariosTest::isOnAllHosts)));
    }

    /** Nested classes run where the class around them does. */
    private static boolean isOnAllHosts(JavaClass tests) {
        return tests.getEnclosingClass()
                .map(ScenariosTest::isOnAllHosts)
                .orElseGet(() ->
                        tests.isAnnotatedWith(ContractTest.class) || tests.isAnnotatedWith(Type2ContractTest.class));
    }

    private static Stream<String> scenarios(JavaMethod method) {
        return method.tryGetAnnotationOfType(Scenario.class)
                .map(scenario -> Stream.of(scenario.value()))
                .orElse(Stream.empty());
    }

    @Test
    void scenarios_untagged_testedOnEveryHost() throws IOException {
        assertEquals(tested(Tested.EVERYWHERE), coveredEverywhere());
    }

    @Test
    void scenarios_emulatorOnly_testedOnTheEmulator() throws IOException {
        Set<String> emulated = covered(TESTS);
        emulated.removeAll(coveredEverywhere());
        assertEquals(tested(Tested.ON_THE_EMULATOR), emulated);
    }

    private static Set<String> tested(Tested where) throws IOException {
        return lines().stream()
                .filter(line -> line.where() == where)
                .map(Line::number)
                .collect(Collectors.toCollection(TreeSet::new));
    }

    @Test
    void scenarios_numbers_unique() throws IOException {
        List<String> numbers = lines().stream().map(Line::number).toList();
        assertEquals(numbers.stream().distinct().toList(), numbers);
    }
}
