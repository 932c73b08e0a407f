package org.example.driver;

import java.time.Duration;
import org.jvfio.Device;
import org.jvfio.DmaConstraints;
import org.jvfio.DmaDirection;
import org.jvfio.DmaMapping;
import org.jvfio.DmaMemory;
import org.jvfio.driver.edu.EduDevice;

/** A driver: it has an edu device copy a text from one place of its memory to another. */
public final class Copier implements AutoCloseable {
    private static final Duration TIMEOUT = Duration.ofSeconds(5);
    private static final int PART = 4096;

    private final Device device;
    private final DmaMemory memory;
    private final DmaMapping mapping;
    private final EduDevice edu;

    /**
     * Drives a device.
     *
     * @param device an edu device
     */
    public Copier(Device device) {
        this.device = device;
        memory = device.container().allocate(2 * PART);
        try {
            mapping = device.container().map(memory.range(), DmaDirection.BIDIRECTIONAL, DmaConstraints.ofMaskBits(32));
            device.enableBusMastering();
            edu = EduDevice.of(device);
        } catch (RuntimeException e) {
            close();
            throw e;
        }
    }

    /** Copies a text of at most 4095 bytes. */
    public String copy(String text) {
        memory.segment().setString(0, text);
        memory.range(0, PART).giveToDevice(DmaDirection.TO_DEVICE);
        edu.readMemory(mapping.iova(), 0, PART, TIMEOUT);
        memory.range(0, PART).takeFromDevice();
        memory.range(PART, PART).giveToDevice(DmaDirection.FROM_DEVICE);
        edu.writeMemory(mapping.iova() + PART, 0, PART, TIMEOUT);
        memory.range(PART, PART).takeFromDevice();
        return memory.segment().getString(PART);
    }

    /** The device may be at a transfer that has failed for the driver, so it is stopped before its memory goes. */
    @Override
    public void close() {
        device.disableBusMastering();
        memory.close();
    }
}
