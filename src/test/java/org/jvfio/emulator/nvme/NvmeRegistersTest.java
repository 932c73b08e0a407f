package org.jvfio.emulator.nvme;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.jvfio.emulator.nvme.ControllerHost.ACQ;
import static org.jvfio.emulator.nvme.ControllerHost.AQA;
import static org.jvfio.emulator.nvme.ControllerHost.ASQ;
import static org.jvfio.emulator.nvme.ControllerHost.CAP;
import static org.jvfio.emulator.nvme.ControllerHost.CC;
import static org.jvfio.emulator.nvme.ControllerHost.CSTS;
import static org.jvfio.emulator.nvme.ControllerHost.ENABLED;
import static org.jvfio.emulator.nvme.ControllerHost.FATAL;
import static org.jvfio.emulator.nvme.ControllerHost.INTMC;
import static org.jvfio.emulator.nvme.ControllerHost.INTMS;
import static org.jvfio.emulator.nvme.ControllerHost.NSSR;
import static org.jvfio.emulator.nvme.ControllerHost.READY;
import static org.jvfio.emulator.nvme.ControllerHost.VS;
import static org.jvfio.emulator.nvme.ControllerHost.assertSuccess;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.jvfio.emulator.device.DeviceIdentity;
import org.jvfio.emulator.device.DeviceInterrupts;
import org.jvfio.fixture.nvme.NvmeEntry;

/** The registers of the controller: NVM Express 1.4, 3.1 and 7.6. */
class NvmeRegistersTest {
    private static final int SHUTDOWN = 1 << 14;
    private static final int SHUTDOWN_COMPLETE = 1 << 3;

    private final ControllerHost host = new ControllerHost();

    @Test
    void read_capAndVs_asQemu() {
        assertEquals(0x004008200f0107ffL, host.register64(CAP));
        assertEquals(0x00010400, host.register(VS));
    }

    @Test
    void pci_identityAndCapabilities_asQemu() {
        EmulatedNvme device = host.device();
        assertEquals(new DeviceIdentity(0x1b36, 0x0010, 2, 0x010802), device.identity());
        assertEquals(new DeviceInterrupts(true, 0, 65, 0, 0x2000, 0x3000), device.interrupts());
        assertEquals(1 << 14, device.barBytes()[0]);
        assertEquals(true, device.isWideBar(0) && device.isExpress());
    }

    @Test
    void read_partOfARegister_littleEndianBytes() {
        assertEquals(0xff, host.device().read(0, CAP, 1));
        assertEquals(0x07, host.device().read(0, CAP + 1, 1));
        assertEquals(0x0f01, host.device().read(0, CAP + 2, 2));
        assertEquals(0x00400820, host.register(CAP + 4));
    }

    @Test
    void write_partOfARegister_ignored() {
        host.device().write(0, AQA, 2, 0xffff);
        host.device().write(0, AQA, 1, 0xff);
        assertEquals(0, host.register(AQA));
    }

    @Test
    void write_addressInHalves_sameAsWhole() {
        host.register64(ASQ, 0x1234_5678_9abc_d000L);
        assertEquals(0x1234_5678_9abc_d000L, host.register64(ASQ));
        host.register(ACQ + 4, 0x12345678);
        host.register(ACQ, 0x9abcd000);
        assertEquals(0x1234_5678_9abc_d000L, host.register64(ACQ));
        assertEquals(0x9abcd000, host.register(ASQ));
    }

    @Test
    void write_readOnlyRegister_ignored() {
        host.register64(CAP, -1);
        host.register(VS, -1);
        host.register(CSTS, -1);
        host.register(NSSR, 0x4e564d65);
        assertEquals(0x004008200f0107ffL, host.register64(CAP));
        assertEquals(0x00010400, host.register(VS));
        assertEquals(0, host.register(CSTS));
        assertEquals(0, host.register(NSSR));
    }

    @Test
    void read_reservedOrDoorbell_zero() {
        assertEquals(0, host.register(0x38));
        assertEquals(0, host.register(0xffc));
        assertEquals(0, host.register(0x1000));
    }

    @Test
    void enable_validQueues_ready() {
        assertEquals(0, host.register(CSTS));
        host.enabled();
        assertEquals(ENABLED, host.register(CC));
    }

