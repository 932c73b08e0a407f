package org.jvfio.driver.nvme;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import org.jvfio.VfioException;

/** Any bytes as Identify data structures and log pages: decoded, or refused with the reason. */
public final class IdentifyFuzz {
    private IdentifyFuzz() {}

    /** One input: called by the fuzzer, and for each file of the corpus. */
    public static void fuzzerTestOneInput(byte[] bytes) {
        ControllerData data = new ControllerData(Arrays.copyOf(bytes, ControllerData.BYTES));
        try {
            NvmeIdentity identity = NvmeIdentity.of("identify", data, 0x10400);
            assertTrue(identity.serial().chars().allMatch(each -> each >= ' ' && each <= '~'), identity::serial);
            assertTrue(identity.abortLimit() > 0 && identity.shutdownTimeout().isPositive(), identity::toString);
        } catch (VfioException refused) {
            assertTrue(!refused.reason().isEmpty());
        }
        try {
            NamespaceFormat format = NamespaceFormat.of("identify", data);
            assertTrue(format.blocks() > 0 && format.blocks() << format.blockShift() > 0, format::toString);
        } catch (VfioException refused) {
            assertTrue(!refused.reason().isEmpty());
        }
        NvmeHealth health = NvmeHealth.of(data);
        assertTrue(health.mediaErrors().signum() >= 0, health::toString);
    }
}
