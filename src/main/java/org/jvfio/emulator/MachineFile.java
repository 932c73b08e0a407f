package org.jvfio.emulator;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Consumer;
import java.util.function.Supplier;
import java.util.regex.Pattern;
import org.jvfio.emulator.device.DeviceModel;
import org.jvfio.emulator.device.EmulatedDevice;
import org.jvfio.emulator.device.MachineOptions;

/** Reads a machine file, as {@link EmulatedMachine#read} documents it. */
final class MachineFile {
    private static final Set<String> OPTIONS = Set.of(
            "like",
            "platform",
            "processor",
            "kernel",
            "pages",
            "memory",
            "defaultWindow",
            "eeh",
            "freezes",
            "maxFreezes",
            "interruptVectors",
            "memlock",
            "capIpcLock",
            "vfioModule",
            "spaprModule",
            "groupsAccessible",
            "hazards",
            "hugePages",
            "bridges",
            "devices");
    private static final Set<String> BRIDGE_OPTIONS = Set.of("domain", "platform", "defaultWindow");
    private static final Pattern DOMAIN = Pattern.compile("[0-9a-f]{4}");
    private static final Set<String> DEVICE_OPTIONS = Set.of(
            "address",
            "group",
            "model",
            "driver",
            "rom",
            "hostUse",
            "vpd",
            "config",
            "bars",
            "silentMicros",
            "windowsFailed",
            "extendedConfig");

    private final MachineOptions top;
    private final DeviceModels models;
    /** The parts of the machine, by the names that a {@link Contradiction} has for them. */
    private final Map<String, MachineOptions> parts = new HashMap<>();

    private MachineFile(MachineOptions top, DeviceModels models) {
        this.top = top;
        this.models = models;
    }

    static EmulatedMachine read(Path path, DeviceModels models) throws IOException {
        return new MachineFile(JsonFile.read(path, "{\"like\": \"power9\"}"), models).machine();
    }

    private EmulatedMachine machine() {
        top.requireKnown("the file", OPTIONS);
        String like = top.string("like");
        EmulatedMachine preset = EmulatedMachine.preset(like)
                .orElseThrow(() ->
                        top.wrong("like", "has 'like' '" + like + "', which is none of " + EmulatedMachine.presets()));
        EmulatedMachine.Builder machine = preset.toBuilder();
        Platform platform = platform(top, preset.platform());
        long window = top.size("defaultWindow", preset.dma32Bytes());
        machine.platform(platform).dma32Bytes(window);
        given("processor", name -> top.checked(name, () -> machine.processor(top.string(name))));
        given("kernel", name -> top.checked(name, () -> machine.linux(top.string(name))));
        given("pages", name -> {
            long bytes = top.size(name);
            if (bytes == 1 << 12) {
                machine.pages4K();
            } else if (bytes == 1 << 16) {
                machine.pages64K();
            } else {
                throw top.wrong(name, "has pages of " + top.value(name).orElseThrow() + "; the sizes are 4K and 64K");
            }
        });
        given("memory", name -> machine.memoryBytes(top.size(name)));
        given("eeh", name -> machine.eeh(top.flag(name)));
        given("freezes", name -> machine.freezes(top.flag(name)));
        given("maxFreezes", name -> machine.maxFreezes(top.integer(name)));
        given("interruptVectors", name -> machine.interruptVectors(top.integer(name)));
        given(
                "memlock",
                name -> machine.memlockBytes(
                        top.value(name).filter("unlimited"::equals).isPresent() ? -1 : top.size(name)));
        given("capIpcLock", name -> machine.capIpcLock(top.flag(name)));
        given("vfioModule", name -> machine.vfioModule(top.flag(name)));
        given("spaprModule", name -> machine.spaprModule(top.flag(name)));
        given("groupsAccessible", name -> machine.groupsAccessible(top.flag(name)));
        given("hazards", name -> machine.hazards(top.constant(name, HazardPolicy.values())));
        given("hugePages", name -> {
            parts.put(name, top.object(name));
            top.countsBySize(name, machine::hugePages);
        });
        given("bridges", name -> {
            for (MachineOptions bridge : top.objects(name, "a bridge")) {
                bridge.requireKnown("a bridge", BRIDGE_OPTIONS);
                int domain = domain(bridge);
                if (parts.put(bridge.string("domain"), bridge) != null) {
                    throw bridge.wrong("domain", "has a second bridge with domain " + bridge.string("domain"));
                }
                machine.bridge(domain, platform(bridge, platform), bridge.size("defaultWindow", window));
            }
        });
        given("devices", name -> addDevices(machine, name));
        return built(machine);
    }

