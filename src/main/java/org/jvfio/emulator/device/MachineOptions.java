package org.jvfio.emulator.device;

import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.ObjIntConsumer;
import java.util.function.Supplier;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * A JSON object of a machine file: the machine, a device, or a part of one; or of a plan of faults. Its values have
 * names; null counts as
 * missing. Every method that reads a value throws an {@link IllegalArgumentException} if the value has the wrong type,
 * or is missing and has no default; the message names the file and the value.
 */
public final class MachineOptions {
    private static final Pattern SIZE = Pattern.compile("([0-9]+)([KMGT]?)");
    private static final String UNITS = "KMGT";
    private static final int UNIT_SHIFT = 10;
    private static final int MIN_COMMON = 3;

    private final String source;
    private final Path directory;
    private final Map<?, ?> values;
    private final Lines lines;

    private MachineOptions(String source, Path directory, Map<?, ?> values, Lines lines) {
        this.source = source;
        this.directory = directory;
        this.values = values;
        this.lines = lines;
    }

    /** Where things are in a file. */
    @FunctionalInterface
    public interface Lines {
        /**
         * The line of a member.
         *
         * @param object an object or a list of the file
         * @param name a member, or an index of the list; if there is none of this name, the line of the object is meant
         * @return from 1; 0 if it is unknown
         */
        int of(Object object, String name);
    }

    /** The error message, a sentence of one line that begins with the file, whatever characters its values have. */
    private static final class WrongOption extends IllegalArgumentException {
        private static final long serialVersionUID = 1;
        private static final Pattern CONTROL = Pattern.compile("\\p{Cntrl}");

        private WrongOption(String message, @Nullable Throwable cause) {
            super(
                    CONTROL.matcher(message)
                            .replaceAll(found ->
                                    "\\\\u%04x".formatted((int) found.group().charAt(0))),
                    cause);
        }
    }

    /**
     * The options of a machine file.
     *
     * @param json the parsed file, a map if it is valid
     * @throws IllegalArgumentException if it is not a JSON object
     */
    public static MachineOptions ofFile(Path file, Object json) {
        return ofFile(file, json, (object, name) -> 0);
    }

    /**
     * As {@link #ofFile(Path, Object)}, with the lines that messages name.
     *
     * @throws IllegalArgumentException if it is not a JSON object
     */
    public static MachineOptions ofFile(Path file, Object json, Lines lines) {
        Path directory = file.resolveSibling("");
        if (json instanceof Map<?, ?> object) {
            return new MachineOptions(file.toString(), directory, object, lines);
        }
        throw new MachineOptions(file.toString(), directory, Map.of(), lines).wrong("is not a JSON object");
    }

