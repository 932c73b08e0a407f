package org.jvfio;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.MemorySegment;
import java.util.List;
import org.jvfio.emulator.EmulatedKernel;
import org.jvfio.emulator.EmulatedMachine;
import org.jvfio.kernel.Kernel;
import org.jvfio.observe.ForwardingKernel;

/** Any bytes as the kernel's description of a region and of interrupts: decoded, or refused with the reason. */
public final class DeviceInfoFuzz {
    /** Fills structs of descriptions with bytes, as far as they go, but leaves the index that was asked for. */
    private static final class Answers extends ForwardingKernel {
        private final byte[] bytes;

        Answers(Kernel behind, byte[] bytes) {
            super(behind);
            this.bytes = bytes;
        }

        @Override
        public int ioctl(int fd, int request, MemorySegment struct) {
            int size = (int) Math.min(bytes.length, struct.byteSize());
            MemorySegment.copy(MemorySegment.ofArray(bytes), 0, struct, 0, size);
            return 0;
        }
    }

    private static final PciAddress ADDRESS = PciAddress.parse("0000:01:00.0");
    private static final Kernel BEHIND = EmulatedKernel.boot(EmulatedMachine.power8());

    private DeviceInfoFuzz() {}

    /** One input: called by the fuzzer, and for each file of the corpus. */
    public static void fuzzerTestOneInput(byte[] bytes) {
        Descriptor device = new Descriptor(new Answers(BEHIND, bytes), "device", 0);
        PageSize page = PageSize.SIZE_64K;
        try {
            RegionInfo info = RegionInfo.of(device, 0, "BAR 0");
            RegionInfo usable = info.without(List.of(new RegionArea(0x1000, 0x100)), page);
            for (RegionArea area : usable.mappable()) {
                assertTrue(new RegionArea(0, usable.size()).contains(area.offset(), area.size()), usable::toString);
            }
        } catch (VfioException refused) {
            assertTrue(!refused.reason().isEmpty());
        }
        try {
            assertTrue(InterruptInfo.of(device, InterruptType.MSIX, ADDRESS).count() >= 0);
        } catch (VfioException refused) {
            assertTrue(!refused.reason().isEmpty());
        }
    }
}
