package org.jvfio.driver.nvme;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.jvfio.VfioException;
import org.jvfio.emulator.nvme.CommandLimits;
import org.jvfio.emulator.nvme.CommandSet;
import org.jvfio.emulator.nvme.DriveOddity;
import org.jvfio.emulator.nvme.DrivePreset;
import org.jvfio.emulator.nvme.EmulatedNvme;
import org.jvfio.emulator.nvme.NamespaceOptions;
import org.jvfio.emulator.nvme.NamespaceOptions.CopyLimits;
import org.jvfio.emulator.nvme.NvmeFault.Commands;
import org.jvfio.emulator.nvme.NvmeFault.Effect;
import org.jvfio.emulator.nvme.NvmeFault.Occurrence;
import org.jvfio.emulator.nvme.NvmeFaults;
import org.jvfio.emulator.nvme.OptionalCommand;
import org.jvfio.fixture.nvme.NamespaceExercise;

/** Namespaces of all kinds: those that the driver uses, and those that it refuses. */
class NvmeNamespacesTest {
    private static final long BYTES = 4 << 20;

    private static NvmeHost host(EmulatedNvme.Builder drive) {
        return new NvmeHost(drive::build);
    }

    private static NamespaceOptions.Builder namespace() {
        return NamespaceOptions.ofMemory(BYTES);
    }

    @ParameterizedTest
    @CsvSource({
        "512,  0,  false, 7, 12",
        "512,  8,  false, 7, 12",
        "512,  8,  true,  7, 12",
        "512,  64, true,  0, 12",
        "4096, 0,  false, 7, 16",
        "4096, 16, false, 5, 16",
        "4096, 64, true,  7, 13",
        "4096, 8,  true,  0, 12"
    })
    void exercise_everyFormat_sameData(int block, int metadata, boolean extended, int mdts, int pageShift) {
        EmulatedNvme.Builder drive = EmulatedNvme.builder()
                .mdts(mdts)
                .pageShifts(12, 16)
                .namespace(namespace()
                        .blockBytes(block)
                        .metadataBytes(metadata)
                        .extended(extended)
                        .build());
        NvmeOptions options = NvmeOptions.builder().pageBytes(1 << pageShift).build();
        try (NvmeHost host = host(drive);
                NvmeController nvme = host.open(options)) {
            NvmeNamespace disk = nvme.namespace(1);
            assertEquals(block, disk.blockBytes());
            assertEquals(metadata, disk.metadataBytes());
            assertEquals(extended, disk.isExtended());
            assertEquals(block + (extended ? metadata : 0), disk.transferBytes(1));
            assertTrue(disk.transferBytes(disk.maxTransferBlocks()) <= nvme.maxTransferBytes());
            new NamespaceExercise(nvme, disk).run(7);
        }
    }

    @Test
    void exercise_presetQemu_sameData() {
        try (NvmeHost host =
                        host(DrivePreset.QEMU.builder().namespace(namespace().build()));
                NvmeController nvme = host.open()) {
            new NamespaceExercise(nvme, nvme.namespace(1)).run(3);
        }
    }

    @Test
    void namespaceIds_sparseAndDetached_onlyAttachedOnes() {
        EmulatedNvme.Builder drive = EmulatedNvme.builder()
                .namespace(namespace().id(250).build())
                .namespace(namespace().id(3).build())
                .namespace(namespace().id(7).attached(false).build())
                .namespace(namespace().build());
        try (NvmeHost host = host(drive);
                NvmeController nvme = host.open()) {
            assertEquals(List.of(1, 3, 250), nvme.namespaceIds());
            for (int id : nvme.namespaceIds()) {
                new NamespaceExercise(nvme, nvme.namespace(id)).run(id);
            }
            VfioException absent = assertThrows(VfioException.class, () -> nvme.namespace(7));
            assertEquals("use one of [1, 3, 250]", absent.hint());
        }
    }

    @Test
    void namespaceIds_noNamespace_empty() {
        try (NvmeHost host = host(EmulatedNvme.builder().withoutNamespaces());
                NvmeController nvme = host.open()) {
            assertEquals(List.of(), nvme.namespaceIds());
            assertThrows(VfioException.class, () -> nvme.namespace(1));
        }
    }

