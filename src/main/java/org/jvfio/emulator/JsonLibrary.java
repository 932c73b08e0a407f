package org.jvfio.emulator;

/**
 * The library that machine files are read with. It is optional: {@link MachineFile} does not link without it, so it is
 * checked first.
 */
final class JsonLibrary {
    private JsonLibrary() {}

    /**
     * Checks that it is available.
     *
     * @throws IllegalStateException if it is not; the message says what to add
     */
    static void require() {
        try {
            Class.forName("com.fasterxml.jackson.jr.ob.JSON", false, JsonLibrary.class.getClassLoader());
        } catch (ClassNotFoundException missing) {
            throw new IllegalStateException(
                    "reading a machine file needs com.fasterxml.jackson.jr:jackson-jr-objects: "
                            + (JsonLibrary.class.getModule().isNamed()
                                    ? "put it on the module path, and let a module require com.fasterxml.jackson.jr.ob"
                                            + " or pass --add-modules com.fasterxml.jackson.jr.ob"
                                    : "put it on the class path"),
                    missing);
        }
    }
}
