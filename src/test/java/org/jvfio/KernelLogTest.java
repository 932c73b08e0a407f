package org.jvfio;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.List;
import org.junit.jupiter.api.Test;

class KernelLogTest {
    private final TestHost host = new TestHost();

    @Test
    void read_twice_allThenNewMessages() {
        try (KernelLog log = KernelLog.open(host.kernel())) {
            assertEquals(host.process().host().log(), log.read());
            assertEquals(List.of(), log.read());
            try (Container container = Container.open(host.kernel())) {
                container.attach(0);
                assertEquals(
                        List.of(
                                "pci 0000:01     : [PE# fd] Disabling 64-bit DMA bypass",
                                "pci 0000:01     : [PE# fd] Removing DMA window #0"),
                        log.read());
            }
        }
        host.assertAllGivenBack();
    }

    @Test
    void read_closed_illegalState() {
        KernelLog log = KernelLog.open(host.kernel());
        log.close();
        log.close();
        assertThrows(IllegalStateException.class, log::read);
    }
}
