package org.jvfio.contract;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.jvfio.Container;
import org.jvfio.Device;
import org.jvfio.DmaDirection;
import org.jvfio.DmaMapping;
import org.jvfio.DmaMemory;
import org.jvfio.DmaWindow;
import org.jvfio.Group;
import org.jvfio.PciAddress;
import org.jvfio.PciCommand;
import org.jvfio.contract.host.ContractHost;
import org.jvfio.driver.edu.EduDevice;

/** Two drivers in one container: what one of them closes is nothing to the other, which transfers all the time. */
@ContractTest
class DriverLifetimeTest extends Contract {
    private static final long PART = 64 * KIB;
    private static final Duration TIMEOUT = Duration.ofSeconds(60);

    DriverLifetimeTest(ContractHost host) {
        super(host, host.startWatched());
    }

    /** The other driver: copies within its memory until it is told to end, and compares. */
    private static final class Transfers {
        private final EduDevice edu;
        private final DmaMemory memory;
        private final long iova;
        private final AtomicInteger done = new AtomicInteger();
        private final AtomicBoolean end = new AtomicBoolean();

        Transfers(Device device) {
            device.enableBusMastering();
            edu = EduDevice.of(device);
            memory = device.container().allocate(PART);
            iova = device.container()
                    .defaultWindow()
                    .map(memory, DmaDirection.BIDIRECTIONAL)
                    .iova();
        }

        void run() {
            while (!end.get()) {
                String text = "transfer " + done.get();
                memory.segment().setString(0, text);
                edu.readMemory(iova, 0, 64, TIMEOUT);
                edu.writeMemory(iova + 4096, 0, 64, TIMEOUT);
                assertEquals(text, memory.segment().getString(4096));
                done.incrementAndGet();
            }
        }

        /** Waits until a transfer has begun and ended. */
        void awaitOne(Future<?> running) throws InterruptedException {
            int before = done.get();
            while (done.get() < before + 2) {
                assertFalse(running.isDone(), "the transfers ended");
                Thread.sleep(1);
            }
        }
    }

    private static List<List<Integer>> orders(List<Integer> of) {
        if (of.isEmpty()) {
            return List.of(List.of());
        }
        List<List<Integer>> all = new ArrayList<>();
        for (Integer first : of) {
            List<Integer> rest = of.stream().filter(each -> !each.equals(first)).toList();
            for (List<Integer> tail : orders(rest)) {
                List<Integer> order = new ArrayList<>(tail);
                order.addFirst(first);
                all.add(order);
            }
        }
        return all;
    }

    /**
     * All orders; on a machine of QEMU's, where each open resets the device for seconds, that of the program and its
     * reverse; and one where firmware does not reset for long.
     */
    private List<List<Integer>> orders() {
        if (!host.resetsReliably()) {
            return List.of(List.of(0, 1, 2, 3));
        }
        return host.freezes() ? orders(List.of(0, 1, 2, 3)) : List.of(List.of(0, 1, 2, 3), List.of(3, 2, 1, 0));
    }

    @Test
    void close_memoryMappingWindowDeviceInAnyOrder_otherDriverGoesOn() throws Exception {
        assumeTrue(host.isPowernv(), "a container of an LPAR has one group");
        try (Container container = Container.open(process.kernel())) {
            Group group = container.attach(PciAddress.parse(first.address()));
            Device other =
                    container.attach(PciAddress.parse(second.address())).openDevice(PciAddress.parse(second.address()));
            Transfers transfers = new Transfers(other);
            try (ExecutorService thread = Executors.newSingleThreadExecutor()) {
                Future<?> running = thread.submit(transfers::run);
                try {
                    for (List<Integer> order : orders()) {
                        closeInOrder(container, group.openDevice(PciAddress.parse(first.address())), order, () -> {
                            transfers.awaitOne(running);
                            return true;
                        });
                    }
                } finally {
                    transfers.end.set(true);
                }
                running.get();
            }
            assertTrue(other.configSpace().command().contains(PciCommand.BUS_MASTER));
            assertTrue(other.condition().isResponding(), () -> other.condition().toString());
        }
    }

    /** One of everything is used and closed, and between two closes the other driver transfers. */
    private static void closeInOrder(Container container, Device device, List<Integer> order, Callable<Boolean> between)
            throws Exception {
        device.enableBusMastering();
        DmaWindow window = container.createWindow(container.systemPage(), GIB, 1);
        DmaMemory memory = container.allocate(PART);
        DmaMapping mapping = window.map(memory, DmaDirection.BIDIRECTIONAL);
        EduDevice edu = EduDevice.of(device);
        edu.readMemory(mapping.iova(), 0, 64, TIMEOUT);
        edu.writeMemory(mapping.iova() + 4096, 0, 64, TIMEOUT);
        List<AutoCloseable> all = List.of(memory, mapping, window, device);
        for (int each : order) {
            assertTrue(between.call());
            all.get(each).close();
        }
    }
}
