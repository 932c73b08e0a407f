package org.jvfio.emulator;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.ServiceConfigurationError;
import java.util.ServiceLoader;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.jvfio.emulator.device.DeviceModel;
import org.jvfio.emulator.device.EmulatedDevice;
import org.jvfio.emulator.device.MachineOptions;

/**
 * The device models that machine files can name: the project's, and those that users bring. See {@link DeviceModel} for
 * how one is installed.
 */
public final class DeviceModels {
    private final List<DeviceModel> models;

    DeviceModels(List<DeviceModel> models) {
        this.models = List.copyOf(models);
    }

    /**
     * Finds the models that the class loader of this class and the context class loader of the thread see.
     *
     * @throws IllegalStateException if one of them cannot be loaded
     */
    public static DeviceModels installed() {
        try {
            Map<Class<?>, DeviceModel> byClass = new LinkedHashMap<>();
            ClassLoader own = DeviceModel.class.getClassLoader();
            ClassLoader context = Thread.currentThread().getContextClassLoader();
            addTo(byClass, own);
            if (!own.equals(context)) {
                addTo(byClass, context);
            }
            return new DeviceModels(List.copyOf(byClass.values()));
        } catch (ServiceConfigurationError broken) {
            throw unloadable(broken);
        }
    }

    /**
     * These and the models of jars that are neither on the module path nor on the class path. The jars stay open as
     * long as one of their classes is in use.
     *
     * @param path jars, modular or not, and directories of jars. Each of them has at least one model; a directory may
     *     have the jars that its models require, too. Where JVFIO itself is on the class path, a modular jar must name
     *     its models in {@code META-INF/services} as well
     * @throws IllegalArgumentException if one of them does not exist, is not a jar, has no model, or has one that
     *     cannot be loaded or whose name another model has
     */
    public DeviceModels withJars(List<Path> path) {
        List<DeviceModel> all = new ArrayList<>(models);
        for (DeviceModel added : DeviceModelPath.load(path)) {
            String name = Objects.requireNonNullElse(added.name(), "");
            if (name.isBlank()) {
                throw new IllegalArgumentException("the device model %s has no name"
                        .formatted(added.getClass().getName()));
            }
            for (DeviceModel other : all) {
                if (name.equals(other.name())) {
                    throw new IllegalArgumentException("two device models have the name '%s': %s and %s"
                            .formatted(
                                    name,
                                    other.getClass().getName(),
                                    added.getClass().getName()));
                }
            }
            all.add(added);
        }
        return new DeviceModels(all);
    }

    private static void addTo(Map<Class<?>, DeviceModel> byClass, @Nullable ClassLoader loader) {
        for (DeviceModel model : ServiceLoader.load(DeviceModel.class, loader)) {
            byClass.putIfAbsent(model.getClass(), model);
        }
    }

    /**
     * The model with a name, if there is one.
     *
     * @throws IllegalStateException if there are several
     */
    Optional<DeviceModel> find(String name) {
        List<DeviceModel> named =
                models.stream().filter(model -> model.name().equals(name)).toList();
        if (named.size() > 1) {
            throw new IllegalStateException("%d device models have the name '%s', of the classes %s; keep one of them"
                    .formatted(
                            named.size(),
                            name,
                            named.stream()
                                    .map(model -> model.getClass().getName())
                                    .sorted()
                                    .collect(Collectors.joining(" and "))));
        }
        return named.stream().findFirst();
    }

    /**
     * Makes devices of one of the project's own models, without options. Modules are searched first, and the class
     * path, which takes longer, only where the model is in none.
     *
     * @throws IllegalStateException if the model is missing
     */
    static Supplier<? extends EmulatedDevice> own(String name) {
        try {
            for (DeviceModel model : ServiceLoader.load(DeviceModel.class, DeviceModel.class.getClassLoader())) {
                if (isOwn(model) && model.name().equals(name)) {
                    return model.configure(MachineOptions.of(Map.of()));
                }
            }
        } catch (ServiceConfigurationError broken) {
            throw unloadable(broken);
        }
        throw new IllegalStateException(
                "the device model '%s' is missing, the installed models are %s; restore JVFIO's META-INF/services/%s"
                        .formatted(name, installed().names(), DeviceModel.class.getName()));
    }

    private static boolean isOwn(DeviceModel model) {
        return model.getClass().getPackageName().startsWith(DeviceModels.class.getPackageName() + ".");
    }

    private static IllegalStateException unloadable(ServiceConfigurationError broken) {
        return new IllegalStateException("an installed device model cannot be loaded: " + broken.getMessage(), broken);
    }

    /** The name of the model that makes such devices; the name of their class if it is none of these. */
    String nameOf(EmulatedDevice device) {
        return models.stream()
                .filter(model -> makes(model, device))
                .map(DeviceModel::name)
                .findFirst()
                .orElse(device.getClass().getName());
    }

    private static boolean makes(DeviceModel model, EmulatedDevice device) {
        try {
            return model.configure(MachineOptions.of(Map.of())).get().getClass().equals(device.getClass());
        } catch (IllegalArgumentException needsOptions) {
            return false;
        }
    }

    /** The names of all models, joined for a message. */
    String names() {
        List<String> names = models.stream()
                .map(model -> "'" + model.name() + "'")
                .distinct()
                .sorted()
                .toList();
        if (names.size() < 2) {
            return names.isEmpty() ? "none" : names.getFirst();
        }
        return String.join(", ", names.subList(0, names.size() - 1)) + " and " + names.getLast();
    }
}
