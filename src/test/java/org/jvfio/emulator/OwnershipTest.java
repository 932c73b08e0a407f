package org.jvfio.emulator;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.jvfio.kernel.CallScript;
import org.jvfio.kernel.Errno;

class OwnershipTest {
    private static final long HOST_WINDOW = 1L << 32;

    private static EmulatedKernel boot(EmulatedMachine.Builder machine) {
        return EmulatedKernel.boot(machine.build());
    }

    private static CallScript script(EmulatedKernel kernel) {
        return new CallScript(kernel, kernel::capIpcLock);
    }

    /** A container with group 0 in it, as {@code c} and {@code g}; answers what SET_CONTAINER did. */
    private static String enterContainer(CallScript script) {
        script.run("open c /dev/vfio/vfio");
        script.run("open g /dev/vfio/0");
        return script.run("setcont g c");
    }

    private static void assertHostHasItsWindowAndBypass(EmulatedKernel kernel) {
        GroupView group = kernel.host().group(0);
        assertTrue(group.ownedByHost());
        assertTrue(group.bypass());
        assertEquals(
                List.of(HOST_WINDOW),
                group.windows().stream().map(WindowView::size).toList());
    }

    @Test
    void boot_noProcess_hostHasWindowAndBypass() {
        assertHostHasItsWindowAndBypass(EmulatedKernel.boot(EmulatedMachine.power8()));
    }

    @Test
    void setContainer_viableGroup_hostLosesWindowAndBypass() {
        EmulatedKernel kernel = EmulatedKernel.boot(EmulatedMachine.power8());
        try (CallScript script = script(kernel)) {
            assertEquals("0", enterContainer(script));
            GroupView group = kernel.host().group(0);
            assertFalse(group.ownedByHost());
            assertFalse(group.bypass());
            assertEquals(List.of(), group.windows());
        }
    }

    @Test
    void kill_attachedGroup_hostGetsWindowAndBypass() {
        EmulatedKernel kernel = EmulatedKernel.boot(EmulatedMachine.power8());
        try (CallScript script = script(kernel)) {
            enterContainer(script);
            assertEquals("0", script.run("setiommu c 7"));
            script.run("mem m 0x10000");
            assertEquals("0", script.run("reg c m 0x10000"));
            assertEquals("0", script.run("map c m 0 0x10000"));
            kernel.exit();
            assertHostHasItsWindowAndBypass(kernel);
            assertEquals(0, kernel.lockedBytes());
            assertEquals(0, kernel.host().userMemoryBytes());
        }
    }

    @Test
    void setContainer_takeFails_hostKeepsTheGroup() {
        EmulatedKernel kernel = EmulatedKernel.boot(EmulatedMachine.power8());
        kernel.host().failNext(0, PlatformStep.TAKE_OWNERSHIP, Errno.EIO);
        try (CallScript script = script(kernel)) {
            assertEquals("-1 EIO", enterContainer(script));
            assertHostHasItsWindowAndBypass(kernel);
            assertEquals("0 flags=1", script.run("status g"));
            assertEquals("0", script.run("setcont g c"));
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"CREATE_TABLE", "SET_WINDOW"})
    void setContainer_patchedAndWindowFails_nothingTaken(PlatformStep step) {
        EmulatedKernel kernel = boot(EmulatedMachine.power8().toBuilder().kernel(KernelVersion.V4_2));
        kernel.host().failNext(0, step, Errno.ENOMEM);
        try (CallScript script = script(kernel)) {
            assertEquals("0", enterContainer(script));
            assertEquals("-1 ENOMEM", script.run("setiommu c 7"));
            assertHostHasItsWindowAndBypass(kernel);
            assertEquals(0, kernel.lockedBytes());
            assertEquals("0", script.run("setiommu c 7"));
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"V4_2", "V4_10", "V4_12", "V5_0"})
    void setContainer_patchedWithoutWindowCalls_efaultAndWarning(KernelVersion version) {
        EmulatedKernel kernel =
                boot(EmulatedMachine.power8().toBuilder().kernel(version).windowCalls(false));
        try (CallScript script = script(kernel)) {
            assertEquals("0", enterContainer(script));
            assertEquals("-1 EFAULT", script.run("setiommu c 7"));
            assertTrue(kernel.host().log().getLast().startsWith("WARNING"));
            assertHostHasItsWindowAndBypass(kernel);
        }
    }

