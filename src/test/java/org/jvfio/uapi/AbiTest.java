package org.jvfio.uapi;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;
import java.lang.reflect.Field;
import java.lang.reflect.Method;
import java.net.URI;
import java.net.URISyntaxException;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileSystem;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.SortedSet;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.DisplayNameGeneration;
import org.junit.jupiter.api.DisplayNameGenerator;
import org.junit.jupiter.api.Test;
import org.jvfio.kernel.Errno;

/**
 * The bindings against the C compiler's own table of ppc64le, which {@code scripts/generate-bindings} makes. Each side
 * is written as the same lines, so whatever only one of them has is missing or different in the other.
 */
@DisplayNameGeneration(DisplayNameGenerator.ReplaceUnderscores.class)
class AbiTest {
    private static final Path PACKAGE = Path.of("org", "jvfio", "uapi");

    @Test
    void constants_comparedWithC_sameValueAndSize() throws IOException {
        compare("constant", rowsOfConstants());
    }

    @Test
    void structs_comparedWithC_sameSizeAndAlignment() throws Exception {
        compare("struct", rowsOfStructs());
    }

    @Test
    void fields_comparedWithC_sameOffsetAndSize() throws Exception {
        compare("field", rowsOfFields());
    }

    @Test
    void errnos_comparedWithC_sameNames() throws IOException {
        SortedSet<String> java = Arrays.stream(Errno.values())
                .map(errno -> "errno " + errno.name() + " " + errno.number())
                .collect(Collectors.toCollection(TreeSet::new));
        // The one name of powerpc that is another name for a number.
        java.add("errno EWOULDBLOCK " + Errno.EAGAIN.number());
        compare("errno", java);
    }

    @Test
    void setters_eachField_writeOnlyTheField() throws Exception {
        int scalars = 0;
        for (Class<?> struct : structs()) {
            for (Method setter : struct.getMethods()) {
                if (setter.getParameterCount() != 2
                        || !setter.getParameterTypes()[1].isPrimitive()
                        || !isField(struct, setter)) {
                    continue;
                }
                scalars++;
                String field = setter.getName();
                MemorySegment memory = (MemorySegment) struct.getMethod("allocate", SegmentAllocator.class)
                        .invoke(null, SegmentAllocator.prefixAllocator(MemorySegment.ofArray(new long[16])));
                Object ones = allOnes(setter.getParameterTypes()[1]);
                setter.invoke(null, memory, ones);
                assertEquals(
                        ones, struct.getMethod(field, MemorySegment.class).invoke(null, memory), struct + "." + field);
                for (long at = 0; at < memory.byteSize(); at++) {
                    boolean inside = at >= offset(struct, field) && at < offset(struct, field) + size(struct, field);
                    assertEquals(inside ? -1 : 0, memory.get(JAVA_BYTE, at), struct + "." + field);
                }
            }
        }
        assertTrue(scalars > 0, "no setter was found");
    }

    private static void compare(String kind, SortedSet<String> java) throws IOException {
        SortedSet<String> c = table(kind);
        assertTrue(c.size() > 1, "the table has no rows of this kind: " + kind);
        SortedSet<String> onlyInC = new TreeSet<>(c);
        onlyInC.removeAll(java);
        SortedSet<String> onlyInJava = new TreeSet<>(java);
        onlyInJava.removeAll(c);
        assertTrue(
                onlyInC.isEmpty() && onlyInJava.isEmpty(),
                () -> "C has, and Java has not: " + onlyInC + "\nJava has, and C has not: " + onlyInJava);
        System.out.printf("ABI of ppc64le: %d rows of kind '%s' are equal in C and Java%n", c.size(), kind);
    }

    private static SortedSet<String> table(String kind) throws IOException {
        try (BufferedReader table = new BufferedReader(new InputStreamReader(
                AbiTest.class.getResourceAsStream("abi-ppc64le.txt"), StandardCharsets.US_ASCII))) {
            return table.lines()
                    .filter(row -> row.startsWith(kind + " "))
                    .map(AbiTest::asJavaPrints)
                    .collect(Collectors.toCollection(TreeSet::new));
        }
    }