    private EmulatedMachine built(EmulatedMachine.Builder machine) {
        try {
            return machine.build();
        } catch (Contradiction contradiction) {
            MachineOptions part = parts.getOrDefault(contradiction.part(), top);
            for (MachineOptions object : List.of(part, top)) {
                for (String name : contradiction.options()) {
                    if (object.has(name)) {
                        return object.checked(name, () -> {
                            throw contradiction;
                        });
                    }
                }
            }
            return part.checked("", () -> {
                throw contradiction;
            });
        }
    }

    private static Platform platform(MachineOptions options, Platform otherwise) {
        return options.has("platform") ? options.constant("platform", Platform.values()) : otherwise;
    }

    private static int domain(MachineOptions bridge) {
        String domain = bridge.string("domain");
        if (!DOMAIN.matcher(domain).matches()) {
            throw bridge.wrong("domain", "has a bridge with domain '" + domain + "'; write it like 0001");
        }
        return Integer.parseInt(domain, 16);
    }

    private void addDevices(EmulatedMachine.Builder machine, String name) {
        machine.withoutDevices();
        Map<DeviceModel, List<MachineOptions>> byModel = new LinkedHashMap<>();
        for (MachineOptions device : top.objects(name, "a device")) {
            String address = device.string("address");
            int group = device.checked("group", () -> Slot.requireGroup(device.integer("group")));
            HostDriver driver =
                    device.has("driver") ? device.constant("driver", HostDriver.values()) : HostDriver.VFIO_PCI;
            DeviceModel model = model(device);
            Set<String> known = new TreeSet<>(DEVICE_OPTIONS);
            known.addAll(model.options());
            device.requireKnown("a device of model '" + model.name() + "'", known);
            Supplier<? extends EmulatedDevice> supplier = device.checked("model", () -> configure(model, device));
            device.checked("address", () -> machine.device(address, group, supplier, driver));
            parts.put(address, device);
            if (device.has("hostUse")) {
                machine.hostUse(address, device.constant("hostUse", HostUse.values()));
            }
            if (device.has("rom")) {
                byte[] rom = FunctionFile.bytes(device, "rom");
                device.checked("rom", () -> machine.rom(address, rom));
            }
            machine.function(address, FunctionFile.read(device));
            machine.modelOptions(
                    address,
                    device.names().stream()
                            .filter(option -> device.has(option) && !DEVICE_OPTIONS.contains(option))
                            .sorted()
                            .toList());
            byModel.computeIfAbsent(model, _ -> new ArrayList<>()).add(device);
        }
        byModel.forEach((model, devices) -> top.checked(name, () -> {
            model.checkTogether(List.copyOf(devices));
            return model;
        }));
    }

    private DeviceModel model(MachineOptions device) {
        String name = device.string("model");
        return models.find(name)
                .orElseThrow(() ->
                        device.wrong("model", "has a device of model '" + name + "'; there are " + models.names()));
    }

    private static Supplier<? extends EmulatedDevice> configure(DeviceModel model, MachineOptions device) {
        Supplier<? extends EmulatedDevice> supplier = model.configure(device);
        if (supplier == null) {
            throw new IllegalArgumentException("the model '" + model.name() + "' returns null; it makes the device");
        }
        return supplier;
    }

    private void given(String name, Consumer<String> use) {
        if (top.has(name)) {
            use.accept(name);
        }
    }
}