    @Test
    void release_hostTableFails_loggedAndBypassOff() {
        EmulatedKernel kernel = EmulatedKernel.boot(EmulatedMachine.power8());
        try (CallScript script = script(kernel)) {
            enterContainer(script);
            kernel.host().failNext(0, PlatformStep.CREATE_HOST_TABLE, Errno.ENOMEM);
            assertEquals("0", script.run("unset g"));
            assertTrue(kernel.host().log().getLast().contains("Failed to create 32-bit TCE table, err -12"));
            assertFalse(kernel.host().group(0).bypass());
            assertEquals(List.of(), kernel.host().group(0).windows());
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"V4_2", "V6_12"})
    void setContainer_noHostWindow_works(KernelVersion version) {
        EmulatedKernel kernel = boot(EmulatedMachine.power8().toBuilder().kernel(version));
        try (CallScript script = script(kernel)) {
            enterContainer(script);
            script.run("setiommu c 7");
            kernel.host().failNext(0, PlatformStep.CREATE_HOST_TABLE, Errno.ENOMEM);
            assertEquals("0", script.run("unset g"));
            assertTrue(kernel.host().group(0).ownedByHost());
            int logged = kernel.host().log().size();
            assertEquals("0", script.run("setcont g c"));
            assertEquals("0", script.run("setiommu c 7"));
            assertFalse(kernel.host().group(0).ownedByHost());
            List<String> log = kernel.host().log();
            boolean told = log.subList(logged, log.size()).stream()
                    .anyMatch(line -> line.endsWith("Disabling 64-bit DMA bypass"));
            assertEquals(version.before(KernelVersion.V6_4), told);
            assertEquals("0", script.run("unset g"));
            assertHostHasItsWindowAndBypass(kernel);
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"CREATE_HOST_TABLE", "SET_HOST_WINDOW"})
    void failNext_stepOfOtherPlatform_illegalArgument(PlatformStep step) {
        EmulatedHost lpar = EmulatedKernel.boot(EmulatedMachine.pseries()).host();
        IllegalArgumentException refused =
                assertThrows(IllegalArgumentException.class, () -> lpar.failNext(1, step, Errno.EIO));
        assertEquals(
                "the platform of group 1 never performs " + step
                        + ", only [TAKE_OWNERSHIP, CREATE_TABLE, SET_WINDOW]; make it fail at one of these",
                refused.getMessage());
        EmulatedHost lending = boot(EmulatedMachine.power8().toBuilder()
                        .platform(Platform.IODA1)
                        .kernel(KernelVersion.V4_2))
                .host();
        assertThrows(IllegalArgumentException.class, () -> lending.failNext(0, step, Errno.EIO));
        assertThrows(IllegalArgumentException.class, () -> lending.failNext(0, PlatformStep.CREATE_TABLE, Errno.EIO));
    }

    @ParameterizedTest
    @EnumSource(names = {"V4_2", "V4_10", "V4_12", "V5_0"})
    void setIommu_v1OnOldBridge_tableLent(KernelVersion version) {
        EmulatedKernel kernel = boot(EmulatedMachine.power7().toBuilder().kernel(version));
        try (CallScript script = script(kernel)) {
            assertEquals(
                    "pci 0000:01     : [PE# fd]  Setting up 32-bit TCE table at 00000000..7fffffff",
                    kernel.host().log().getFirst());
            int logged = kernel.host().log().size();
            assertFalse(kernel.host().group(0).bypass());
            assertEquals("0", enterContainer(script));
            assertTrue(kernel.host().group(0).ownedByHost());
            assertEquals("0", script.run("setiommu c 2"));
            assertFalse(kernel.host().group(0).ownedByHost());
            assertEquals(1, kernel.host().group(0).windows().size());
            assertEquals("0", script.run("enable c"));
            script.run("mem m 0x10000");
            assertEquals("0", script.run("map c m 0 0x10000"));
            assertEquals(16, kernel.host().group(0).windows().getFirst().mappedPages());
            assertEquals("0", script.run("unset g"));
            assertEquals(0, kernel.host().group(0).windows().getFirst().mappedPages());
            assertTrue(kernel.host().group(0).ownedByHost());
            assertEquals(0, kernel.lockedBytes());
            assertFalse(kernel.host().group(0).bypass());
            assertEquals(logged, kernel.host().log().size());
        }
    }

