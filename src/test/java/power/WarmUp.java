package power;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Has JUnit load what tests make use of, for the archive of its classes that scripts/power makes. Tests nothing. */
@Tag("contract")
class WarmUp {
    private int before;

    @BeforeAll
    static void beforeAll() {}

    @BeforeEach
    void beforeEach() {
        before++;
    }

    @AfterEach
    void afterEach() {
        before--;
    }

    @Test
    @DisplayName("a test")
    void test() {
        assertEquals(1, before);
        assertTrue(List.of(1, 2).stream().map(String::valueOf).anyMatch("2"::equals), () -> "message");
        assertThrows(IllegalStateException.class, () -> {
            throw new IllegalStateException(String.format("%#x %d", before, 5L));
        });
    }

    @ParameterizedTest(name = "{0}")
    @ValueSource(ints = {1, 2})
    void values(int value) {
        assertTrue(value > 0);
    }

    @ParameterizedTest
    @MethodSource("arguments")
    void methods(String argument) {
        assertEquals(1, argument.length());
    }

    static Stream<String> arguments() {
        return Stream.of("a", "b");
    }

    @TestFactory
    Stream<DynamicTest> dynamic() {
        return Stream.of(DynamicTest.dynamicTest("dynamic", () -> assertEquals(1, before)));
    }

    @Nested
    class Inner {
        @Test
        void test() {
            assertEquals(1, before);
        }
    }
}