    @ParameterizedTest
    @CsvSource({
        "0x00460011, 0x000f000f, 0, 0", // a command set that CAP does not have
        "0x00460801, 0x000f000f, 0, 0", // arbitration that CAP does not have
        "0x00460281, 0x000f000f, 0, 0", // pages of 128 KiB
        "0x00460001, 0x000f0000, 0, 0", // a submission queue of one entry
        "0x00460001, 0x0000000f, 0, 0", // a completion queue of one entry
        "0x00460001, 0x000f000f, 0x800, 0", // queues that are no page
        "0x00460001, 0x000f000f, 0, 0x800",
        "0x00460081, 0x000f000f, 0x1000, 0", // 4 KiB aligned, but pages are of 8 KiB
    })
    void enable_invalidRegisters_fatalStatus(String cc, String aqa, String asq, String acq) {
        host.register(AQA, Integer.decode(aqa));
        host.register64(ASQ, Long.decode(asq));
        host.register64(ACQ, Long.decode(acq));
        host.register(CC, Integer.decode(cc));
        assertEquals(FATAL, host.register(CSTS));
        host.register(CC, 0);
        assertEquals(0, host.register(CSTS));
        host.enabled();
    }

    @Test
    void enable_allCommandSets_ready() {
        host.enabled(ENABLED | 6 << 4);
    }

    @Test
    void disable_enabled_resetButAdminQueuesKept() {
        host.enabled();
        host.createQueues(1, 4);
        host.register(INTMS, 0xff);
        host.register(CC, 0);
        assertEquals(0, host.register(CSTS));
        assertEquals(0, host.register(INTMS));
        assertEquals(0x000f000f, host.register(AQA));
        assertEquals(host.admin().submissions(), host.register64(ASQ));
        assertEquals(host.admin().completions(), host.register64(ACQ));
        host.enabled();
        host.createQueues(1, 4);
    }

    @Test
    void reset_enabled_allRegistersZero() {
        host.enabled();
        host.device().reset();
        for (int register : new int[] {CC, CSTS, AQA, ASQ, ASQ + 4, ACQ, ACQ + 4}) {
            assertEquals(0, host.register(register));
        }
    }

    @Test
    void write_intmsAndIntmc_bitsSetAndCleared() {
        host.register(INTMS, 0x0f);
        host.register(INTMS, 0xf0);
        host.register(INTMC, 0x3c);
        assertEquals(0xc3, host.register(INTMS));
        assertEquals(0xc3, host.register(INTMC));
    }

    @Test
    void shutdown_enabled_completeAndNoCommands() {
        host.enabled();
        host.register(CC, ENABLED | SHUTDOWN);
        assertEquals(READY | SHUTDOWN_COMPLETE, host.register(CSTS));
        host.admin().submit(NvmeEntry.of(0x06).prp(host.pages(1), 0).dword(10, 1));
        assertNull(host.admin().poll());
        host.register(CC, 0);
        host.enabled();
        assertSuccess(host.admin(NvmeEntry.of(0x06).prp(host.pages(1), 0).dword(10, 1)));
    }

    @Test
    void doorbell_notEnabled_ignored() {
        host.setAdminQueues();
        host.admin().submit(NvmeEntry.of(0x06).prp(host.pages(1), 0).dword(10, 1));
        assertNull(host.admin().poll());
    }

    @Test
    void doorbell_unmappedSubmissionQueue_fatalStatus() {
        host.register(AQA, 0x000f000f);
        host.register64(ASQ, ControllerHost.nowhere());
        host.register64(ACQ, host.pages(1));
        host.register(CC, ENABLED);
        assertEquals(READY, host.register(CSTS));
        host.admin().ring(1);
        assertEquals(FATAL, host.register(CSTS));
    }

    @Test
    void doorbell_unmappedCompletionQueue_fatalStatus() {
        host.register(AQA, 0x000f000f);
        host.register64(ASQ, host.admin().submissions());
        host.register64(ACQ, ControllerHost.nowhere());
        host.register(CC, ENABLED);
        host.admin().submit(NvmeEntry.of(0x0a).dword(10, 7));
        assertEquals(FATAL, host.register(CSTS));
    }
}
