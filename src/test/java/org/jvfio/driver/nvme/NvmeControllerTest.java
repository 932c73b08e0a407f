package org.jvfio.driver.nvme;

import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.jvfio.ByteSize;
import org.jvfio.Device;
import org.jvfio.DmaDirection;
import org.jvfio.DmaMapping;
import org.jvfio.DmaMemory;
import org.jvfio.DmaWindow;
import org.jvfio.PageSize;
import org.jvfio.PeState;
import org.jvfio.VfioException;
import org.jvfio.VfioException.Kind;
import org.jvfio.emulator.EmulatedMachine;
import org.jvfio.emulator.KernelVersion;
import org.jvfio.emulator.edu.EmulatedEdu;
import org.jvfio.emulator.nvme.EmulatedNvme;
import org.jvfio.emulator.nvme.NvmeFault.Commands;
import org.jvfio.emulator.nvme.NvmeFault.Effect;
import org.jvfio.emulator.nvme.NvmeFault.Occurrence;
import org.jvfio.emulator.nvme.NvmeFaults;
import org.jvfio.emulator.nvme.NvmeFaults.Transition;
import org.jvfio.observe.sanitize.Finding;

@Timeout(60)
class NvmeControllerTest {
    private static final int BLOCK = 512;
    private static final int CC = 0x14;
    private static final int CSTS = 0x1c;
    private static final int AQA = 0x24;
    private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private static void randomize(MemorySegment segment, long seed) {
        byte[] bytes = new byte[(int) segment.byteSize()];
        new Random(seed).nextBytes(bytes);
        segment.copyFrom(MemorySegment.ofArray(bytes));
    }

    private static void assertRandom(MemorySegment segment, long seed) {
        byte[] bytes = new byte[(int) segment.byteSize()];
        new Random(seed).nextBytes(bytes);
        assertEquals(-1, segment.mismatch(MemorySegment.ofArray(bytes)));
    }

    private static boolean isZero(MemorySegment segment) {
        return segment.mismatch(MemorySegment.ofArray(new byte[(int) segment.byteSize()])) < 0;
    }

    /** A limit that is followed must lead on: nobody is told to allow more for what has no bus addresses. */
    @ParameterizedTest
    @CsvSource({"256M, LOCK_LIMIT, ulimit -l", "2G, EXHAUSTED, create a larger window"})
    void open_buffersOverLockLimit_saysWhetherTheyFitTheWindow(String bytes, Kind kind, String hint) {
        EmulatedMachine machine = EmulatedMachine.power9().toBuilder()
                .capIpcLock(false)
                .memlockBytes(0)
                .build();
        try (NvmeHost host = new NvmeHost(machine, NvmeHost::drive)) {
            NvmeOptions options =
                    NvmeOptions.builder().bufferBytes(ByteSize.parse(bytes)).build();
            VfioException e = assertThrows(VfioException.class, () -> host.open(options));
            assertEquals(kind, e.kind(), e.getMessage());
            assertTrue(e.hint().contains(hint), e.getMessage());
        }
    }

    @Test
    void open_twoNamespaces_reportsIdentity() {
        try (NvmeHost host = new NvmeHost(() -> EmulatedNvme.builder()
                        .serial("S1")
                        .namespace(1 << 20)
                        .namespace(2 << 20, 4096)
                        .build());
                NvmeController nvme = host.open()) {
            assertEquals("S1", nvme.identity().serial());
            assertEquals("1.4.0", nvme.identity().version());
            assertEquals(List.of(1, 2), nvme.namespaceIds());
            NvmeNamespace first = nvme.namespace(1);
            assertEquals(1 << 20, first.bytes());
            assertEquals(BLOCK, first.blockBytes());
            assertEquals(2048, first.capacityBlocks());
            assertEquals(4096, nvme.namespace(2).blockBytes());
            assertEquals(512, nvme.namespace(2).blocks());
            assertEquals(512 << 10, nvme.maxTransferBytes());
            assertEquals(4096, nvme.pageBytes());
            assertEquals(NvmeState.READY, nvme.state());
            assertEquals(0, nvme.health().warnings());
            assertTrue(first.describeSize().startsWith("1M in 2048 blocks"), first.describeSize());
        }
    }

    @ParameterizedTest
    @EnumSource(value = NvmeCompletion.class, mode = EnumSource.Mode.EXCLUDE, names = "MSI")
    void read_anySizeAndOffset_returnsWhatWasWritten(NvmeCompletion completion) {
        try (NvmeHost host = new NvmeHost();
                NvmeController nvme = host.open(NvmeOptions.builder()
                        .queuePairs(2)
                        .completion(completion)
                        .build());
                NvmeBuffer out = nvme.allocate(3 << 20);
                NvmeBuffer in = nvme.allocate(3 << 20)) {
            NvmeNamespace disk = nvme.namespace(1);
            randomize(out.segment(), 1);
            disk.write(7, 6000, out);
            disk.flush();
            disk.read(7, 6000, in);
            assertEquals(
                    -1,
                    out.segment().asSlice(0, 6000 * BLOCK).mismatch(in.segment().asSlice(0, 6000 * BLOCK)));
            for (int blocks : new int[] {1, 7, 8, 9, 1023, 1024, 1025, 2049}) {
                // A buffer at any offset in a page.
                NvmeBuffer part = in.slice(4L * blocks, (long) blocks * BLOCK);
                part.segment().fill((byte) 0);
                disk.read(7 + blocks, blocks, part);
                MemorySegment written = out.segment().asSlice((long) blocks * BLOCK, part.size());
                assertEquals(-1, written.mismatch(part.segment()), blocks + " blocks");
            }
            assertEquals(
                    completion == NvmeCompletion.MSIX ? 3 : completion == NvmeCompletion.INTX ? 1 : 0, nvme.vectors());
        }
    }

