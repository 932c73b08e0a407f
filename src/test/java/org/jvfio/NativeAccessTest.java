package org.jvfio;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Path;
import java.util.List;
import java.util.spi.ToolProvider;
import org.junit.jupiter.api.Test;
import org.jvfio.kernel.Kernel;

/** The JDK's {@code jnativescan} finds native access where it is meant to be, and nowhere else. */
class NativeAccessTest {
    @Test
    void classes_scannedForNativeAccess_onlyThoseOfTheLinuxKernelHaveIt() throws Exception {
        Path classes = Path.of(
                Kernel.class.getProtectionDomain().getCodeSource().getLocation().toURI());
        StringWriter out = new StringWriter();
        StringWriter err = new StringWriter();
        int status = ToolProvider.findFirst("jnativescan")
                .orElseThrow()
                .run(new PrintWriter(out), new PrintWriter(err), "--class-path", classes.toString());
        assertEquals("", err.toString());
        assertEquals(0, status, out.toString());
        List<String> found = out.toString()
                .lines()
                .map(String::strip)
                .filter(line -> line.matches("[\\w.]+:"))
                .toList();
        assertEquals(
                List.of("org.jvfio.kernel.linux.MappedMemory:", "org.jvfio.kernel.linux.SystemCalls:"),
                found,
                out.toString());
    }
}
