package org.jvfio.observe.sanitize;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import org.jvfio.observe.sanitize.Finding.Kind;

/**
 * What a program has open, mapped, registered and allocated, with the places where it got it. Guarded by the lock of
 * its {@link Sanitizer}'s state.
 */
final class Resources {
    private static final int MAX_UNMAPPED = 1024;

    private final Map<Integer, Descriptor> descriptors = new HashMap<>();
    private final NavigableMap<Long, Area> allocated = new TreeMap<>(Long::compareUnsigned);

    /** Memory of the program, from {@code mmap}. */
    private record Area(long size, Site site) {}

    /** Memory that is registered with a container. */
    record Registered(long address, long size, Site site) {
        boolean contains(long at) {
            return Long.compareUnsigned(at - address, size) < 0;
        }
    }

    /** A DMA window. */
    record Window(long start, long size, int pageShift) {}

    /** Memory at bus addresses. */
    record Mapped(long iova, long address, long size, Site site) {
        boolean contains(long at) {
            return Long.compareUnsigned(at - iova, size) < 0;
        }

        long end() {
            return iova + size;
        }
    }

    /** A window that the program has created. */
    private record Created(Window window, Site site) {}

    /** An open file; containers have the rest. */
    static final class Descriptor {
        private final String path;
        private final Site site;
        private final NavigableMap<Long, Mapped> mappings = new TreeMap<>(Long::compareUnsigned);
        private final List<Mapped> unmapped = new ArrayList<>();
        private final Map<Long, Registered> registered = new HashMap<>();
        private final Map<Long, Created> windows = new TreeMap<>(Long::compareUnsigned);
        /** The container of a group. */
        private @Nullable Descriptor container;
        /** The group of a device, whose address is the path. */
        private @Nullable Descriptor group;
        /** Where bus mastering of a device was enabled last; null while it is not. */
        private @Nullable Site busMaster;

        private @Nullable Window defaultWindow;

        private Descriptor(String path, Site site) {
            this.path = path;
            this.site = site;
        }

        /** The path, or the address of a device. */
        String path() {
            return path;
        }

        boolean isDevice() {
            return group != null;
        }

        /** What maps a bus address; null if nothing does. */
        @Nullable
        Mapped at(long iova) {
            Map.Entry<Long, Mapped> below = mappings.floorEntry(iova);
            return below != null && below.getValue().contains(iova) ? below.getValue() : null;
        }

        /** What mapped a bus address last, before it was unmapped; its site is that of the unmap. */
        @Nullable
        Mapped lastUnmapped(long iova) {
            return unmapped.reversed().stream()
                    .filter(each -> each.contains(iova))
                    .findFirst()
                    .orElse(null);
        }

        /**
         * The memory that an address is in: what was registered, or mapped, where version 1 of the IOMMU registers
         * nothing.
         */
        Registered memoryOf(Mapped mapped, long address) {
            return registered.values().stream()
                    .filter(each -> each.contains(address))
                    .findFirst()
                    .orElseGet(() -> new Registered(mapped.address(), mapped.size(), mapped.site()));
        }

        void map(long iova, long address, long size, Site where) {
            mappings.put(iova, new Mapped(iova, address, size, where));
        }

        void unmap(long iova, long size, Site where) {
            long end = iova + size;
            Map.Entry<Long, Mapped> first = mappings.floorEntry(iova);
            long from = first != null && first.getValue().contains(iova) ? first.getKey() : iova;
            for (Mapped each :
                    List.copyOf(mappings.subMap(from, true, end - 1, true).values())) {
                mappings.remove(each.iova());
                if (Long.compareUnsigned(each.iova(), iova) < 0) {
                    map(each.iova(), each.address(), iova - each.iova(), each.site());
                }
                if (Long.compareUnsigned(each.end(), end) > 0) {
                    map(end, each.address() + (end - each.iova()), each.end() - end, each.site());
                }
                remember(new Mapped(each.iova(), each.address(), each.size(), where));
            }
        }

        private void remember(Mapped gone) {
            if (unmapped.size() == MAX_UNMAPPED) {
                unmapped.removeFirst();
            }
            unmapped.addLast(gone);
        }

        void register(long address, long size, Site where) {
            registered.put(address, new Registered(address, size, where));
        }

        void unregister(long address) {
            registered.remove(address);
        }

        /** The window that the kernel creates by itself; the program may remove it, and create it again. */
        void defaultWindow(Window window) {
            defaultWindow = window;
        }

        void window(Window window, Site where) {
            if (!window.equals(defaultWindow)) {
                windows.put(window.start(), new Created(window, where));
            }
        }

        /** Bus mastering of a device is enabled or disabled. */
        void busMaster(@Nullable Site where) {
            busMaster = where;
        }

        void removeWindow(long start, Site where) {
            Created created = windows.remove(start);
            if (created != null) {
                unmap(start, created.window().size(), where);
            }
        }

