package org.jvfio.cli;

import java.io.PrintStream;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * Starts {@link Main} if the libraries that the command needs are available. The module requires them statically, so
 * that users of the library need not have them; this class links without them.
 */
public final class Launcher {
    private static final List<Library> LIBRARIES = List.of(
            new Library("org.apache.commons.cli.Options", "commons-cli", "org.apache.commons.cli"),
            new Library("com.fasterxml.jackson.jr.ob.JSON", "jackson-jr-objects", "com.fasterxml.jackson.jr.ob"),
            new Library("com.fasterxml.jackson.core.JsonFactory", "jackson-core", "com.fasterxml.jackson.core"));

    private Launcher() {}

    /**
     * A library that is optional for the module.
     *
     * @param type the name of a class in it
     * @param artifact its name in Maven Central
     * @param module its module
     */
    private record Library(String type, String artifact, String module) {
        boolean isAvailable() {
            try {
                Class.forName(type, false, Launcher.class.getClassLoader());
                return true;
            } catch (ClassNotFoundException | LinkageError unavailable) {
                return false;
            }
        }
    }

    /** Runs the command line and ends the JVM with its status. */
    public static void main(String[] arguments) {
        // Results have ASCII digits and a decimal point wherever the user lives. The formatter loads data of the locale
        // for %d, all the same: what short commands print has integers as %s.
        Locale.setDefault(Locale.Category.FORMAT, Locale.US);
        if (!librariesAvailable(System.err)) {
            System.exit(1);
        }
        Main.main(arguments);
    }

    private static boolean librariesAvailable(PrintStream err) {
        List<String> artifacts = new ArrayList<>();
        List<String> modules = new ArrayList<>();
        for (Library library : LIBRARIES) {
            if (!library.isAvailable()) {
                artifacts.add(library.artifact());
                modules.add(library.module());
            }
        }
        if (artifacts.isEmpty()) {
            return true;
        }
        String where = Launcher.class.getModule().isNamed()
                ? "put the jars on the module path and pass --add-modules " + String.join(",", modules)
                : "put the jars on the class path";
        err.println("jvfio: the command needs %s: %s".formatted(String.join(", ", artifacts), where));
        return false;
    }
}
