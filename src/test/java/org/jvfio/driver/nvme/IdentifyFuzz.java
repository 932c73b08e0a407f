package org.jvfio.driver.nvme;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.NavigableSet;
import java.util.TreeSet;
import org.jvfio.VfioException;

/** Any bytes as Identify data structures and log pages: decoded, or refused with the reason. */
public final class IdentifyFuzz {
    private static final long MAX_COMMAND_BLOCKS = 1 << 16;
    private static final int ERROR_ENTRIES = ControllerData.BYTES / NvmeErrorEntry.BYTES;

    private IdentifyFuzz() {}

    /** One input: called by the fuzzer, and for each file of the corpus. */
    public static void fuzzerTestOneInput(byte[] bytes) {
        ControllerData data = new ControllerData(Arrays.copyOf(bytes, ControllerData.BYTES));
        identifyController(data);
        identifyNamespace(data);
        identifyNamespaces(data);
        readLogs(data);
    }

    private static void identifyController(ControllerData data) {
        try {
            NvmeIdentity identity = NvmeIdentity.of("identify", data, 0x10400);
            assertPrintable(identity.serial());
            assertPrintable(identity.qualifiedName());
            assertTrue(identity.abortLimit() > 0 && identity.shutdownTimeout().isPositive(), identity::toString);
        } catch (VfioException refused) {
            assertTrue(!refused.reason().isEmpty());
        }
    }

    private static void assertPrintable(String text) {
        assertTrue(text.chars().allMatch(each -> each >= ' ' && each <= '~'), text);
    }

    /** CNS 00h, and CNS 06h beside it. */
    private static void identifyNamespace(ControllerData data) {
        try {
            NamespaceFormat format = NamespaceFormat.of("identify", data);
            assertTrue(format.blocks() > 0 && format.blocks() << format.blockShift() > 0, format::toString);
            assertTrue(format.transferBytes(MAX_COMMAND_BLOCKS) >= MAX_COMMAND_BLOCKS << format.blockShift());
            assertTrue(format.separateBytes(MAX_COMMAND_BLOCKS) >= 0, format::toString);
            for (int minPageShift = 12; minPageShift <= 20; minPageShift += 4) {
                NamespaceLimits limits = NamespaceLimits.of(data, data, minPageShift, format.transferBytes(1));
                assertLimit(1, limits.verifyBlocks(), MAX_COMMAND_BLOCKS);
                assertLimit(1, limits.writeZeroesBlocks(), MAX_COMMAND_BLOCKS);
                assertLimit(1, limits.deallocateBlocks(), (1L << 32) - 1);
                assertLimit(0, limits.copyBlocks(), MAX_COMMAND_BLOCKS);
            }
        } catch (VfioException refused) {
            assertTrue(!refused.reason().isEmpty());
        }
    }

    private static void assertLimit(long least, long limit, long most) {
        assertTrue(limit >= least && limit <= most, () -> limit + " blocks");
    }

    /** CNS 02h, CNS 03h, and the log of changed namespaces. */
    private static void identifyNamespaces(ControllerData data) {
        NavigableSet<Integer> ids = new TreeSet<>();
        boolean isFull = Namespaces.addAll(data, ids) == Namespaces.Page.FULL;
        assertEquals(isFull, ids.size() == ControllerData.BYTES / Integer.BYTES);
        assertTrue(ids.isEmpty() || ids.first() > 0, ids::toString);
        int set = Namespaces.commandSet(data);
        assertTrue(set >= 0 && set <= 0xff);
        assertTrue(!EventRequests.namespaces(data).contains(0));
    }

    private static void readLogs(ControllerData data) {
        NvmeHealth health = NvmeHealth.of(data);
        assertTrue(health.mediaErrors().signum() >= 0, health::toString);
        NvmeFirmware firmware = NvmeFirmware.of(data);
        assertTrue(firmware.activeSlot() >= 0
                && firmware.activeSlot() <= firmware.revisions().size());
        firmware.revisions().forEach(IdentifyFuzz::assertPrintable);
        for (NvmeErrorEntry entry : NvmeErrorEntry.list(data, ERROR_ENTRIES)) {
            assertTrue(entry.number() != 0 && !entry.toString().isEmpty());
        }
        assertTrue(!NvmeEvent.of(data.integer(0)).toString().isEmpty());
    }
}
