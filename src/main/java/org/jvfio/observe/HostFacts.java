package org.jvfio.observe;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jvfio.kernel.Kernel;
import org.jvfio.uapi.vfio_h;

/**
 * What a record says of its host: the release of the kernel, the processor, the platform, the page size, and the
 * functions that are in IOMMU groups. A fact that could not be read is missing.
 *
 * @param values the facts by name, in their order
 */
public record HostFacts(Map<String, String> values) {
    private static final String DEVICE = "device.";
    private static final String DEVICES = "/sys/bus/pci/devices";
    private static final Pattern PROCESSOR = Pattern.compile("(?m)^cpu[ \\t]*:[ \\t]*(\\S+)");
    private static final Pattern PLATFORM = Pattern.compile("(?m)^platform[ \\t]*:[ \\t]*(\\S+)");
    private static final Pattern MEMORY = Pattern.compile("(?m)^MemTotal:\\s*(\\d+) kB");

    /**
     * A PCI function in an IOMMU group.
     *
     * @param id vendor and device, as in {@code 1234:11e8}
     * @param classCode as sysfs has it, such as {@code 0x010802}
     */
    public record RecordedDevice(String address, int group, String id, String classCode) {}

    public HostFacts {
        values = Collections.unmodifiableMap(new LinkedHashMap<>(values));
    }

    /** Reads them from a host, with what is recorded there. */
    static HostFacts of(Kernel kernel, String recorded) {
        Map<String, String> facts = new LinkedHashMap<>();
        facts.put("recorded", recorded.replace('\n', ' '));
        facts.put("java", System.getProperty("java.version"));
        read(kernel, "/proc/sys/kernel/osrelease").ifPresent(release -> facts.put("release", release));
        read(kernel, "/proc/cpuinfo").ifPresent(cpuinfo -> {
            find(PROCESSOR, cpuinfo).ifPresent(cpu -> facts.put("processor", cpu));
            find(PLATFORM, cpuinfo).ifPresent(platform -> facts.put("platform", platform));
        });
        read(kernel, "/proc/meminfo").flatMap(text -> find(MEMORY, text)).ifPresent(kib -> facts.put("memoryKib", kib));
        long page = kernel.sysconf(vfio_h._SC_PAGESIZE);
        if (page > 0) {
            facts.put("pageBytes", Long.toString(page));
        }
        list(kernel, DEVICES).forEach(address -> addDevice(kernel, address, facts));
        return new HostFacts(facts);
    }

    private static void addDevice(Kernel kernel, String address, Map<String, String> facts) {
        String path = DEVICES + "/" + address;
        try {
            String group = kernel.readLink(path + "/iommu_group");
            facts.put(
                    DEVICE + address,
                    "%s %s:%s %s"
                            .formatted(
                                    group.substring(group.lastIndexOf('/') + 1),
                                    read(kernel, path + "/vendor").orElse("0x0").substring(2),
                                    read(kernel, path + "/device").orElse("0x0").substring(2),
                                    read(kernel, path + "/class").orElse("0x0")));
        } catch (IOException e) {
            // It is in no group, or was removed meanwhile: VFIO has nothing to do with it.
            return;
        }
    }

    private static Optional<String> read(Kernel kernel, String path) {
        try {
            return Optional.of(kernel.readFile(path).strip());
        } catch (IOException e) {
            return Optional.empty();
        }
    }

    private static List<String> list(Kernel kernel, String path) {
        try {
            return kernel.list(path);
        } catch (IOException e) {
            return List.of();
        }
    }

    private static Optional<String> find(Pattern pattern, String text) {
        Matcher matcher = pattern.matcher(text);
        return matcher.find() ? Optional.of(matcher.group(1)) : Optional.empty();
    }

    /** The text of a record: a line {@code name=value} for each. */
    String text() {
        StringBuilder text = new StringBuilder();
        values.forEach(
                (name, value) -> text.append(name).append('=').append(value).append('\n'));
        return text.toString();
    }

    static HostFacts parse(String text) {
        Map<String, String> facts = new LinkedHashMap<>();
        text.lines().forEach(line -> {
            int equals = line.indexOf('=');
            if (equals > 0) {
                facts.put(line.substring(0, equals), line.substring(equals + 1));
            }
        });
        return new HostFacts(facts);
    }

    /** One of the facts. */
    public Optional<String> value(String name) {
        return Optional.ofNullable(values.get(name));
    }

    /** The functions in IOMMU groups, by address. */
    public List<RecordedDevice> devices() {
        List<RecordedDevice> devices = new ArrayList<>();
        values.forEach((name, value) -> {
            String[] words = value.split(" ", -1);
            if (name.startsWith(DEVICE) && words.length == 3 && words[0].matches("[0-9]{1,9}")) {
                devices.add(new RecordedDevice(
                        name.substring(DEVICE.length()), Integer.parseInt(words[0]), words[1], words[2]));
            }
        });
        return devices;
    }
}