    /** Each is refused with its name, and the last namespace of the same drive works. */
    @Test
    void namespace_unsupportedKinds_refusedByNameAndNeighbourWorks() {
        EmulatedNvme.Builder drive = EmulatedNvme.builder()
                .namespace(namespace().commandSet(CommandSet.ZONED).build())
                .namespace(namespace().commandSet(CommandSet.KEY_VALUE).build())
                .namespace(namespace().metadataBytes(8).protection(2).build())
                .namespace(namespace().build());
        try (NvmeHost host = host(drive);
                NvmeController nvme = host.open()) {
            assertEquals(List.of(1, 2, 3, 4), nvme.namespaceIds());
            List<String> reasons = new ArrayList<>();
            for (int id = 1; id <= 3; id++) {
                int number = id;
                VfioException e = assertThrows(VfioException.class, () -> nvme.namespace(number));
                assertEquals(VfioException.Kind.UNSUPPORTED, e.kind());
                reasons.add(e.reason());
            }
            assertTrue(reasons.get(0).contains("Zoned Namespace Command Set (CSI 02h)"), reasons.get(0));
            assertTrue(reasons.get(1).contains("Key Value Command Set (CSI 01h)"), reasons.get(1));
            assertTrue(reasons.get(2).contains("protection information of type 2"), reasons.get(2));
            new NamespaceExercise(nvme, nvme.namespace(4)).run(4);
        }
    }

    /** A controller that offers no other command set than NVM names that of the namespace in its descriptors only. */
    @Test
    void namespace_otherCommandSetThanTheControllerOffers_refusedByName() {
        EmulatedNvme.Builder drive = EmulatedNvme.builder()
                .commandSets(1)
                .namespace(namespace().commandSet(CommandSet.ZONED).build())
                .namespace(namespace().build());
        try (NvmeHost host = host(drive);
                NvmeController nvme = host.open()) {
            assertEquals(List.of(1, 2), nvme.namespaceIds());
            VfioException e = assertThrows(VfioException.class, () -> nvme.namespace(1));
            assertEquals(VfioException.Kind.UNSUPPORTED, e.kind());
            assertTrue(e.reason().contains("Zoned Namespace Command Set (CSI 02h)"), e.reason());
            new NamespaceExercise(nvme, nvme.namespace(2)).run(2);
            e = assertThrows(VfioException.class, () -> nvme.namespace(3));
            assertEquals(VfioException.Kind.NOT_FOUND, e.kind());
        }
    }

    private static EmulatedNvme.Builder ofThreeCommandSets() {
        return EmulatedNvme.builder()
                .namespace(namespace().build())
                .namespace(namespace().commandSet(CommandSet.ZONED).build())
                .namespace(namespace().commandSet(CommandSet.KEY_VALUE).build());
    }

    private static NvmeOptions withoutList() {
        return NvmeOptions.builder().quirks(Set.of(NvmeQuirk.NO_NAMESPACE_LIST)).build();
    }

    @Test
    void namespace_otherCommandSetsOfADriveWithoutList_listedAndRefusedByName() {
        try (NvmeHost host = host(ofThreeCommandSets());
                NvmeController nvme = host.open(withoutList())) {
            assertEquals(List.of(1, 2, 3), nvme.namespaceIds());
            VfioException e = assertThrows(VfioException.class, () -> nvme.namespace(2));
            assertTrue(e.reason().contains("Zoned Namespace Command Set (CSI 02h)"), e.reason());
            e = assertThrows(VfioException.class, () -> nvme.namespace(3));
            assertTrue(e.reason().contains("Key Value Command Set (CSI 01h)"), e.reason());
            new NamespaceExercise(nvme, nvme.namespace(1)).run(1);
        }
    }

