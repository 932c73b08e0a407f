package org.jvfio.cli;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jvfio.Container;
import org.jvfio.DmaDirection;
import org.jvfio.DmaMapping;
import org.jvfio.DmaMemory;
import org.jvfio.DmaWindow;
import org.jvfio.IommuGroup;
import org.jvfio.PciFunction;
import org.jvfio.SpaprTceVersion;
import org.jvfio.cli.map.DmaEvent;
import org.jvfio.cli.map.DmaMoment;
import org.jvfio.cli.map.DmaSpace;
import org.jvfio.kernel.Kernel;

/**
 * The driver whose address space {@link MapCommand} draws: it takes a group, creates windows, maps buffers as a driver
 * of queues and a large buffer does, unmaps some, and returns the group. The device does no DMA.
 */
final class MapScene {
    private static final long HIGH_WINDOW = 64L << 20;
    private static final long RING = 64L << 10;
    private static final int RINGS = 12;
    /** Sizes in the window beside the default one. */
    private static final List<Long> BUFFERS = List.of(8L << 20, 4L << 20, 2L << 20, 1L << 20, 8L << 20, 4L << 20);

    private final Kernel kernel;
    private static final long RINGS_BYTES = RING * RINGS;
    private static final long BUFFERS_BYTES =
            BUFFERS.stream().mapToLong(Long::longValue).sum();
    private final PciFunction function;
    private final PeLog log;
    private final DmaSpace space = new DmaSpace();
    private final List<DmaMoment> moments = new ArrayList<>();

    private MapScene(Kernel kernel, PciFunction function, PeLog log) {
        this.kernel = kernel;
        this.function = function;
        this.log = log;
    }

    /**
     * Plays it with a device.
     *
     * @return the moments; the group is the host's in the first and the last, and {@link #richest} has the most
     * mappings
     */
    static List<DmaMoment> play(Kernel kernel, PciFunction function) {
        IommuGroup group = IommuGroup.of(kernel, function.address());
        try (PeLog log = PeLog.open(kernel, group, function.address())) {
            MapScene scene = new MapScene(kernel, function, log);
            scene.play();
            return scene.moments;
        }
    }

    /** The moment to draw alone: the last one before the group is returned. */
    static DmaMoment richest(List<DmaMoment> moments) {
        return moments.get(moments.size() - 2);
    }

    private void play() {
        List<DmaEvent> windowsOfHost = platform();
        owner("the host", false);
        windowsOfHost.forEach(space::take);
        DmaMoment host = space.moment("The host owns the group");
        try (Container container = Container.open(kernel)) {
            container.attach(function.address());
            container.iommuInfo();
            moments.add(host);
            owner("this process, by VFIO", true);
            host.windows().forEach(window -> space.take(new DmaEvent.WindowRemoved(window.number())));
            log.read();
            log.bypass().ifPresent(on -> space.take(new DmaEvent.Bypass(on)));
            moments.add(space.moment("VFIO takes the group: the host's window and bypass go"));
            DmaWindow low = container.defaultWindow();
            DmaWindow high = container.iommuVersion() == SpaprTceVersion.V1
                    ? low
                    : HighWindow.create(
                            container, "map memory as a driver does", HIGH_WINDOW, _ -> RINGS_BYTES + BUFFERS_BYTES);
            List<DmaWindow> windows = high == low ? List.of(low) : List.of(low, high);
            for (DmaWindow window : windows) {
                space.take(new DmaEvent.WindowCreated(number(window), window.range(), window.pageSize()));
            }
            moments.add(space.moment("The driver has its windows"));
            List<DmaMapping> mappings = map(container, low, high);
            moments.add(space.moment("It maps memory"));
            for (int index = 1; index < mappings.size(); index += 3) {
                DmaMapping closed = mappings.get(index);
                closed.close();
                space.take(new DmaEvent.Unmapped(closed.range()));
            }
            moments.add(space.moment("It unmaps some of it"));
            windows.forEach(window -> space.take(new DmaEvent.WindowRemoved(number(window))));
        }
        owner("the host", false);
        platform().forEach(space::take);
        moments.add(space.moment("The driver ends: the group is the host's again"));
    }

    private void owner(String name, boolean mapsSeen) {
        space.take(new DmaEvent.Owner(name, mapsSeen));
    }

    /** The platform's own windows and bypass. */
    private List<DmaEvent> platform() {
        log.read();
        List<DmaEvent> events = new ArrayList<>();
        log.windows()
                .forEach((number, window) ->
                        events.add(new DmaEvent.WindowCreated(number, window.range(), window.page())));
        Optional<Boolean> bypass = log.bypass();
        bypass.ifPresent(on -> events.add(new DmaEvent.Bypass(on)));
        return events;
    }

    private static int number(DmaWindow window) {
        return window.isDefault() ? 0 : 1;
    }

    private List<DmaMapping> map(Container container, DmaWindow low, DmaWindow high) {
        List<DmaMapping> mappings = new ArrayList<>();
        DmaMemory rings = container.allocate(RINGS_BYTES);
        for (int ring = 0; ring < RINGS; ring++) {
            mappings.add(low.map(rings.range(ring * RING, RING), direction(ring)));
        }
        DmaMemory buffers = container.allocate(BUFFERS_BYTES);
        long offset = 0;
        for (int index = 0; index < BUFFERS.size(); index++) {
            mappings.add(high.map(buffers.range(offset, BUFFERS.get(index)), direction(index)));
            offset += BUFFERS.get(index);
        }
        mappings.forEach(mapping -> space.take(new DmaEvent.Mapped(mapping.range(), mapping.direction())));
        return mappings;
    }

    /** Submission and completion queues in turn, and a buffer for both now and then. */
    private static DmaDirection direction(int index) {
        return index % 4 == 3
                ? DmaDirection.BIDIRECTIONAL
                : index % 2 == 0 ? DmaDirection.TO_DEVICE : DmaDirection.FROM_DEVICE;
    }
}
