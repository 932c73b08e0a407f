package org.jvfio.observe;

import java.time.Duration;
import org.jvfio.Container;
import org.jvfio.Device;
import org.jvfio.VfioException;
import org.jvfio.driver.edu.EduDevice;
import org.jvfio.kernel.Kernel;

/** A program whose device does DMA to where nothing is mapped: hardware freezes its PE. */
final class FrozenSession {
    private FrozenSession() {}

    static void run(Kernel kernel) {
        try (Container container = Container.open(kernel);
                Device device = container.attach(EduSession.ADDRESS).openDevice(EduSession.ADDRESS)) {
            EduDevice edu = EduDevice.of(device);
            try {
                edu.writeMemory(container.defaultWindow().range().start() + (1 << 20), 0, 8, Duration.ofSeconds(20));
            } catch (VfioException frozen) {
                container.eeh().orElseThrow().state();
                RecoverySession.reset(container.eeh().orElseThrow());
                return;
            }
            throw new IllegalStateException("the PE is not frozen");
        }
    }
}
