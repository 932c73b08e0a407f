package power;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class CommandsTest {
    /** Runs a command that writes to both outputs, in a process of its own. */
    public static void main(String[] arguments) throws IOException, InterruptedException {
        System.exit(Commands.runHere(Path.of("."), List.of("sh", "-c", "echo out; echo error >&2; exit 3")));
    }

    @Test
    void runHere_outputsAreAFile_appendsToIt(@TempDir Path directory) throws Exception {
        Path log = Files.writeString(directory.resolve("log"), "before\n");
        Path java = Path.of(System.getProperty("java.home"), "bin", "java");
        Path classes = Path.of(Commands.class
                .getProtectionDomain()
                .getCodeSource()
                .getLocation()
                .toURI());
        Process process = new ProcessBuilder(java.toString(), "-cp", classes.toString(), CommandsTest.class.getName())
                .redirectOutput(ProcessBuilder.Redirect.appendTo(log.toFile()))
                .redirectError(ProcessBuilder.Redirect.appendTo(log.toFile()))
                .start();
        assertEquals(3, process.waitFor());
        assertEquals("before\nout\nerror\n", Files.readString(log));
    }
}
