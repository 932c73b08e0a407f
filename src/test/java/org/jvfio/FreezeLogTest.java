package org.jvfio;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.nio.file.NoSuchFileException;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Optional;
import java.util.Queue;
import org.junit.jupiter.api.Test;
import org.jvfio.DeviceCondition.State;
import org.jvfio.driver.edu.EduDevice;
import org.jvfio.emulator.EmulatedMachine;
import org.jvfio.kernel.Errno;
import org.jvfio.observe.ForwardingKernel;
import org.jvfio.observe.sanitize.Finding;

/** What is told of a frozen PE out of the kernel log: what it has about this PE, or nothing. */
class FreezeLogTest {
    private static final Duration TIMEOUT = Duration.ofSeconds(10);

    private final TestHost host = new TestHost();

    /** A kernel whose log has what a test puts there; the PE of a device has the number 0xfd. */
    private static final class LoggingKernel extends ForwardingKernel {
        private static final int LOG = 1000;

        private final Queue<String> records = new ArrayDeque<>();
        private boolean eeh = true;
        private int logged;

        LoggingKernel(TestHost host) {
            super(host.kernel());
        }

        void log(String message) {
            records.add("3,%d,%d,-;%s\n SUBSYSTEM=pci\n".formatted(logged, 12_000_000L + logged, message));
            logged++;
        }

        @Override
        public int open(String path, int flags) {
            return path.equals("/dev/kmsg") ? LOG : super.open(path, flags);
        }

        @Override
        public int close(int fd) {
            return fd == LOG ? 0 : super.close(fd);
        }

        @Override
        public long read(int fd, MemorySegment buffer) {
            if (fd != LOG) {
                return super.read(fd, buffer);
            }
            String next = records.poll();
            if (next == null) {
                return Errno.EAGAIN.negated();
            }
            byte[] bytes = next.getBytes(StandardCharsets.UTF_8);
            MemorySegment.copy(MemorySegment.ofArray(bytes), 0, buffer, 0, bytes.length);
            return bytes.length;
        }

        @Override
        public String readFile(String path) throws IOException {
            if (!eeh && path.endsWith("/eeh_pe_config_addr")) {
                throw new NoSuchFileException(path);
            }
            return super.readFile(path);
        }
    }

    private Optional<String> newest(LoggingKernel kernel) {
        FreezeLog log = new FreezeLog(kernel, TestHost.EDU);
        try {
            return log.newest().map(FreezeLog.Finding::text);
        } finally {
            log.close();
        }
    }

    private Optional<String> newestOf(String... messages) {
        LoggingKernel kernel = new LoggingKernel(host);
        for (String message : messages) {
            kernel.log(message);
        }
        return newest(kernel);
    }

    @Test
    void newest_messagesAboutThePe_theLastWithItsTime() {
        assertEquals(
                Optional.of("[   12.000002] EEH: PHB#0-PE#fd has failed 6 times in the last hour and has been"
                        + " permanently disabled."),
                newestOf(
                        "EEH: Frozen PHB#0-PE#fd detected",
                        "EEH: Recovering PHB#0-PE#fd",
                        "EEH: PHB#0-PE#fd has failed 6 times in the last hour and has been permanently disabled.",
                        "EEH: PE location: N/A, PHB location: N/A",
                        "nvme nvme0: ready"));
    }

    @Test
    void newest_messageAboutThePhb_told() {
        assertEquals(
                Optional.of("[   12.000000] EEH: Fenced PHB#0 detected, location: N/A"),
                newestOf("EEH: Fenced PHB#0 detected, location: N/A"));
    }

    @Test
    void newest_messagesAboutOthers_nothing() {
        assertEquals(
                Optional.empty(),
                newestOf(
                        "EEH: Frozen PHB#0-PE#fe detected",
                        "EEH: Frozen PHB#0-PE#1fd detected",
                        "EEH: Frozen PHB#1-PE#fd detected",
                        "EEH: Fenced PHB#10 detected, location: N/A",
                        "DMA failed: 0001:01:00.0 read 8 bytes from 0x0, where nothing is mapped"));
    }

    @Test
    void newest_groupTakenFromTheHostSince_nothing() {
        assertEquals(
                Optional.empty(),
                newestOf("EEH: Frozen PHB#0-PE#fd detected", "pci 0000:01     : [PE# fd] Disabling 64-bit DMA bypass"));
        assertTrue(
                newestOf("EEH: Frozen PHB#0-PE#fd detected", "pci 0001:01     : [PE# fd] Disabling 64-bit DMA bypass")
                        .isPresent());
    }

    @Test
    void newest_dmaRightBeforeTheFreeze_theSentence() {
        String dma = "0000:01:00.0 wrote 8 bytes to 0x800000000000000, where nothing is mapped";
        assertEquals(
                Optional.of(dma),
                newestOf("DMA failed: 0000:01:00.0 older", "DMA failed: " + dma, "EEH: Frozen PHB#0-PE#fd detected"));
    }

