package org.jvfio;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.lang.reflect.Parameter;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.UUID;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.jvfio.emulator.EmulatedKernel;
import org.jvfio.emulator.EmulatedMachine;
import org.jvfio.kernel.Kernel;

/** Each public method of containers, groups and devices is called with null for each of its objects. */
class NullArgumentTest {
    private static final PciAddress EDU = PciAddress.parse("0000:01:00.0");

    /** Returns the number of calls. */
    private static int callWithEachNull(Method method, Map<Class<?>, Object> values) {
        Parameter[] parameters = method.getParameters();
        int calls = 0;
        for (int nulled = 0; nulled < parameters.length; nulled++) {
            if (parameters[nulled].getType().isPrimitive()) {
                continue;
            }
            @Nullable Object[] arguments = new @Nullable Object[parameters.length];
            for (int each = 0; each < parameters.length; each++) {
                Class<?> type = parameters[each].getType();
                arguments[each] = each == nulled
                        ? null
                        : Objects.requireNonNull(values.get(type), () -> "a value of " + type + " for " + method);
            }
            assertNullIsNamed(method, values.get(method.getDeclaringClass()), arguments, parameters[nulled].getName());
            calls++;
        }
        return calls;
    }

    private static void assertNullIsNamed(
            Method method, @Nullable Object receiver, @Nullable Object[] arguments, String parameter) {
        try {
            method.invoke(receiver, arguments);
        } catch (InvocationTargetException e) {
            NullPointerException thrown = assertInstanceOf(
                    NullPointerException.class, e.getCause(), () -> method + " with null for " + parameter);
            assertEquals(parameter, thrown.getMessage(), method.toString());
            return;
        } catch (IllegalAccessException e) {
            throw new AssertionError(e);
        }
        throw new AssertionError(method + " accepts null for " + parameter);
    }

    @Test
    void publicMethods_nullForAnObject_nullPointerExceptionNamesIt() {
        Kernel kernel = EmulatedKernel.boot(EmulatedMachine.power8());
        int calls = 0;
        try (Arena arena = Arena.ofShared();
                Device device = Device.open(kernel, EDU);
                DmaMemory memory = device.container().allocate(1 << 16)) {
            WindowRequest request = WindowRequest.of(1 << 16);
            Map<Class<?>, Object> values = Map.ofEntries(
                    Map.entry(Kernel.class, kernel),
                    Map.entry(PciAddress.class, EDU),
                    Map.entry(Container.class, device.container()),
                    Map.entry(Group.class, device.group()),
                    Map.entry(Device.class, device),
                    Map.entry(InterruptType.class, InterruptType.INTX),
                    Map.entry(String.class, "use it"),
                    Map.entry(int.class, 1),
                    Map.entry(long.class, 1L << 16),
                    Map.entry(PageSize.class, PageSize.SIZE_64K),
                    Map.entry(UUID.class, new UUID(1, 2)),
                    Map.entry(WindowRequest.class, request),
                    Map.entry(WindowPlan.class, device.container().planWindow(request)),
                    Map.entry(MemoryRange.class, memory.range()),
                    Map.entry(DmaDirection.class, DmaDirection.TO_DEVICE),
                    Map.entry(DmaConstraints.class, DmaConstraints.ofMaskBits(64)),
                    Map.entry(MemorySegment.class, arena.allocate(1 << 16, 1 << 16)));
            for (Class<?> type : List.of(Container.class, Group.class, Device.class)) {
                for (Method method : type.getDeclaredMethods()) {
                    if (Modifier.isPublic(method.getModifiers()) && !method.isSynthetic()) {
                        calls += callWithEachNull(method, values);
                    }
                }
            }
        }
        assertTrue(calls > 20, calls + " calls");
    }
}