    @ParameterizedTest
    @CsvSource({"4096,12", "65536,12", "65536,16", "16384,16"})
    void open_pageSizeUnlikeTheIommus_transfers(int controllerPage, int iommuShift) {
        try (NvmeHost host = new NvmeHost()) {
            DmaWindow window = iommuShift == 12
                    ? host.device().container().defaultWindow()
                    : host.device().container().createWindow(PageSize.ofShift(iommuShift), 1L << 30, 1);
            try (NvmeController nvme = host.open(NvmeOptions.builder()
                            .pageBytes(controllerPage)
                            .window(window)
                            .build());
                    NvmeBuffer buffer = nvme.allocate(1 << 20)) {
                assertEquals(controllerPage, nvme.pageBytes());
                NvmeNamespace disk = nvme.namespace(1);
                randomize(buffer.segment(), 2);
                disk.write(0, 2048, buffer);
                buffer.segment().fill((byte) 0);
                disk.read(0, 2048, buffer);
                assertRandom(buffer.segment(), 2);
            }
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 3})
    void read_moreThanMdts_splitsTransfer(int mdts) {
        try (NvmeHost host = new NvmeHost(() ->
                        EmulatedNvme.builder().mdts(mdts).namespace(4 << 20).build());
                NvmeController nvme = host.open();
                NvmeBuffer buffer = nvme.allocate(1 << 20)) {
            NvmeNamespace disk = nvme.namespace(1);
            assertEquals(4096 << mdts, nvme.maxTransferBytes());
            long most = disk.maxTransferBlocks();
            assertThrows(IllegalArgumentException.class, () -> new NvmeRequest().read(disk, 0, most + 1, buffer));
            randomize(buffer.segment(), 3);
            disk.write(0, 2048, buffer);
            buffer.segment().fill((byte) 0);
            disk.read(0, 2048, buffer);
            assertRandom(buffer.segment(), 3);
        }
    }

    @Test
    void writeZeroesAndDeallocate_writtenBlocks_readAsZeroes() {
        try (NvmeHost host = new NvmeHost();
                NvmeController nvme = host.open();
                NvmeBuffer buffer = nvme.allocate(1 << 16)) {
            NvmeNamespace disk = nvme.namespace(1);
            randomize(buffer.segment(), 4);
            disk.write(0, 128, buffer);
            disk.writeZeroes(8, 8);
            disk.deallocate(64, 64);
            disk.read(0, 128, buffer);
            assertTrue(isZero(buffer.segment().asSlice(8 * BLOCK, 8 * BLOCK)));
            assertTrue(isZero(buffer.segment().asSlice(64 * BLOCK, 64 * BLOCK)));
            assertFalse(isZero(buffer.segment().asSlice(16 * BLOCK, BLOCK)));
            disk.writeZeroes(0, disk.blocks());
            disk.read(0, 128, buffer);
            assertTrue(isZero(buffer.segment()));
        }
    }

    @Test
    void transfer_mappingOfTheCaller_usesItAndChecksDirection() {
        try (NvmeHost host = new NvmeHost();
                NvmeController nvme = host.open()) {
            DmaMemory memory = host.device().container().allocate(1 << 16);
            DmaWindow window = host.device().container().defaultWindow();
            DmaMapping source = window.map(memory.range(0, 1 << 15), DmaDirection.TO_DEVICE);
            DmaMapping target = window.map(memory.range(1 << 15, 1 << 15), DmaDirection.FROM_DEVICE);
            NvmeBuffer out = NvmeBuffer.of(source);
            NvmeBuffer in = NvmeBuffer.of(target);
            randomize(out.segment(), 5);
            NvmeNamespace disk = nvme.namespace(1);
            disk.write(0, 64, out);
            disk.read(0, 64, in);
            assertRandom(memory.segment().asSlice(1 << 15), 5);
            assertThrows(IllegalArgumentException.class, () -> disk.read(0, 64, out));
            assertThrows(IllegalArgumentException.class, () -> disk.write(0, 64, in));
            assertThrows(IllegalArgumentException.class, () -> disk.read(0, 1, in.slice(2, 1024)));
            NvmeRequest late = new NvmeRequest().read(disk, 0, 1, in);
            target.close();
            IllegalStateException e = assertThrows(
                    IllegalStateException.class, () -> nvme.queue(0).submit(late));
            assertTrue(String.valueOf(e.getMessage()).contains("no longer mapped"), e.getMessage());
            out.close(); // does not close the caller's mapping
            assertTrue(source.isMapped());
        }
    }