    /**
     * Options that do not come from a file, for instance in a test of a {@link DeviceModel}. Paths are relative to the
     * current directory.
     *
     * @param values numbers, strings, booleans, lists and maps, as in JSON
     */
    public static MachineOptions of(Map<String, ?> values) {
        return new MachineOptions("the machine", Path.of(""), Map.copyOf(values), (object, name) -> 0);
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
        throw has(name) ? wrong(name, "has '" + name + "' that is not true or false") : lacks(name);
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

    /** A number, which need not be whole. */
    public double number(String name) {
        if (values.get(name) instanceof Number number) {
            return number.doubleValue();
        }
        throw isNo("number", name);
    }

    /** A size in bytes: an integer, or a string like {@code "64K"}, {@code "2M"}, {@code "4G"} or {@code "1T"}. */
    public long size(String name) {
        return size(name, values.get(name));
    }

    /** A size in bytes as in {@link #size(String)}, or a default. */
    public long size(String name, long otherwise) {
        return has(name) ? size(name) : otherwise;
    }

    /** A size as it is written in files, in the largest unit that divides it: {@code 64K}, or {@code 1000}. */
    public static String sizeText(long bytes) {
        int unit = bytes == 0 ? 0 : Math.min(Long.numberOfTrailingZeros(bytes) / UNIT_SHIFT, UNITS.length());
        return (bytes >>> (UNIT_SHIFT * unit)) + (unit == 0 ? "" : UNITS.substring(unit - 1, unit));
    }

    /** A time, as an integer of microseconds. */
    public Duration micros(String name) {
        long micros = whole(name, values.get(name));
        try {
            return Duration.ofNanos(Math.multiplyExact(1000, micros));
        } catch (ArithmeticException tooLong) {
            throw wrong(name, "has '" + name + "' of " + micros + ", which is too long");
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

    /** An object. */
    public MachineOptions object(String name) {
        if (!has(name)) {
            throw lacks(name);
        }
        return nested(name, "'" + name + "'");
    }

    /**
     * A list of objects.
     *
     * @param each what each object is, for messages: {@code "a namespace"}
     */
    public List<MachineOptions> objects(String name, String each) {
        if (!(values.get(name) instanceof List<?> list)) {
            throw has(name) ? wrong(name, "has '" + name + "' that is not a list") : lacks(name);
        }
        List<MachineOptions> objects = new ArrayList<>();
        for (Object element : list) {
            if (!(element instanceof Map<?, ?> object)) {
                throw wrongElement(list, objects.size(), "has " + each + " that is not a JSON object");
            }
            objects.add(new MachineOptions(source, directory, object, lines));
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
                throw wrong(
                        String.valueOf(name),
                        "has '%s' in %s; the options are %s%s"
                                .formatted(name, where, new TreeSet<>(names), nearest(String.valueOf(name), names)));
            }
        }
    }

    /**
     * The name that may have been meant: the one with the longest common beginning, of 3 letters or more; of several
     * the one with the longest common end.
     */
    private static String nearest(String name, Set<String> names) {
        return new TreeSet<>(names)
                .stream()
                        .filter(each -> commonLength(name, each) >= MIN_COMMON)
                        .max(Comparator.<String>comparingInt(each -> commonLength(name, each))
                                .thenComparingInt(each -> commonLength(reversed(name), reversed(each))))
                        .map(each -> "; did you mean '" + each + "'?")
                        .orElse("");
    }

    private static String reversed(String text) {
        return new StringBuilder(text).reverse().toString();
    }

    private static int commonLength(String left, String right) {
        int length = 0;
        while (length < Math.min(left.length(), right.length())
                && Character.toLowerCase(left.charAt(length)) == Character.toLowerCase(right.charAt(length))) {
            length++;
        }
        return length;
    }

    /**
     * An exception with an error message.
     *
     * @param what the rest of a sentence that begins with the file: {@code "has registers 'small'; ..."}
     */
    public IllegalArgumentException wrong(String what) {
        return new WrongOption(place("") + " " + what, null);
    }

    /**
     * As {@link #wrong(String)}, about a value.
     *
     * @param name the value, whose line the message names
     */
    public IllegalArgumentException wrong(String name, String what) {
        return new WrongOption(place(name) + " " + what, null);
    }

    /** The file, with the line of a member or of this object, and the device that it belongs to. */
    private String place(String name) {
        return place(lines.of(values, name));
    }

    private String place(int line) {
        String device = values.get("address") instanceof String address ? ", device " + address : "";
        return source + (line > 0 ? ", line " + line : "") + device;
    }

    private IllegalArgumentException wrongElement(List<?> list, int index, String what) {
        return new WrongOption(place(lines.of(list, Integer.toString(index))) + " " + what, null);
    }

    /**
     * Runs an action that uses a value, and adds the file, the line and the name of the value to the message of an
     * {@link IllegalArgumentException}.
     *
     * @param name the value; if it is missing, the message has the line of this object
     */
    public <T> T checked(String name, Supplier<T> step) {
        try {
            return step.get();
        } catch (WrongOption named) {
            throw named;
        } catch (IllegalArgumentException unusable) {
            String of = has(name) ? " ('" + name + "')" : "";
            throw new WrongOption(place(name) + of + ": " + unusable.getMessage(), unusable);
        }
    }

    /** An enum constant, written as in Java or in lower case with hyphens. */
    public <T extends Enum<T>> T constant(String name, T[] constants) {
        if (!has(name)) {
            throw lacks(name);
        }
        Object value = values.get(name);
        return constant(value, constants).orElseThrow(() -> wrong(name, noneOf(name, value, constants)));
    }

    /** A list of enum constants, each written as for {@link #constant}. */
    public <T extends Enum<T>> List<T> constants(String name, T[] constants) {
        if (!(values.get(name) instanceof List<?> list)) {
            throw has(name) ? wrong(name, "has '" + name + "' that is not a list") : lacks(name);
        }
        List<T> found = new ArrayList<>();
        for (Object value : list) {
            found.add(constant(value, constants)
                    .orElseThrow(() -> wrongElement(list, found.size(), noneOf(name, value, constants))));
        }
        return List.copyOf(found);
    }

    private static <T extends Enum<T>> Optional<T> constant(@Nullable Object value, T[] constants) {
        return Arrays.stream(constants)
                .filter(each -> each.name().equals(value) || spelt(each).equals(value))
                .findFirst();
    }

    private static String noneOf(String name, @Nullable Object value, Enum<?>[] constants) {
        return "has '%s' %s, which is none of %s"
                .formatted(
                        name,
                        value,
                        Arrays.stream(constants).map(MachineOptions::spelt).toList());
    }

    private static String spelt(Enum<?> constant) {
        return constant.name().toLowerCase(Locale.ROOT).replace('_', '-');
    }

    /**
     * A JSON object as options of their own; empty if it is missing.
     *
     * @param what what it is, for messages: {@code "'config'"}
     */
    public Optional<MachineOptions> object(String name, String what) {
        return has(name) ? Optional.of(nested(name, what)) : Optional.empty();
    }

    /** The names of the values, in the order of the file. */
    public List<String> names() {
        return values.keySet().stream().map(String::valueOf).toList();
    }

    /**
     * Passes on a JSON object that maps sizes to numbers. An {@link IllegalArgumentException} gets the line of its
     * size.
     *
     * @param use gets each size, in bytes, with its number
     */
    public void countsBySize(String name, ObjIntConsumer<Long> use) {
        MachineOptions object = object(name);
        for (String size : object.names()) {
            object.checked(size, () -> {
                use.accept(object.size(size, size), object.integer(size));
                return size;
            });
        }
    }

    private MachineOptions nested(String name, String what) {
        if (values.get(name) instanceof Map<?, ?> object) {
            return new MachineOptions(source, directory, object, lines);
        }
        throw wrong(name, "has " + what + " that is not a JSON object");
    }

    private long whole(String name, @Nullable Object value) {
        if ((value instanceof Integer || value instanceof Long) && ((Number) value).longValue() >= 0) {
            return ((Number) value).longValue();
        }
        throw isNo("whole number from 0 on", name);
    }

    private long size(String name, @Nullable Object value) {
        if (value instanceof String text) {
            Matcher size = SIZE.matcher(text);
            if (size.matches()) {
                int shift = UNIT_SHIFT
                        * (UNITS.indexOf(size.group(2)) + (size.group(2).isEmpty() ? 0 : 1));
                try {
                    return Math.multiplyExact(Long.parseLong(size.group(1)), 1L << shift);
                } catch (ArithmeticException | NumberFormatException tooLarge) {
                    throw tooLarge(name, text);
                }
            }
            throw wrong(name, "has '" + name + "' of '" + text + "'; write a size like 64K, 2M or 4G");
        }
        return whole(name, value);
    }

    private IllegalArgumentException lacks(String name) {
        return wrong("lacks '" + name + "'");
    }

    private IllegalArgumentException isNo(String kind, String name) {
        return has(name) ? wrong(name, "has '" + name + "' that is not a " + kind) : lacks(name);
    }

    private IllegalArgumentException tooLarge(String name, Object value) {
        return wrong(name, "has '" + name + "' of " + value + ", which is too large");
    }
}
