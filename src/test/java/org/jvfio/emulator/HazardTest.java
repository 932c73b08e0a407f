package org.jvfio.emulator;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.jvfio.kernel.CallScript;
import org.jvfio.uapi.vfio_h;

class HazardTest {
    private static CallScript prepared(EmulatedKernel kernel) {
        CallScript script = new CallScript(kernel, kernel::capIpcLock);
        script.run("open c /dev/vfio/vfio");
        script.run("open g /dev/vfio/" + kernel.host().groups().getFirst());
        script.run("setcont g c");
        script.run("setiommu c 7");
        script.run("mem m 0x100000");
        script.run("reg c m 0x100000");
        return script;
    }

    private static void assertHazard(Hazard hazard, EmulatedMachine machine, String call) {
        EmulatedKernel kernel = EmulatedKernel.boot(machine);
        try (CallScript script = prepared(kernel)) {
            script.run("unmap c 0x10000 0x10000");
            long locked = kernel.lockedBytes();
            GroupView before = kernel.host().group(0);
            HostHazard stopped = assertThrows(HostHazard.class, () -> script.run(call));
            assertEquals(hazard, stopped.hazard());
            String message = Objects.requireNonNull(stopped.getMessage());
            assertTrue(message.contains(hazard.harm()));
            assertTrue(message.contains(hazard.where()));
            assertEquals(before, kernel.host().group(0));
            assertEquals(locked, kernel.lockedBytes());
        }
    }

    private static EmulatedMachine asLinux(EmulatedMachine machine) {
        return machine.toBuilder().hazards(HazardPolicy.AS_LINUX).build();
    }

    @Test
    void map_zeroBytesAtZeroOnPhb3_hazard() {
        assertHazard(Hazard.PHB3_INVALIDATES_FOR_EVER, EmulatedMachine.power8(), "map c m 0 0");
        assertHazard(Hazard.PHB3_INVALIDATES_FOR_EVER, asLinux(EmulatedMachine.power8()), "map c m 0 0");
    }

    @Test
    void unmap_zeroBytesAtZeroOnPhb3_hazard() {
        assertHazard(Hazard.PHB3_INVALIDATES_FOR_EVER, EmulatedMachine.power8(), "unmap c 0 0");
    }

    @Test
    void map_firstPageFailsAtZeroOnPhb3_hazard() {
        assertHazard(Hazard.PHB3_INVALIDATES_FOR_EVER, EmulatedMachine.power8(), "map c 0x10000 0 0x10000");
    }

    @Test
    void map_firstPageFailsElsewhere_errno() {
        EmulatedKernel kernel = EmulatedKernel.boot(EmulatedMachine.power8());
        try (CallScript script = prepared(kernel)) {
            assertEquals("-1 EINVAL", script.run("map c 0x10000 0x10000 0x10000"));
            assertEquals("0", script.run("map c m 0x10000 0"));
        }
    }

    @Test
    void map_laterPageFailsAtZero_errno() {
        EmulatedKernel kernel = EmulatedKernel.boot(EmulatedMachine.power8());
        try (CallScript script = prepared(kernel)) {
            assertEquals("-1 EINVAL", script.run("map c m+0xf0000 0 0x20000"));
        }
    }

    @Test
    void map_largerPagesThanMemoryOnPhb3_hazard() {
        EmulatedMachine machine = EmulatedMachine.power8().toBuilder().pages4K().build();
        EmulatedKernel kernel = EmulatedKernel.boot(machine);
        try (CallScript script = prepared(kernel)) {
            assertEquals("0", script.run("remove c 0"));
            assertEquals("0 start=0", script.run("create c 16 0x40000000 1"));
            HostHazard stopped = assertThrows(HostHazard.class, () -> script.run("map c m 0 0x10000"));
            assertEquals(Hazard.PHB3_INVALIDATES_FOR_EVER, stopped.hazard());
            assertEquals("-1 EINVAL", script.run("map c m 0x10000 0x10000"));
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"V4_2", "V4_10", "V4_12"})
    void map_zeroBytesBeforeRangeInvalidation_errno(KernelVersion version) {
        EmulatedKernel kernel = EmulatedKernel.boot(
                EmulatedMachine.power8().toBuilder().kernel(version).build());
        try (CallScript script = prepared(kernel)) {
            assertEquals("0", script.run("map c m 0 0"));
            assertEquals("0 size=0", script.run("unmap c 0 0"));
            assertEquals("-1 EINVAL", script.run("map c 0x10000 0 0x10000"));
        }
    }