    @Test
    void transfer_outsideNamespace_throws() {
        try (NvmeHost host = new NvmeHost();
                NvmeController nvme = host.open();
                NvmeBuffer memory = nvme.allocate(4096)) {
            NvmeBuffer buffer = memory.slice(0, 4096);
            NvmeNamespace disk = nvme.namespace(1);
            long end = disk.blocks();
            for (long[] range : new long[][] {{end, 1}, {-1, 1}, {0, 0}, {0, -1}, {end - 1, 2}, {Long.MAX_VALUE, 2}}) {
                assertThrows(IndexOutOfBoundsException.class, () -> disk.read(range[0], range[1], buffer));
                assertThrows(IndexOutOfBoundsException.class, () -> disk.writeAsync(range[0], range[1], buffer));
                assertThrows(
                        IndexOutOfBoundsException.class,
                        () -> new NvmeRequest().write(disk, range[0], range[1], buffer));
            }
            assertThrows(IllegalArgumentException.class, () -> disk.read(0, 9, buffer));
            assertThrows(IllegalArgumentException.class, () -> disk.writeAsync(0, 9, buffer));
            assertThrows(IndexOutOfBoundsException.class, () -> disk.writeZeroes(end, 1));
            assertThrows(IndexOutOfBoundsException.class, () -> disk.deallocate(end - 1, 2));
            assertThrows(IllegalArgumentException.class, () -> new NvmeRequest().writeZeroes(disk, 0, 1 << 17));
            assertThrows(IllegalArgumentException.class, () -> new NvmeRequest().read(disk, 0, 9, buffer));
            assertThrows(IndexOutOfBoundsException.class, () -> buffer.slice(4096, 1));
            VfioException none = assertThrows(VfioException.class, () -> nvme.namespace(77));
            assertTrue(none.getMessage().contains("77"), none.getMessage());
            assertEquals(Kind.NOT_FOUND, none.kind());
            assertThrows(IllegalArgumentException.class, () -> nvme.namespace(0));
            disk.read(end - 1, 1, buffer);
            assertEquals(NvmeState.READY, nvme.state());
        }
    }

    @Test
    void submit_sameRequestManyTimes_completesEachTime() {
        try (NvmeHost host = new NvmeHost();
                NvmeController nvme =
                        host.open(NvmeOptions.builder().queueDepth(4).build());
                NvmeBuffer buffer = nvme.allocate(4096)) {
            NvmeNamespace disk = nvme.namespace(1);
            NvmeQueue queue = nvme.queue(0);
            assertEquals(3, queue.capacity());
            int[] calls = new int[1];
            NvmeRequest request = new NvmeRequest().read(disk, 0, 8, buffer).onDone(done -> calls[0]++);
            for (int i = 0; i < 1000; i++) {
                assertTrue(queue.submit(request));
                assertThrows(IllegalStateException.class, () -> request.read(disk, 0, 1, buffer));
                assertThrows(IllegalStateException.class, () -> queue.submit(request));
                assertThrows(IllegalStateException.class, () -> request.onDone(done -> {}));
                while (!request.isDone()) {
                    queue.poll(1);
                }
                request.requireSuccess();
                assertEquals(NvmeStatus.SUCCESS, request.status());
            }
            assertEquals(1000, calls[0]);
            assertEquals(0, queue.inFlight());
            assertThrows(IllegalStateException.class, () -> queue.submit(new NvmeRequest()));
        }
    }

    @Test
    void enqueue_fullQueue_returnsFalse() {
        try (NvmeHost host = new NvmeHost();
                NvmeController nvme =
                        host.open(NvmeOptions.builder().queueDepth(4).build());
                NvmeBuffer buffer = nvme.allocate(1 << 16)) {
            NvmeNamespace disk = nvme.namespace(1);
            NvmeQueue queue = nvme.queue(0);
            List<NvmeRequest> requests = new ArrayList<>();
            for (int i = 0; i < 4; i++) {
                requests.add(new NvmeRequest().read(disk, i, 1, buffer.slice(i * 4096L, 4096)));
            }
            assertTrue(queue.enqueue(requests.get(0)));
            assertTrue(queue.enqueue(requests.get(1)));
            assertTrue(queue.enqueue(requests.get(2)));
            assertFalse(queue.enqueue(requests.get(3)));
            assertEquals(3, queue.inFlight());
            queue.ring();
            while (queue.inFlight() > 0) {
                queue.poll();
            }
            assertTrue(queue.submit(requests.get(3)));
            queue.poll();
            assertTrue(requests.stream().allMatch(NvmeRequest::isDone));
        }
    }

    @Test
    void writeAsync_moreThanFreeSlots_allComplete() {
        try (NvmeHost host = new NvmeHost();
                NvmeController nvme = host.open(NvmeOptions.builder()
                        .queueDepth(2)
                        .maxTransferBytes(4096)
                        .build());
                NvmeBuffer buffer = nvme.allocate(1 << 20)) {
            NvmeNamespace disk = nvme.namespace(1);
            randomize(buffer.segment(), 6);
            List<CompletableFuture<Void>> futures = new ArrayList<>();
            for (int part = 0; part < 16; part++) {
                futures.add(disk.writeAsync(part * 128L, 128, buffer.slice(part * 65536L, 65536)));
            }
            CompletableFuture<Void> all = CompletableFuture.allOf(futures.toArray(CompletableFuture[]::new));
            while (!all.isDone()) {
                nvme.poll();
            }
            all.join();
            buffer.segment().fill((byte) 0);
            CompletableFuture<Void> read = disk.readAsync(0, 2048, buffer);
            CompletableFuture<Void> flush = disk.flushAsync();
            while (!read.isDone() || !flush.isDone()) {
                nvme.poll();
            }
            assertRandom(buffer.segment(), 6);
        }
    }

