package org.jvfio.emulator.nvme;

import java.time.Duration;
import java.util.List;
import java.util.OptionalInt;
import java.util.Set;
import java.util.function.Supplier;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jvfio.emulator.device.MachineOptions;
import org.jvfio.emulator.nvme.NvmeFault.Commands;
import org.jvfio.emulator.nvme.NvmeFault.Effect;
import org.jvfio.emulator.nvme.NvmeFault.Occurrence;

/** Reads the {@link NvmeFaults} of a controller in a machine file, as {@link NvmeModel} documents them. */
final class NvmeFaultOptions {
    /** The options of a device. */
    static final Set<String> OPTIONS = Set.of(
            "latencyMicros", "readyDelayMicros", "faults", "faultSeed", "stuck", "capabilityBits", "wrongStatus");

    private static final List<String> QUEUES = List.of("admin", "io");
    private static final List<String> OCCURRENCES = List.of("nth", "every", "probability");
    private static final List<String> EFFECTS = List.of(
            "status",
            "delayMicros",
            "lost",
            "stalled",
            "doubled",
            "lostInterrupt",
            "completionBits",
            "scribbledEntries",
            "dataBits",
            "fatal",
            "hung",
            "kelvin",
            "detached",
            "attached");
    private static final Set<String> FAULT_OPTIONS = Stream.of(
                    List.of("queue", "opcode", "retry", "maxDelayMicros", "abortable"), OCCURRENCES, EFFECTS)
            .flatMap(List::stream)
            .collect(Collectors.toUnmodifiableSet());
    private static final Set<String> WRONG_STATUS_OPTIONS = Set.of("probability", "bits");

    private static final Pattern STATUS = Pattern.compile("0x([0-7]?)([0-9a-fA-F]{2})");
    private static final int HEXADECIMAL = 16;

    private final MachineOptions fault;

    private NvmeFaultOptions(MachineOptions fault) {
        this.fault = fault;
    }

    static NvmeFaults read(MachineOptions options) {
        NvmeFaults faults = NvmeFaults.seeded(options.integer("faultSeed", 0));
        if (options.has("latencyMicros")) {
            Duration latency = options.micros("latencyMicros");
            NvmeFaults before = faults;
            faults = options.checked("latencyMicros", () -> before.withLatency(latency, latency));
        }
        faults = faults.withReadyDelay(options.micros("readyDelayMicros", Duration.ZERO));
        if (options.has("capabilityBits")) {
            NvmeFaults before = faults;
            faults = options.checked(
                    "capabilityBits", () -> before.withCapabilityBits(options.integer("capabilityBits")));
        }
        if (options.has("stuck")) {
            for (NvmeFaults.Transition each : options.constants("stuck", NvmeFaults.Transition.values())) {
                faults = faults.withStuck(each);
            }
        }
        if (options.has("wrongStatus")) {
            MachineOptions wrong = options.object("wrongStatus");
            wrong.requireKnown("'wrongStatus'", WRONG_STATUS_OPTIONS);
            double probability = wrong.number("probability");
            NvmeFaults before = faults;
            NvmeFaults any = wrong.checked("probability", () -> before.withWrongStatus(probability, 0));
            faults = wrong.checked("bits", () -> any.withWrongStatus(probability, wrong.integer("bits")));
        }
        if (options.has("faults")) {
            for (MachineOptions each : options.objects("faults", "a fault")) {
                faults = new NvmeFaultOptions(each).addTo(faults);
            }
        }
        return faults;
    }

    private NvmeFaults addTo(NvmeFaults faults) {
        fault.requireKnown("a fault", FAULT_OPTIONS);
        Commands commands = fault.checked("opcode", this::commands);
        Occurrence occurrence = occurrence();
        return faults.with(commands, occurrence, effect());
    }

    private Commands commands() {
        String queue = fault.string("queue");
        if (!QUEUES.contains(queue)) {
            throw fault.wrong("queue", "has 'queue' %s, which is none of %s".formatted(queue, QUEUES));
        }
        OptionalInt opcode = fault.has("opcode") ? OptionalInt.of(fault.integer("opcode")) : OptionalInt.empty();
        return new Commands(queue.equals("admin"), opcode);
    }

    private Occurrence occurrence() {
        List<String> given = given(OCCURRENCES);
        if (given.isEmpty()) {
            return Occurrence.always();
        }
        String name = given.getFirst();
        return fault.checked(name, () -> switch (name) {
            case "nth" -> new Occurrence.Nth(fault.integer(name));
            case "every" -> new Occurrence.Every(fault.integer(name));
            default -> new Occurrence.Randomly(fault.number(name));
        });
    }

    /** Those options that are given: one at most. */
    private List<String> given(List<String> choice) {
        List<String> given = choice.stream().filter(fault::has).toList();
        if (given.size() > 1) {
            throw fault.wrong(given.get(1), "has %s in one fault; choose one of %s".formatted(given, choice));
        }
        return given;
    }

    private Effect effect() {
        List<String> given = given(EFFECTS);
        if (given.isEmpty()) {
            throw fault.wrong("has a fault without an effect; the effects are " + EFFECTS);
        }
        String name = given.getFirst();
        requireEffectOf("retry", "status", name);
        requireEffectOf("maxDelayMicros", "delayMicros", name);
        requireEffectOf("abortable", "lost", name);
        return fault.checked(name, () -> switch (name) {
            case "status" -> status(name);
            case "delayMicros" -> delay(name);
            case "completionBits" -> new Effect.CompletionBits(fault.integer(name));
            case "scribbledEntries" -> new Effect.Scribble(fault.integer(name));
            case "dataBits" -> new Effect.DataBits(fault.integer(name));
            case "kelvin" -> new Effect.Temperature(fault.integer(name));
            case "detached", "attached" -> new Effect.Attachment(fault.integer(name), name.equals("attached"));
            case "lost" -> ifTrue(name, () -> new Effect.Lost(!fault.has("abortable") || fault.flag("abortable")));
            case "stalled" -> ifTrue(name, Effect.Stalled::new);
            case "doubled" -> ifTrue(name, Effect.Doubled::new);
            case "lostInterrupt" -> ifTrue(name, Effect.LostInterrupt::new);
            case "fatal" -> ifTrue(name, Effect.Fatal::new);
            default -> ifTrue(name, Effect.Hung::new);
        });
    }

    private void requireEffectOf(String option, String effect, String given) {
        if (fault.has(option) && !given.equals(effect)) {
            throw fault.wrong(option, "has '%s' in a fault without '%s'".formatted(option, effect));
        }
    }

    private Effect ifTrue(String name, Supplier<? extends Effect> effect) {
        if (fault.flag(name)) {
            return effect.get();
        }
        throw fault.wrong(name, "has '" + name + "' of false; leave it out");
    }

    private Effect status(String name) {
        Matcher status = STATUS.matcher(fault.string(name));
        if (!status.matches()) {
            throw fault.wrong(
                    name,
                    "has 'status' '%s'; write the status code type and the status code like 0x281"
                            .formatted(fault.string(name)));
        }
        int type = status.group(1).isEmpty() ? 0 : Integer.parseInt(status.group(1));
        int code = Integer.parseInt(status.group(2), HEXADECIMAL);
        return new Effect.Status(type, code, fault.has("retry") && fault.flag("retry"));
    }

    private Effect delay(String name) {
        Duration least = fault.micros(name);
        Effect fixed = new Effect.Delay(least, least);
        return fault.has("maxDelayMicros")
                ? fault.checked("maxDelayMicros", () -> new Effect.Delay(least, fault.micros("maxDelayMicros")))
                : fixed;
    }
}
