package org.jvfio.contract;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** A device's DMA, through what is mapped and no further. */
@ContractTest
class DeviceDmaTest extends Contract {
    private static final int BYTES = Edu.BUFFER_BYTES;
    private static final long PAGE = 64 * KIB;

    private final Group group = openGroup();
    private final long memory = process.memory(2 * PAGE);
    private final MemorySegment source = process.segment(memory, BYTES);
    private final MemorySegment target = process.segment(memory + PAGE, BYTES);

    DeviceDmaTest(ContractHost host) {
        super(host);
        source.copyFrom(MemorySegment.ofArray(randomBytes()));
    }

    private static byte[] randomBytes() {
        byte[] bytes = new byte[BYTES];
        new Random(2015).nextBytes(bytes);
        return bytes;
    }

    private Edu edu() {
        return Edu.mastering(group.device(first.address()));
    }

    private void assertCopied() {
        assertArrayEquals(source.toArray(ValueLayout.JAVA_BYTE), target.toArray(ValueLayout.JAVA_BYTE));
    }

    private void assertNothingWritten() {
        assertArrayEquals(new byte[BYTES], target.toArray(ValueLayout.JAVA_BYTE));
    }

    @Test
    void aDeviceCopiesThroughTheDefaultWindowOfType2() {
        Container container = container(group, 2);
        assertAnswer(0, container.enable());
        assertAnswer(0, container.map(0, memory, PAGE));
        assertAnswer(0, container.map(0x123000, memory + PAGE, PAGE));
        Edu edu = edu();
        edu.readMemory(0, BYTES);
        edu.writeMemory(0x123000, BYTES);
        assertCopied();
    }

    @Test
    void aDeviceCopiesThroughTheDefaultWindowOfType7() {
        Container container = v2(group);
        assertAnswer(0, container.register(memory, 2 * PAGE));
        assertAnswer(0, container.map(0x10000, memory, 2 * PAGE));
        Edu edu = edu();
        edu.readMemory(0x10000, BYTES);
        edu.writeMemory(0x10000 + PAGE, BYTES);
        assertCopied();
    }

    @Test
    void aDeviceCopiesThroughASecondWindow() {
        Container container = v2(group);
        assertAnswer(0, container.register(memory, 2 * PAGE));
        long window = container.createWindow(systemPageShift(), GIB, 1);
        assertAnswer(0, container.map(window, memory, PAGE));
        assertAnswer(0, container.map(window + GIB - PAGE, memory + PAGE, PAGE));
        Edu edu = edu();
        edu.readMemory(window, BYTES);
        edu.writeMemory(window + GIB - PAGE, BYTES);
        assertCopied();
    }

    @Test
    void aDeviceThatDoesNotMasterTheBusCopiesNothing() {
        Container container = v2(group);
        assertAnswer(0, container.register(memory, 2 * PAGE));
        assertAnswer(0, container.map(0x10000, memory, 2 * PAGE));
        Device device = group.device(first.address());
        Edu edu = Edu.mastering(device);
        edu.readMemory(0x10000, BYTES);
        device.masterBus(false);
        edu.writeMemory(0x10000 + PAGE, BYTES);
        assertNothingWritten();
    }

    @Test
    @Scenario("A33")
    void mappingsOutliveTheContainersDescriptor() {
        Container container = v2(group);
        assertAnswer(0, container.register(memory, 2 * PAGE));
        assertAnswer(0, container.map(0x10000, memory, 2 * PAGE));
        Edu edu = edu();
        assertAnswer(0, container.close());
        edu.readMemory(0x10000, BYTES);
        edu.writeMemory(0x10000 + PAGE, BYTES);
        assertCopied();
    }

    @Test
    @Scenario("C12")
    void mappingsOutliveDisable() {
        Container container = container(group, 2);
        assertAnswer(0, container.enable());
        assertAnswer(0, container.map(0x10000, memory, 2 * PAGE));
        assertAnswer(0, container.disable());
        Edu edu = edu();
        edu.readMemory(0x10000, BYTES);
        edu.writeMemory(0x10000 + PAGE, BYTES);
        assertCopied();
    }
}
