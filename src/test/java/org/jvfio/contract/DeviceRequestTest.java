package org.jvfio.contract;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.jvfio.contract.host.Answers.assertAnswer;
import static org.jvfio.kernel.Errno.ENODEV;
import static org.jvfio.uapi.vfio_h.VFIO_PCI_REQ_IRQ_INDEX;

import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.Test;
import org.jvfio.contract.host.ContractHost;
import org.jvfio.contract.host.Event;
import org.jvfio.contract.host.HostLog;
import org.jvfio.contract.host.RawDevice;
import org.jvfio.contract.host.RawGroup;

/** The host takes a device away from vfio-pci while it is in use. */
@ContractTest
class DeviceRequestTest extends Contract {
    private static final String DRIVER = "/sys/bus/pci/drivers/vfio-pci/";
    private static final long MAX_SECONDS = 60;

    private final RawGroup group = openGroup();
    private final RawDevice device;
    private final HostLog log = new HostLog(process);

    DeviceRequestTest(ContractHost host) {
        super(host);
        v2(group);
        device = group.device(first.address());
    }

    private CompletableFuture<Long> unbinding() {
        return CompletableFuture.supplyAsync(() -> process.store(DRIVER + "unbind", first.address()));
    }

    private void assertLogged(String message) {
        String line = "vfio-pci " + first.address() + ": " + message;
        List<String> messages = log.newMessages();
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(MAX_SECONDS);
        while (!messages.contains(line) && System.nanoTime() < end) {
            LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(1));
            messages.addAll(log.newMessages());
        }
        assertTrue(messages.contains(line), messages::toString);
    }

    /** Closing the device lets the host go on; the test gives the device back to vfio-pci. */
    private void closeAndRebind(CompletableFuture<Long> unbinding) throws Exception {
        assertAnswer(0, device.close());
        assertEquals(0, unbinding.get(MAX_SECONDS, TimeUnit.SECONDS));
        assertAnswer(0, group.close());
        assertAnswer(0, process.store(DRIVER + "bind", first.address()));
    }

    @Test
    void unbind_requestEventSet_signalsTheUser() throws Exception {
        Event event = new Event(process);
        assertAnswer(0, device.interrupts(VFIO_PCI_REQ_IRQ_INDEX).trigger(event));
        CompletableFuture<Long> unbinding = unbinding();
        event.await(1);
        assertLogged("Relaying device request to user (#0)");
        assertEquals(false, unbinding.isDone());
        assertAnswer(ENODEV, group.getDevice(first.address()));
        closeAndRebind(unbinding);
    }

    @Test
    void unbind_noRequestEvent_waitsForClose() throws Exception {
        CompletableFuture<Long> unbinding = unbinding();
        assertLogged("No device request channel registered, blocked until released by user");
        assertEquals(false, unbinding.isDone());
        closeAndRebind(unbinding);
    }
}
