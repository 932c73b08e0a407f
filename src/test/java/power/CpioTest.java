package power;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Archives for the kernel's initial root directory, read back by the format's description. */
class CpioTest {
    private static final int HEADER = 110;

    @TempDir
    private Path directory = Path.of("");

    private static List<String> entries(Cpio.Contents contents) throws IOException {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        Cpio.append(out, contents);
        String bytes = out.toString(StandardCharsets.ISO_8859_1);
        assertEquals(0, bytes.length() % 4);
        List<String> entries = new ArrayList<>();
        List<Integer> inodes = new ArrayList<>();
        int at = 0;
        while (at < bytes.length()) {
            assertEquals("070701", bytes.substring(at, at + 6));
            int[] fields = new int[13];
            for (int i = 0; i < fields.length; i++) {
                fields[i] = Integer.parseInt(bytes.substring(at + 6 + 8 * i, at + 14 + 8 * i), 16);
            }
            inodes.add(fields[0]);
            assertEquals(0, fields[2] + fields[3] + fields[5], "owner, group and time");
            String name = bytes.substring(at + HEADER, at + HEADER + fields[11] - 1);
            int data = (at + HEADER + fields[11] + 3) & ~3;
            entries.add(
                    String.format(Locale.ROOT, "%s %o %s", name, fields[1], bytes.substring(data, data + fields[6])));
            at = (data + fields[6] + 3) & ~3;
        }
        assertEquals(inodes.size(), inodes.stream().distinct().count());
        assertEquals("TRAILER!!! 0 ", entries.removeLast());
        return entries;
    }

    @Test
    void tree_filesLinksAndFolders_inOrderWithTheirModes() throws IOException {
        Path program = Files.writeString(directory.resolve("b"), "#!/bin/sh\n");
        Files.setPosixFilePermissions(program, PosixFilePermissions.fromString("rwxr-x---"));
        Files.createDirectory(directory.resolve("a"));
        Files.createSymbolicLink(directory.resolve("c"), Path.of("nowhere/at all"));
        Files.setPosixFilePermissions(
                Files.writeString(directory.resolve("a/f"), "12345"), PosixFilePermissions.fromString("rw-r--r--"));
        assertEquals(
                List.of(
                        "root 40755 ",
                        "root/t 40755 ",
                        "root/t/a 40755 ",
                        "root/t/a/f 100644 12345",
                        "root/t/b 100750 #!/bin/sh\n",
                        "root/t/c 120777 nowhere/at all"),
                entries(archive -> archive.tree("root/t", directory)));
    }

    @Test
    void textAndProgram_sameFolder_folderOnce() throws IOException {
        Path script = Files.writeString(directory.resolve("init"), "x");
        assertEquals(List.of("run 40755 ", "run/a 100644 \u00c3\u00a9", "run/b 100755 x"), entries(archive -> {
            archive.text("run/a", "\u00e9");
            archive.program("run/b", script);
        }));
    }

    @Test
    void tree_fileThatIsMissing_exception() {
        assertThrows(
                NoSuchFileException.class, () -> entries(archive -> archive.tree("x", directory.resolve("missing"))));
    }
}
