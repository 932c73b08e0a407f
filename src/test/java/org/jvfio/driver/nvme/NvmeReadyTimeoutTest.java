package org.jvfio.driver.nvme;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.jvfio.VfioException;
import org.jvfio.VfioException.Kind;
import org.jvfio.emulator.nvme.EmulatedNvme;
import org.jvfio.emulator.nvme.NvmeFaults;

/** How long the driver waits for CSTS.RDY: CAP.TO, and with CAP.CRMS the longer one of that and CRTO.CRWMT. */
@Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class NvmeReadyTimeoutTest {
    private static final Duration SHORTEST = Duration.ofMillis(500);

    /** A drive that takes some time to get ready. */
    private static EmulatedNvme.Builder slow(Duration delay) {
        return EmulatedNvme.builder()
                .namespace(NvmeHost.BYTES)
                .readyTimeout(SHORTEST)
                .faults(NvmeFaults.NONE.withReadyDelay(delay));
    }

    private static VfioException failure(EmulatedNvme.Builder drive) {
        try (NvmeHost host = new NvmeHost(drive::build)) {
            return assertThrows(VfioException.class, host::open);
        }
    }

    @Test
    void open_readyAfterTimeoutOfCap_timeout() {
        VfioException e = failure(slow(Duration.ofSeconds(60)));
        assertEquals(Kind.TIMEOUT, e.kind());
        assertTrue(e.reason().contains("did not start within its own limit of 500 ms"), e.getMessage());
    }

    @Test
    void open_timeoutOfZero_waitsForOneUnit() {
        try (NvmeHost host = new NvmeHost(slow(Duration.ofMillis(50)).readyTimeout(Duration.ZERO)::build);
                NvmeController nvme = host.open()) {
            nvme.namespace(1).flush();
        }
    }

    @Test
    void open_readyWithinTimeoutOfCrto_waits() {
        EmulatedNvme.Builder drive = slow(Duration.ofMillis(1200)).mediaTimeout(Duration.ofSeconds(20));
        long start = System.nanoTime();
        try (NvmeHost host = new NvmeHost(drive::build);
                NvmeController nvme = host.open()) {
            assertTrue(System.nanoTime() - start >= TimeUnit.MILLISECONDS.toNanos(1200));
            nvme.namespace(1).flush();
        }
    }

    @Test
    void open_readyAfterTimeoutOfCrto_timeoutWithThatOne() {
        VfioException e = failure(slow(Duration.ofSeconds(60)).mediaTimeout(Duration.ofSeconds(1)));
        assertEquals(Kind.TIMEOUT, e.kind());
        assertTrue(e.reason().contains("did not start within its own limit of 1000 ms"), e.getMessage());
    }

    /** Some controllers report a CRTO that is shorter than CAP.TO (Linux, nvme_enable_ctrl). */
    @Test
    void open_crtoShorterThanCap_waitsAsLongAsCapSays() {
        EmulatedNvme.Builder drive = slow(Duration.ofMillis(1200))
                .readyTimeout(Duration.ofSeconds(20))
                .mediaTimeout(SHORTEST);
        try (NvmeHost host = new NvmeHost(drive::build);
                NvmeController nvme = host.open()) {
            nvme.namespace(1).flush();
        }
    }
}