    @Test
    void map_mixedBridgesWithPhb3_hazard() {
        EmulatedKernel kernel = EmulatedKernel.boot(EmulatedMachine.power8().toBuilder()
                .bridge(1, Platform.PHB4, 1L << 31)
                .build());
        try (CallScript script = prepared(kernel)) {
            script.run("open h /dev/vfio/1");
            assertEquals("0", script.run("setcont h c"));
            HostHazard stopped = assertThrows(HostHazard.class, () -> script.run("unmap c 0 0"));
            assertEquals(Hazard.PHB3_INVALIDATES_FOR_EVER, stopped.hazard());
            assertEquals("0", script.run("unset g"));
            assertEquals("0 size=0", script.run("unmap c 0 0"));
        }
    }

    @Test
    void map_zeroBytesOnOtherBridges_errno() {
        EmulatedKernel kernel = EmulatedKernel.boot(EmulatedMachine.power9());
        try (CallScript script = prepared(kernel)) {
            assertEquals("0", script.run("map c m 0 0"));
            assertEquals("0 size=0", script.run("unmap c 0 0"));
            assertEquals("-1 EINVAL", script.run("map c 0x10000 0 0x10000"));
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"V4_2", "V4_10", "V4_12", "V5_0", "V6_4", "V6_11", "V6_12", "V7_2"})
    void map_acrossWindowEnd_hazard(KernelVersion version) {
        EmulatedMachine machine =
                EmulatedMachine.power8().toBuilder().kernel(version).build();
        assertHazard(Hazard.WINDOW_OVERRUN, machine, "map c m 0x7fff0000 0x20000");
    }

    /** A container of type 2 on a host, with 1 MiB of memory. */
    private static CallScript enabled(EmulatedKernel kernel) {
        CallScript script = new CallScript(kernel, kernel::capIpcLock);
        script.run("open c /dev/vfio/vfio");
        script.run("open g /dev/vfio/" + kernel.host().groups().getFirst());
        script.run("setcont g c");
        script.run("setiommu c 2");
        script.run("enable c");
        script.run("mem m 0x100000");
        return script;
    }

    @Test
    void map_acrossLentTablesEnd_hazard() {
        for (EmulatedMachine machine : List.of(
                EmulatedMachine.power8().toBuilder().kernel(KernelVersion.V4_1).build(), EmulatedMachine.power7())) {
            EmulatedKernel kernel = EmulatedKernel.boot(machine);
            try (CallScript script = enabled(kernel)) {
                HostHazard stopped = assertThrows(HostHazard.class, () -> script.run("map c m 0x7fff0000 0x20000"));
                assertEquals(Hazard.WINDOW_OVERRUN, stopped.hazard());
                assertEquals(0, kernel.host().group(0).windows().getFirst().mappedPages());
                assertEquals("-1 EINVAL", script.run("unmap c 0x7fff0000 0x20000"));
            }
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"V4_12", "V5_0", "V6_11", "V6_12"})
    void map_acrossWindowEndV1InLpar_errno(KernelVersion version) {
        EmulatedKernel kernel = EmulatedKernel.boot(
                EmulatedMachine.pseries().toBuilder().kernel(version).build());
        try (CallScript script = enabled(kernel)) {
            assertEquals("-1 EINTR", script.run("map c m 0x3fff0000 0x20000"));
            assertEquals(0, kernel.host().group(1).windows().getFirst().mappedPages());
            assertEquals("0 size=20000", script.run("unmap c 0x3fff0000 0x20000"));
        }
    }

