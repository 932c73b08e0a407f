package org.jvfio.emulator;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.File;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.jar.JarEntry;
import java.util.jar.JarOutputStream;
import java.util.spi.ToolProvider;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jvfio.emulator.device.DeviceModel;

/** A jar made by a test, as users make them: compiled against JVFIO, with a device model or without one. */
public final class ModelJar {
    private static final String SERVICES = "META-INF/services/" + DeviceModel.class.getName();

    private final Map<String, String> files = new LinkedHashMap<>();
    private final List<Path> modulePath = new ArrayList<>();

    /** A jar with nothing in it yet. */
    public ModelJar() {}

    /** Adds a source file, which is compiled, or another file, which is copied. */
    public ModelJar file(String name, String text) {
        files.put(name, text);
        return this;
    }

    /** A module that the jar's own requires. */
    public ModelJar against(Path jar) {
        modulePath.add(jar);
        return this;
    }

    /** Adds the class {@code org.example.PACKAGE.Model}: a model of edu devices with a name. */
    public ModelJar model(String inPackage, String name) {
        return model(inPackage, name, "");
    }

    /** As {@link #model(String, String)}, whose constructor does something. */
    public ModelJar model(String inPackage, String name, String constructor) {
        return file("org/example/" + inPackage + "/Model.java", """
                package org.example.%s;

                public final class Model implements org.jvfio.emulator.device.DeviceModel {
                    public Model() {
                        %s
                    }

                    @Override
                    public String name() {
                        return "%s";
                    }

                    @Override
                    public java.util.Set<String> options() {
                        return java.util.Set.of();
                    }

                    @Override
                    public java.util.function.Supplier<? extends org.jvfio.emulator.device.EmulatedDevice> configure(
                            org.jvfio.emulator.device.MachineOptions options) {
                        return new org.jvfio.emulator.edu.EduModel().configure(options);
                    }
                }
                """.formatted(inPackage, constructor, name));
    }

    /** Names that model in a module-info, with more directives. */
    public ModelJar module(String inPackage, String... directives) {
        return file("module-info.java", """
                module org.example.%s {
                    requires org.jvfio;
                    %s
                    provides org.jvfio.emulator.device.DeviceModel with org.example.%s.Model;
                }
                """.formatted(inPackage, String.join(" ", directives), inPackage));
    }

    /** Names that model in META-INF/services. */
    public ModelJar service(String inPackage) {
        return file(SERVICES, "org.example." + inPackage + ".Model\n");
    }

    /** Compiles it and writes the jar. */
    public Path write(Path jar) throws IOException {
        Path sources = Files.createTempDirectory(jar.toAbsolutePath().getParent(), "sources");
        Path classes = Files.createDirectory(sources.resolve("classes"));
        List<String> compiled = new ArrayList<>();
        for (Map.Entry<String, String> file : files.entrySet()) {
            boolean source = file.getKey().endsWith(".java");
            Path written = (source ? sources : classes).resolve(file.getKey());
            Files.createDirectories(written.getParent());
            Files.writeString(written, file.getValue());
            if (source) {
                compiled.add(written.toString());
            }
        }
        if (!compiled.isEmpty()) {
            compile(classes, compiled);
        }
        pack(classes, jar);
        try (Stream<Path> made = Files.walk(sources)) {
            for (Path path : made.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(path);
            }
        }
        return jar;
    }

    private void compile(Path classes, List<String> sources) {
        String path = Stream.concat(Stream.of(projectClasses()), modulePath.stream())
                .map(Path::toString)
                .collect(Collectors.joining(File.pathSeparator));
        String option = files.containsKey("module-info.java") ? "--module-path" : "--class-path";
        List<String> arguments = new ArrayList<>(List.of("-proc:none", option, path, "-d", classes.toString()));
        arguments.addAll(sources);
        StringWriter output = new StringWriter();
        int status = ToolProvider.findFirst("javac")
                .orElseThrow()
                .run(new PrintWriter(output), new PrintWriter(output), arguments.toArray(String[]::new));
        assertEquals(0, status, output::toString);
    }

    private static void pack(Path classes, Path jar) throws IOException {
        try (OutputStream out = Files.newOutputStream(jar);
                JarOutputStream entries = new JarOutputStream(out);
                Stream<Path> made = Files.walk(classes)) {
            for (Path file : made.filter(Files::isRegularFile).sorted().toList()) {
                entries.putNextEntry(new JarEntry(classes.relativize(file).toString()));
                entries.write(Files.readAllBytes(file));
                entries.closeEntry();
            }
        }
    }

    /** Where the classes of the project are. */
    public static Path projectClasses() {
        try {
            return Path.of(DeviceModel.class
                    .getProtectionDomain()
                    .getCodeSource()
                    .getLocation()
                    .toURI());
        } catch (URISyntaxException e) {
            throw new IllegalStateException(e);
        }
    }
}