    /** The drive returns the data of its controller for descriptors: nothing may be written to the namespaces. */
    @Test
    void namespace_otherCommandSetsOfADriveWithoutDescriptors_notFound() {
        EmulatedNvme.Builder drive = ofThreeCommandSets().oddities(Set.of(DriveOddity.CONFUSES_IDENTIFY_LISTS));
        try (NvmeHost host = host(drive);
                NvmeController nvme = host.open(withoutList())) {
            assertEquals(List.of(1), nvme.namespaceIds());
            for (int id = 2; id <= 3; id++) {
                int number = id;
                VfioException e = assertThrows(VfioException.class, () -> nvme.namespace(number));
                assertEquals(VfioException.Kind.NOT_FOUND, e.kind());
            }
            new NamespaceExercise(nvme, nvme.namespace(1)).run(1);
        }
    }

    @Test
    void open_driveWithoutListAndOnlyAllCommandSets_selectsAll() {
        EmulatedNvme.Builder drive = ofThreeCommandSets().commandSets(1 << 6);
        try (NvmeHost host = host(drive);
                NvmeController nvme = host.open(withoutList())) {
            assertEquals(List.of(1, 2, 3), nvme.namespaceIds());
        }
    }

    @Test
    void commandSet_descriptorOfAnotherLength_nvm() {
        MemorySegment list = MemorySegment.ofArray(new byte[ControllerData.BYTES]);
        list.set(ValueLayout.JAVA_BYTE, 0, (byte) 4);
        list.set(ValueLayout.JAVA_BYTE, 1, (byte) 1);
        list.set(ValueLayout.JAVA_BYTE, 4, (byte) 2);
        assertEquals(2, Namespaces.commandSet(ControllerData.copy(list)));
        list.set(ValueLayout.JAVA_BYTE, 1, (byte) 16);
        assertEquals(0, Namespaces.commandSet(ControllerData.copy(list)));
    }

    /** The controller refuses what exceeds its limits, so that commands which do not keep them would fail. */
    @Test
    void limits_ofTheController_kept() {
        EmulatedNvme.Builder drive = EmulatedNvme.builder()
                .commandLimits(new CommandLimits(1, 2, 1, 5, 5))
                .namespace(namespace().copyLimits(new CopyLimits(3, 3, 1)).build());
        try (NvmeHost host = host(drive);
                NvmeController nvme = host.open()) {
            NvmeNamespace disk = nvme.namespace(1);
            assertEquals(new NamespaceLimits(16, 32, 5, 3), disk.limits());
            disk.verify(0, 100);
            disk.writeZeroes(0, 100);
            disk.deallocate(0, 23);
            disk.copy(0, 50, 60);
            new NamespaceExercise(nvme, disk).run(1);
            NvmeRequest request = new NvmeRequest();
            IllegalArgumentException e =
                    assertThrows(IllegalArgumentException.class, () -> request.writeZeroes(disk, 0, 33));
            assertTrue(String.valueOf(e.getMessage()).contains("one command covers 1 to 32 blocks"), e.getMessage());
            assertThrows(IllegalArgumentException.class, () -> request.verify(disk, 0, 17));
            assertThrows(IllegalArgumentException.class, () -> request.deallocate(disk, 0, 6));
            assertThrows(IllegalArgumentException.class, () -> request.copy(disk, 0, 4, 8));
        }
    }

    /** VSL and WZSL count the metadata that is transferred with the data: 15 blocks of 520 bytes in 8 KiB, not 16. */
    @Test
    void limits_extendedMetadata_countedAsTransferred() {
        EmulatedNvme.Builder drive = EmulatedNvme.builder()
                .commandLimits(new CommandLimits(1, 2, 0, 0, 0))
                .namespace(namespace().metadataBytes(8).extended(true).build());
        try (NvmeHost host = host(drive);
                NvmeController nvme = host.open()) {
            NvmeNamespace disk = nvme.namespace(1);
            assertEquals(15, disk.limits().verifyBlocks());
            assertEquals(31, disk.limits().writeZeroesBlocks());
            disk.verify(0, 100);
            disk.writeZeroes(0, 100);
        }
    }