    @Test
    void submit_inCallback_completes() throws InterruptedException {
        try (NvmeHost host = new NvmeHost();
                NvmeController nvme = host.open(
                        NvmeOptions.builder().completion(NvmeCompletion.MSIX).build());
                NvmeBuffer buffer = nvme.allocate(4096)) {
            NvmeNamespace disk = nvme.namespace(1);
            CountDownLatch left = new CountDownLatch(500);
            NvmeRequest request = new NvmeRequest().read(disk, 0, 8, buffer);
            request.onDone(done -> {
                left.countDown();
                if (left.getCount() > 0) {
                    nvme.queue(0).submit(done);
                }
            });
            nvme.queue(0).submit(request);
            assertTrue(left.await(30, TimeUnit.SECONDS));
        }
    }

    @Test
    void open_fewerQueuesGranted_usesThose() {
        try (NvmeHost host = new NvmeHost(() -> EmulatedNvme.builder()
                        .queuePairs(2)
                        .queueEntries(16)
                        .namespace(1 << 20)
                        .build());
                NvmeController nvme =
                        host.open(NvmeOptions.builder().queuePairs(9).build())) {
            assertEquals(2, nvme.queues().size());
            assertEquals(15, nvme.queue(0).capacity());
            assertEquals(2, nvme.queue(1).number());
        }
    }

    @Test
    void allocate_negativeSize_throws() {
        try (NvmeHost host = new NvmeHost();
                NvmeController nvme = host.open()) {
            assertThrows(IllegalArgumentException.class, () -> nvme.allocate(-1));
            assertThrows(IllegalArgumentException.class, () -> nvme.allocate(0));
        }
    }

    @Test
    void use_afterClose_throws() {
        try (NvmeHost host = new NvmeHost()) {
            NvmeController nvme = host.open();
            NvmeNamespace disk = nvme.namespace(1);
            NvmeBuffer buffer = nvme.allocate(4096);
            nvme.close();
            nvme.close();
            assertEquals(NvmeState.CLOSED, nvme.state());
            IllegalStateException e = assertThrows(IllegalStateException.class, () -> disk.read(0, 1, buffer));
            assertEquals("the NVMe controller of " + nvme.device() + " is closed", e.getMessage());
            assertThrows(IllegalStateException.class, nvme::poll);
            assertThrows(IllegalStateException.class, nvme::health);
            assertThrows(IllegalStateException.class, () -> nvme.queue(0).ring());
            // It can be opened again on the same device.
            try (NvmeController again = host.open()) {
                again.namespace(1).read(0, 1, buffer);
            }
            buffer.close();
        }
    }

    @Test
    void close_runningController_shutsDownAndDisables() {
        class Watched extends WatchedNvme {
            private final List<Long> configurations = new ArrayList<>();

            @Override
            void written(long offset, long value) {
                if (offset == CC) {
                    configurations.add(value);
                }
            }
        }
        Watched drive = new Watched();
        try (NvmeHost host = new NvmeHost(() -> drive)) {
            host.open().close();
            List<Long> written = drive.configurations;
            assertEquals(0x460061, written.get(1), "EN, all command sets, entries of 64 and 16 bytes");
            assertEquals(0x464061, written.get(2), "SHN");
            assertEquals(0x460060, written.getLast(), "EN is clear");
            assertFalse(host.isBusMaster());
        }
    }

    @Test
    void close_lostCommand_failsIt() {
        try (NvmeHost host = new NvmeHost(lost(1, false))) {
            NvmeController nvme = host.open(
                    NvmeOptions.builder().commandTimeout(Duration.ofMillis(200)).build());
            NvmeBuffer buffer = nvme.allocate(4096);
            NvmeRequest request = new NvmeRequest().read(nvme.namespace(1), 0, 1, buffer);
            int[] calls = new int[1];
            request.onDone(done -> calls[0]++);
            nvme.queue(0).submit(request);
            nvme.close();
            assertEquals(1, calls[0]);
            assertFalse(request.isSuccess());
            buffer.close();
        }
    }

    @Test
    void timeout_abortableCommand_isAborted() {
        try (NvmeHost host = new NvmeHost(lost(2, true));
                NvmeController nvme = host.open(NvmeOptions.builder()
                        .commandTimeout(Duration.ofMillis(100))
                        .retries(0)
                        .build());
                NvmeBuffer buffer = nvme.allocate(4096)) {
            NvmeNamespace disk = nvme.namespace(1);
            disk.read(0, 1, buffer);
            VfioException e = assertThrows(VfioException.class, () -> disk.read(0, 1, buffer));
            assertTrue(e.reason().contains("timed out and was aborted"), e.getMessage());
            assertEquals(Kind.TIMEOUT, e.kind());
            assertEquals(1, nvme.aborts());
            assertEquals(0, nvme.resets());
            disk.read(0, 1, buffer);
        }
    }

    /** One command of the I/O queue never completes. */
    private static NvmeFaults lost(int number, boolean abortable) {
        return NvmeFaults.NONE.with(Commands.anyIo(), new Occurrence.Nth(number), new Effect.Lost(abortable));
    }

