package org.jvfio.emulator;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.ServiceConfigurationError;
import java.util.ServiceLoader;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.jvfio.emulator.device.DeviceModel;
import org.jvfio.emulator.device.EmulatedDevice;
import org.jvfio.emulator.device.MachineOptions;

/** The installed device models: the project's own and those of users. */
final class DeviceModels {
    private final List<DeviceModel> models;

    DeviceModels(List<DeviceModel> models) {
        this.models = List.copyOf(models);
    }

    /**
     * Finds all models, through this class's loader and the thread's context class loader.
     *
     * @throws IllegalStateException if one is listed as a service provider and cannot be loaded
     */
    static DeviceModels installed() {
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
            throw new IllegalStateException(
                    "an installed device model cannot be loaded: " + broken.getMessage(), broken);
        }
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
     * Makes devices of one of the project's own models, without options.
     *
     * @throws IllegalStateException if the model is missing
     */
    Supplier<? extends EmulatedDevice> plain(String name) {
        return find(name)
                .orElseThrow(() -> new IllegalStateException(
                        "the device model '%s' is missing, the installed models are %s; restore JVFIO's META-INF/services/%s"
                                .formatted(name, names(), DeviceModel.class.getName())))
                .configure(MachineOptions.of(Map.of()));
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
