package org.jvfio.contract;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.jvfio.Device;
import org.jvfio.PciAddress;
import org.jvfio.VfioException;
import org.jvfio.contract.host.ContractHost;
import org.jvfio.driver.nvme.NvmeBuffer;
import org.jvfio.driver.nvme.NvmeCompletion;
import org.jvfio.driver.nvme.NvmeController;
import org.jvfio.driver.nvme.NvmeNamespace;
import org.jvfio.driver.nvme.NvmeOptions;
import org.jvfio.driver.nvme.NvmeRequest;

/** The NVMe driver on the host's NVMe drive, which may be overwritten. */
@ContractTest
class NvmeDriverTest extends Contract {
    private static final int BYTES = 1 << 20;
    private static final int OFFSET = 12;

    private final Device device = Device.open(
            process.kernel(), PciAddress.parse(process.nvmes().getFirst().address()));

    NvmeDriverTest(ContractHost host) {
        super(host, host.startWatched());
    }

    @AfterEach
    void closeDevice() {
        device.close();
    }

    private static MemorySegment random(long seed) {
        byte[] bytes = new byte[BYTES];
        new Random(seed).nextBytes(bytes);
        return MemorySegment.ofArray(bytes);
    }

    /**
     * Twice, so that a controller that was shut down is known to start again; the second finds what the first wrote.
     */
    @ParameterizedTest
    @EnumSource(value = NvmeCompletion.class, mode = EnumSource.Mode.EXCLUDE, names = "MSI")
    void write_everyCompletionKind_readBackAfterReopen(NvmeCompletion completion) {
        NvmeOptions options =
                NvmeOptions.builder().queuePairs(2).completion(completion).build();
        MemorySegment data = random(completion.name().hashCode());
        try (NvmeController nvme = NvmeController.open(device, options);
                NvmeBuffer buffer = nvme.allocate(BYTES + OFFSET)) {
            NvmeNamespace disk = nvme.namespace(1);
            NvmeBuffer part = buffer.slice(OFFSET, BYTES);
            part.segment().copyFrom(data);
            disk.write(5, BYTES / disk.blockBytes(), part);
            disk.flush();
        }
        try (NvmeController nvme = NvmeController.open(device, options);
                NvmeBuffer buffer = nvme.allocate(BYTES)) {
            NvmeNamespace disk = nvme.namespace(1);
            CompletableFuture<Void> read = disk.readAsync(5, BYTES / disk.blockBytes(), buffer);
            while (!read.isDone()) {
                if (completion == NvmeCompletion.POLLED) {
                    nvme.poll();
                } else {
                    Thread.onSpinWait();
                }
            }
            read.join();
            assertEquals(-1, data.mismatch(buffer.segment().asSlice(0, BYTES)));
            assertEquals(0, nvme.aborts());
            assertEquals(0, nvme.resets());
        }
    }

    /** QEMU's drive has a line and MSI-X, but no MSI. */
    @Test
    void open_msiOnDriveWithoutIt_refused() {
        VfioException e = assertThrows(
                VfioException.class,
                () -> NvmeController.open(
                        device,
                        NvmeOptions.builder().completion(NvmeCompletion.MSI).build()));
        assertTrue(e.reason().startsWith("it has no MSI; it has INTx and MSI-X with "), e.reason());
        try (NvmeController nvme = NvmeController.open(
                device, NvmeOptions.builder().completion(NvmeCompletion.MSIX).build())) {
            assertEquals(2, nvme.vectors());
        }
    }

    /**
     * Of a drive that takes more than 2 MiB, the list of pages goes on in another one. QEMU's fails commands of more
     * than 1024 pages, whatever it says of its limit.
     */
    @Test
    void submit_largestTransfer_sameData() {
        int most = 3 << 20;
        try (NvmeController nvme = NvmeController.open(
                        device,
                        NvmeOptions.builder()
                                .queueDepth(4)
                                .maxTransferBytes(most)
                                .build());
                NvmeBuffer out = nvme.allocate(most + 2L * OFFSET);
                NvmeBuffer in = nvme.allocate(most + 2L * OFFSET)) {
            NvmeNamespace disk = nvme.namespace(1);
            long blocks = disk.maxTransferBlocks();
            long bytes = blocks * disk.blockBytes();
            for (long at = 0; at < bytes; at += Long.BYTES) {
                out.segment().set(ValueLayout.JAVA_LONG_UNALIGNED, OFFSET + at, at * 0x9e3779b97f4a7c15L);
            }
            NvmeBuffer from = out.slice(OFFSET, bytes);
            NvmeBuffer to = in.slice(2L * OFFSET, bytes);
            execute(nvme, new NvmeRequest().write(disk, 9, blocks, from));
            execute(nvme, new NvmeRequest().read(disk, 9, blocks, to));
            assertEquals(-1, from.segment().mismatch(to.segment()));
        }
    }

    private static void execute(NvmeController nvme, NvmeRequest request) {
        assertTrue(nvme.queue(0).submit(request));
        nvme.queue(0).await(request);
        request.requireSuccess();
    }

    @Test
    void read_afterWriteZeroes_zeros() {
        try (NvmeController nvme = NvmeController.open(device, NvmeOptions.DEFAULT);
                NvmeBuffer buffer = nvme.allocate(BYTES)) {
            NvmeNamespace disk = nvme.namespace(1);
            buffer.segment().fill((byte) 1);
            disk.write(0, 64, buffer);
            disk.deallocate(32, 32);
            disk.writeZeroes(0, 32);
            disk.read(0, 32, buffer);
            int bytes = 32 * disk.blockBytes();
            assertEquals(-1, buffer.segment().asSlice(0, bytes).mismatch(MemorySegment.ofArray(new byte[bytes])));
        }
    }

    @Test
    void identity_openedDrive_modelAndHealth() {
        try (NvmeController nvme = NvmeController.open(device, NvmeOptions.DEFAULT)) {
            assertTrue(!nvme.identity().model().isEmpty());
            assertEquals(1, nvme.namespaceIds().getFirst());
            assertTrue(nvme.health().temperatureKelvin() > 0);
            assertTrue(nvme.maxTransferBytes() >= 4096);
        }
    }

    @Test
    void namespace_absentId_refusedAndDriveUsable() {
        try (NvmeController nvme = NvmeController.open(device, NvmeOptions.DEFAULT);
                NvmeBuffer buffer = nvme.allocate(BYTES)) {
            NvmeNamespace disk = nvme.namespace(1);
            assertThrows(VfioException.class, () -> nvme.namespace(200));
            NvmeRequest last = new NvmeRequest().read(disk, disk.blocks() - 1, 1, buffer);
            assertTrue(nvme.queue(0).submit(last));
            while (!last.isDone()) {
                nvme.poll();
            }
            last.requireSuccess();
        }
    }
}
