package org.jvfio.junit;

import java.lang.reflect.Parameter;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.jupiter.api.extension.ParameterResolutionException;
import org.jvfio.Container;
import org.jvfio.Device;
import org.jvfio.Group;
import org.jvfio.PciAddress;
import org.jvfio.emulator.EmulatedKernel;
import org.jvfio.emulator.EmulatedMachine;
import org.jvfio.emulator.device.DeviceWrapper;
import org.jvfio.kernel.Kernel;
import org.jvfio.observe.fault.FaultInjection;
import org.jvfio.observe.fault.Faults;
import org.jvfio.observe.sanitize.Finding;
import org.jvfio.observe.sanitize.Sanitizer;

/** The host of one test, and what the test was given of it. */
final class HostSession {
    private static final String KEY = "session";
    private static final String FAULTS = "faults";

    private final HostSettings settings;
    private final FaultInjection faults;
    private final Sanitizer sanitizer = new Sanitizer();
    private final EmulatedKernel process;
    private final Kernel kernel;
    private final Map<Integer, Group> groups = new LinkedHashMap<>();
    private final Map<PciAddress, Device> devices = new LinkedHashMap<>();
    private @Nullable Container container;

    private HostSession(HostSettings settings, Faults plan) {
        this.settings = settings;
        faults = new FaultInjection(plan);
        DeviceWrapper wrapper = settings.sanitize() ? faults.devices().inside(sanitizer.devices()) : faults.devices();
        process = EmulatedKernel.boot(settings.machine(), wrapper);
        Kernel watched = settings.sanitize() ? sanitizer.around(process, process.host()) : process;
        kernel = faults.around(watched, process.host());
    }

    /** The session of a test, which begins with its first parameter. */
    static HostSession of(ExtensionContext context) {
        ExtensionContext.Store store = HostSettings.store(context);
        HostSession session = store.get(KEY, HostSession.class);
        if (session == null) {
            HostSettings settings = HostSettings.of(context);
            Faults plan = Optional.ofNullable(store.get(FAULTS, Faults.class)).orElse(settings.faults());
            session = new HostSession(settings, plan);
            store.put(KEY, session);
        }
        return session;
    }

    /** Has a test begin anew with a plan, in place of that of its annotations. */
    static void use(ExtensionContext context, Faults plan) {
        HostSettings.store(context).put(FAULTS, plan);
    }

    /**
     * Ends the session of a test, if it has begun.
     *
     * @param passed whether the test has; what another one leaves may be due to its failure
     * @throws AssertionError if the sanitizer has findings
     */
    static void end(ExtensionContext context, boolean passed) {
        HostSession session = HostSettings.store(context).remove(KEY, HostSession.class);
        if (session != null) {
            session.end(passed);
        }
    }

    static boolean provides(Class<?> type) {
        return List.of(
                        Kernel.class,
                        EmulatedKernel.class,
                        org.jvfio.emulator.EmulatedHost.class,
                        EmulatedMachine.class,
                        Container.class,
                        Device.class,
                        FaultInjection.class,
                        Sanitizer.class)
                .contains(type);
    }

    Object provide(Parameter parameter) {
        Class<?> type = parameter.getType();
        if (type != Device.class && parameter.isAnnotationPresent(VfioDevice.class)) {
            throw new ParameterResolutionException(
                    "@VfioDevice is for a parameter of type Device, not " + type.getName());
        }
        if (type == Kernel.class) {
            return kernel;
        } else if (type == EmulatedKernel.class) {
            return process;
        } else if (type == org.jvfio.emulator.EmulatedHost.class) {
            return process.host();
        } else if (type == EmulatedMachine.class) {
            return settings.machine();
        } else if (type == FaultInjection.class) {
            return faults;
        } else if (type == Sanitizer.class) {
            return sanitizer;
        } else if (type == Container.class) {
            return container();
        }
        PciAddress address = PciAddress.parse(address(parameter.getAnnotation(VfioDevice.class)));
        return devices.computeIfAbsent(address, this::open);
    }

    private Device open(PciAddress address) {
        int number = process.host().groupOf(address.toString());
        return groups.computeIfAbsent(number, each -> container().attach(each)).openDevice(address);
    }

    private Container container() {
        Container open = container;
        if (open == null) {
            open = Container.open(kernel);
            container = open;
        }
        return open;
    }

    private String address(@Nullable VfioDevice annotation) {
        Object described = settings.machine().describe().getOrDefault("devices", List.of());
        for (Object each : described instanceof List<?> list ? list : List.of()) {
            if (each instanceof Map<?, ?> device
                    && String.valueOf(device.get("driver")).equals("vfio-pci")) {
                String address = String.valueOf(device.get("address"));
                if (annotation == null
                        || annotation.value().equals(address)
                        || annotation.value().equals(device.get("model"))) {
                    return address;
                }
            }
        }
        throw new ParameterResolutionException("the host has no device %s that is bound to vfio-pci; its devices are %s"
                .formatted(annotation == null ? "" : "'" + annotation.value() + "'", described));
    }

    private void end(boolean passed) {
        // The faults are for the test, not for what is closed in its place.
        faults.end();
        try {
            if (passed && !faults.hasRefusedRelease()) {
                // Closing would give everything back.
                sanitizer.driverEnded(lent());
            }
            close();
            if (settings.sanitize()) {
                requireClean();
            }
        } finally {
            // The memory of what the test has left goes with its process.
            process.exit();
        }
    }

    /** The groups and devices that this opened, as the sanitizer names them. */
    private Set<String> lent() {
        return Stream.concat(
                        groups.keySet().stream().map(number -> "/dev/vfio/" + number),
                        devices.keySet().stream().map(PciAddress::toString))
                .collect(Collectors.toSet());
    }

    private void requireClean() {
        try {
            sanitizer.requireClean(settings.allowed().toArray(Finding.Kind[]::new));
        } catch (AssertionError found) {
            String kinds = sanitizer.findings().stream()
                    .map(Finding::kind)
                    .filter(kind -> !settings.allowed().contains(kind))
                    .distinct()
                    .map(Finding.Kind::name)
                    .collect(Collectors.joining(", "));
            throw new AssertionError(
                    "%s%nA test that does this on purpose: @EmulatedHost(allow = {%s}), with its other options"
                            .formatted(found.getMessage(), kinds));
        }
    }

    private void close() {
        Container open = container;
        if (open != null) {
            try (open) {
                devices.values().forEach(Device::close);
            }
        }
    }
}
