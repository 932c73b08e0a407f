package org.jvfio.emulator;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Consumer;
import java.util.regex.Pattern;
import org.jvfio.emulator.device.DeviceModel;
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
                .orElseThrow(
                        () -> top.wrong("has 'like' '" + like + "', which is none of " + EmulatedMachine.presets()));
        EmulatedMachine.Builder machine = preset.toBuilder();
        Platform platform = platform(top, preset.platform());
        long window = top.size("defaultWindow", preset.dma32Bytes());
        machine.platform(platform).dma32Bytes(window);
        given("processor", name -> top.checked(name, () -> machine.processor(top.string(name))));
        given("kernel", name -> top.checked(() -> machine.linux(top.string(name))));
        given("pages", name -> {
            long bytes = top.size(name);
            if (bytes == 1 << 12) {
                machine.pages4K();
            } else if (bytes == 1 << 16) {
                machine.pages64K();
            } else {
                throw top.wrong("has pages of " + top.value(name).orElseThrow() + "; the sizes are 4K and 64K");
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
            Map<Long, Integer> counts = top.countsBySize(name);
            top.checked(name, () -> {
                counts.forEach(machine::hugePages);
                return machine;
            });
        });
        given("bridges", name -> {
            for (MachineOptions bridge : top.objects(name, "a bridge")) {
                bridge.requireKnown("a bridge", BRIDGE_OPTIONS);
                machine.bridge(domain(bridge), platform(bridge, platform), bridge.size("defaultWindow", window));
            }
        });
        given("devices", name -> addDevices(machine, name));
        return top.checked(machine::build);
    }

    private static Platform platform(MachineOptions options, Platform otherwise) {
        return options.has("platform") ? options.constant("platform", Platform.values()) : otherwise;
    }

    private static int domain(MachineOptions bridge) {
        String domain = bridge.string("domain");
        if (!DOMAIN.matcher(domain).matches()) {
            throw bridge.wrong("has a bridge with domain '" + domain + "'; write it like 0001");
        }
        return Integer.parseInt(domain, 16);
    }

    private void addDevices(EmulatedMachine.Builder machine, String name) {
        machine.withoutDevices();
        for (MachineOptions device : top.objects(name, "a device")) {
            String address = device.string("address");
            int group = device.integer("group");
            HostDriver driver =
                    device.has("driver") ? device.constant("driver", HostDriver.values()) : HostDriver.VFIO_PCI;
            DeviceModel model = model(device.string("model"));
            Set<String> known = new TreeSet<>(DEVICE_OPTIONS);
            known.addAll(model.options());
            device.requireKnown("a device of model '" + model.name() + "'", known);
            top.checked(() -> machine.device(address, group, model.configure(device), driver));
            if (device.has("hostUse")) {
                machine.hostUse(address, device.constant("hostUse", HostUse.values()));
            }
            if (device.has("rom")) {
                byte[] rom = FunctionFile.bytes(device, "rom");
                top.checked(() -> machine.rom(address, rom));
            }
            machine.function(address, FunctionFile.read(device));
        }
    }

    private DeviceModel model(String name) {
        return models.find(name)
                .orElseThrow(() -> top.wrong("has a device of model '" + name + "'; there are " + models.names()));
    }

    private void given(String name, Consumer<String> use) {
        if (top.has(name)) {
            use.accept(name);
        }
    }
}
