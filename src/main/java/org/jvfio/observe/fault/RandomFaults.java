package org.jvfio.observe.fault;

import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.SplittableRandom;
import org.jvfio.kernel.Errno;
import org.jvfio.observe.fault.Fault.Effect;
import org.jvfio.observe.fault.Fault.Occurrence;
import org.jvfio.observe.fault.FaultPoint.On;

/**
 * Draws random plans. A plan depends on this and the seed only. Each fault happens once, to one of the first events
 * that match it, so that plans can be shrunk.
 *
 * @param on the kinds of events that faults happen to
 * @param maxFaults the maximum number of faults in a plan, from 1
 * @param among a fault happens to one of this many first events, from 1
 * @param maxDelay the maximum delay of what is delayed or doubled
 */
public record RandomFaults(Set<On> on, int maxFaults, int among, Duration maxDelay) {
    /** Faults of all kinds: up to 4, each among the first 64 events, with delays of up to 5 ms. */
    public static final RandomFaults ANY = new RandomFaults(EnumSet.allOf(On.class), 4, 64, Duration.ofMillis(5));

    /** The errors that Linux has for each call, by {@code fs/open.c}, {@code vfio_iommu_spapr_tce.c} and their like. */
    private static final List<Errno> OPEN_ERRORS = List.of(Errno.EMFILE, Errno.ENFILE, Errno.EACCES, Errno.EBUSY);

    private static final List<Errno> IO_ERRORS = List.of(Errno.EIO, Errno.ENODEV);
    private static final List<Errno> MEMORY_ERRORS = List.of(Errno.ENOMEM);
    private static final List<Errno> STREAM_ERRORS = List.of(Errno.EINTR, Errno.EAGAIN);
    private static final int MAX_FLIPPED = 4;

    /**
     * Copies the set.
     *
     * @throws IllegalArgumentException if there is nothing to draw, or a value is out of range
     */
    public RandomFaults {
        on = Set.copyOf(on);
        if (on.isEmpty() || maxFaults < 1 || among < 1) {
            throw new IllegalArgumentException(
                    "%d faults among %d events of %s: at least 1 of each is needed".formatted(maxFaults, among, on));
        }
        var _ = new Effect.Delay(maxDelay);
    }

    /** Faults of some kinds of events only. */
    public RandomFaults only(On first, On... rest) {
        return new RandomFaults(EnumSet.of(first, rest), maxFaults, among, maxDelay);
    }

    /** Another maximum number of faults in a plan. */
    public RandomFaults maxFaults(int maximum) {
        return new RandomFaults(on, maximum, among, maxDelay);
    }

    /** Faults among another number of first events. */
    public RandomFaults among(int events) {
        return new RandomFaults(on, maxFaults, events, maxDelay);
    }

    /** Another maximum delay of what is delayed or doubled. */
    public RandomFaults maxDelay(Duration maximum) {
        return new RandomFaults(on, maxFaults, among, maximum);
    }

    /** The plan of a seed. */
    public Faults draw(long seed) {
        SplittableRandom random = new SplittableRandom(seed);
        // In the order of the enum: the order of a set may change from run to run.
        List<On> kinds = on.stream().sorted().toList();
        Faults plan = Faults.seeded(seed);
        for (int left = 1 + random.nextInt(maxFaults); left > 0; left--) {
            plan = plan.with(fault(kinds.get(random.nextInt(kinds.size())), random));
        }
        return plan;
    }

    private Fault fault(On kind, SplittableRandom random) {
        FaultPoint point = FaultPoint.on(kind);
        if (kind == On.IOCTL) {
            VfioRequest[] requests = VfioRequest.values();
            point = point.request(requests[random.nextInt(requests.length)]);
        }
        Occurrence occurrence = Occurrence.nth(1L + random.nextInt(among));
        List<Effect> effects = effects(point, random);
        return new Fault(point, occurrence, effects.get(random.nextInt(effects.size())));
    }

    private List<Effect> effects(FaultPoint point, SplittableRandom random) {
        List<Effect> effects = new ArrayList<>();
        Duration delay = Duration.ofNanos(1000 * random.nextLong(maxDelay.toNanos() / 1000 + 1));
        Effect.FlippedBits flipped = new Effect.FlippedBits(1 + random.nextInt(MAX_FLIPPED));
        switch (point.on()) {
            case INTERRUPT -> effects.addAll(List.of(new Effect.Lost(), new Effect.Doubled(delay)));
            case DMA_READ -> effects.addAll(List.of(flipped, frozen()));
            case DMA_WRITE -> effects.addAll(List.of(flipped, new Effect.Lost(), frozen()));
            case REGISTER_READ -> effects.addAll(List.of(flipped, new Effect.AllOnes(), frozen(), removed()));
            case REGISTER_WRITE -> effects.addAll(List.of(flipped, new Effect.Lost(), frozen()));
            case OPEN -> effects.add(refusal(OPEN_ERRORS, random));
            case EVENTFD -> effects.add(new Effect.Refusal(Errno.EMFILE));
            case IOCTL -> effects.add(refusal(errors(point.request().orElseThrow()), random));
            case MMAP, MUNMAP -> effects.add(refusal(MEMORY_ERRORS, random));
            case PREAD, PWRITE -> {
                effects.add(refusal(IO_ERRORS, random));
                effects.add(new Effect.ShortTransfer(random.nextInt(Long.BYTES)));
            }
            case READ, WRITE -> effects.add(refusal(STREAM_ERRORS, random));
            case POLL -> effects.add(new Effect.Refusal(Errno.EINTR));
            case CLOSE -> effects.add(new Effect.Refusal(Errno.EINTR));
        }
        if (!point.on().isInDevice() || point.on() == On.INTERRUPT) {
            effects.add(new Effect.Delay(delay));
        }
        return effects;
    }

    private static Effect refusal(List<Errno> errors, SplittableRandom random) {
        return new Effect.Refusal(errors.get(random.nextInt(errors.size())));
    }

    private static Effect frozen() {
        return new Effect.Frozen(Optional.empty());
    }

    private static Effect removed() {
        return new Effect.Removed(Optional.empty());
    }

    /** The errors that the kernel has for an ioctl whose arguments are right. */
    private static List<Errno> errors(VfioRequest request) {
        return switch (request) {
            case VFIO_GET_API_VERSION, VFIO_CHECK_EXTENSION -> List.of(Errno.EINTR);
            case VFIO_SET_IOMMU, VFIO_GROUP_SET_CONTAINER -> List.of(Errno.EBUSY, Errno.ENOMEM);
            case VFIO_IOMMU_SPAPR_TCE_CREATE -> List.of(Errno.ENOSPC, Errno.ENOMEM, Errno.EPERM);
            case VFIO_IOMMU_SPAPR_REGISTER_MEMORY, VFIO_IOMMU_ENABLE -> List.of(Errno.ENOMEM, Errno.EFAULT);
            case VFIO_IOMMU_MAP_DMA -> List.of(Errno.ENOMEM, Errno.EBUSY, Errno.EFAULT);
            case VFIO_DEVICE_SET_IRQS -> List.of(Errno.ENOSPC, Errno.ENOMEM);
            case VFIO_GROUP_GET_DEVICE_FD -> List.of(Errno.EMFILE, Errno.EBUSY, Errno.ENODEV);
            case VFIO_EEH_PE_OP, VFIO_DEVICE_RESET, VFIO_DEVICE_PCI_HOT_RESET -> List.of(Errno.EIO, Errno.ENODEV);
            default -> List.of(Errno.EIO, Errno.ENOMEM);
        };
    }
}