    @Test
    void timeout_unabortableCommand_resetsController() {
        try (NvmeHost host = new NvmeHost(lost(2, false));
                NvmeController nvme = host.open(NvmeOptions.builder()
                        .commandTimeout(Duration.ofMillis(100))
                        .retries(0)
                        .build());
                NvmeBuffer buffer = nvme.allocate(4096)) {
            NvmeNamespace disk = nvme.namespace(1);
            disk.read(0, 1, buffer);
            VfioException e = assertThrows(VfioException.class, () -> disk.read(0, 1, buffer));
            assertTrue(e.reason().contains("was reset"), e.getMessage());
            assertEquals(Kind.TIMEOUT, e.kind());
            assertEquals("try again", e.hint());
            assertEquals(1, nvme.resets());
            disk.read(0, 1, buffer);
            assertEquals(NvmeState.READY, nvme.state());
        }
    }

    @Test
    void write_duringReset_isRetried() {
        try (NvmeHost host = new NvmeHost(lost(3, false));
                NvmeController nvme = host.open(NvmeOptions.builder()
                        .commandTimeout(Duration.ofMillis(100))
                        .maxTransferBytes(4096)
                        .build());
                NvmeBuffer buffer = nvme.allocate(1 << 16)) {
            randomize(buffer.segment(), 7);
            NvmeNamespace disk = nvme.namespace(1);
            disk.write(0, 8, buffer);
            disk.write(0, 8, buffer);
            disk.write(0, 8, buffer);
            buffer.segment().fill((byte) 0);
            disk.read(0, 8, buffer);
            assertRandom(buffer.segment().asSlice(0, 4096), 7, 1 << 16);
            assertEquals(1, nvme.resets());
        }
    }

    private static void assertRandom(MemorySegment segment, long seed, int generated) {
        byte[] bytes = new byte[generated];
        new Random(seed).nextBytes(bytes);
        assertEquals(-1, segment.mismatch(MemorySegment.ofArray(bytes).asSlice(0, segment.byteSize())));
    }

    /** Each admin command of a reset, rejected or lost: Set Features and those that create queues. */
    @ParameterizedTest
    @CsvSource({"9, true", "9, false", "5, true", "5, false", "1, true", "1, false"})
    void reset_adminCommandFails_disablesController(int opcode, boolean refused) {
        // Opening the controller submitted each once; Set Features twice, for the events too.
        int number = opcode == 9 ? 3 : 2;
        Effect effect = refused ? new Effect.Status(0, 0x06, false) : new Effect.Lost(false);
        NvmeFaults faults = lost(1, false).with(Commands.admin(opcode), new Occurrence.Nth(number), effect);
        try (NvmeHost host = new NvmeHost(faults)) {
            NvmeController nvme = host.open(NvmeOptions.builder()
                    .queuePairs(1)
                    .commandTimeout(Duration.ofMillis(50))
                    .adminTimeout(Duration.ofMillis(200))
                    .build());
            NvmeBuffer buffer = nvme.allocate(4096);
            List<NvmeRequest> requests = new ArrayList<>();
            int[] calls = new int[3];
            for (int i = 0; i < calls.length; i++) {
                int lane = i;
                NvmeRequest request = new NvmeRequest().read(nvme.namespace(1), 0, 1, buffer);
                requests.add(request.onDone(done -> calls[lane]++));
                assertTrue(nvme.queue(0).submit(request));
            }
            nvme.queue(0).await(requests.getFirst());
            VfioException e = assertThrows(VfioException.class, requests.getFirst()::requireSuccess);
            assertEquals(NvmeState.FAILED, nvme.state(), e::getMessage);
            assertFalse(host.isBusMaster());
            assertThrows(VfioException.class, () -> nvme.queue(0).submit(requests.getFirst()));
            assertThrows(VfioException.class, nvme::health);
            nvme.close();
            assertEquals(List.of(1, 1, 1), Arrays.stream(calls).boxed().toList());
            buffer.close();
        }
    }

    @Test
    void reset_hungController_disablesController() {
        NvmeFaults hung = NvmeFaults.NONE.with(Commands.anyIo(), new Occurrence.Nth(2), new Effect.Hung());
        try (NvmeHost host = new NvmeHost(hung)) {
            NvmeController nvme = host.open(
                    NvmeOptions.builder().commandTimeout(Duration.ofMillis(100)).build());
            NvmeBuffer buffer = nvme.allocate(4096);
            NvmeNamespace disk = nvme.namespace(1);
            disk.read(0, 1, buffer);
            VfioException e = assertThrows(VfioException.class, () -> disk.read(0, 1, buffer));
            assertTrue(e.reason().contains("did not stop within its own limit of 500 ms"), e.getMessage());
            assertEquals(Kind.TIMEOUT, e.kind());
            assertEquals(NvmeState.FAILED, nvme.state());
            assertFalse(host.isBusMaster());
            assertThrows(VfioException.class, () -> disk.read(0, 1, buffer));
            assertThrows(VfioException.class, nvme::namespaceIds);
            assertDoesNotThrow(nvme::close);
            buffer.close();
        }
    }