    @Test
    void map_acrossWindowEndV2InLpar_hazard() {
        EmulatedKernel kernel = EmulatedKernel.boot(EmulatedMachine.pseries());
        try (CallScript script = prepared(kernel)) {
            HostHazard stopped = assertThrows(HostHazard.class, () -> script.run("map c m 0x3fff0000 0x20000"));
            assertEquals(Hazard.WINDOW_OVERRUN, stopped.hazard());
            assertEquals("0 size=20000", script.run("unmap c 0x3fff0000 0x20000"));
        }
    }

    @ParameterizedTest
    @EnumSource(HazardPolicy.class)
    void unmap_farPastWindowEndInLpar_hazard(HazardPolicy policy) {
        EmulatedKernel kernel = EmulatedKernel.boot(
                EmulatedMachine.pseries().toBuilder().hazards(policy).build());
        try (CallScript script = enabled(kernel)) {
            assertEquals("0 size=100001000", script.run("unmap c 0x3ffff000 0x100001000"));
            HostHazard stopped = assertThrows(HostHazard.class, () -> script.run("unmap c 0x3ffff000 0x100002000"));
            assertEquals(Hazard.ENDLESS_UNMAP, stopped.hazard());
            stopped = assertThrows(HostHazard.class, () -> script.run("unmap c 0 0xfffffffffffff000"));
            assertEquals(Hazard.ENDLESS_UNMAP, stopped.hazard());
        }
    }

    @ParameterizedTest
    @EnumSource(HazardPolicy.class)
    void exit_lentTableInLpar_hazard(HazardPolicy policy) {
        EmulatedKernel kernel = EmulatedKernel.boot(EmulatedMachine.pseries().toBuilder()
                .kernel(KernelVersion.V6_4)
                .hazards(policy)
                .build());
        try (CallScript script = enabled(kernel)) {
            long locked = kernel.lockedBytes();
            for (String call : List.of("map c m 0 0x10000", "unmap c 0 0x10000")) {
                HostHazard stopped = assertThrows(HostHazard.class, () -> script.run(call));
                assertEquals(Hazard.BORROWED_TABLE, stopped.hazard());
            }
            assertEquals(locked, kernel.lockedBytes());
            assertEquals("0", script.run("unset g"));
            assertTrue(kernel.host().group(1).ownedByHost());
        }
    }

    @Test
    void unmap_acrossWindowEnd_refusedFromLinux72() {
        assertHazard(Hazard.WINDOW_OVERRUN, EmulatedMachine.power9(), "unmap c 0x7fff0000 0x20000");
        EmulatedKernel kernel = EmulatedKernel.boot(
                EmulatedMachine.power9().toBuilder().kernel(KernelVersion.V7_2).build());
        try (CallScript script = prepared(kernel)) {
            assertEquals("1 size=20000", script.run("unmap c 0x7fff0000 0x20000"));
        }
    }

    @Test
    void unregister_mapped_leakHazard() {
        EmulatedKernel kernel = EmulatedKernel.boot(EmulatedMachine.power8());
        try (CallScript script = prepared(kernel)) {
            assertEquals("0", script.run("map c m 0 0x10000"));
            HostHazard stopped = assertThrows(HostHazard.class, () -> script.run("unreg c m 0x100000"));
            assertEquals(Hazard.REGISTRATION_LEAK, stopped.hazard());
            assertEquals("0 size=10000", script.run("unmap c 0 0x10000"));
            assertEquals("0", script.run("unreg c m 0x100000"));
            assertEquals(0, kernel.registeredRegions());
        }
    }

