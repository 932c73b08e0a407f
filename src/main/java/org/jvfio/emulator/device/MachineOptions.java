package org.jvfio.emulator.device;

import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.Supplier;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * A JSON object of a machine file: the machine, a device, or a part of one. Its values have names; null counts as
 * missing. Every method that reads a value throws an {@link IllegalArgumentException} if the value has the wrong type,
 * or is missing and has no default; the message names the file and the value.
 */
public final class MachineOptions {
    private static final Pattern SIZE = Pattern.compile("([0-9]+)([KMGT]?)");
    private static final String UNITS = "KMGT";

    private final String source;
    private final Path directory;
    private final Map<?, ?> values;

    private MachineOptions(String source, Path directory, Map<?, ?> values) {
        this.source = source;
        this.directory = directory;
        this.values = values;
    }

    /** The error message, a sentence that begins with the file. */
    private static final class WrongOption extends IllegalArgumentException {
        private static final long serialVersionUID = 1;

        private WrongOption(String message, @Nullable Throwable cause) {
            super(message, cause);
        }
    }

    /**
     * The options of a machine file.
     *
     * @param json the parsed file, a map if it is valid
     * @throws IllegalArgumentException if it is not a JSON object
     */
    public static MachineOptions ofFile(Path file, Object json) {
        MachineOptions empty = new MachineOptions(file.toString(), file.resolveSibling(""), Map.of());
        if (json instanceof Map<?, ?>) {
            return empty.nested("the file", json);
        }
        throw empty.wrong("is not a JSON object");
    }

    /**
     * Options that do not come from a file, for instance in a test of a {@link DeviceModel}. Paths are relative to the
     * current directory.
     *
     * @param values numbers, strings, booleans, lists and maps, as in JSON
     */
    public static MachineOptions of(Map<String, ?> values) {
        return new MachineOptions("the machine", Path.of(""), Map.copyOf(values));
    }

    /** Whether a value is present. */
    public boolean has(String name) {
        return values.get(name) != null;
    }

    /** A JSON value: a number, string, boolean, list or map; empty if it is missing or null. */
    public Optional<Object> value(String name) {
        return Optional.ofNullable(values.get(name));
    }

    /** A string. */
    public String string(String name) {
        if (values.get(name) instanceof String string) {
            return string;
        }
        throw isNo("string", name);
    }

    /** A string, or a default. */
    public String string(String name, String otherwise) {
        return has(name) ? string(name) : otherwise;
    }

    /** A boolean. */
    public boolean flag(String name) {
        if (values.get(name) instanceof Boolean flag) {
            return flag;
        }
        throw has(name) ? wrong("has '" + name + "' that is not true or false") : lacks(name);
    }

    /** An integer from 0 to 2147483647. */
    public int integer(String name) {
        long value = whole(name, values.get(name));
        if (value > Integer.MAX_VALUE) {
            throw tooLarge(name, value);
        }
        return (int) value;
    }

    /** An integer from 0 to 2147483647, or a default. */
    public int integer(String name, int otherwise) {
        return has(name) ? integer(name) : otherwise;
    }

    /** A size in bytes: an integer, or a string like {@code "64K"}, {@code "2M"}, {@code "4G"} or {@code "1T"}. */
    public long size(String name) {
        return size(name, values.get(name));
    }

    /** A size in bytes as in {@link #size(String)}, or a default. */
    public long size(String name, long otherwise) {
        return has(name) ? size(name) : otherwise;
    }

    /** A time, as an integer of microseconds. */
    public Duration micros(String name) {
        long micros = whole(name, values.get(name));
        try {
            return Duration.ofNanos(Math.multiplyExact(1000, micros));
        } catch (ArithmeticException tooLong) {
            throw wrong("has '" + name + "' of " + micros + ", which is too long");
        }
    }

    /** A time, as an integer of microseconds, or a default. */
    public Duration micros(String name, Duration otherwise) {
        return has(name) ? micros(name) : otherwise;
    }

    /** The path of a file, relative to the directory of the machine file. */
    public Path path(String name) {
        return directory.resolve(string(name));
    }

