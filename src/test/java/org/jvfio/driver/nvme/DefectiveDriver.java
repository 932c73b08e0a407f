package org.jvfio.driver.nvme;

import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.StringWriter;
import java.net.URI;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import javax.tools.FileObject;
import javax.tools.ForwardingJavaFileManager;
import javax.tools.JavaCompiler;
import javax.tools.JavaFileManager;
import javax.tools.JavaFileObject;
import javax.tools.SimpleJavaFileObject;
import javax.tools.ToolProvider;
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

    /** The source of a class, in memory. */
    private static final class Source extends SimpleJavaFileObject {
        private final String text;

        private Source(String type, String text) {
            super(URI.create("string:///" + type.replace('.', '/') + ".java"), Kind.SOURCE);
            this.text = text;
        }

        @Override
        public CharSequence getCharContent(boolean ignoreEncodingErrors) {
            return text;
        }
    }

    /** Keeps compiled classes in memory. */
    private static final class InMemory extends ForwardingJavaFileManager<JavaFileManager> {
        private final Map<String, ByteArrayOutputStream> classes = new HashMap<>();

        private InMemory(JavaFileManager behind) {
            super(behind);
        }

        @Override
        public JavaFileObject getJavaFileForOutput(
                Location location, String type, JavaFileObject.Kind kind, FileObject sibling) {
            ByteArrayOutputStream bytes = new ByteArrayOutputStream();
            classes.put(type, bytes);
            return new SimpleJavaFileObject(URI.create("mem:///" + type), kind) {
                @Override
                public OutputStream openOutputStream() {
                    return bytes;
                }
            };
        }
    }

    /** Loads this package anew, with some classes replaced; everything else is that of its parent. */
    private static final class Loader extends ClassLoader {
        private final Map<String, byte[]> replaced;

        private Loader(Map<String, byte[]> replaced) {
            super(DefectiveDriver.class.getClassLoader());
            this.replaced = replaced;
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
            byte[] bytes = replaced.get(name);
            if (bytes == null) {
                try (InputStream in = getResourceAsStream(name.replace('.', '/') + ".class")) {
                    if (in == null) {
                        throw new ClassNotFoundException(name);
                    }
                    bytes = in.readAllBytes();
                } catch (IOException unreadable) {
                    throw new ClassNotFoundException(name, unreadable);
                }
            }
            return defineClass(name, bytes, 0, bytes.length);
        }
    }

    /**
     * Makes a scenario that runs on a defective copy of the driver.
     *
     * @param scenario a class of this package with a constructor without parameters
     * @param changed the class of this package that has the defect
     * @param original a text that occurs in its source once
     * @param defective what replaces it
     */
    static Scenario scenario(Class<? extends Scenario> scenario, Class<?> changed, String original, String defective) {
        try {
            String name = changed.getName();
            String source = Files.readString(SOURCES.resolve(name.replace('.', '/') + ".java"));
            if (source.split(Pattern.quote(original), -1).length != 2) {
                throw new IllegalArgumentException("the source of " + name + " does not have this once: " + original);
            }
            Loader loader = new Loader(compile(name, source.replace(original, defective)));
            return (Scenario) loader.loadClass(scenario.getName())
                    .getDeclaredConstructor()
                    .newInstance();
        } catch (IOException | URISyntaxException | ReflectiveOperationException e) {
            throw new IllegalStateException("cannot make a defective copy of " + changed, e);
        }
    }

    private static Map<String, byte[]> compile(String name, String source) throws IOException, URISyntaxException {
        JavaCompiler compiler = ToolProvider.getSystemJavaCompiler();
        StringWriter problems = new StringWriter();
        try (InMemory files = new InMemory(compiler.getStandardFileManager(null, null, null))) {
            String classPath = Stream.of(location(Kernel.class), location(NullMarked.class))
                    .map(Path::toString)
                    .collect(Collectors.joining(File.pathSeparator));
            boolean compiled = compiler.getTask(
                            problems,
                            files,
                            null,
                            List.of("-proc:none", "-nowarn", "-implicit:none", "-cp", classPath),
                            null,
                            List.of(new Source(name, source)))
                    .call();
            if (!compiled) {
                throw new IllegalArgumentException("the defective copy of " + name + " does not compile: " + problems);
            }
            Map<String, byte[]> classes = new HashMap<>();
            files.classes.forEach((type, bytes) -> classes.put(type, bytes.toByteArray()));
            return classes;
        }
    }

    private static Path location(Class<?> type) throws URISyntaxException {
        return Path.of(type.getProtectionDomain().getCodeSource().getLocation().toURI());
    }
}
