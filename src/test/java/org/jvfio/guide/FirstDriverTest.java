package org.jvfio.guide;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.junit.jupiter.api.Test;

/** The programs of the page "A driver in an hour". */
class FirstDriverTest {
    @Test
    void firstRegister_run_printsTheIdentification() throws Exception {
        assertEquals("0000:01:00.0: 0x010000ed\n", Printed.by(FirstRegister::main));
    }

    @Test
    void firstDriver_run_makesAllSteps() throws Exception {
        List<String> lines = Printed.by(FirstDriver::main).lines().toList();
        assertEquals("0000:01:00.0: 0x010000ed", lines.getFirst());
        assertEquals("10! = 3628800", lines.get(1));
        assertTrue(lines.get(2).startsWith("replace the default window by "), lines.get(2));
        assertTrue(lines.contains("Hello, POWER"), lines.toString());
        assertTrue(lines.contains("interrupted: true, 12! = 479001600"), lines.toString());
        assertTrue(lines.get(lines.size() - 2).contains("PE frozen: 0000:01:00.0 read 4096 bytes"), lines.toString());
        assertEquals(lines.getFirst(), lines.getLast());
    }
}
