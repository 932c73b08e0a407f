package org.jvfio.emulator;

import java.time.Duration;
import java.util.Optional;

/**
 * A DMA of a device that failed, or that reached memory which its process had freed.
 *
 * @param device the address of the device, such as {@code 0000:01:00.0}
 * @param direction whether the device read or wrote memory
 * @param busAddress where the transfer began
 * @param size of the whole transfer, in bytes
 * @param failedAt the bus address of the first byte that was not transferred; with {@link Reason#MEMORY_FREED}, of the
 *     first byte in freed memory
 * @param reason why it failed
 * @param sinceBoot when it failed, on the clock of the kernel log
 * @param unmapped the last mapping at {@code failedAt}, if it has been unmapped; of a group's unmaps, the last 1024 are
 *     known
 */
public record FailedDma(
        String device,
        Direction direction,
        long busAddress,
        long size,
        long failedAt,
        Reason reason,
        Duration sinceBoot,
        Optional<Unmapped> unmapped) {

    /** The direction of a transfer. */
    public enum Direction {
        /** The device reads memory. */
        READ("read", "from"),
        /** The device writes memory. */
        WRITE("wrote", "to");

        private final String verb;
        private final String preposition;

        Direction(String verb, String preposition) {
            this.verb = verb;
            this.preposition = preposition;
        }
    }

    /** Why a DMA failed. */
    public enum Reason {
        /** No window of the group contains the address. */
        NO_WINDOW("which is in no window"),
        /** The window has no entry for the page. */
        NO_ENTRY("where nothing is mapped"),
        /** The page is mapped for the other direction only. */
        NO_PERMISSION("which is mapped for the other direction only"),
        /** The host's bypass window has the address, but the host has no memory there. */
        NO_MEMORY("where the host has no memory"),
        /** Bus mastering is off in the command register. The PE does not freeze. */
        BUS_MASTERING_OFF("with bus mastering off"),
        /** The device is in D3hot or in low power. The PE does not freeze. */
        LOW_POWER("in a low-power state"),
        /** An error that {@code VFIO_EEH_PE_INJECT_ERR} asked for. */
        INJECTED("and met an injected error"),
        /**
         * The page is mapped and pinned, but the process has freed its memory. The transfer reaches pages that nobody
         * else can access, as on Linux, and the PE does not freeze.
         */
        MEMORY_FREED("whose memory has been freed");

        private final String text;

        Reason(String text) {
            this.text = text;
        }
    }

    /**
     * A range of bus addresses that was unmapped, or whose window was removed.
     *
     * @param busAddress the first bus address
     * @param size bytes
     * @param userAddress the address in the process of the first page that was mapped in the range
     * @param sinceBoot when it was unmapped, on the clock of the kernel log
     * @param process the id of the process that unmapped it
     */
    public record Unmapped(long busAddress, long size, long userAddress, Duration sinceBoot, int process) {}

    /**
     * What happened, as the kernel log has it after {@code DMA failed: }; for instance {@code 0000:01:00.0 wrote 4096
     * bytes to 0x800000000020000, unmapped 3 ms before by process 2}.
     */
    @Override
    public String toString() {
        String place = failedAt == busAddress ? "" : ", failing at 0x%x".formatted(failedAt);
        return "%s %s %s bytes %s 0x%x%s, %s"
                .formatted(device, direction.verb, size, direction.preposition, busAddress, place, why());
    }

    private String why() {
        return unmapped.map(range -> "unmapped %s ms before by process %s"
                        .formatted(sinceBoot.minus(range.sinceBoot()).toMillis(), range.process()))
                .orElse(reason.text);
    }
}