    @Test
    void optionalCommands_notSupported_refusedByName() {
        EmulatedNvme.Builder drive =
                EmulatedNvme.builder().namespace(BYTES).commands(EnumSet.noneOf(OptionalCommand.class));
        try (NvmeHost host = host(drive);
                NvmeController nvme = host.open();
                NvmeBuffer buffer = nvme.allocate(512)) {
            NvmeNamespace disk = nvme.namespace(1);
            List<Runnable> calls = List.of(
                    () -> disk.compare(0, 1, buffer),
                    () -> disk.verify(0, 1),
                    () -> disk.copy(0, 1, 1),
                    () -> disk.writeZeroes(0, 1),
                    () -> disk.deallocate(0, 1));
            List<String> names = List.of("Compare", "Verify", "Copy", "Write Zeroes", "Dataset Management");
            for (int index = 0; index < calls.size(); index++) {
                VfioException e = assertThrows(VfioException.class, calls.get(index)::run);
                assertEquals("the controller does not support the command " + names.get(index), e.reason());
            }
        }
    }

    @Test
    void copy_overlappingBlocks_illegalArgument() {
        try (NvmeHost host = host(EmulatedNvme.builder().namespace(BYTES));
                NvmeController nvme = host.open()) {
            NvmeNamespace disk = nvme.namespace(1);
            assertThrows(IllegalArgumentException.class, () -> disk.copy(0, 10, 9));
            assertThrows(IllegalArgumentException.class, () -> disk.copy(9, 10, 0));
            assertThrows(IndexOutOfBoundsException.class, () -> disk.copy(0, 10, disk.blocks() - 9));
            disk.copy(0, 10, 10);
        }
    }

    @Test
    void copy_namespaceNotReady_retried() {
        try (NvmeHost host = new NvmeHost(
                        () -> DrivePreset.SLOW_START.builder().namespace(BYTES).build());
                NvmeController nvme = host.open()) {
            nvme.namespace(1).copy(0, 8, 64);
        }
    }

    @Test
    void copy_someCommandsRejected_copiesAll() {
        NvmeFaults faults = NvmeFaults.NONE.with(
                Commands.io(Operation.COPY.opcode()), new Occurrence.Every(3), new Effect.Status(0, 0x06, true));
        try (NvmeHost host = new NvmeHost(() -> EmulatedNvme.builder()
                        .namespace(
                                namespace().copyLimits(new CopyLimits(3, 3, 1)).build())
                        .faults(faults)
                        .build());
                NvmeController nvme = host.open(NvmeOptions.builder().retries(9).build());
                NvmeBuffer buffer = nvme.allocate(100 * 512)) {
            for (int block = 0; block < 100; block++) {
                buffer.segment().asSlice((long) block * 512, 512).fill((byte) (block + 1));
            }
            NvmeNamespace disk = nvme.namespace(1);
            disk.write(0, 100, buffer);
            disk.copy(0, 100, 1000);
            buffer.segment().fill((byte) 0);
            disk.read(1000, 100, buffer);
            for (int block = 0; block < 100; block++) {
                assertEquals((byte) (block + 1), buffer.segment().get(ValueLayout.JAVA_BYTE, (block + 1L) * 512 - 1));
            }
        }
    }

    @Test
    void copy_rejectedForever_namesTheWholeCopy() {
        NvmeFaults faults = NvmeFaults.NONE.with(
                Commands.io(Operation.COPY.opcode()), Occurrence.always(), new Effect.Status(0, 0x06, false));
        try (NvmeHost host = new NvmeHost(faults);
                NvmeController nvme = host.open()) {
            VfioException e =
                    assertThrows(VfioException.class, () -> nvme.namespace(1).copy(7, 8, 64));
            assertTrue(e.getMessage().contains("copy 8 blocks at LBA 7 of namespace 1"), e.getMessage());
        }
    }

