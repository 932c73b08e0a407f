package power;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Optional;
import org.junit.jupiter.api.Test;

/** The summary of JUnit's console launcher. */
class TestCountTest {
    private final ByteArrayOutputStream out = new ByteArrayOutputStream();
    private final TestCount count = new TestCount(out);

    private void write(String text) throws IOException {
        for (byte b : text.getBytes(StandardCharsets.UTF_8)) {
            count.write(b);
        }
    }

    @Test
    void summary_testsAndContainersFailed_areAddedUp() throws IOException {
        String text = """
                Test run finished after 2669 ms
                [         3 containers successful ]
                [         1 containers failed     ]
                [         7 tests found           ]
                [         5 tests successful      ]
                [         2 tests failed          ]

                """;
        write(text);
        assertEquals(Optional.of("5 passed, 3 failed"), count.summary());
        assertEquals(text, out.toString(StandardCharsets.UTF_8));
    }

    @Test
    void summary_launcherDidNotEnd_empty() throws IOException {
        write("a test :: STARTED\n[ 1 containers failed ]\nsays [ 5 tests successful ]\n[ 5 tests successful ]");
        assertEquals(Optional.empty(), count.summary());
    }
}
