package org.jvfio.contract;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

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

/** Every scenario has a test, or a reason why it has none. */
class ScenariosTest {
    private static final Pattern SCENARIO = Pattern.compile("([A-K][1-9][0-9]?) +(.+?) = (.+?)( -- not tested: (.+))?");

    /** A line of {@code scenarios.txt}. */
    private record Line(String number, boolean tested) {}

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
        return new Line(scenario.group(1), scenario.group(4) == null);
    }

    private static Set<String> covered() {
        return new ClassFileImporter()
                .importPackages("org.jvfio.contract").stream()
                        .flatMap(javaClass -> javaClass.getMethods().stream())
                        .flatMap(ScenariosTest::scenarios)
                        .collect(Collectors.toCollection(TreeSet::new));
    }

    private static Stream<String> scenarios(JavaMethod method) {
        return method.tryGetAnnotationOfType(Scenario.class)
                .map(scenario -> Stream.of(scenario.value()))
                .orElse(Stream.empty());
    }

    @Test
    void eachScenarioHasATestOrAReason() throws IOException {
        Set<String> tested =
                lines().stream().filter(Line::tested).map(Line::number).collect(Collectors.toCollection(TreeSet::new));
        assertEquals(tested, covered());
    }

    @Test
    void aScenarioIsNumberedOnce() throws IOException {
        List<String> numbers = lines().stream().map(Line::number).toList();
        assertEquals(numbers.stream().distinct().toList(), numbers);
    }
}
