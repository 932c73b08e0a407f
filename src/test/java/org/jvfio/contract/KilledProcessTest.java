package org.jvfio.contract;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteOrder;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.jvfio.Device;
import org.jvfio.DmaConstraints;
import org.jvfio.DmaDirection;
import org.jvfio.DmaMemory;
import org.jvfio.PciAddress;
import org.jvfio.Region;
import org.jvfio.contract.host.ContractHost;
import org.jvfio.contract.host.HostLog;
import org.jvfio.contract.host.SecondProcess;
import org.jvfio.driver.edu.EduDevice;

/** A driver whose process is killed while its device transfers: the host has all back, and the next driver works. */
@ContractTest
class KilledProcessTest extends Contract {
    private static final long IOVA = 0x100000;
    private static final long CONFIG = 7L << 40;
    private static final int COMMAND_REGISTER = 4;
    private static final int DMA_SOURCE = 0x80;
    private static final int DMA_DESTINATION = 0x88;
    private static final int DMA_COUNT = 0x90;
    private static final int DMA_COMMAND = 0x98;
    private static final int RUN = 1;
    private static final int TO_MEMORY = 3;
    private static final int BUFFER = 0x40000;
    private static final Duration TIMEOUT = Duration.ofSeconds(60);

    KilledProcessTest(ContractHost host) {
        super(host, host.startWatched());
    }

    private static void make(SecondProcess driver, String call) {
        String answer = driver.run(call);
        assertTrue(answer.matches("[0-9].*"), call + " = " + answer);
    }

    /** Writes a register of edu, in QEMU's order of bytes for POWER. */
    private static void write(SecondProcess driver, int register, int value) {
        long swapped = Integer.toUnsignedLong(Integer.reverseBytes(value));
        make(driver, "pwrite d %d 4 %d".formatted(register, swapped));
    }

    /** A driver up to where its device writes to memory, which on QEMU's edu takes 100 ms. */
    private SecondProcess startTransfer() {
        SecondProcess driver = process.second();
        for (String call : List.of(
                "lockable 1",
                "open c /dev/vfio/vfio",
                "open g /dev/vfio/" + first.group(),
                "setcont g c",
                "setiommu c 7",
                "mem m 0x10000",
                "reg c m 0x10000",
                "map c m %d 0x10000".formatted(IOVA),
                "getdev d g " + first.address(),
                "pwrite d %d 2 6".formatted(CONFIG + COMMAND_REGISTER))) {
            make(driver, call);
        }
        write(driver, DMA_SOURCE, BUFFER);
        write(driver, DMA_DESTINATION, (int) IOVA);
        write(driver, DMA_COUNT, 4096);
        write(driver, DMA_COMMAND, TO_MEMORY);
        return driver;
    }

    /** A device that nothing resets still makes the transfer, which goes nowhere while bus mastering is off. */
    private static void awaitEndOfTransfer(Device device) {
        device.enableMemory();
        Region registers = device.bar(0).withOrder(ByteOrder.BIG_ENDIAN);
        long end = System.nanoTime() + TIMEOUT.toNanos();
        while ((registers.readInt(DMA_COMMAND) & RUN) != 0) {
            assertTrue(System.nanoTime() < end, "the transfer of the killed driver does not end");
            Thread.onSpinWait();
        }
    }

    /** What became of the windows and the bypass of the first device's PE. */
    private List<String> windows(HostLog log) {
        return log.newMessages().stream()
                .filter(line -> line.startsWith("pci " + first.bus()) && line.contains("[PE# "))
                .map(line -> line.replaceFirst(".*\\[PE# *[0-9a-f]+\\] *", ""))
                .toList();
    }

    @Test
    @Scenario("I20")
    void kill_inTheMiddleOfDma_windowsGoneBypassBackAndTheNextDriverWorks() {
        HostLog log = new HostLog(process);
        for (int round = 0; round < 2; round++) {
            SecondProcess driver = startTransfer();
            var _ = windows(log);
            driver.kill();
            List<String> back = List.of(
                    "Removing DMA window #0",
                    "Setting up window#0 0..ffffffff pg=%x".formatted(process.pageSize()),
                    "Enabling 64-bit DMA bypass");
            assertEquals(host.isPowernv() ? back : List.of(), windows(log));
            try (Device device = Device.open(process.kernel(), PciAddress.parse(first.address()))) {
                assertTrue(
                        device.condition().isResponding(),
                        () -> device.condition().toString());
                awaitEndOfTransfer(device);
                DmaMemory memory = device.container().allocate(64 * KIB);
                long iova = device.container()
                        .map(memory.range(), DmaDirection.BIDIRECTIONAL, DmaConstraints.ofMaskBits(28))
                        .iova();
                memory.segment().setString(0, "the next driver");
                device.enableBusMastering();
                EduDevice edu = EduDevice.of(device);
                edu.readMemory(iova, 0, 64, TIMEOUT);
                edu.writeMemory(iova + 4096, 0, 64, TIMEOUT);
                assertEquals("the next driver", memory.segment().getString(4096));
            }
        }
    }
}