    @Test
    void dma_unmappedAddressWithoutRecovery_reportsFrozenPe() {
        try (NvmeHost host = new NvmeHost()) {
            NvmeController nvme = host.open(NvmeOptions.builder()
                    .commandTimeout(Duration.ofMillis(200))
                    .withoutRecovery()
                    .build());
            NvmeNamespace disk = nvme.namespace(1);
            DmaMemory memory = host.device().container().allocate(1 << 16);
            DmaMapping mapping = host.device().container().defaultWindow().map(memory, DmaDirection.BIDIRECTIONAL);
            NvmeBuffer buffer = NvmeBuffer.of(mapping);
            NvmeRequest request = new NvmeRequest().read(disk, 0, 1, buffer);
            NvmeQueue queue = nvme.queue(0);
            queue.enqueue(request);
            // Misuse by the caller: the controller writes to an address that is no longer mapped.
            host.expect(
                    Finding.Kind.STALE_DMA,
                    "0000:01:00.0 wrote %d bytes to 0x%x, which was unmapped before"
                            .formatted(disk.blockBytes(), mapping.iova()),
                    "dma_unmappedAddressWithoutRecovery_reportsFrozenPe");
            mapping.close();
            queue.ring();
            while (!request.isDone()) {
                Thread.onSpinWait();
            }
            assertFalse(request.isSuccess());
            VfioException e = assertThrows(VfioException.class, request::requireSuccess);
            assertTrue(e.reason().contains("PE frozen"), e.getMessage());
            assertEquals(Kind.FROZEN, e.kind());
            assertEquals(NvmeState.FAILED, nvme.state());
            assertEquals(
                    PeState.STOPPED,
                    host.device().container().eeh().orElseThrow().state());
            nvme.close();
            host.device().recover();
            try (NvmeController again = host.open();
                    NvmeBuffer other = again.allocate(4096)) {
                again.namespace(1).read(0, 1, other);
            }
        }
    }

    @Test
    void events_temperatureAboveThreshold_reportsEvent() throws InterruptedException {
        NvmeFaults hot = NvmeFaults.NONE.with(Commands.anyIo(), new Occurrence.Nth(1), new Effect.Temperature(400));
        LinkedBlockingQueue<NvmeEvent> events = new LinkedBlockingQueue<>();
        try (NvmeHost host = new NvmeHost(hot);
                NvmeController nvme =
                        host.open(NvmeOptions.builder().events(events::add).build())) {
            nvme.namespace(1).flush();
            NvmeEvent event = events.poll(30, TimeUnit.SECONDS);
            assertEquals(new NvmeEvent(1, 1, 2), event);
            assertEquals("Temperature Threshold (log page 02h)", String.valueOf(event));
            assertEquals(NvmeState.READY, nvme.state());
        }
    }

    @Test
    void open_notNvme_throws() {
        try (NvmeHost host = new NvmeHost(() -> new EmulatedEdu(ByteOrder.BIG_ENDIAN, -1, Duration.ZERO))) {
            VfioException e = assertThrows(VfioException.class, host::open);
            assertTrue(e.reason().contains("class is 00ff00"), e.getMessage());
            assertEquals(Kind.UNSUPPORTED, e.kind());
        }
    }

    @Test
    void open_deviceAlreadyDriven_throws() {
        try (NvmeHost host = new NvmeHost();
                NvmeController nvme = host.open()) {
            VfioException e = assertThrows(VfioException.class, host::open);
            assertTrue(e.reason().contains("drives it already"), e.getMessage());
            assertEquals(Kind.CONFLICT, e.kind());
            assertEquals(List.of(1), nvme.namespaceIds());
        }
    }

    @Test
    void open_secondDescriptorOfDrivenDevice_throws() {
        try (NvmeHost host = new NvmeHost();
                Device again = host.device().group().openDevice(NvmeHost.DRIVE)) {
            try (NvmeController nvme = host.open()) {
                VfioException e =
                        assertThrows(VfioException.class, () -> NvmeController.open(again, NvmeOptions.DEFAULT));
                assertTrue(e.reason().contains("drives it already"), e.getMessage());
                assertEquals(Kind.CONFLICT, e.kind());
                assertEquals(List.of(1), nvme.namespaceIds());
            }
            NvmeController.open(again, NvmeOptions.DEFAULT).close();
        }
    }

    @Test
    void open_runningControllerThatDoesNotStop_resetsFunction() {
        NvmeFaults stuck = NvmeFaults.NONE.withStuck(Transition.DISABLE);
        try (NvmeHost host = new NvmeHost(stuck)) {
            host.device().bar(0).writeInt(AQA, 0x10001);
            host.device().bar(0).writeInt(CC, 0x460001);
            NvmeController nvme = host.open();
            assertEquals(List.of(1), nvme.namespaceIds());
            VfioException e = assertThrows(VfioException.class, nvme::close);
            assertTrue(e.reason().contains("did not stop"), e.getMessage());
            assertFalse(host.isBusMaster());
        }
    }

    @Test
    void open_controllerThatCannotBeStopped_disablesBusMastering() {
        NvmeFaults hung = NvmeFaults.NONE.with(Commands.anyIo(), new Occurrence.Nth(1), new Effect.Hung());
        try (NvmeHost host = new NvmeHost(hung)) {
            NvmeController nvme = host.open(
                    NvmeOptions.builder().commandTimeout(Duration.ofMillis(100)).build());
            assertThrows(VfioException.class, () -> nvme.namespace(1).flush());
            nvme.close();
            host.device().enableBusMastering();
            VfioException e = assertThrows(VfioException.class, host::open);
            assertTrue(e.reason().contains("did not stop"), e.getMessage());
            assertFalse(host.isBusMaster());
        }
    }

