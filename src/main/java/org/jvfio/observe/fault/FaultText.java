package org.jvfio.observe.fault;

import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.jvfio.observe.fault.Fault.Effect;
import org.jvfio.observe.fault.Fault.Occurrence;

/** Writes a fault as {@link FaultFile} reads it. */
final class FaultText {
    private FaultText() {}

    static Map<String, Object> describe(Fault fault) {
        Map<String, Object> values = new LinkedHashMap<>();
        FaultPoint point = fault.point();
        values.put("on", Words.of(point.on()));
        point.request().ifPresent(request -> values.put("request", Words.of(request)));
        point.file().ifPresent(file -> values.put("file", Words.of(file)));
        point.device().ifPresent(device -> values.put("device", device));
        point.area().ifPresent(area -> values.put("area", Words.of(area)));
        point.range().ifPresent(range -> values.put("range", range.toString()));
        point.vector().ifPresent(vector -> values.put("vector", vector));
        point.size().ifPresent(size -> values.put("size", size));
        point.path().ifPresent(path -> values.put("path", path));
        switch (fault.occurrence()) {
            case Occurrence.Nth nth -> values.put("nth", nth.number());
            case Occurrence.Every every -> {
                if (every.number() != 1) {
                    values.put("every", every.number());
                }
            }
            case Occurrence.Randomly randomly -> values.put("probability", randomly.probability());
        }
        switch (fault.effect()) {
            case Effect.Refusal refusal -> values.put("errno", refusal.errno().name());
            case Effect.ShortTransfer transfer -> values.put("shortBytes", transfer.bytes());
            case Effect.Delay delay -> values.put("delayMicros", micros(delay.time()));
            case Effect.Lost _ -> values.put("lost", true);
            case Effect.Doubled doubled -> values.put("doubledAfterMicros", micros(doubled.after()));
            case Effect.FlippedBits flipped -> values.put("flippedBits", flipped.count());
            case Effect.AllOnes _ -> values.put("allOnes", true);
            case Effect.Frozen frozen -> values.put("frozen", deviceOr(frozen.device()));
            case Effect.Removed removed -> values.put("removed", deviceOr(removed.device()));
        }
        return values;
    }

    private static Object deviceOr(Optional<String> device) {
        return device.isPresent() ? device.get() : true;
    }

    private static long micros(Duration time) {
        return TimeUnit.NANOSECONDS.toMicros(time.toNanos());
    }

    /** The fault as a JSON object in one line. */
    static String of(Fault fault) {
        return describe(fault).entrySet().stream()
                .map(entry -> "\"%s\": %s".formatted(entry.getKey(), json(entry.getValue())))
                .collect(Collectors.joining(", ", "{", "}"));
    }

    private static String json(Object value) {
        if (!(value instanceof String text)) {
            return value.toString();
        }
        StringBuilder quoted = new StringBuilder("\"");
        for (int at = 0; at < text.length(); at++) {
            char each = text.charAt(at);
            if (each < ' ') {
                quoted.append("\\u%04x".formatted((int) each));
            } else {
                quoted.append(each == '"' || each == '\\' ? "\\" : "").append(each);
            }
        }
        return quoted.append('"').toString();
    }
}
