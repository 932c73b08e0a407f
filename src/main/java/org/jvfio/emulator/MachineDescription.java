package org.jvfio.emulator;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import org.jvfio.emulator.device.MachineOptions;

/** Writes a machine as {@link MachineFile} reads it. */
final class MachineDescription {
    private MachineDescription() {}

    static Map<String, Object> of(EmulatedMachine machine, DeviceModels models) {
        Map<String, Object> top = new LinkedHashMap<>();
        top.put("like", preset(machine.platform()));
        top.put("platform", word(machine.platform()));
        top.put("processor", machine.processor());
        top.put("kernel", machine.release());
        top.put("pages", MachineOptions.sizeText(1L << machine.pageShift()));
        top.put("memory", MachineOptions.sizeText(machine.memoryBytes()));
        top.put("defaultWindow", MachineOptions.sizeText(machine.dma32Bytes()));
        top.put("eeh", machine.eeh());
        top.put("freezes", machine.freezes());
        top.put("maxFreezes", machine.maxFreezes());
        top.put("interruptVectors", machine.interruptVectors());
        top.put("memlock", machine.memlockBytes() < 0 ? "unlimited" : MachineOptions.sizeText(machine.memlockBytes()));
        top.put("capIpcLock", machine.capIpcLock());
        top.put("vfioModule", machine.vfioModule());
        top.put("spaprModule", machine.spaprModule());
        top.put("groupsAccessible", machine.groupsAccessible());
        if (!machine.hugePages().isEmpty()) {
            Map<String, Object> pools = new LinkedHashMap<>();
            new TreeMap<>(machine.hugePages())
                    .forEach((shift, count) -> pools.put(MachineOptions.sizeText(1L << shift), count));
            top.put("hugePages", pools);
        }
        if (!machine.bridges().isEmpty()) {
            List<Map<String, Object>> bridges = new ArrayList<>();
            new TreeMap<>(machine.bridges()).forEach((domain, bridge) -> {
                Map<String, Object> each = new LinkedHashMap<>();
                each.put("domain", "%04x".formatted(domain));
                each.put("platform", word(bridge.platform()));
                each.put("defaultWindow", MachineOptions.sizeText(bridge.dma32Bytes()));
                bridges.add(each);
            });
            top.put("bridges", bridges);
        }
        List<Map<String, Object>> devices = new ArrayList<>();
        for (Slot slot : machine.slots()) {
            Map<String, Object> device = new LinkedHashMap<>();
            device.put("address", slot.address());
            device.put("group", slot.group());
            device.put("model", models.nameOf(slot.device().get()));
            device.put("driver", slot.driver() == HostDriver.OTHER ? "other" : word(slot.driver()));
            HostUse use = machine.hostUses().get(slot.address());
            if (use != null) {
                device.put("hostUse", word(use));
            }
            devices.add(device);
        }
        top.put("devices", devices);
        return top;
    }

    /** What the description does not have, by the address of its device; by the empty string that of the machine. */
    static Map<String, List<String>> leftOut(EmulatedMachine machine) {
        Map<String, List<String>> all = new TreeMap<>();
        boolean failedWindows =
                machine.slots().stream().anyMatch(slot -> slot.options().windowsFailed());
        for (Hazard hazard : Hazard.values()) {
            // The machine sets this one itself where windows have failed.
            boolean isImplied = failedWindows && hazard == Hazard.CREATE_CHARGE_LEAK;
            if (machine.policy(hazard) != HazardPolicy.STOP && !isImplied) {
                all.put("", List.of("hazards"));
            }
        }
        for (Slot slot : machine.slots()) {
            List<String> names = new ArrayList<>(slot.modelOptions());
            if (slot.rom() != null) {
                names.add("rom");
            }
            names.addAll(slot.options().names());
            if (!names.isEmpty()) {
                all.put(slot.address(), List.copyOf(names));
            }
        }
        return all;
    }

    private static String preset(Platform platform) {
        return platform.isPowernv() ? "power8" : "pseries";
    }

    private static String word(Enum<?> constant) {
        return constant.name().toLowerCase(Locale.ROOT).replace('_', '-');
    }
}