    /** C prints an unsigned constant of 4 bytes as a positive number; Java's int of the same bits can be negative. */
    private static String asJavaPrints(String row) {
        String[] words = row.split(" ");
        if (words[0].equals("constant") && words[3].equals("4")) {
            words[2] = Integer.toString((int) Long.parseLong(words[2]));
        }
        return String.join(" ", words);
    }

    private static SortedSet<String> rowsOfConstants() {
        return Arrays.stream(vfio_h.class.getFields())
                .filter(field -> field.getType().isPrimitive())
                .map(field -> "constant " + field.getName() + " " + value(field) + " "
                        + (field.getType() == int.class ? Integer.BYTES : Long.BYTES))
                .collect(Collectors.toCollection(TreeSet::new));
    }

    private static long value(Field constant) {
        try {
            return constant.getLong(null);
        } catch (IllegalAccessException e) {
            throw new AssertionError(e);
        }
    }

    private static SortedSet<String> rowsOfStructs() throws Exception {
        SortedSet<String> rows = new TreeSet<>();
        for (Class<?> struct : structs()) {
            MemoryLayout layout = (MemoryLayout) struct.getMethod("layout").invoke(null);
            rows.add("struct " + struct.getSimpleName() + " " + layout.byteSize() + " " + layout.byteAlignment());
        }
        return rows;
    }

    private static SortedSet<String> rowsOfFields() throws Exception {
        SortedSet<String> rows = new TreeSet<>();
        for (Class<?> struct : structs()) {
            for (Method method : struct.getMethods()) {
                if (method.getName().endsWith("$offset")) {
                    String field = method.getName().replace("$offset", "");
                    rows.add("field " + struct.getSimpleName() + "." + field + " " + offset(struct, field) + " "
                            + size(struct, field));
                }
            }
        }
        return rows;
    }

    private static boolean isField(Class<?> struct, Method accessor) {
        return Arrays.stream(struct.getMethods())
                .anyMatch(method -> method.getName().equals(accessor.getName() + "$offset"));
    }

    private static long offset(Class<?> struct, String field) throws ReflectiveOperationException {
        return (long) struct.getMethod(field + "$offset").invoke(null);
    }

    private static long size(Class<?> struct, String field) throws ReflectiveOperationException {
        return ((MemoryLayout) struct.getMethod(field + "$layout").invoke(null)).byteSize();
    }

    private static Object allOnes(Class<?> type) {
        return switch (type.getName()) {
            case "byte" -> (byte) -1;
            case "short" -> (short) -1;
            case "int" -> -1;
            case "long" -> -1L;
            default -> throw new AssertionError("a field of type " + type);
        };
    }

    /** The classes of the package, in a directory or in a jar, that have a layout. */
    private static List<Class<?>> structs() throws IOException, URISyntaxException {
        URI example = vfio_h.class.getResource("vfio_h.class").toURI();
        if (example.getScheme().equals("jar")) {
            try (FileSystem jar = FileSystems.newFileSystem(example, Map.of())) {
                return structs(jar.getPath("/").resolve(PACKAGE.toString()));
            }
        }
        return structs(Path.of(example).getParent());
    }

    private static List<Class<?>> structs(Path directory) throws IOException {
        try (Stream<Path> files = Files.list(directory)) {
            return files.map(file -> file.getFileName().toString())
                    .filter(name -> name.endsWith(".class"))
                    .<Class<?>>map(name -> classNamed(name.replace(".class", "")))
                    .filter(AbiTest::hasLayout)
                    .toList();
        }
    }

    private static Class<?> classNamed(String name) {
        try {
            return Class.forName(AbiTest.class.getPackageName() + "." + name);
        } catch (ClassNotFoundException e) {
            throw new AssertionError(e);
        }
    }

    private static boolean hasLayout(Class<?> type) {
        return Arrays.stream(type.getMethods())
                .anyMatch(method -> method.getName().equals("layout"));
    }
}