    /**
     * A list of objects.
     *
     * @param each what each object is, for messages: {@code "a namespace"}
     */
    public List<MachineOptions> objects(String name, String each) {
        if (!(values.get(name) instanceof List<?> list)) {
            throw has(name) ? wrong("has '" + name + "' that is not a list") : lacks(name);
        }
        List<MachineOptions> objects = new ArrayList<>();
        for (Object element : list) {
            objects.add(nested(each, element));
        }
        return List.copyOf(objects);
    }

    /**
     * Rejects values with unknown names. A device's names are checked before a {@link DeviceModel} is called.
     *
     * @param where what this object is, for the message: {@code "a namespace"}
     */
    public void requireKnown(String where, Set<String> names) {
        for (Object name : values.keySet()) {
            if (!names.contains(name)) {
                throw wrong("has '" + name + "' in " + where + "; the options are " + new TreeSet<>(names));
            }
        }
    }

    /**
     * An exception with an error message.
     *
     * @param what the rest of a sentence that begins with the file: {@code "has registers 'small'; ..."}
     */
    public IllegalArgumentException wrong(String what) {
        return new WrongOption(source + " " + what, null);
    }

    /** Runs an action, and adds the name of the file to the message of an exception. */
    public <T> T checked(Supplier<T> step) {
        try {
            return step.get();
        } catch (WrongOption named) {
            throw named;
        } catch (IllegalArgumentException unusable) {
            throw new WrongOption(source + ": " + unusable.getMessage(), unusable);
        }
    }

    /** An enum constant, written as in Java or in lower case with hyphens. */
    public <T extends Enum<T>> T constant(String name, T[] constants) {
        Object value = values.get(name);
        for (T constant : constants) {
            if (constant.name().equals(value) || spelt(constant).equals(value)) {
                return constant;
            }
        }
        throw wrong("has '%s' %s, which is none of %s"
                .formatted(
                        name,
                        value,
                        Arrays.stream(constants).map(MachineOptions::spelt).toList()));
    }

    private static String spelt(Enum<?> constant) {
        return constant.name().toLowerCase(Locale.ROOT).replace('_', '-');
    }

    /** A JSON object that maps sizes to numbers, with the sizes in bytes. */
    public Map<Long, Integer> countsBySize(String name) {
        Map<Long, Integer> counts = new TreeMap<>();
        MachineOptions object = nested("'" + name + "'", values.get(name));
        for (Object size : object.values.keySet()) {
            counts.put(size(name, size), object.integer((String) size));
        }
        return counts;
    }

    private MachineOptions nested(String what, @Nullable Object value) {
        if (value instanceof Map<?, ?> object) {
            return new MachineOptions(source, directory, object);
        }
        throw wrong("has " + what + " that is not a JSON object");
    }

    private long whole(String name, @Nullable Object value) {
        if ((value instanceof Integer || value instanceof Long) && ((Number) value).longValue() >= 0) {
            return ((Number) value).longValue();
        }
        throw isNo("whole number", name);
    }

    private long size(String name, @Nullable Object value) {
        if (value instanceof String text) {
            Matcher size = SIZE.matcher(text);
            if (size.matches()) {
                int shift = 10 * (UNITS.indexOf(size.group(2)) + (size.group(2).isEmpty() ? 0 : 1));
                try {
                    return Math.multiplyExact(Long.parseLong(size.group(1)), 1L << shift);
                } catch (ArithmeticException | NumberFormatException tooLarge) {
                    throw tooLarge(name, text);
                }
            }
            throw wrong("has '" + name + "' of '" + text + "'; write a size like 64K, 2M or 4G");
        }
        return whole(name, value);
    }

    private IllegalArgumentException lacks(String name) {
        return wrong("lacks '" + name + "'");
    }

    private IllegalArgumentException isNo(String kind, String name) {
        return has(name) ? wrong("has '" + name + "' that is not a " + kind) : lacks(name);
    }

    private IllegalArgumentException tooLarge(String name, Object value) {
        return wrong("has '" + name + "' of " + value + ", which is too large");
    }
}