    /** Clearing CC.EN before CSTS.RDY is set is undefined (3.1.5). */
    @Test
    void open_controllerBeingEnabled_waitsUntilReadyBeforeDisabling() {
        class Watched extends WatchedNvme {
            private final List<Integer> statuses = new ArrayList<>();

            Watched() {
                super(EmulatedNvme.builder()
                        .namespace(1 << 20)
                        .faults(NvmeFaults.NONE.withReadyDelay(Duration.ofMillis(200)))
                        .build());
            }

            @Override
            void written(long offset, long value) {
                if (offset == CC && (value & 1) == 0) {
                    statuses.add((int) read(0, CSTS, 4));
                }
            }
        }
        Watched drive = new Watched();
        try (NvmeHost host = new NvmeHost(() -> drive)) {
            host.device().enableMemory();
            host.device().bar(0).writeInt(AQA, 0x10001);
            host.device().bar(0).writeInt(CC, 0x460001);
            assertEquals(0, host.device().bar(0).readInt(CSTS));
            host.open().close();
            assertEquals(1, drive.statuses.getFirst(), "CSTS when CC.EN was first cleared");
        }
    }

    /** Some controllers fetch 4096 bytes of a range list, whatever the number of ranges. */
    @ParameterizedTest
    @CsvSource({"1, 4096, 12", "7, 4096, 12", "7, 4096, 16", "0, 65536, 12", "5, 65536, 16"})
    void deallocate_controllerFetchesWholePage_staysInMappedMemory(int mdts, int pageBytes, int iommuShift) {
        class Watched extends WatchedNvme {
            private int lists;
            private int unmapped;

            Watched() {
                super(EmulatedNvme.builder().mdts(mdts).namespace(4 << 20).build());
            }

            @Override
            void fetches(MemorySegment command) {
                if ((command.get(INT, 0) & 0xff) == 0x09 && command.get(INT, 44) == 1 << 2) {
                    lists++;
                    long list = command.get(LONG, 24);
                    if (list % 4096 != 0 || !bus().readMemory(list, MemorySegment.ofArray(new byte[4096]), 0, 4096)) {
                        unmapped++;
                    }
                }
            }
        }
        Watched drive = new Watched();
        try (NvmeHost host = new NvmeHost(() -> drive)) {
            DmaWindow window = iommuShift == 12
                    ? host.device().container().defaultWindow()
                    : host.device().container().createWindow(PageSize.ofShift(iommuShift), 1L << 30, 1);
            try (NvmeController nvme = host.open(NvmeOptions.builder()
                    .queueDepth(8)
                    .pageBytes(pageBytes)
                    .window(window)
                    .build())) {
                NvmeNamespace disk = nvme.namespace(1);
                List<NvmeRequest> requests = new ArrayList<>();
                for (int i = 0; i < nvme.queue(0).capacity(); i++) {
                    requests.add(new NvmeRequest().deallocate(disk, 8L * i, 8));
                    assertTrue(nvme.queue(0).enqueue(requests.getLast()));
                }
                nvme.queue(0).ring();
                requests.forEach(nvme.queue(0)::await);
                requests.forEach(NvmeRequest::requireSuccess);
            }
        }
        assertEquals(7, drive.lists);
        assertEquals(0, drive.unmapped, "lists that are not in a mapped page from its start");
    }

    @Test
    void namespace_beyondTheMaximum_throws() {
        try (NvmeHost host = new NvmeHost();
                NvmeController nvme = host.open()) {
            VfioException e = assertThrows(VfioException.class, () -> nvme.namespace(Integer.MAX_VALUE));
            assertEquals(Kind.NOT_FOUND, e.kind());
            assertEquals("use one of [1]", e.hint());
        }
    }

    @Test
    void open_deviceInLowPower_throwsAtOnce() {
        EmulatedMachine machine =
                EmulatedMachine.power8().toBuilder().kernel(KernelVersion.V6_12).build();
        try (NvmeHost host = new NvmeHost(machine, NvmeHost::drive)) {
            host.device().enterLowPower();
            VfioException e = assertThrows(VfioException.class, host::open);
            assertEquals(Kind.CONFLICT, e.kind());
            assertTrue(e.reason().contains("low power"), e.getMessage());
            host.device().exitLowPower();
            host.open().close();
        }
    }

    @Test
    void close_shutdownRejected_throwsAndFreesEverything() {
        NvmeFaults refusing =
                NvmeFaults.NONE.with(Commands.admin(0x00), new Occurrence.Nth(1), new Effect.Status(0, 0x06, false));
        try (NvmeHost host = new NvmeHost(refusing)) {
            NvmeController nvme = host.open();
            VfioException e = assertThrows(VfioException.class, nvme::close);
            assertTrue(e.getMessage().contains("shut down"), e.getMessage());
            assertEquals(NvmeState.CLOSED, nvme.state());
            assertFalse(host.isBusMaster());
            host.open().close();
        }
    }

