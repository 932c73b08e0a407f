package org.jvfio;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.InputStream;
import java.lang.classfile.ClassFile;
import java.lang.classfile.ClassModel;
import java.lang.classfile.attribute.CodeAttribute;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

class MappedAccessTest {
    /** Three times the default of FreqInlineSize. */
    private static final int NEVER_INLINED = 1_000;

    @Test
    void loadAndStore_bytecode_tooLargeToBeInlined() throws IOException {
        ClassModel model;
        try (InputStream file = Objects.requireNonNull(MappedAccess.class.getResourceAsStream("MappedAccess.class"))) {
            model = ClassFile.of().parse(file.readAllBytes());
        }
        Map<String, Integer> sizes = model.methods().stream()
                .filter(method -> method.methodName().stringValue().endsWith("Polled"))
                .collect(Collectors.toMap(
                        method -> method.methodName().stringValue(),
                        method -> method.code()
                                .map(code -> ((CodeAttribute) code).codeLength())
                                .orElseThrow()));
        assertEquals(2, sizes.size());
        sizes.forEach((name, size) -> assertTrue(size > NEVER_INLINED, name + " has " + size + " bytes"));
    }

    @Test
    void loadAndStore_eachWidthAndOrder_sameAsOpaqueAccess() {
        MemorySegment memory = MemorySegment.ofArray(new long[1]);
        for (int width : List.of(1, 2, 4, 8)) {
            for (boolean little : List.of(true, false)) {
                int kind = MappedAccess.kind(width, little);
                MappedAccess.store(memory, 0, kind, 0xfedcba9876543210L);
                long expected = 0xfedcba9876543210L & (-1L >>> (Long.SIZE - width * Byte.SIZE));
                assertEquals(expected, MappedAccess.load(memory, 0, kind));
                assertEquals(expected, OpaqueAccess.get(memory, 0, width, little));
            }
        }
        assertThrows(IllegalArgumentException.class, () -> MappedAccess.load(memory, 0, 8));
        assertThrows(IllegalArgumentException.class, () -> MappedAccess.store(memory, 0, 9, 0));
    }

    @Test
    void pollsAtReturn_otherCompilers_false() {
        assertTrue(MappedAccess.pollsAtReturn("OpenJDK 64-Bit Server VM", "25.0.3+9-LTS"));
        assertTrue(MappedAccess.pollsAtReturn("Java HotSpot(TM) 64-Bit Server VM", "25.0.1+8-LTS-27"));
        assertFalse(MappedAccess.pollsAtReturn("OpenJDK 64-Bit Server VM", "25.0.1+8-jvmci-b01"));
        assertFalse(MappedAccess.pollsAtReturn("Eclipse OpenJ9 VM", "openj9-0.55.0"));
    }

    @Test
    void throwPendingFault_noFault_nothing() {
        MappedAccess.throwPendingFault();
    }
}
