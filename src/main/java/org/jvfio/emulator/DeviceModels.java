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

/** The models of devices that there are: those of the project, and those that users bring. */
final class DeviceModels {
    private final List<DeviceModel> models;

    DeviceModels(List<DeviceModel> models) {
        this.models = List.copyOf(models);
    }

    /**
     * Finds all models: those that this class sees, and those that the thread's context class loader does.
     *
     * @throws IllegalStateException if one of them is announced and cannot be used
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
                    "a device model that is installed cannot be used: " + broken.getMessage(), broken);
        }
    }

    private static void addTo(Map<Class<?>, DeviceModel> byClass, @Nullable ClassLoader loader) {
        for (DeviceModel model : ServiceLoader.load(DeviceModel.class, loader)) {
            byClass.putIfAbsent(model.getClass(), model);
        }
    }

    /**
     * The model of a name, if there is one.
     *
     * @throws IllegalStateException if there are several
     */
    Optional<DeviceModel> find(String name) {
        List<DeviceModel> named =
                models.stream().filter(model -> model.name().equals(name)).toList();
        if (named.size() > 1) {
            throw new IllegalStateException(
                    "%d device models have the name '%s', of the classes %s; leave one of them in"
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
     * @throws IllegalStateException if it is not there
     */
    Supplier<? extends EmulatedDevice> plain(String name) {
        return find(name)
                .orElseThrow(() -> new IllegalStateException(
                        "of the device models '%s' is missing, there are %s: META-INF/services/%s is not that of JVFIO"
                                .formatted(name, names(), DeviceModel.class.getName())))
                .configure(MachineOptions.of(Map.of()));
    }

    /** The name of the model that makes such devices; the name of their class if it is none of these. */
    String nameOf(EmulatedDevice device) {
        for (DeviceModel model : models) {
            try {
                if (model.configure(MachineOptions.of(Map.of()))
                        .get()
                        .getClass()
                        .equals(device.getClass())) {
                    return model.name();
                }
            } catch (IllegalArgumentException _) {
                continue; // a model that makes no device without options
            }
        }
        return device.getClass().getName();
    }

    /** The names of all, as a sentence has them. */
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