    @Test
    void use_deviceClosedFirst_fails() throws InterruptedException {
        try (NvmeHost host = new NvmeHost()) {
            NvmeController nvme = host.open(
                    NvmeOptions.builder().completion(NvmeCompletion.MSIX).build());
            host.device().close();
            assertThrows(RuntimeException.class, () -> nvme.namespace(1));
            while (nvme.state() != NvmeState.FAILED) {
                Thread.sleep(1);
            }
            nvme.close();
            assertEquals(NvmeState.CLOSED, nvme.state());
        }
    }

    @Test
    void open_unsupportedPageSize_throws() {
        try (NvmeHost host = new NvmeHost()) {
            VfioException e = assertThrows(
                    VfioException.class,
                    () -> host.open(NvmeOptions.builder().pageBytes(1 << 17).build()));
            assertTrue(e.reason().contains("no pages of 131072"), e.getMessage());
            assertEquals(Kind.UNSUPPORTED, e.kind());
        }
    }

    @Test
    void options_outOfRange_throws() {
        NvmeOptions.Builder options = NvmeOptions.builder();
        assertThrows(IllegalArgumentException.class, () -> options.queuePairs(0));
        assertThrows(IllegalArgumentException.class, () -> options.queuePairs(NvmeOptions.MAX_QUEUE_PAIRS + 1));
        assertThrows(IllegalArgumentException.class, () -> options.queueDepth(1));
        assertThrows(IllegalArgumentException.class, () -> options.queueDepth((1 << 16) + 1));
        assertThrows(IllegalArgumentException.class, () -> options.commandTimeout(Duration.ZERO));
        assertThrows(IllegalArgumentException.class, () -> options.adminTimeout(Duration.ofDays(2)));
        assertThrows(IllegalArgumentException.class, () -> options.maxTransferBytes(512));
        assertThrows(
                IllegalArgumentException.class, () -> options.maxTransferBytes(NvmeOptions.MAX_TRANSFER_BYTES + 1));
        assertThrows(IllegalArgumentException.class, () -> options.pageBytes(5000));
        assertThrows(IllegalArgumentException.class, () -> options.pageBytes(0));
        assertThrows(IllegalArgumentException.class, () -> options.pageBytes(Integer.MIN_VALUE));
        assertThrows(IllegalArgumentException.class, () -> options.retries(-1));
    }

    @Test
    @SuppressWarnings("NullAway") // on purpose
    void options_null_throws() {
        NvmeOptions.Builder options = NvmeOptions.builder();
        assertThrows(NullPointerException.class, () -> options.completion(null));
        assertThrows(NullPointerException.class, () -> options.commandTimeout(null));
        assertThrows(NullPointerException.class, () -> options.adminTimeout(null));
        assertThrows(NullPointerException.class, () -> options.window(null));
        assertThrows(NullPointerException.class, () -> options.events(null));
    }

    @Test
    void toBuilder_allOptionsChanged_keepsThem() {
        Consumer<NvmeEvent> listener = event -> {};
        NvmeOptions options = NvmeOptions.builder()
                .queuePairs(3)
                .queueDepth(77)
                .completion(NvmeCompletion.MSI)
                .commandTimeout(Duration.ofSeconds(1))
                .adminTimeout(Duration.ofSeconds(2))
                .maxTransferBytes(1 << 16)
                .pageBytes(8192)
                .retries(9)
                .events(listener)
                .build();
        NvmeOptions copy = options.toBuilder().build();
        assertEquals(3, copy.queuePairs());
        assertEquals(77, copy.queueDepth());
        assertEquals(NvmeCompletion.MSI, copy.completion());
        assertEquals(Duration.ofSeconds(1), copy.commandTimeout());
        assertEquals(Duration.ofSeconds(2), copy.adminTimeout());
        assertEquals(1 << 16, copy.maxTransferBytes());
        assertEquals(8192, copy.pageBytes().orElseThrow());
        assertEquals(9, copy.retries());
        assertEquals(listener, copy.events());
        assertEquals(Optional.empty(), copy.window());
    }

    @Test
    void statusToString_anyField_usesTheSpecificationsName() {
        assertEquals("LBA Out of Range (SCT 0h, SC 80h)", NvmeStatus.of(0x80).toString());
        assertEquals(
                "Invalid Queue Identifier (SCT 1h, SC 01h, DNR)",
                NvmeStatus.of(0x4101).toString());
        assertEquals(
                "Unrecovered Read Error (SCT 2h, SC 81h)", NvmeStatus.of(0x281).toString());
        assertEquals("Command Aborted By Host (SCT 3h, SC 71h)", NvmeStatus.ABORTED_BY_HOST.toString());
        assertEquals("Host Pathing Error (SCT 3h, SC 70h, DNR)", NvmeStatus.HOST_PATHING_ERROR.toString());
        assertEquals("Vendor Specific (SCT 7h, SC 01h)", NvmeStatus.of(0x701).toString());
        assertEquals("Command Specific Status", NvmeStatus.of(0x1ff).name());
        assertEquals("Reserved", NvmeStatus.of(0x400).name());
        for (int field = 0; field < 1 << 15; field++) {
            NvmeStatus status = NvmeStatus.of(field);
            assertFalse(status.toString().isBlank());
            assertEquals((field & 0x7ff) == 0, status.isSuccess());
        }
        for (int field = 0; field < 1 << 11; field++) {
            assertFalse(new NvmeEvent(field >>> 8, field & 0xff, 0).toString().isBlank());
        }
    }
}
