package org.jvfio.emulator;

import java.io.IOException;
import java.lang.module.Configuration;
import java.lang.module.FindException;
import java.lang.module.ModuleFinder;
import java.lang.module.ResolutionException;
import java.net.MalformedURLException;
import java.net.URI;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.ServiceConfigurationError;
import java.util.ServiceLoader;
import java.util.Set;
import java.util.jar.JarFile;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jvfio.emulator.device.DeviceModel;
import org.jvfio.kernel.FileErrors;

/**
 * Loads device models from jars that are neither on the module path nor on the class path. Where JVFIO is a named
 * module, the jars become modules of a layer of their own, automatic ones if they are not modular. On the class path
 * they get a class loader instead, which knows providers by {@code META-INF/services} alone.
 */
final class DeviceModelPath {
    private DeviceModelPath() {}

    /**
     * Makes an instance of each device model of a path. The jars stay open as long as one of their classes is in use.
     *
     * @param path jars, and directories of jars; each adds at least one device model
     * @throws IllegalArgumentException if one of them does not exist, is not a jar, adds no device model, or has one
     *     that cannot be loaded
     */
    static List<DeviceModel> load(List<Path> path) {
        Map<Path, List<Path>> jars = new LinkedHashMap<>();
        path.forEach(element -> jars.put(element, jars(element)));
        Path[] files = jars.values().stream().flatMap(List::stream).distinct().toArray(Path[]::new);
        try {
            List<ServiceLoader.Provider<DeviceModel>> providers =
                    DeviceModel.class.getModule().isNamed() ? inLayer(files) : inClassLoader(files);
            Set<URI> sources = providers.stream().map(DeviceModelPath::source).collect(Collectors.toSet());
            jars.forEach((element, ofElement) -> {
                if (ofElement.stream().map(Path::toUri).noneMatch(sources::contains)) {
                    throw new IllegalArgumentException(
                            "%s adds no device model: %s".formatted(element, whatIsNeeded()));
                }
            });
            return providers.stream().map(ServiceLoader.Provider::get).toList();
        } catch (ServiceConfigurationError
                | FindException
                | ResolutionException
                | LayerInstantiationException
                | LinkageError unusable) {
            throw new IllegalArgumentException("the jars cannot be loaded: " + withCause(unusable), unusable);
        }
    }

    private static List<Path> jars(Path element) {
        Path absolute = element.toAbsolutePath().normalize();
        if (!Files.exists(absolute)) {
            throw new IllegalArgumentException(element + " does not exist");
        }
        if (!Files.isDirectory(absolute)) {
            requireJar(element);
            return List.of(absolute);
        }
        List<Path> jars = new ArrayList<>();
        try (DirectoryStream<Path> entries = Files.newDirectoryStream(absolute, "*.jar")) {
            entries.forEach(jars::add);
        } catch (IOException e) {
            throw new IllegalArgumentException(
                    "the directory %s cannot be read: %s".formatted(element, FileErrors.reason(e)), e);
        }
        if (jars.isEmpty()) {
            throw new IllegalArgumentException("the directory %s has no *.jar".formatted(element));
        }
        jars.sort(null);
        jars.forEach(DeviceModelPath::requireJar);
        return jars;
    }

    private static void requireJar(Path file) {
        if (!Files.isReadable(file)) {
            throw new IllegalArgumentException(file + " cannot be read: permission denied");
        }
        try {
            new JarFile(file.toFile()).close();
        } catch (IOException e) {
            throw new IllegalArgumentException("%s is not a jar: %s".formatted(file, FileErrors.reason(e)), e);
        }
    }

    private static List<ServiceLoader.Provider<DeviceModel>> inLayer(Path... files) {
        ModuleLayer parent =
                Objects.requireNonNull(DeviceModel.class.getModule().getLayer());
        ModuleFinder finder = ModuleFinder.of(files);
        Set<String> roots = finder.findAll().stream()
                .map(module -> module.descriptor().name())
                .filter(name -> parent.findModule(name).isEmpty())
                .collect(Collectors.toSet());
        // The parent's modules come first: a copy of JVFIO among the jars would have another DeviceModel.
        Configuration configuration = parent.configuration().resolve(ModuleFinder.of(), finder, roots);
        ModuleLayer layer = parent.defineModulesWithOneLoader(configuration, DeviceModel.class.getClassLoader());
        return ServiceLoader.load(layer, DeviceModel.class).stream()
                .filter(provider -> layer.equals(provider.type().getModule().getLayer()))
                .toList();
    }

    private static List<ServiceLoader.Provider<DeviceModel>> inClassLoader(Path... files) {
        // Not closed: the models load classes until the process ends.
        ClassLoader loader = new URLClassLoader(
                Stream.of(files).map(DeviceModelPath::url).toArray(URL[]::new), DeviceModel.class.getClassLoader());
        return ServiceLoader.load(DeviceModel.class, loader).stream()
                .filter(provider -> loader.equals(provider.type().getClassLoader()))
                .toList();
    }

    private static URL url(Path file) {
        try {
            return file.toUri().toURL();
        } catch (MalformedURLException e) {
            throw new IllegalArgumentException("%s has no URL: %s".formatted(file, e.getMessage()), e);
        }
    }

    private static URI source(ServiceLoader.Provider<DeviceModel> provider) {
        return URI.create(provider.type()
                .getProtectionDomain()
                .getCodeSource()
                .getLocation()
                .toString());
    }

    private static String whatIsNeeded() {
        String service = DeviceModel.class.getName();
        return DeviceModel.class.getModule().isNamed()
                ? "the module-info of a modular jar says 'provides %s with', another jar names the class in META-INF/services/%s"
                        .formatted(service, service)
                : "on the class path, a jar names the class in META-INF/services/" + service;
    }

    private static String withCause(Throwable failure) {
        Throwable cause = failure.getCause();
        return cause == null ? String.valueOf(failure.getMessage()) : failure.getMessage() + ": " + cause;
    }
}
