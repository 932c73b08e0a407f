package org.jvfio.driver.nvme;

import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.regex.Pattern;
import java.util.spi.ToolProvider;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.NullMarked;
import org.jvfio.kernel.Kernel;
import org.jvfio.observe.fault.FaultSearch.Scenario;

/**
 * A copy of this package with a defect: one of its classes is compiled from its source with one place changed, and the
 * whole package is loaded anew by a class loader of its own. The product has no switch for it.
 */
final class DefectiveDriver {
    private static final Path SOURCES = Path.of("src", "main", "java");
    private static final String PACKAGE = "org.jvfio.driver.nvme.";

    private DefectiveDriver() {}

    /** Loads this package anew, with the classes of a directory first; everything else is that of its parent. */
    private static final class Loader extends ClassLoader {
        private final Path changed;

        private Loader(Path changed) {
            super(DefectiveDriver.class.getClassLoader());
            this.changed = changed;
        }

        @Override
        protected Class<?> loadClass(String name, boolean resolve) throws ClassNotFoundException {
            if (!name.startsWith(PACKAGE)) {
                return super.loadClass(name, resolve);
            }
            synchronized (getClassLoadingLock(name)) {
                Class<?> loaded = findLoadedClass(name);
                return loaded != null ? loaded : define(name);
            }
        }

        private Class<?> define(String name) throws ClassNotFoundException {
            String file = name.replace('.', '/') + ".class";
            try (InputStream in = Files.exists(changed.resolve(file))
                    ? Files.newInputStream(changed.resolve(file))
                    : getResourceAsStream(file)) {
                if (in == null) {
                    throw new ClassNotFoundException(name);
                }
                byte[] bytes = in.readAllBytes();
                return defineClass(name, bytes, 0, bytes.length);
            } catch (IOException unreadable) {
                throw new ClassNotFoundException(name, unreadable);
            }
        }
    }

    /**
     * Makes a scenario that runs on a defective copy of the driver.
     *
     * @param directory where the defective class is compiled, and stays
     * @param scenario a class of this package with a constructor without parameters
     * @param changed the class of this package that has the defect
     * @param original a text that occurs in its source once
     * @param defective what replaces it
     */
    static Scenario scenario(
            Path directory, Class<? extends Scenario> scenario, Class<?> changed, String original, String defective) {
        try {
            String file = changed.getName().replace('.', '/') + ".java";
            String source = Files.readString(SOURCES.resolve(file));
            if (source.split(Pattern.quote(original), -1).length != 2) {
                throw new IllegalArgumentException(file + " does not have this once: " + original);
            }
            Path copy = directory.resolve(file);
            Files.createDirectories(copy.resolveSibling(""));
            Files.writeString(copy, source.replace(original, defective));
            compile(directory, copy);
            return (Scenario) new Loader(directory)
                    .loadClass(scenario.getName())
                    .getDeclaredConstructor()
                    .newInstance();
        } catch (IOException | URISyntaxException | ReflectiveOperationException e) {
            throw new IllegalStateException("cannot make a defective copy of " + changed, e);
        }
    }

    private static void compile(Path directory, Path source) throws URISyntaxException {
        String classPath = Stream.of(location(Kernel.class), location(NullMarked.class))
                .map(Path::toString)
                .collect(Collectors.joining(File.pathSeparator));
        StringWriter problems = new StringWriter();
        PrintWriter out = new PrintWriter(problems);
        int status = ToolProvider.findFirst("javac")
                .orElseThrow()
                .run(
                        out,
                        out,
                        "-proc:none",
                        "-nowarn",
                        "-implicit:none",
                        "-cp",
                        classPath,
                        "-d",
                        directory.toString(),
                        source.toString());
        if (status != 0) {
            throw new IllegalArgumentException("the defective copy of " + source + " does not compile: " + problems);
        }
    }

    private static Path location(Class<?> type) throws URISyntaxException {
        return Path.of(type.getProtectionDomain().getCodeSource().getLocation().toURI());
    }
}
