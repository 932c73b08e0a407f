package org.jvfio.observe.fault;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jvfio.emulator.JsonLibrary;
import org.jvfio.emulator.device.MachineOptions;
import org.jvfio.kernel.Errno;
import org.jvfio.observe.fault.Fault.Effect;
import org.jvfio.observe.fault.Fault.Occurrence;
import org.jvfio.observe.fault.FaultPoint.On;

/** Reads a plan of faults, as {@link Faults#read} documents it. */
final class FaultFile {
    private static final Set<String> OPTIONS = Set.of("seed", "faults");
    private static final List<String> OCCURRENCES = List.of("nth", "every", "probability");
    private static final List<String> EFFECTS = List.of(
            "errno",
            "shortBytes",
            "delayMicros",
            "lost",
            "doubledAfterMicros",
            "flippedBits",
            "allOnes",
            "frozen",
            "removed");
    /** The kind of call comes before what it limits. */
    private static final List<String> CONDITIONS =
            List.of("request", "file", "device", "area", "range", "vector", "size", "path");

    private static final Set<String> FAULT_OPTIONS = Stream.of(List.of("on"), CONDITIONS, OCCURRENCES, EFFECTS)
            .flatMap(List::stream)
            .collect(Collectors.toUnmodifiableSet());
    private static final Pattern RANGE = Pattern.compile("(0x[0-9a-f]{1,16})\\.\\.(0x[0-9a-f]{1,16})");
    private static final String EXAMPLE = "{\"faults\": [{\"on\": \"poll\", \"nth\": 1, \"errno\": \"EINTR\"}]}";
    private static final int MAX_FAULTS = 10_000;

    private final MachineOptions fault;

    private FaultFile(MachineOptions fault) {
        this.fault = fault;
    }

    static Faults read(Path path) throws IOException {
        MachineOptions top = JsonLibrary.read(path, "a plan of faults", EXAMPLE);
        top.requireKnown("the plan", OPTIONS);
        long seed = 0;
        if (top.has("seed")) {
            Object value = top.value("seed").orElseThrow();
            if (!(value instanceof Integer || value instanceof Long)) {
                throw top.wrong("seed", "has 'seed' that is not a whole number of 64 bits");
            }
            seed = ((Number) value).longValue();
        }
        List<MachineOptions> faults = top.objects("faults", "a fault");
        if (faults.size() > MAX_FAULTS) {
            throw top.wrong("faults", "has %d faults; the maximum is %d".formatted(faults.size(), MAX_FAULTS));
        }
        return new Faults(
                seed, faults.stream().map(each -> new FaultFile(each).fault()).toList());
    }

    private Fault fault() {
        fault.requireKnown("a fault", FAULT_OPTIONS);
        FaultPoint point = point();
        Occurrence occurrence = occurrence();
        String effect = effectName();
        return fault.checked(effect, () -> new Fault(point, occurrence, effect(effect)));
    }

    /** Adds one condition after another, so that an error is that of the last one. */
    private FaultPoint point() {
        FaultPoint point = FaultPoint.on(fault.constant("on", On.values()));
        for (String name : CONDITIONS) {
            if (fault.has(name)) {
                FaultPoint others = point;
                point = fault.checked(name, () -> with(others, name));
            }
        }
        return point;
    }

    private FaultPoint with(FaultPoint point, String name) {
        return switch (name) {
            case "request" -> point.request(fault.constant(name, VfioRequest.values()));
            case "file" -> point.file(fault.constant(name, FileKind.values()));
            case "device" -> point.device(fault.string(name));
            case "area" -> point.area(fault.constant(name, DeviceArea.values()));
            case "range" -> range(point, name);
            case "vector" -> point.vector(fault.integer(name));
            case "size" -> point.size(fault.size(name));
            default -> point.path(fault.string(name));
        };
    }

    private FaultPoint range(FaultPoint point, String name) {
        Matcher range = RANGE.matcher(fault.string(name).toLowerCase(Locale.ROOT));
        if (!range.matches()) {
            throw fault.wrong(
                    name, "has 'range' of '" + fault.string(name) + "'; write the first and the last: 0x1000..0x1fff");
        }
        return point.range(address(range.group(1)), address(range.group(2)));
    }

    private static long address(String hexadecimal) {
        return Long.parseUnsignedLong(hexadecimal.substring(2), 16);
    }

    private Occurrence occurrence() {
        List<String> given = OCCURRENCES.stream().filter(fault::has).toList();
        if (given.isEmpty()) {
            return Occurrence.always();
        }
        requireOne(given, OCCURRENCES);
        String name = given.getFirst();
        return fault.checked(name, () -> switch (name) {
            case "nth" -> new Occurrence.Nth(fault.integer(name));
            case "every" -> new Occurrence.Every(fault.integer(name));
            default -> new Occurrence.Randomly(fault.number(name));
        });
    }

    private String effectName() {
        List<String> given = EFFECTS.stream().filter(fault::has).toList();
        if (given.isEmpty()) {
            throw fault.wrong("has a fault without an effect; the effects are " + EFFECTS);
        }
        requireOne(given, EFFECTS);
        return given.getFirst();
    }

    private Effect effect(String name) {
        return switch (name) {
            case "errno" -> new Effect.Refusal(errno());
            case "shortBytes" -> new Effect.ShortTransfer(fault.integer(name));
            case "delayMicros" -> new Effect.Delay(fault.micros(name));
            case "doubledAfterMicros" -> new Effect.Doubled(fault.micros(name));
            case "flippedBits" -> new Effect.FlippedBits(fault.integer(name));
            case "frozen" -> new Effect.Frozen(deviceOrEvents(name));
            case "removed" -> new Effect.Removed(deviceOrEvents(name));
            case "lost" -> isTrue(name, new Effect.Lost());
            default -> isTrue(name, new Effect.AllOnes());
        };
    }

    private Effect isTrue(String name, Effect effect) {
        if (fault.flag(name)) {
            return effect;
        }
        throw fault.wrong(name, "has '" + name + "' of false; leave it out");
    }

    private Optional<String> deviceOrEvents(String name) {
        if (fault.value(name).orElseThrow() instanceof String address) {
            return Optional.of(address);
        }
        if (fault.value(name).filter(Boolean.TRUE::equals).isPresent()) {
            return Optional.empty();
        }
        throw fault.wrong(name, "has '" + name + "' that is neither true nor the address of a device");
    }

    private Errno errno() {
        String name = fault.string("errno");
        for (Errno errno : Errno.values()) {
            if (errno.name().equals(name)) {
                return errno;
            }
        }
        throw fault.wrong("errno", "has 'errno' '" + name + "', which is no error of Linux, such as EIO");
    }

    private void requireOne(List<String> given, List<String> all) {
        if (given.size() > 1) {
            throw fault.wrong(given.get(1), "has %s in one fault; choose one of %s".formatted(given, all));
        }
    }
}