    @Test
    void close_memoryMappedByOther_leakHazard() {
        EmulatedKernel kernel = EmulatedKernel.boot(EmulatedMachine.power8());
        try (CallScript script = prepared(kernel)) {
            script.run("open c2 /dev/vfio/vfio");
            script.run("open g2 /dev/vfio/1");
            script.run("setcont g2 c2");
            script.run("setiommu c2 7");
            script.run("mem m2 0x10000");
            assertEquals("0", script.run("reg c2 m2 0x10000"));
            assertEquals("0", script.run("map c2 m 0x10000 0x10000"));
            assertEquals("0", script.run("unset g"));
            assertEquals(List.of(Hazard.REGISTRATION_LEAK), kernel.host().hazards());
            assertEquals("0 size=10000", script.run("unmap c2 0x10000 0x10000"));
            assertEquals("-1 ENOENT", script.run("unreg c2 m 0x100000"));
            assertEquals(2, kernel.registeredRegions());
            assertEquals("0", script.run("unset g2"));
            assertEquals(1, kernel.registeredRegions());
        }
    }

    @Test
    void register_zeroBytes_hazard() {
        assertHazard(Hazard.REGISTER_NOTHING, EmulatedMachine.power8(), "reg c m 0");
    }

    @Test
    void register_privateHugePagesOfSeveralEntries_hazard() {
        EmulatedMachine.Builder power8 = EmulatedMachine.power8().toBuilder().hugePages(16 << 20, 2);
        EmulatedMachine endless = power8.pages4K().build();
        assertEquals(Hazard.PRIVATE_HUGE_PAGES, hazardOfHugePages(endless, vfio_h.MAP_PRIVATE, 0, 4 << 20));
        assertEquals(Hazard.PRIVATE_HUGE_PAGES, hazardOfHugePages(endless, vfio_h.MAP_PRIVATE, 18 << 20, 4096));
        assertNull(hazardOfHugePages(endless, vfio_h.MAP_PRIVATE, 16 << 20, 2 << 20));
        assertNull(hazardOfHugePages(endless, vfio_h.MAP_SHARED, 0, 32 << 20));
        EmulatedMachine older = power8.kernel(KernelVersion.V6_4).build();
        assertNull(hazardOfHugePages(older, vfio_h.MAP_PRIVATE, 0, 32 << 20));
        EmulatedMachine large = power8.kernel(KernelVersion.V6_12).pages64K().build();
        assertNull(hazardOfHugePages(large, vfio_h.MAP_PRIVATE, 0, 32 << 20));
    }

    /** What registering a part of two huge pages of 16M meets. */
    private static @Nullable Hazard hazardOfHugePages(EmulatedMachine machine, int sharing, long offset, long bytes) {
        EmulatedKernel kernel = EmulatedKernel.boot(machine);
        try (CallScript script = prepared(kernel)) {
            int flags = sharing | vfio_h.MAP_ANONYMOUS | vfio_h.MAP_HUGETLB | 24 << vfio_h.MAP_HUGE_SHIFT;
            long memory = kernel.mmap(32 << 20, vfio_h.PROT_READ | vfio_h.PROT_WRITE, flags, -1, 0);
            long locked = kernel.lockedBytes();
            String register = "reg c 0x%x 0x%x".formatted(memory + offset, bytes);
            try {
                assertEquals("0", script.run(register));
                return null;
            } catch (HostHazard stopped) {
                assertEquals(locked, kernel.lockedBytes());
                return stopped.hazard();
            }
        }
    }

    @Test
    void create_impossibleTable_chargeLeakHazard() {
        assertHazard(Hazard.CREATE_CHARGE_LEAK, EmulatedMachine.power8(), "create c 16 0x10000000000 1");
    }

    @Test
    void create_belowOnePage_hazard() {
        assertHazard(Hazard.WINDOW_BELOW_ONE_PAGE, EmulatedMachine.power8(), "create c 16 0x8000 1");
    }