        /** The last group has left: the kernel takes everything back. */
        private void clear() {
            Site where = Site.here("its container lost its last group");
            List.copyOf(mappings.values()).forEach(each -> unmap(each.iova(), each.size(), where));
            registered.clear();
            windows.clear();
        }
    }

    void opened(int fd, String path) {
        descriptors.put(fd, new Descriptor(path, Site.here("opened")));
    }

    /** A device was opened by its group. */
    void openedDevice(int fd, String address, int groupFd) {
        Descriptor device = new Descriptor(address, Site.here("opened"));
        device.group = descriptors.get(groupFd);
        descriptors.put(fd, device);
    }

    @Nullable
    Descriptor get(int fd) {
        return descriptors.get(fd);
    }

    /** The container that a device's bus addresses are of; null if the device is not open. */
    @Nullable
    Descriptor containerOf(String device) {
        for (Descriptor each : descriptors.values()) {
            Descriptor group = each.group;
            if (group != null && each.path.equals(device)) {
                return group.container;
            }
        }
        return null;
    }

    void join(int groupFd, int containerFd) {
        Descriptor group = descriptors.get(groupFd);
        if (group != null) {
            group.container = descriptors.get(containerFd);
        }
    }

    void leave(int groupFd) {
        Descriptor group = descriptors.get(groupFd);
        if (group != null) {
            Descriptor left = group.container;
            group.container = null;
            if (left != null && descriptors.values().stream().noneMatch(each -> Objects.equals(each.container, left))) {
                left.clear();
            }
        }
    }

    void closed(int fd) {
        leave(fd);
        descriptors.remove(fd);
    }

    void allocated(long address, long size) {
        allocated.put(address, new Area(size, Site.here("allocated")));
    }

    /** Pages were unmapped, perhaps a part of what was allocated. */
    void freed(long address, long size) {
        Map.Entry<Long, Area> below = allocated.floorEntry(address);
        if (below == null) {
            return;
        }
        long start = below.getKey();
        Area area = below.getValue();
        long end = start + area.size();
        if (Long.compareUnsigned(end, address) <= 0) {
            return;
        }
        allocated.remove(start);
        if (start != address) {
            allocated.put(start, new Area(address - start, area.site()));
        }
        if (Long.compareUnsigned(end, address + size) > 0) {
            allocated.put(address + size, new Area(end - address - size, area.site()));
        }
    }

    /** Reports everything that is left. */
    void report(Findings findings) {
        reportDma(findings);
        descriptors.forEach((fd, each) -> reportOpen(findings, fd, each));
        reportAllocated(findings);
    }

    /**
     * Reports what is left of containers and devices, but not containers, which are the lender's or reported at the
     * end, nor eventfds, which the library has for open devices.
     *
     * @param lent the paths of groups and devices that are not the driver's
     */
    void reportHeld(Findings findings, Set<String> lent) {
        reportDma(findings);
        descriptors.forEach((fd, each) -> {
            boolean isGroup = each.container != null;
            if ((isGroup || each.isDevice()) && !lent.contains(each.path)) {
                reportOpen(findings, fd, each);
            }
        });
        reportAllocated(findings);
    }

    /** The places where bus mastering was enabled that was not disabled since, by the descriptors of the devices. */
    Map<Integer, Site> busMasters() {
        Map<Integer, Site> masters = new TreeMap<>();
        descriptors.forEach((fd, each) -> {
            Site where = each.busMaster;
            if (where != null) {
                masters.put(fd, where);
            }
        });
        return masters;
    }

    private void reportDma(Findings findings) {
        for (Descriptor each : descriptors.values()) {
            each.mappings
                    .values()
                    .forEach(left -> findings.addLeft(
                            Kind.LEFT_MAPPED,
                            "0x%x bytes at IOVA 0x%x are mapped".formatted(left.size(), left.iova()),
                            left.site()));
            each.windows
                    .values()
                    .forEach(left -> findings.addLeft(
                            Kind.LEFT_WINDOW,
                            "the window at IOVA 0x%x is not removed"
                                    .formatted(left.window().start()),
                            left.site()));
            each.registered
                    .values()
                    .forEach(left -> findings.addLeft(
                            Kind.LEFT_REGISTERED,
                            "0x%x bytes at 0x%x are registered".formatted(left.size(), left.address()),
                            left.site()));
        }
    }

    private static void reportOpen(Findings findings, int fd, Descriptor left) {
        findings.addLeft(Kind.LEFT_OPEN, "descriptor %d, %s, is open".formatted(fd, left.path), left.site);
    }

    private void reportAllocated(Findings findings) {
        allocated.forEach((address, area) -> findings.addLeft(
                Kind.LEFT_ALLOCATED,
                "0x%x bytes of memory at 0x%x are not freed".formatted(area.size(), address),
                area.site()));
    }
}