    /** It may have been refused for bus mastering, or be of a freeze before. */
    @Test
    void newest_dmaNotRightBeforeTheFreeze_isNotItsCause() {
        assertEquals(
                Optional.of("[   12.000002] EEH: Frozen PHB#0-PE#fd detected"),
                newestOf("DMA failed: 0000:01:00.0 older", "something else", "EEH: Frozen PHB#0-PE#fd detected"));
        assertEquals(Optional.empty(), newestOf("DMA failed: 0000:01:00.0 read, with bus mastering off"));
    }

    @Test
    void newest_withoutEeh_theNewestFailedDma() {
        LoggingKernel kernel = new LoggingKernel(host);
        kernel.eeh = false;
        kernel.log("DMA failed: 0000:01:00.0 one");
        kernel.log("DMA failed: 0000:01:00.0 two");
        assertEquals(Optional.of("0000:01:00.0 two"), newest(kernel));
    }

    @Test
    void newest_afterRecovery_onlyWhatCameSince() {
        LoggingKernel kernel = new LoggingKernel(host);
        FreezeLog log = new FreezeLog(kernel, TestHost.EDU);
        kernel.log("EEH: Frozen PHB#0-PE#fd detected");
        assertTrue(log.newest().isPresent());
        kernel.log("EEH: Recovering PHB#0-PE#fd");
        log.recovered();
        assertEquals(Optional.empty(), log.newest());
        kernel.log("EEH: Frozen PHB#0-PE#fd detected");
        assertTrue(log.newest().isPresent());
        log.close();
        assertTrue(log.newest().isPresent(), "what was read before it was closed");
    }

    @Test
    void newest_logOfAnotherForm_nothing() {
        LoggingKernel kernel = new LoggingKernel(host);
        kernel.records.add("no record");
        assertEquals(Optional.empty(), newest(kernel));
    }

    private static VfioException failureOf(Device device) {
        return assertThrows(VfioException.class, () -> device.bar(0).readInt(0));
    }

    /** Writes 4096 bytes to where memory was mapped until now. */
    private static long writeAfterUnmap(Device device) {
        DmaMapping mapping = device.container()
                .createWindow(PageSize.SIZE_64K, 1L << 30, 1)
                .map(device.container().allocate(1 << 16), DmaDirection.BIDIRECTIONAL);
        device.enableBusMastering();
        mapping.close();
        EduDevice edu = EduDevice.of(device);
        assertThrows(VfioException.class, () -> edu.writeMemory(mapping.iova(), 0, 4096, TIMEOUT));
        return mapping.iova();
    }

    @Test
    void readInt_frozenByADmaAfterUnmap_namesTheDma() {
        try (Device device = Device.open(host.kernel(), TestHost.EDU)) {
            long iova = writeAfterUnmap(device);
            host.expect(
                    Finding.Kind.STALE_DMA,
                    "0000:01:00.0 wrote 4096 bytes to 0x%x, which was unmapped before".formatted(iova),
                    "writeAfterUnmap");
            VfioException e = failureOf(device);
            assertTrue(
                    e.getMessage()
                            .matches(("cannot read 4 bytes at 0x0 of BAR 0 of 0000:01:00.0: PE frozen: 0000:01:00.0"
                                            + " wrote 4096 bytes to 0x%x, unmapped [0-9]+ ms before by process 2"
                                            + " \\(EEH state 2\\); call Device.recover")
                                    .formatted(iova)),
                    e.getMessage());
            device.recover();
            device.container()
                    .eeh()
                    .orElseThrow()
                    .inject(EehError.of(EehError.Width.BITS_32, EehError.Function.LOAD_MEMORY_DATA));
            String reason = failureOf(device).reason();
            assertTrue(
                    reason.matches("its PE is frozen \\(EEH state 2\\); the kernel log: \\[ +[0-9.]+\\] EEH: Frozen"
                            + " PHB#0-PE#fd detected"),
                    reason);
        }
        host.assertAllGivenBack();
    }

    @Test
    void readInt_frozenWithoutEeh_namesTheNewestFailedDma() {
        TestHost without = new TestHost(EmulatedMachine.pseries());
        try (Device device = Device.open(without.kernel(), without.anyDevice())) {
            device.enableBusMastering();
            EduDevice edu = EduDevice.of(device);
            assertThrows(VfioException.class, () -> edu.readMemory(0x3000_0000, 0, 8, TIMEOUT));
            DeviceCondition condition = device.condition();
            assertEquals(State.UNKNOWN, condition.state());
            assertTrue(
                    condition
                            .evidence()
                            .endsWith(": frozen or gone; the newest failed DMA: " + device
                                    + " read 8 bytes from 0x30000000, which is in no window"),
                    condition.evidence());
        }
        without.expect(Finding.Kind.UNMAPPED_DMA, "read 8 bytes from 0x30000000, which is in no window", "");
        without.assertAllGivenBack();
    }

    @Test
    void readInt_logThatMayNotBeRead_theStateAlone() {
        ForwardingKernel forbidden = new ForwardingKernel(host.kernel()) {
            @Override
            public int open(String path, int flags) {
                return path.equals("/dev/kmsg") ? Errno.EPERM.negated() : super.open(path, flags);
            }
        };
        try (Device device = Device.open(forbidden, TestHost.EDU)) {
            host.freeze(device);
            assertEquals("its PE is frozen (EEH state 2)", failureOf(device).reason());
        }
        host.assertAllGivenBack();
    }
}