    @Test
    void create_refusedByHypervisor_windowsLostHazard() {
        String create = "create c 16 0x10000000 1";
        EmulatedKernel stopping = EmulatedKernel.boot(EmulatedMachine.pseries());
        try (CallScript script = prepared(stopping)) {
            assertEquals("0", script.run("remove c 0"));
            assertEquals("0 start=800000000000000", script.run(create));
            long locked = stopping.lockedBytes();
            HostHazard stopped = assertThrows(HostHazard.class, () -> script.run(create));
            assertEquals(Hazard.WINDOWS_LOST, stopped.hazard());
            assertEquals(locked, stopping.lockedBytes());
            assertEquals("0", script.run("remove c 0x800000000000000"));
            assertEquals("0 start=800000000000000", script.run(create));
        }
        EmulatedKernel answering = EmulatedKernel.boot(asLinux(EmulatedMachine.pseries()));
        try (CallScript script = prepared(answering)) {
            assertEquals("0", script.run("remove c 0"));
            assertEquals("0 start=800000000000000", script.run(create));
            assertEquals("-1 ENODEV", script.run(create));
            assertEquals("0", script.run("remove c 0x800000000000000"));
            assertEquals("-1 ENODEV", script.run(create));
        }
    }

    @Test
    void create_stoppedByOneHazard_noOther() {
        EmulatedMachine machine = EmulatedMachine.pseries().toBuilder()
                .hazard(Hazard.WINDOWS_LOST, HazardPolicy.AS_LINUX)
                .build();
        EmulatedKernel kernel = EmulatedKernel.boot(machine);
        String create = "create c 16 0x40000000 1";
        try (CallScript script = prepared(kernel)) {
            assertEquals("0", script.run("remove c 0"));
            assertEquals("0 start=800000000000000", script.run(create));
            long locked = kernel.lockedBytes();
            List<String> log = kernel.host().log();
            HostHazard stopped = assertThrows(HostHazard.class, () -> script.run(create));
            assertEquals(Hazard.CREATE_CHARGE_LEAK, stopped.hazard());
            assertEquals(locked, kernel.lockedBytes());
            assertEquals(log, kernel.host().log());
            assertEquals(List.of(), kernel.host().hazards());
            assertEquals("0", script.run("remove c 0x800000000000000"));
            assertEquals("0 start=800000000000000", script.run(create));
        }
    }

    @Test
    void create_refusedWindow_chargeLeakedOnce() {
        EmulatedKernel kernel = EmulatedKernel.boot(asLinux(EmulatedMachine.pseries()));
        String create = "create c 16 0x40000000 1";
        try (CallScript script = prepared(kernel)) {
            assertEquals("0", script.run("remove c 0"));
            assertEquals("0 start=800000000000000", script.run(create));
            long locked = kernel.lockedBytes();
            assertEquals("-1 ENODEV", script.run(create));
            assertEquals(locked + 0x20000, kernel.lockedBytes());
            assertEquals(
                    List.of(Hazard.WINDOWS_LOST, Hazard.CREATE_CHARGE_LEAK),
                    kernel.host().hazards());
        }
    }

    @Test
    void create_stoppedByHazard_noDefaultWindow() {
        EmulatedKernel kernel = EmulatedKernel.boot(EmulatedMachine.power8());
        try (CallScript script = prepared(kernel)) {
            long locked = kernel.lockedBytes();
            GroupView before = kernel.host().group(0);
            List<String> log = kernel.host().log();
            assertThrows(HostHazard.class, () -> script.run("create c 16 0x10000000000 1"));
            assertThrows(HostHazard.class, () -> script.run("map c m 0x7fff0000 0x20000"));
            assertEquals(before, kernel.host().group(0));
            assertEquals(locked, kernel.lockedBytes());
            assertEquals(log, kernel.host().log());
            assertEquals("0", script.run("remove c 0"));
            assertEquals(before, kernel.host().group(0));
        }
    }