    @Test
    void setIommu_tableUsedByHost_ebusy() {
        EmulatedKernel kernel = EmulatedKernel.boot(EmulatedMachine.p5ioc2());
        kernel.host().hostMappings(0, 1);
        try (CallScript script = script(kernel)) {
            enterContainer(script);
            assertEquals("-1 EBUSY", script.run("setiommu c 2"));
            assertTrue(kernel.host().log().contains("iommu_tce: it_map is not empty"));
            kernel.host().hostMappings(0, 0);
            assertEquals("0", script.run("setiommu c 2"));
        }
    }

    @Test
    void setContainer_lparTableUsedFromLinux64_ebusy() {
        EmulatedKernel kernel = boot(EmulatedMachine.pseries().toBuilder().kernel(KernelVersion.V6_4));
        kernel.host().hostMappings(1, 1);
        try (CallScript script = script(kernel)) {
            script.run("open c /dev/vfio/vfio");
            script.run("open g /dev/vfio/1");
            assertEquals("-1 EBUSY", script.run("setcont g c"));
            assertTrue(kernel.host().group(1).ownedByHost());
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"V4_2", "V4_10"})
    void setIommu_v2OnOldBridge_noWindows(KernelVersion version) {
        EmulatedKernel kernel = boot(EmulatedMachine.power7().toBuilder().kernel(version));
        try (CallScript script = script(kernel)) {
            enterContainer(script);
            assertEquals("0", script.run("setiommu c 7"));
            assertEquals("0 argsz=32 flags=0 start=0 size=80000000 pgsizes=0 max=0 levels=0", script.run("info c 32"));
            assertEquals("-1 EINVAL", script.run("create c 12 0x40000000 1"));
            assertEquals("-1 EINVAL", script.run("remove c 0x80000000"));
            assertEquals("-1 EPERM", script.run("remove c 0"));
            script.run("mem m 0x10000");
            assertEquals("0", script.run("reg c m 0x10000"));
            assertEquals("0", script.run("map c m 0 0x10000"));
            assertEquals(16, kernel.host().group(0).windows().getFirst().mappedPages());
            assertEquals("0", script.run("unset g"));
            assertEquals(0, kernel.host().group(0).windows().getFirst().mappedPages());
            assertTrue(kernel.host().group(0).ownedByHost());
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"V4_12", "V5_0"})
    void setIommu_v2OnOldBridgeFromLinux412_refused(KernelVersion version) {
        EmulatedKernel kernel = boot(EmulatedMachine.power7().toBuilder().kernel(version));
        try (CallScript script = script(kernel)) {
            enterContainer(script);
            assertEquals("-1 EPERM", script.run("setiommu c 7"));
        }
    }

    @Test
    void setContainer_secondGroupWithLentTable_refused() {
        EmulatedKernel kernel = EmulatedKernel.boot(EmulatedMachine.power7());
        try (CallScript script = script(kernel)) {
            enterContainer(script);
            assertEquals("0", script.run("setiommu c 2"));
            script.run("open h /dev/vfio/1");
            assertEquals("-1 EBUSY", script.run("setcont h c"));
        }
    }

    @Test
    void setContainer_patched_defaultWindowMadeAndCharged() {
        EmulatedKernel kernel = boot(EmulatedMachine.power8().toBuilder().kernel(KernelVersion.V4_2));
        try (CallScript script = script(kernel)) {
            enterContainer(script);
            assertTrue(kernel.host().group(0).ownedByHost());
            assertEquals("0", script.run("setiommu c 7"));
            GroupView group = kernel.host().group(0);
            assertFalse(group.ownedByHost());
            assertEquals(
                    List.of(1L << 31),
                    group.windows().stream().map(WindowView::size).toList());
            assertEquals(8L << 20, kernel.lockedBytes());
            assertEquals("0", script.run("unset g"));
            assertHostHasItsWindowAndBypass(kernel);
        }
    }
}
