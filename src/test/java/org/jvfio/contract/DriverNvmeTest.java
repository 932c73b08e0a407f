package org.jvfio.contract;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.time.Duration;
import java.util.List;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.jvfio.Bar;
import org.jvfio.ConfigSpace;
import org.jvfio.Device;
import org.jvfio.InterruptInfo;
import org.jvfio.InterruptType;
import org.jvfio.Interrupts;
import org.jvfio.PciCapability;
import org.jvfio.PciFunction;
import org.jvfio.PowerState;
import org.jvfio.Region;
import org.jvfio.VfioException;
import org.jvfio.contract.host.ContractHost;

/** An NVMe controller, PCI Express with MSI-X, as a driver has it by the public API. */
@ContractTest
class DriverNvmeTest extends Contract {
    private static final Duration LONG = Duration.ofSeconds(60);
    private static final int CAPABILITIES = 0;
    private static final int VERSION = 8;
    private static final int VECTORS = 65;
    private static final int TABLE = 0x2000;

    private final Device device;
    private final ConfigSpace config;
    private final Region bar;

    DriverNvmeTest(ContractHost host) {
        super(host);
        PciFunction nvme = PciFunction.all(process.kernel()).stream()
                .filter(function -> function.id().equals("1b36:0010") && function.isForVfio())
                .findFirst()
                .orElseThrow();
        device = Device.open(process.kernel(), nvme.address());
        config = device.configSpace();
        bar = device.bar(0);
    }

    @AfterEach
    void closeDevice() {
        device.close();
    }

    @Test
    void configSpace_nvme_barAndCapabilities() {
        assertEquals(0x010802, config.classCode());
        // In an LPAR Linux knows the BAR by where firmware put it, below 4 GiB.
        Bar.Kind kind = host.isPowernv() ? Bar.Kind.MEMORY_64 : Bar.Kind.MEMORY_32;
        assertEquals(List.of(new Bar(0, kind, false, address(), 0x4000)), config.bars());
        PciCapability.Msix msix = config.capability(PciCapability.Msix.class).orElseThrow();
        assertEquals(VECTORS, msix.vectors());
        assertEquals(0, msix.tableBar());
        assertEquals(TABLE, msix.tableOffset());
        PciCapability.Express express =
                config.capability(PciCapability.Express.class).orElseThrow();
        assertTrue(express.resettable());
        assertTrue(express.maxReadRequest() >= 128);
        assertEquals(PowerState.D0, config.powerState());
    }

    private long address() {
        return config.bars().getFirst().address();
    }

    @Test
    void readInt_mappedAndViaSyscalls_sameValue() {
        assertEquals(0x4000, bar.size());
        assertEquals(0x00010400, bar.readInt(VERSION));
        assertEquals(bar.viaSyscalls().readInt(VERSION), bar.readInt(VERSION));
        assertEquals(bar.viaSyscalls().readLong(CAPABILITIES), bar.readLong(CAPABILITIES));
        assertEquals(-1, bar.readInt(TABLE));
        assertEquals(-1, bar.viaSyscalls().readInt(TABLE));
    }

    @Test
    void enableInterrupts_msix_everyVectorTriggers() throws InterruptedException {
        assertEquals(
                new InterruptInfo(
                        VECTORS,
                        true,
                        false,
                        false,
                        device.interruptInfo(InterruptType.MSIX).resizable()),
                device.interruptInfo(InterruptType.MSIX));
        for (int vectors : new int[] {1, 4, VECTORS}) {
            try (Interrupts messages = device.enableInterrupts(InterruptType.MSIX, 1, vectors)) {
                int last = messages.vectors() - 1;
                messages.trigger(last);
                assertEquals(last, messages.awaitAny(LONG));
                assertFalse(messages.await(0, Duration.ZERO));
                LinkedBlockingQueue<Integer> called = new LinkedBlockingQueue<>();
                messages.onInterrupt(0, () -> called.add(0));
                messages.trigger(0);
                assertEquals(0, called.poll(LONG.toSeconds(), TimeUnit.SECONDS));
            }
        }
        try (Interrupts line = device.enableInterrupts(InterruptType.INTX, 1)) {
            line.trigger(0);
            assertTrue(line.await(0, LONG));
        }
    }

    @Test
    void readInt_d3hot_failsWithPowerState() {
        config.setPowerState(PowerState.D3_HOT);
        assertEquals(host.takesPower() ? PowerState.D3_HOT : PowerState.D0, config.powerState());
        assumeTrue(host.takesPower(), "the device stays in D0");
        for (Region region : new Region[] {bar, bar.viaSyscalls()}) {
            VfioException e = assertThrows(VfioException.class, () -> region.readInt(VERSION));
            assertTrue(e.reason().contains("power state"), e.getMessage());
        }
        config.setPowerState(PowerState.D0);
        device.enableMemory();
        assertEquals(0x00010400, bar.readInt(VERSION));
    }
}