    @Test
    void hazard_toleratedAlone_othersStop() {
        EmulatedKernel kernel = EmulatedKernel.boot(EmulatedMachine.power8().toBuilder()
                .hazard(Hazard.REGISTRATION_LEAK, HazardPolicy.AS_LINUX)
                .build());
        try (CallScript script = prepared(kernel)) {
            assertEquals("0", script.run("map c m 0 0x10000"));
            assertEquals("0", script.run("unreg c m 0x100000"));
            assertEquals(List.of(Hazard.REGISTRATION_LEAK), kernel.host().hazards());
            assertThrows(HostHazard.class, () -> script.run("map c m 0x7fff0000 0x20000"));
        }
    }

    @Test
    void access_notDecodedByEdu_machineCheckHazard() {
        EmulatedKernel kernel = EmulatedKernel.boot(EmulatedMachine.power8());
        try (CallScript script = prepared(kernel)) {
            assertEquals("0", script.run("getdev d g 0000:01:00.0"));
            assertEquals("4 010000ed", script.run("pread d 0 4"));
            HostHazard stopped = assertThrows(HostHazard.class, () -> script.run("pread d 0 2"));
            assertEquals(Hazard.MACHINE_CHECK, stopped.hazard());
        }
    }

    @Test
    void readRom_memoryDisabled_machineCheckHazard() {
        EmulatedKernel kernel = EmulatedKernel.boot(EmulatedMachine.power8().toBuilder()
                .rom("0000:01:00.0", new byte[26])
                .build());
        try (CallScript script = prepared(kernel)) {
            assertEquals("0", script.run("getdev d g 0000:01:00.0"));
            assertEquals("-1 ENOMEM", script.run("pread d 0x60000000000 4"), "it has no image");
            assertEquals("2", script.run("pwrite d 0x70000000004 2 0"), "the command register: nothing is enabled");
            HostHazard stopped = assertThrows(HostHazard.class, () -> script.run("pread d 0x60000000000 4"));
            assertEquals(Hazard.MACHINE_CHECK, stopped.hazard());
        }
    }

    @Test
    void rom_noSuchDevice_illegalArgument() {
        EmulatedMachine.Builder machine = EmulatedMachine.power8().toBuilder();
        assertThrows(IllegalArgumentException.class, () -> machine.rom("0009:01:00.0", new byte[26]));
        assertThrows(IllegalArgumentException.class, () -> machine.rom("0000:01:00.0", new byte[(16 << 20) + 1]));
    }

    @Test
    void reset_msixWithMemoryDisabled_machineCheckHazard() {
        EmulatedKernel kernel = EmulatedKernel.boot(EmulatedMachine.power8());
        try (CallScript script = prepared(kernel)) {
            assertEquals("0", script.run("open g2 /dev/vfio/2"));
            assertEquals("0", script.run("setcont g2 c"));
            assertEquals("0", script.run("getdev d1 g2 0002:01:00.0"));
            assertEquals("2", script.run("pwrite d1 0x70000000004 2 0"));
            assertEquals("0", script.run("reset d1"));
            assertEquals("0", script.run("event e1"));
            assertEquals("0", script.run("setirqs d1 36 2 0 1 24 e1"));
            HostHazard stopped = assertThrows(HostHazard.class, () -> script.run("reset d1"));
            assertEquals(Hazard.MACHINE_CHECK, stopped.hazard());
            assertEquals("2", script.run("pwrite d1 0x70000000004 2 2"));
            assertEquals("0", script.run("reset d1"));
        }
    }

    @Test
    void hazards_asLinux_keptForInspection() {
        EmulatedKernel kernel = EmulatedKernel.boot(asLinux(EmulatedMachine.power8()));
        try (CallScript script = prepared(kernel)) {
            assertEquals("0", script.run("map c m 0x7fff0000 0x20000"));
            assertEquals("0", script.run("unreg c m 0x100000"));
            assertEquals(
                    List.of(Hazard.WINDOW_OVERRUN, Hazard.REGISTRATION_LEAK),
                    kernel.host().hazards());
        }
    }
}