    @Test
    void transfer_metadataBufferMissingOrNotNeeded_illegalArgument() {
        EmulatedNvme.Builder drive = EmulatedNvme.builder()
                .namespace(namespace().metadataBytes(8).build())
                .namespace(namespace().metadataBytes(8).extended(true).build())
                .namespace(namespace().build());
        try (NvmeHost host = host(drive);
                NvmeController nvme = host.open();
                NvmeBuffer buffer = nvme.allocate(4096)) {
            NvmeNamespace separate = nvme.namespace(1);
            NvmeNamespace extended = nvme.namespace(2);
            NvmeNamespace plain = nvme.namespace(3);
            assertRefused("needs a buffer of its own", () -> separate.read(0, 1, buffer));
            assertRefused("and the metadata buffer has 8", () -> separate.write(0, 2, buffer, buffer.slice(0, 8)));
            assertRefused("is not a multiple of 4", () -> separate.write(0, 1, buffer, buffer.slice(2, 64)));
            assertRefused("transferred with their data", () -> extended.read(0, 1, buffer, buffer));
            assertRefused("they take 4160 bytes", () -> extended.read(0, 8, buffer.slice(0, 4096)));
            assertRefused("they have no metadata", () -> plain.write(0, 1, buffer, buffer));
            NvmeRequest request = new NvmeRequest();
            assertRefused("needs a buffer of its own", () -> request.read(separate, 0, 1, buffer));
        }
    }

    private static void assertRefused(String reason, Runnable call) {
        IllegalArgumentException e = assertThrows(IllegalArgumentException.class, call::run);
        assertTrue(String.valueOf(e.getMessage()).contains(reason), e.getMessage());
    }

    @Test
    void errorLog_failedCommands_newestFirst() {
        try (NvmeHost host = host(EmulatedNvme.builder().namespace(BYTES));
                NvmeController nvme = host.open()) {
            assertEquals(64, nvme.identity().errorLogEntries());
            assertEquals(List.of(), nvme.errorLog());
            AdminQueue admin = nvme.lifecycle().adminCommands();
            for (int structure : new int[] {0xf0, 0xf1}) {
                assertEquals(
                        Optional.empty(),
                        admin.identify("identify", structure, 5, _ -> true).data());
            }
            List<NvmeErrorEntry> entries = nvme.errorLog();
            assertEquals(2, entries.size());
            assertEquals(2, entries.getFirst().number());
            assertEquals(0, entries.getFirst().queue());
            assertEquals(5, entries.getFirst().namespaceId());
            assertEquals("Invalid Field in Command", entries.getFirst().status().name());
            assertEquals(1, entries.getLast().number());
        }
    }

    @Test
    void firmware_oneSlot_active() {
        try (NvmeHost host = host(EmulatedNvme.builder().namespace(BYTES));
                NvmeController nvme = host.open()) {
            NvmeFirmware firmware = nvme.firmware();
            assertEquals(1, firmware.activeSlot());
            assertEquals(OptionalInt.empty(), firmware.nextSlot());
            assertEquals(List.of("1.0", "", "", "", "", "", ""), firmware.revisions());
        }
    }

    @Test
    void identity_oneOfTwoControllers_ofTheSubsystem() {
        EmulatedNvme.Builder drive =
                EmulatedNvme.builder().namespace(BYTES).subsystem("nqn.2026-11.org.example:s", 1, 2);
        try (NvmeHost host = host(drive);
                NvmeController nvme = host.open()) {
            assertTrue(nvme.identity().sharesSubsystem());
            assertEquals(1, nvme.identity().controllerId());
            assertEquals("nqn.2026-11.org.example:s", nvme.identity().qualifiedName());
        }
        try (NvmeHost host = host(EmulatedNvme.builder().namespace(BYTES));
                NvmeController nvme = host.open()) {
            assertFalse(nvme.identity().sharesSubsystem());
        }
    }

    @ParameterizedTest
    @CsvSource({"13, 16, 0", "12, 12, 4", "16, 20, 8"})
    void exercise_pageSizesAndStrides_sameData(int smallest, int largest, int stride) {
        EmulatedNvme.Builder drive = EmulatedNvme.builder()
                .pageShifts(smallest, largest)
                .doorbellStride(stride)
                .mdts(3)
                .queuePairs(2)
                .namespace(BYTES);
        try (NvmeHost host = host(drive);
                NvmeController nvme =
                        host.open(NvmeOptions.builder().queuePairs(2).build())) {
            assertEquals(2, nvme.queues().size());
            assertEquals(8L << smallest, nvme.maxTransferBytes());
            new NamespaceExercise(nvme, nvme.namespace(1)).run(5);
        }
    }
}
