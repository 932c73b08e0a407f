package org.jvfio.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Objects;

/**
 * Texts that commands print, as they were when somebody read them. {@code
 * -Djvfio.golden=src/test/resources/org/jvfio/cli/golden} writes them anew, to be read again.
 */
final class Golden {
    private Golden() {}

    /** A file beside the tests of this package. */
    static Path resource(String name) {
        try {
            return Path.of(
                    Objects.requireNonNull(Golden.class.getResource(name), name).toURI());
        } catch (URISyntaxException e) {
            throw new IllegalArgumentException(e);
        }
    }

    static void check(String name, String text) throws IOException {
        String stable = text.replaceAll("(Java )[0-9]+( \\(.*\\))?", "$1N")
                .replace(resource("machines").toString(), "machines");
        String directory = System.getProperty("jvfio.golden");
        if (directory != null) {
            Files.writeString(Path.of(directory, name), stable);
        } else {
            assertEquals(Files.readString(resource("golden/" + name)), stable, name);
        }
    }
}
