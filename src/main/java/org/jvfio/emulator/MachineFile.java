package org.jvfio.emulator;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.jr.ob.JSON;
import java.io.IOException;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Consumer;
import java.util.function.Supplier;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** Reads a machine that was written by hand, as {@link EmulatedMachine#read} documents it. */
final class MachineFile {
    private static final Pattern SIZE = Pattern.compile("([0-9]+)([KMGT]?)");
    private static final String UNITS = "KMGT";
    private static final Set<String> KEYS = Set.of(
            "like",
            "kernel",
            "pages",
            "memory",
            "defaultWindow",
            "eeh",
            "freezes",
            "interruptVectors",
            "memlock",
            "capIpcLock",
            "hazards",
            "hugePages",
            "devices");
    private static final Set<String> DEVICE_KEYS = Set.of("address", "group", "model", "driver");
    private static final Set<String> EDU_KEYS = Set.of("registers", "dmaMaskBits", "latencyMicros");
    private static final Set<String> NAMESPACE_KEYS = Set.of("size", "file", "lbaSize");
    private static final Set<String> NVME_KEYS =
            Set.of("serial", "latencyMicros", "namespaces", "size", "file", "lbaSize");

    private final Path path;

    private MachineFile(Path path) {
        this.path = path;
    }

    static EmulatedMachine read(Path path) throws IOException {
        return new MachineFile(path).machine();
    }

    private EmulatedMachine machine() throws IOException {
        Map<?, ?> top;
        try {
            top = object("the file", JSON.std.anyFrom(Files.readString(path)));
        } catch (JsonProcessingException notJson) {
            throw wrong("is no JSON: " + notJson.getOriginalMessage() + " in line "
                    + notJson.getLocation().getLineNr());
        }
        requireKeys("the file", top, KEYS);
        String like = string("like", top.get("like"));
        EmulatedMachine.Builder machine = EmulatedMachine.preset(like)
                .orElseThrow(() -> wrong("is like '" + like + "', which is none of " + EmulatedMachine.presets()))
                .toBuilder();
        given(top, "kernel", value -> machine.kernel(kernel(string("kernel", value))));
        given(top, "pages", value -> {
            long bytes = size("pages", value);
            if (bytes == 1 << 12) {
                machine.pages4K();
            } else if (bytes == 1 << 16) {
                machine.pages64K();
            } else {
                throw wrong("has pages of " + value + "; they are 4K or 64K");
            }
        });
        given(top, "memory", value -> machine.memoryBytes(size("memory", value)));
        given(top, "defaultWindow", value -> machine.dma32Bytes(size("defaultWindow", value)));
        given(top, "eeh", value -> machine.eeh(flag("eeh", value)));
        given(top, "freezes", value -> machine.freezes(flag("freezes", value)));
        given(
                top,
                "interruptVectors",
                value -> machine.interruptVectors(
                        (int) Math.min(Integer.MAX_VALUE, integer("interruptVectors", value))));
        given(top, "memlock", value -> machine.memlockBytes("unlimited".equals(value) ? -1 : size("memlock", value)));
        given(top, "capIpcLock", value -> machine.capIpcLock(flag("capIpcLock", value)));
        given(top, "hazards", value -> machine.hazards(oneOf("hazards", value, HazardPolicy.values())));
        given(
                top,
                "hugePages",
                value -> object("hugePages", value)
                        .forEach((page, count) ->
                                machine.hugePages(size("hugePages", page), (int) integer("hugePages", count))));
        given(top, "devices", value -> addDevices(machine, value));
        return build(machine::build);
    }

    private void addDevices(EmulatedMachine.Builder machine, Object value) {
        if (!(value instanceof List<?> devices)) {
            throw wrong("has 'devices' that are no list");
        }
        machine.withoutDevices();
        for (Object each : devices) {
            Map<?, ?> device = object("a device", each);
            String address = string("address", device.get("address"));
            int group = (int) integer("group", device.get("group"));
            HostDriver driver = device.containsKey("driver")
                    ? oneOf("driver", device.get("driver"), HostDriver.values())
                    : HostDriver.VFIO_PCI;
            Supplier<EmulatedDevice> model = model(device);
            build(() -> machine.device(address, group, model, driver));
        }
    }

    /** Gives what a builder does not take the name of the file. */
    private <T> T build(Supplier<T> step) {
        try {
            return step.get();
        } catch (IllegalArgumentException unusable) {
            throw new IllegalArgumentException(path + ": " + unusable.getMessage(), unusable);
        }
    }

    private Supplier<EmulatedDevice> model(Map<?, ?> device) {
        String model = string("model", device.get("model"));
        return switch (model) {
            case "edu" -> edu(device);
            case "nvme" -> nvme(device);
            default -> throw wrong("has a device of model '" + model + "'; there are 'edu' and 'nvme'");
        };
    }

    private Supplier<EmulatedDevice> edu(Map<?, ?> device) {
        requireKeys("a device of model 'edu'", device, union(DEVICE_KEYS, EDU_KEYS));
        String registers = device.containsKey("registers") ? string("registers", device.get("registers")) : "big";
        if (!registers.equals("big") && !registers.equals("little")) {
            throw wrong("has registers '" + registers + "'; they are 'big' or 'little' endian");
        }
        long bits = device.containsKey("dmaMaskBits") ? integer("dmaMaskBits", device.get("dmaMaskBits")) : Long.SIZE;
        if (bits < 1 || bits > Long.SIZE) {
            throw wrong("has a DMA mask of " + bits + " bits; it has 1 to 64");
        }
        Duration latency =
                device.containsKey("latencyMicros") ? latency(device.get("latencyMicros")) : EmulatedMachine.LATENCY;
        ByteOrder order = registers.equals("big") ? ByteOrder.BIG_ENDIAN : ByteOrder.LITTLE_ENDIAN;
        return () -> new EmulatedEdu(order, -1L >>> (Long.SIZE - bits), latency);
    }

    private Supplier<EmulatedDevice> nvme(Map<?, ?> device) {
        requireKeys("a device of model 'nvme'", device, union(DEVICE_KEYS, NVME_KEYS));
        EmulatedNvme.Builder drive = EmulatedNvme.builder();
        given(device, "serial", value -> {
            String serial = string("serial", value);
            build(() -> drive.serial(serial));
        });
        given(device, "latencyMicros", value -> {
            Duration latency = latency(value);
            build(() -> drive.faults(NvmeFaults.NONE.withLatency(latency, latency)));
        });
        if (device.get("namespaces") == null) {
            addNamespace(drive, device);
        } else if (!(device.get("namespaces") instanceof List<?> namespaces) || namespaces.isEmpty()) {
            throw wrong("has 'namespaces' that are no list with at least one");
        } else {
            if (NAMESPACE_KEYS.stream().anyMatch(device::containsKey)) {
                throw wrong("has a device with 'namespaces' and, outside of them, " + new TreeSet<>(NAMESPACE_KEYS));
            }
            for (Object each : namespaces) {
                Map<?, ?> namespace = object("a namespace", each);
                requireKeys("a namespace", namespace, NAMESPACE_KEYS);
                addNamespace(drive, namespace);
            }
        }
        return drive::build;
    }

    private void addNamespace(EmulatedNvme.Builder drive, Map<?, ?> namespace) {
        long block = namespace.containsKey("lbaSize")
                ? size("lbaSize", namespace.get("lbaSize"))
                : EmulatedNvme.Builder.DEFAULT_BLOCK;
        int blockBytes = (int) Math.min(block, Integer.MAX_VALUE);
        if (!namespace.containsKey("file")) {
            long bytes = namespace.containsKey("size")
                    ? size("size", namespace.get("size"))
                    : EmulatedNvme.Builder.DEFAULT_BYTES;
            build(() -> drive.namespace(bytes, blockBytes));
        } else if (namespace.containsKey("size")) {
            throw wrong("has a namespace with 'file' and 'size'; the file's size is its size");
        } else {
            Path image = path.resolveSibling(string("file", namespace.get("file")));
            build(() -> drive.namespace(image, blockBytes));
        }
    }

    private static Set<String> union(Set<String> some, Set<String> others) {
        Set<String> all = new TreeSet<>(some);
        all.addAll(others);
        return all;
    }

    private Duration latency(@Nullable Object micros) {
        try {
            return Duration.ofNanos(Math.multiplyExact(1000, integer("latencyMicros", micros)));
        } catch (ArithmeticException tooLong) {
            throw wrong("has 'latencyMicros' of " + micros + ", which is too long");
        }
    }

    private static void given(Map<?, ?> object, String key, Consumer<Object> use) {
        Object value = object.get(key);
        if (value != null) {
            use.accept(value);
        }
    }

    private KernelVersion kernel(String release) {
        for (KernelVersion version : KernelVersion.values()) {
            if (version.release().equals(release)) {
                return version;
            }
        }
        throw wrong("has kernel '" + release + "', which is none of "
                + Arrays.stream(KernelVersion.values())
                        .map(KernelVersion::release)
                        .toList());
    }

    /** A constant, written as in Java or in lower case with hyphens. */
    private <T extends Enum<T>> T oneOf(String name, @Nullable Object value, T[] constants) {
        for (T constant : constants) {
            if (constant.name().equals(value) || spelt(constant).equals(value)) {
                return constant;
            }
        }
        throw wrong("has '%s' %s, which is none of %s"
                .formatted(
                        name,
                        value,
                        Arrays.stream(constants).map(MachineFile::spelt).toList()));
    }

    private static String spelt(Enum<?> constant) {
        return constant.name().toLowerCase(Locale.ROOT).replace('_', '-');
    }

    private Map<?, ?> object(String name, @Nullable Object value) {
        if (value instanceof Map<?, ?> object) {
            return object;
        }
        throw wrong("has " + name + " that is no JSON object");
    }

    private String string(String name, @Nullable Object value) {
        if (value instanceof String string) {
            return string;
        }
        throw wrong(value == null ? "lacks '" + name + "'" : "has '" + name + "' that is no string");
    }

    private boolean flag(String name, Object value) {
        if (value instanceof Boolean flag) {
            return flag;
        }
        throw wrong("has '" + name + "' that is neither true nor false");
    }

    private long integer(String name, @Nullable Object value) {
        if ((value instanceof Integer || value instanceof Long) && ((Number) value).longValue() >= 0) {
            return ((Number) value).longValue();
        }
        throw wrong(value == null ? "lacks '" + name + "'" : "has '" + name + "' that is no whole number");
    }

    /** Bytes: a number, or a string like {@code "4G"}. */
    private long size(String name, @Nullable Object value) {
        if (value instanceof String text) {
            Matcher size = SIZE.matcher(text);
            if (size.matches()) {
                int shift = 10 * (UNITS.indexOf(size.group(2)) + (size.group(2).isEmpty() ? 0 : 1));
                try {
                    return Math.multiplyExact(Long.parseLong(size.group(1)), 1L << shift);
                } catch (ArithmeticException | NumberFormatException tooLarge) {
                    throw wrong("has '" + name + "' of " + text + ", which is too large");
                }
            }
            throw wrong("has '" + name + "' of '" + text + "'; write a size like 64K, 2M or 4G");
        }
        return integer(name, value);
    }

    private void requireKeys(String where, Map<?, ?> object, Set<String> known) {
        for (Object key : object.keySet()) {
            if (!known.contains(key)) {
                throw wrong("has '" + key + "' in " + where + "; known are " + new TreeSet<>(known));
            }
        }
    }

    private IllegalArgumentException wrong(String what) {
        return new IllegalArgumentException(path + " " + what);
    }
}
