package org.jvfio.emulator;

import java.io.IOException;
import java.nio.file.Path;
import org.jvfio.emulator.device.MachineOptions;

/**
 * Reads JSON files with the library {@code jackson-jr-objects}, which is optional: what uses it does not link without
 * it, so it is checked first.
 */
public final class JsonLibrary {
    private JsonLibrary() {}

    /**
     * Reads a file with one JSON object.
     *
     * @param what the kind of file, for messages: {@code "a plan of faults"}
     * @param example the shortest valid object, for messages
     * @throws IOException if it cannot be read
     * @throws IllegalArgumentException if it is not one JSON object in UTF-8; the message has the file, the line and
     *     the reason
     * @throws IllegalStateException if the library is not available; the message says what to add
     */
    public static MachineOptions read(Path file, String what, String example) throws IOException {
        require(what);
        return JsonFile.read(file, example);
    }

    /**
     * Checks that it is available.
     *
     * @param what the kind of file that is to be read
     * @throws IllegalStateException if it is not; the message says what to add
     */
    static void require(String what) {
        try {
            Class.forName("com.fasterxml.jackson.jr.ob.JSON", false, JsonLibrary.class.getClassLoader());
        } catch (ClassNotFoundException missing) {
            throw new IllegalStateException(
                    "reading " + what + " needs com.fasterxml.jackson.jr:jackson-jr-objects: "
                            + (JsonLibrary.class.getModule().isNamed()
                                    ? "put it on the module path, and let a module require com.fasterxml.jackson.jr.ob"
                                            + " or pass --add-modules com.fasterxml.jackson.jr.ob"
                                    : "put it on the class path"),
                    missing);
        }
    }
}
