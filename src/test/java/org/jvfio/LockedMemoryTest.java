package org.jvfio;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.OptionalLong;
import org.junit.jupiter.api.Test;
import org.jvfio.emulator.EmulatedMachine;

class LockedMemoryTest {
    @Test
    void of_limitedProcess_limitAndRemaining() {
        TestHost host = new TestHost(EmulatedMachine.power8().toBuilder()
                .capIpcLock(false)
                .memlockBytes(3 << 20)
                .build());
        LockedMemory memory = LockedMemory.of(host.kernel());
        assertEquals(new LockedMemory(0, OptionalLong.of(3 << 20), false), memory);
        assertEquals(OptionalLong.of(3 << 20), memory.remaining());
    }

    @Test
    void of_unlimitedProcess_noLimit() {
        TestHost host = new TestHost(
                EmulatedMachine.power8().toBuilder().memlockBytes(-1).build());
        assertEquals(OptionalLong.empty(), LockedMemory.of(host.kernel()).limit());
        assertEquals(OptionalLong.empty(), LockedMemory.of(host.kernel()).remaining());
    }

    @Test
    void remaining_lockedOverLimit_zero() {
        assertEquals(OptionalLong.of(0), new LockedMemory(2, OptionalLong.of(1), false).remaining());
        assertEquals(OptionalLong.of(1), new LockedMemory(2, OptionalLong.of(3), false).remaining());
        assertEquals(OptionalLong.empty(), new LockedMemory(2, OptionalLong.of(3), true).remaining());
    }

    @Test
    void toString_limitOrNone_lockedAndLimit() {
        assertEquals("8M locked of 64M", new LockedMemory(8 << 20, OptionalLong.of(64 << 20), false).toString());
        assertEquals("64K locked without limit", new LockedMemory(1 << 16, OptionalLong.empty(), false).toString());
    }
}
