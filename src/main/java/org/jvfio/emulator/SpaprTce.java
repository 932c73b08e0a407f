package org.jvfio.emulator;

import static org.jvfio.uapi.vfio_h.VFIO_DMA_MAP_FLAG_READ;
import static org.jvfio.uapi.vfio_h.VFIO_DMA_MAP_FLAG_WRITE;
import static org.jvfio.uapi.vfio_h.VFIO_EEH;
import static org.jvfio.uapi.vfio_h.VFIO_EEH_PE_OP;
import static org.jvfio.uapi.vfio_h.VFIO_IOMMU_DISABLE;
import static org.jvfio.uapi.vfio_h.VFIO_IOMMU_ENABLE;
import static org.jvfio.uapi.vfio_h.VFIO_IOMMU_MAP_DMA;
import static org.jvfio.uapi.vfio_h.VFIO_IOMMU_SPAPR_INFO_DDW;
import static org.jvfio.uapi.vfio_h.VFIO_IOMMU_SPAPR_REGISTER_MEMORY;
import static org.jvfio.uapi.vfio_h.VFIO_IOMMU_SPAPR_TCE_CREATE;
import static org.jvfio.uapi.vfio_h.VFIO_IOMMU_SPAPR_TCE_GET_INFO;
import static org.jvfio.uapi.vfio_h.VFIO_IOMMU_SPAPR_TCE_REMOVE;
import static org.jvfio.uapi.vfio_h.VFIO_IOMMU_SPAPR_UNREGISTER_MEMORY;
import static org.jvfio.uapi.vfio_h.VFIO_IOMMU_UNMAP_DMA;
import static org.jvfio.uapi.vfio_h.VFIO_SPAPR_TCE_IOMMU;
import static org.jvfio.uapi.vfio_h.VFIO_SPAPR_TCE_v2_IOMMU;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.locks.Lock;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.jvfio.kernel.Errno;
import org.jvfio.uapi.vfio_iommu_spapr_register_memory;
import org.jvfio.uapi.vfio_iommu_spapr_tce_create;
import org.jvfio.uapi.vfio_iommu_spapr_tce_ddw_info;
import org.jvfio.uapi.vfio_iommu_spapr_tce_info;
import org.jvfio.uapi.vfio_iommu_spapr_tce_remove;
import org.jvfio.uapi.vfio_iommu_type1_dma_map;
import org.jvfio.uapi.vfio_iommu_type1_dma_unmap;

/**
 * The IOMMU of a container on POWER: {@code struct tce_container} of {@code drivers/vfio/vfio_iommu_spapr_tce.c}, with
 * its checks in its order.
 */
final class SpaprTce {
    private static final int DEFAULT_PAGE_SHIFT = 12;
    private static final long INFO_SIZE = 32;
    private static final long INFO_SIZE_WITHOUT_DDW = 16;
    private static final int MISALIGNED = 1;
    /** The result of a call that needs the host's lock, and has changed nothing: no errno. */
    static final int NOT_QUICK = Integer.MIN_VALUE;

    /** About a second of hypervisor calls; Linux has no limit. */
    private static final long MAX_REFUSED_PAGES = 1 << 20;

    private final EmulatedHost host;
    private final VfioContainer container;
    private final KernelVersion version;
    private final boolean v2;
    private final Lock lock = new OwnCacheLines.Lock().asWriteLock();
    // What follows is guarded by that lock, and changed with the host's lock too, but for what MAP_DMA and UNMAP_DMA
    // change: tables, and what is for these calls alone.
    /** Not empty during calls: the IOMMU is released with the last group. */
    private final List<IommuGroup> groups = new ArrayList<>();

    private final List<RegisteredRegion> registrations = new ArrayList<>();
    private final @Nullable TceTable[] tables = new @Nullable TceTable[Pe.WINDOWS];
    // Buffers that MAP_DMA and UNMAP_DMA copy into, so that they allocate nothing.
    private final MemorySegment map = buffer(vfio_iommu_type1_dma_map.sizeof());
    private final MemorySegment unmap = buffer(vfio_iommu_type1_dma_unmap.sizeof());
    private boolean enabled;
    private boolean defaultWindowPending;
    private long enabledPages;
    private @Nullable Mm mm;
    private @Nullable RegisteredRegion recent;
    private @Nullable Mm recentMm;

    SpaprTce(EmulatedHost host, VfioContainer container, boolean v2) {
        this.host = host;
        this.container = container;
        this.version = host.machine().kernel();
        this.v2 = v2;
    }

    private static MemorySegment buffer(long bytes) {
        long[] longs = OwnCacheLines.longs((int) (bytes / Long.BYTES));
        return MemorySegment.ofArray(longs).asSlice((long) OwnCacheLines.FIRST * Long.BYTES, bytes);
    }

    /** The result of CHECK_EXTENSION, with or without an IOMMU set. */
    static int checkExtension(EmulatedHost host, long extension) {
        if (extension == VFIO_SPAPR_TCE_IOMMU) {
            return 1;
        }
        if (extension == VFIO_SPAPR_TCE_v2_IOMMU) {
            return host.machine().kernel().knowsV2() ? 1 : 0;
        }
        return extension == VFIO_EEH && host.machine().eeh() ? 1 : 0;
    }

    @Nullable
    TceTable table(int number) {
        return tables[number];
    }

    Lock lock() {
        return lock;
    }

    /** Whether an ioctl may be made with {@link #quickIoctl}. */
    static boolean isQuick(int request) {
        return request == VFIO_IOMMU_MAP_DMA || request == VFIO_IOMMU_UNMAP_DMA;
    }

    /**
     * Maps or unmaps registered memory with this IOMMU's lock alone.
     *
     * @return as {@link #ioctl}, or {@link #NOT_QUICK} if the call needs more: it is the first of its process or of the
     *     default window, or is a hazard
     */
    int quickIoctl(Task task, int fd, int request, MemorySegment struct) {
        lock.lock();
        try {
            // The descriptor may have been closed, or the IOMMU released, before the lock was acquired.
            if (container.iommu() != this
                    || !(task.file(fd) instanceof ContainerFile file)
                    || file.container() != container
                    || !v2
                    || defaultWindowPending
                    || mm != task.mm()
                    || refusesMappings()
                    || struct.address() == 0) {
                return NOT_QUICK;
            }
            if (request == VFIO_IOMMU_MAP_DMA) {
                Argument.copy(struct, map, map.byteSize());
                return map(task.mm());
            }
            Argument.copy(struct, unmap, unmap.byteSize());
            return unmap(task.mm());
        } finally {
            lock.unlock();
        }
    }

    /** Whether the call is made with this lock alone. */
    private boolean isQuick() {
        return !host.lock().isHeld();
    }

    int ioctl(int request, Argument argument) {
        if (version.bindsContainerToProcess() && mm != null && mm != argument.mm()) {
            return Errno.EPERM.negated();
        }
        boolean pending = defaultWindowPending;
        boolean bound = mm != null;
        long logged = host.kernelLog().end();
        int met = host.hazardsMet();
        try {
            return operate(request, argument);
        } catch (HostHazard hazard) {
            if (pending && !defaultWindowPending) {
                takeDefaultWindowBack();
            }
            if (!bound) {
                letProcessGo();
            }
            host.kernelLog().rewind(logged);
            host.rewindHazards(met);
            throw hazard;
        }
    }

    private int operate(int request, Argument argument) {
        return switch (request) {
            case VFIO_IOMMU_MAP_DMA -> map(argument);
            case VFIO_IOMMU_UNMAP_DMA -> unmap(argument);
            case VFIO_IOMMU_SPAPR_TCE_GET_INFO -> info(argument);
            case VFIO_EEH_PE_OP -> eeh(argument);
            case VFIO_IOMMU_ENABLE -> v2 ? Errno.ENOTTY.negated() : enable(argument);
            case VFIO_IOMMU_DISABLE -> v2 ? Errno.ENOTTY.negated() : disable(argument.mm());
            case VFIO_IOMMU_SPAPR_REGISTER_MEMORY -> v2 ? register(argument) : Errno.ENOTTY.negated();
            case VFIO_IOMMU_SPAPR_UNREGISTER_MEMORY -> v2 ? unregister(argument) : Errno.ENOTTY.negated();
            case VFIO_IOMMU_SPAPR_TCE_CREATE -> v2 ? create(argument) : Errno.ENOTTY.negated();
            case VFIO_IOMMU_SPAPR_TCE_REMOVE -> v2 ? remove(argument) : Errno.ENOTTY.negated();
            default -> Errno.ENOTTY.negated();
        };
    }

    private int info(Argument argument) {
        MemorySegment info = argument.copyIn(INFO_SIZE_WITHOUT_DDW);
        if (info == null) {
            return Errno.EFAULT.negated();
        }
        int argsz = vfio_iommu_spapr_tce_info.argsz(info);
        if (Integer.compareUnsigned(argsz, (int) INFO_SIZE_WITHOUT_DDW) < 0) {
            return Errno.EINVAL.negated();
        }
        HostBridge bridge = firstBridge();
        MemorySegment answer = MemorySegment.ofArray(new long[(int) INFO_SIZE / Long.BYTES]);
        vfio_iommu_spapr_tce_info.argsz(answer, argsz);
        vfio_iommu_spapr_tce_info.dma32_window_start(answer, 0);
        vfio_iommu_spapr_tce_info.dma32_window_size(answer, (int) bridge.dma32Bytes());
        if (v2 && bridge.dynamicWindows(version) != 0) {
            vfio_iommu_spapr_tce_info.flags(answer, VFIO_IOMMU_SPAPR_INFO_DDW);
            MemorySegment ddw = vfio_iommu_spapr_tce_info.ddw(answer);
            vfio_iommu_spapr_tce_ddw_info.pgsizes(ddw, bridge.platform().pageSizes());
            vfio_iommu_spapr_tce_ddw_info.max_dynamic_windows_supported(ddw, bridge.dynamicWindows(version));
            vfio_iommu_spapr_tce_ddw_info.levels(ddw, bridge.platform().levels());
        }
        boolean whole = version.knowsV2() && Integer.compareUnsigned(argsz, (int) INFO_SIZE) >= 0;
        return argument.copyOut(answer, whole ? INFO_SIZE : INFO_SIZE_WITHOUT_DDW) ? 0 : Errno.EFAULT.negated();
    }

    private int enable(Argument argument) {
        if (enabled) {
            return Errno.EBUSY.negated();
        }
        Mm caller = bind(argument);
        if (caller == null) {
            return Errno.EPERM.negated();
        }
        long pages = firstBridge().dma32Bytes() >>> host.machine().pageShift();
        int charged = caller.charge(pages);
        if (charged != 0) {
            return charged;
        }
        enabledPages = pages;
        enabled = true;
        return 0;
    }

    private int disable(Mm caller) {
        if (enabled) {
            enabled = false;
            boundMemory(caller).refund(enabledPages);
        }
        return 0;
    }

    /**
     * {@code tce_iommu_mm_set}: the container belongs to the first process that changes it; null for another process.
     */
    private @Nullable Mm bind(Argument argument) {
        Mm bound = boundMemory(argument.mm());
        return bound == argument.mm() ? bound : null;
    }

    /**
     * The memory of the process that the container belongs to; if it belonged to none, it now belongs to the caller.
     */
    private Mm boundMemory(Mm caller) {
        Mm bound = mm;
        if (bound == null || !version.bindsContainerToProcess()) {
            caller.grab();
            if (bound != null) {
                bound.drop();
            }
            mm = caller;
            return caller;
        }
        return bound;
    }

    private boolean refusesMappings() {
        return !enabled && version.mapNeedsEnable();
    }

    private int map(Argument argument) {
        if (refusesMappings()) {
            return Errno.EPERM.negated();
        }
        return argument.copyIn(map, map.byteSize()) ? map(argument.mm()) : Errno.EFAULT.negated();
    }

    private int map(Mm calling) {
        int flags = vfio_iommu_type1_dma_map.flags(map);
        if (Integer.compareUnsigned(vfio_iommu_type1_dma_map.argsz(map), (int) map.byteSize()) < 0
                || (flags & ~(VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE)) != 0) {
            return Errno.EINVAL.negated();
        }
        Mm caller = boundMemory(calling);
        int pending = createDefaultWindow(caller);
        if (pending != 0) {
            return pending;
        }
        long iova = vfio_iommu_type1_dma_map.iova(map);
        long vaddr = vfio_iommu_type1_dma_map.vaddr(map);
        long bytes = vfio_iommu_type1_dma_map.size(map);
        TceTable table = find(iova);
        if (table == null) {
            return version.outsideOfWindows().negated();
        }
        long mask = (1L << table.pageShift()) - 1;
        if (((bytes | vaddr) & mask) != 0 || flags == 0) {
            return Errno.EINVAL.negated();
        }
        if ((iova & mask) != 0) {
            return version.answersOneForMisalignedIova() ? MISALIGNED : Errno.EINVAL.negated();
        }
        long first = table.index(iova);
        long pages = bytes >>> table.pageShift();
        if (Long.compareUnsigned(pages, table.entries() - first) > 0) {
            if (isQuick()) {
                return NOT_QUICK;
            }
            boolean hypervisorRefuses = !host.machine().platform().isPowernv();
            if (!hypervisorRefuses || v2) {
                host.hazard(Hazard.WINDOW_OVERRUN, () -> describe("VFIO_IOMMU_MAP_DMA", iova, bytes));
            }
            if (!hypervisorRefuses) {
                pages = table.entries() - first;
            }
        }
        long permissions = flags & (VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE);
        return build(caller, table, first, pages, vaddr, permissions, bytes);
    }

    /** {@code tce_iommu_build} and {@code tce_iommu_build_v2}: page by page, undone from the start when one fails. */
    private int build(Mm caller, TceTable table, long first, long pages, long vaddr, long permissions, long bytes) {
        long pageBytes = 1L << table.pageShift();
        long done = 0;
        int answer = 0;
        while (done < pages) {
            long user = vaddr + done * pageBytes;
            RegisteredRegion region = v2 ? lookup(caller, user, pageBytes) : null;
            long target = v2 ? registered(region, table, user) : pinned(caller, table, user, permissions);
            if (Errno.isError(target)) {
                answer = (int) target;
                break;
            }
            boolean busy = !version.replacesMappings() && table.entry(first + done) != 0;
            long old = busy ? Errno.EBUSY.negated() : table.exchange(first + done, target | permissions, user);
            if (old < 0) {
                if (!v2) {
                    unpin(target);
                }
                answer = (int) old;
                break;
            }
            if (region != null) {
                region.mapOne();
            }
            if (old != 0) {
                release(caller, table, old, table.replacedUser());
            }
            done++;
        }
        if (isHazardOfNoPages(table, first, answer == 0 ? pages : done)) {
            if (isQuick()) {
                return NOT_QUICK;
            }
            host.hazard(Hazard.PHB3_INVALIDATES_FOR_EVER, () -> describe("VFIO_IOMMU_MAP_DMA", 0, bytes));
        }
        if (answer != 0) {
            clear(caller, table, first, done);
        }
        return answer;
    }

    /** {@code tce_iommu_prereg_ua_to_hpa}. */
    private static long registered(@Nullable RegisteredRegion region, TceTable table, long user) {
        if (region == null || region.pageShift() < table.pageShift()) {
            return Errno.EINVAL.negated();
        }
        return region.physical(user);
    }

    /** {@code tce_iommu_use_page}: pins the system page. */
    private long pinned(Mm caller, TceTable table, long user, long permissions) {
        AddressSpace.Area area = caller.addresses().find(user);
        boolean toWrite = version.pinsForWriting() || (permissions & TceTable.WRITE) != 0;
        if (area == null || !area.accessible() || area.backing().isBar() || (toWrite && !area.writable())) {
            return Errno.EFAULT.negated();
        }
        if (area.backing().pageShift() < table.pageShift()) {
            return Errno.EPERM.negated();
        }
        area.backing().pin();
        return area.physical(user);
    }

    private void unpin(long physical) {
        Backing backing = host.memory().at(physical);
        if (backing != null) {
            backing.unpin();
        }
    }

    /** Releases what an entry held: a mapping count of its region, or the pin of its page. */
    private void release(Mm owner, TceTable table, long entry, long user) {
        if (v2) {
            RegisteredRegion region = lookup(owner, user, 1L << table.pageShift());
            if (region != null) {
                region.unmapOne();
            }
        } else {
            unpin(entry & ~TceTable.PERMISSIONS);
        }
    }

    private int unmap(Argument argument) {
        if (refusesMappings()) {
            return Errno.EPERM.negated();
        }
        return argument.copyIn(unmap, unmap.byteSize()) ? unmap(argument.mm()) : Errno.EFAULT.negated();
    }

    private int unmap(Mm calling) {
        if (Integer.compareUnsigned(vfio_iommu_type1_dma_unmap.argsz(unmap), (int) unmap.byteSize()) < 0
                || vfio_iommu_type1_dma_unmap.flags(unmap) != 0) {
            return Errno.EINVAL.negated();
        }
        Mm caller = boundMemory(calling);
        int pending = createDefaultWindow(caller);
        if (pending != 0) {
            return pending;
        }
        long iova = vfio_iommu_type1_dma_unmap.iova(unmap);
        long bytes = vfio_iommu_type1_dma_unmap.size(unmap);
        TceTable table = find(iova);
        if (table == null) {
            return version.outsideOfWindows().negated();
        }
        long mask = (1L << table.pageShift()) - 1;
        if ((bytes & mask) != 0) {
            return Errno.EINVAL.negated();
        }
        int refused = version.answersOneForMisalignedIova() ? MISALIGNED : Errno.EINVAL.negated();
        if ((iova & mask) != 0) {
            return refused;
        }
        long first = table.index(iova);
        long pages = bytes >>> table.pageShift();
        if (Long.compareUnsigned(pages, table.entries() - first) > 0) {
            if (version.checksEndOfUnmap()) {
                return refused;
            }
            if (isQuick()) {
                return NOT_QUICK;
            }
            if (host.machine().platform().isPowernv()) {
                host.hazard(Hazard.WINDOW_OVERRUN, () -> describe("VFIO_IOMMU_UNMAP_DMA", iova, bytes));
            } else if (Long.compareUnsigned(pages - (table.entries() - first), MAX_REFUSED_PAGES) > 0) {
                host.hazard(Hazard.ENDLESS_UNMAP, () -> describe("VFIO_IOMMU_UNMAP_DMA", iova, bytes));
            }
            pages = table.entries() - first;
        }
        if (isHazardOfNoPages(table, first, pages)) {
            if (isQuick()) {
                return NOT_QUICK;
            }
            host.hazard(Hazard.PHB3_INVALIDATES_FOR_EVER, () -> describe("VFIO_IOMMU_UNMAP_DMA", 0, bytes));
        }
        clear(caller, table, first, pages);
        return 0;
    }

    private static String describe(String call, long iova, long bytes) {
        return "%s(iova=0x%x, size=0x%x)".formatted(call, iova, bytes);
    }

    /**
     * PHB3 invalidates from the first page to the last; an empty range at address 0 has its last page at the end of all
     * addresses.
     */
    private boolean isHazardOfNoPages(TceTable table, long first, long pages) {
        return pages == 0
                && first == 0
                && table.start() == 0
                && groups.stream().anyMatch(group -> group.pe().bridge().platform() == Platform.PHB3)
                && version.invalidatesRanges();
    }

    /** The region that contains a page: mostly the one that contained the last. */
    private @Nullable RegisteredRegion lookup(Mm owner, long address, long length) {
        RegisteredRegion last = recent;
        if (last != null && recentMm == owner && last.users() > 0 && last.covers(address, length)) {
            return last;
        }
        RegisteredRegion found = owner.lookup(address, length);
        recent = found;
        recentMm = owner;
        return found;
    }

    /** {@code tce_iommu_clear}: releases what the entries hold. */
    private void clear(Mm owner, TceTable table, long first, long pages) {
        long end = first + pages;
        long lowest = -1;
        long highest = 0;
        long lowestUser = 0;
        for (long index = table.nextWritten(first, end); index < end; index = table.nextWritten(index + 1, end)) {
            long old = table.exchange(index, 0, 0);
            if (old > 0) {
                long user = table.replacedUser();
                release(owner, table, old, user);
                lowestUser = lowest < 0 ? user : lowestUser;
                lowest = lowest < 0 ? index : lowest;
                highest = index;
            }
        }
        if (lowest >= 0) {
            long start = table.start() + (lowest << table.pageShift());
            long bytes = (highest + 1 - lowest) << table.pageShift();
            for (IommuGroup group : groups) {
                group.pe().unmapped(start, bytes, lowestUser, owner.process());
            }
        }
    }

    private int register(Argument argument) {
        Mm caller = bind(argument);
        if (caller == null) {
            return Errno.EPERM.negated();
        }
        long size = vfio_iommu_spapr_register_memory.sizeof();
        MemorySegment register = argument.copyIn(size);
        if (register == null) {
            return Errno.EFAULT.negated();
        }
        long vaddr = vfio_iommu_spapr_register_memory.vaddr(register);
        long bytes = vfio_iommu_spapr_register_memory.size(register);
        if (Integer.compareUnsigned(vfio_iommu_spapr_register_memory.argsz(register), (int) size) < 0
                || vfio_iommu_spapr_register_memory.flags(register) != 0
                || !wholePages(vaddr | bytes)
                || Long.compareUnsigned(vaddr + bytes, vaddr) < 0) {
            return Errno.EINVAL.negated();
        }
        if (bytes == 0) {
            host.hazard(
                    Hazard.REGISTER_NOTHING,
                    () -> "VFIO_IOMMU_SPAPR_REGISTER_MEMORY(vaddr=0x%x, size=0)".formatted(vaddr));
        }
        long pages = bytes >>> host.machine().pageShift();
        RegisteredRegion region = caller.use(vaddr, pages);
        if (region == null) {
            Mm.Registration made = caller.register(vaddr, pages);
            if (made.isEndless()) {
                host.hazard(
                        Hazard.PRIVATE_HUGE_PAGES, () -> describe("VFIO_IOMMU_SPAPR_REGISTER_MEMORY", vaddr, bytes));
            }
            region = made.region();
            if (region == null) {
                return made.answer();
            }
        } else if (version.refusesSecondRegistration() && registrations.contains(region)) {
            caller.unuse(region);
            return Errno.EBUSY.negated();
        }
        if (version.releasesRegistrations()) {
            registrations.add(region);
        }
        enabled = true;
        return 0;
    }

    private int unregister(Argument argument) {
        Mm owner = version.bindsContainerToProcess() ? mm : argument.mm();
        if (owner == null) {
            return Errno.EPERM.negated();
        }
        long size = vfio_iommu_spapr_register_memory.sizeof();
        MemorySegment unregister = argument.copyIn(size);
        if (unregister == null) {
            return Errno.EFAULT.negated();
        }
        long vaddr = vfio_iommu_spapr_register_memory.vaddr(unregister);
        long bytes = vfio_iommu_spapr_register_memory.size(unregister);
        if (Integer.compareUnsigned(vfio_iommu_spapr_register_memory.argsz(unregister), (int) size) < 0
                || vfio_iommu_spapr_register_memory.flags(unregister) != 0
                || !wholePages(vaddr | bytes)) {
            return Errno.EINVAL.negated();
        }
        RegisteredRegion region = owner.use(vaddr, bytes >>> host.machine().pageShift());
        if (region == null) {
            return Errno.ENOENT.negated();
        }
        if (version.releasesRegistrations() && !registrations.contains(region)) {
            owner.unuse(region);
            return Errno.ENOENT.negated();
        }
        if (region.mapped() > 0 && region.users() == 2) {
            if (!version.leaksRegistrationWithMappings()) {
                owner.unuse(region);
                return Errno.EBUSY.negated();
            }
            owner.unuse(region);
            host.hazard(
                    Hazard.REGISTRATION_LEAK,
                    () -> "VFIO_IOMMU_SPAPR_UNREGISTER_MEMORY(vaddr=0x%x, size=0x%x)".formatted(vaddr, bytes));
            region.use();
        }
        registrations.remove(region);
        owner.unuse(region);
        owner.unuse(region);
        return 0;
    }

    private boolean wholePages(long value) {
        return (value & ((1L << host.machine().pageShift()) - 1)) == 0;
    }

    private int create(Argument argument) {
        Mm caller = bind(argument);
        if (caller == null) {
            return Errno.EPERM.negated();
        }
        long size = vfio_iommu_spapr_tce_create.sizeof();
        MemorySegment create = argument.copyIn(size);
        if (create == null) {
            return Errno.EFAULT.negated();
        }
        if (Integer.compareUnsigned(vfio_iommu_spapr_tce_create.argsz(create), (int) size) < 0
                || vfio_iommu_spapr_tce_create.flags(create) != 0) {
            return Errno.EINVAL.negated();
        }
        int answer = createDefaultWindow(caller);
        if (answer != 0) {
            return answer;
        }
        int free = tables[0] == null ? 0 : 1;
        answer = createWindow(
                caller,
                vfio_iommu_spapr_tce_create.page_shift(create),
                vfio_iommu_spapr_tce_create.window_size(create),
                vfio_iommu_spapr_tce_create.levels(create));
        TceTable made = tables[free];
        if (answer != 0 || made == null) {
            return answer;
        }
        vfio_iommu_spapr_tce_create.start_addr(create, made.start());
        return argument.copyOut(create, size) ? 0 : Errno.EFAULT.negated();
    }

    private int createDefaultWindow(Mm caller) {
        if (!defaultWindowPending) {
            return 0;
        }
        if (!firstPe().calls().makesWindows()) {
            host.hazard(Hazard.BORROWED_TABLE, () -> "the first VFIO_IOMMU_MAP_DMA or VFIO_IOMMU_UNMAP_DMA");
        }
        int answer = createWindow(caller, DEFAULT_PAGE_SHIFT, firstBridge().dma32Bytes(), 1);
        if (answer == 0) {
            defaultWindowPending = false;
        }
        return answer;
    }

    /** A stopped call has not created the window. */
    private void takeDefaultWindowBack() {
        groups.forEach(group -> group.pe().calls().unsetWindow(group.pe(), 0));
        free(Objects.requireNonNull(mm), 0);
        defaultWindowPending = true;
    }

    private void letProcessGo() {
        if (mm != null) {
            mm.drop();
            mm = null;
        }
    }

    /** {@code tce_iommu_create_window}: in the first free of the two slots, for every group. */
    private int createWindow(Mm caller, int pageShift, long windowBytes, int levels) {
        int number = tables[0] == null ? 0 : 1;
        if (tables[number] != null) {
            return Errno.ENOSPC.negated();
        }
        Pe first = firstPe();
        TableGroupCalls calls = first.calls();
        if (!calls.makesWindows()
                || Integer.compareUnsigned(pageShift, Long.SIZE) >= 0
                || (first.bridge().platform().pageSizes() & (1L << pageShift)) == 0) {
            return Errno.EINVAL.negated();
        }
        if (!host.machine().windowCalls()) {
            return Errno.EPERM.negated();
        }
        Supplier<String> call = () -> "VFIO_IOMMU_SPAPR_TCE_CREATE(page_shift=%d, window_size=0x%x, levels=%d)"
                .formatted(pageShift, windowBytes, levels);
        long bytes = calls.tableBytes(first, pageShift, windowBytes, levels);
        if (bytes == 0) {
            return Errno.EINVAL.negated();
        }
        long pages = bytes >>> host.machine().pageShift();
        boolean leaksIfRefused = version.leaksChargeOfFailedCreate() && pages > 0;
        Optional<Hazard> hazard = calls.hazardOfTable(first, number, pageShift, windowBytes, levels);
        hazard.ifPresent(known -> host.hazard(known, call));
        // A refusal of the hypervisor cannot be undone, so its consequence is reported before the call.
        boolean leakMet = leaksIfRefused && hazard.equals(Optional.of(Hazard.WINDOWS_LOST));
        if (leakMet) {
            host.hazard(Hazard.CREATE_CHARGE_LEAK, call);
        }
        int charged = caller.charge(pages);
        if (charged != 0) {
            return charged;
        }
        TableGroupCalls.Creation creation = calls.createTable(first, number, pageShift, windowBytes, levels);
        TceTable table = creation.table();
        if (table == null) {
            caller.refund(pages);
            if (leaksIfRefused) {
                if (!leakMet) {
                    host.hazard(Hazard.CREATE_CHARGE_LEAK, call);
                }
                caller.leak(pages);
            }
            return creation.answer();
        }
        for (IommuGroup group : groups) {
            int answer = calls.setWindow(group.pe(), number, table);
            if (answer != 0) {
                groups.forEach(each -> calls.unsetWindow(each.pe(), number));
                caller.refund(table.chargedPages());
                return answer;
            }
        }
        tables[number] = table;
        return 0;
    }

    private int remove(Argument argument) {
        Mm caller = bind(argument);
        if (caller == null) {
            return Errno.EPERM.negated();
        }
        long size = vfio_iommu_spapr_tce_remove.sizeof();
        MemorySegment remove = argument.copyIn(size);
        if (remove == null) {
            return Errno.EFAULT.negated();
        }
        if (Integer.compareUnsigned(vfio_iommu_spapr_tce_remove.argsz(remove), (int) size) < 0
                || vfio_iommu_spapr_tce_remove.flags(remove) != 0) {
            return Errno.EINVAL.negated();
        }
        long start = vfio_iommu_spapr_tce_remove.start_addr(remove);
        if (defaultWindowPending && start == 0) {
            defaultWindowPending = false;
            return 0;
        }
        TceTable table = find(start);
        if (table == null) {
            return Errno.EINVAL.negated();
        }
        if (!firstPe().calls().makesWindows()) {
            return Errno.EPERM.negated();
        }
        clear(caller, table, 0, table.entries());
        int number = table == tables[0] ? 0 : 1;
        groups.forEach(group -> group.pe().calls().unsetWindow(group.pe(), number));
        free(caller, number);
        return 0;
    }

    private void free(Mm owner, int number) {
        TceTable table = tables[number];
        if (table != null) {
            owner.refund(table.chargedPages());
            tables[number] = null;
        }
    }

    /** {@code tce_iommu_find_table}: the window that contains a bus address. */
    private @Nullable TceTable find(long busAddress) {
        for (TceTable table : tables) {
            if (table != null && table.index(busAddress) >= 0) {
                return table;
            }
        }
        return null;
    }

    /** The group that was added last determines the windows; Linux adds each at the head of its list. */
    private Pe firstPe() {
        return groups.getFirst().pe();
    }

    private HostBridge firstBridge() {
        return firstPe().bridge();
    }

    private int eeh(Argument argument) {
        for (IommuGroup group : groups) {
            int answer = group.eeh().operate(argument);
            if (answer != 0) {
                return answer;
            }
        }
        return 0;
    }

    /** {@code tce_iommu_attach_group}: 0 or a negated errno, with nothing changed. */
    int attach(IommuGroup group, Mm caller) {
        Pe pe = group.pe();
        boolean makesWindows = pe.calls().makesWindows();
        if (version.v2NeedsWindows() && v2 && !makesWindows) {
            return Errno.EINVAL.negated();
        }
        if (!groups.isEmpty() && !(version.v1SharesContainers() ? makesWindows : v2)) {
            return Errno.EBUSY.negated();
        }
        for (IommuGroup other : groups) {
            if (!other.pe().calls().getClass().equals(pe.calls().getClass())) {
                host.kernelLog()
                        .add("tce_vfio: Group %d is incompatible with group %d"
                                .formatted(group.number(), other.number()));
                return Errno.EPERM.negated();
            }
        }
        if (version.tiesIommuTypeToPlatform() && v2 != makesWindows) {
            return Errno.EPERM.negated();
        }
        if (!version.takesOwnershipAtSetContainer()) {
            if (makesWindows && !host.machine().windowCalls()) {
                host.kernelLog().add("WARNING: drivers/vfio/vfio_iommu_spapr_tce.c tce_iommu_attach_group");
                return Errno.EFAULT.negated();
            }
            int taken = pe.calls().takeOwnership(pe);
            if (taken != 0) {
                return taken;
            }
        }
        int answer = makesWindows ? shareWindows(pe) : 0;
        if (!makesWindows && !version.borrowsTables()) {
            tables[0] = pe.window(0);
        } else if (groups.isEmpty() && tables[0] == null) {
            defaultWindowPending = true;
        }
        if (answer == 0) {
            groups.addFirst(group);
            if (!version.defaultWindowIsLazy()) {
                answer = createDefaultWindow(boundMemory(caller));
                if (answer != 0) {
                    groups.remove(group);
                }
            }
        }
        if (answer != 0 && !version.takesOwnershipAtSetContainer()) {
            pe.calls().releaseOwnership(pe);
        }
        return answer;
    }

    private int shareWindows(Pe pe) {
        for (int number = 0; number < tables.length; number++) {
            TceTable table = tables[number];
            int answer = table == null ? 0 : pe.calls().setWindow(pe, number, table);
            if (answer != 0) {
                for (int each = 0; each < tables.length; each++) {
                    pe.calls().unsetWindow(pe, each);
                }
                return answer;
            }
        }
        return 0;
    }

    /**
     * {@code tce_iommu_detach_group}: removes the container's windows from the group.
     *
     * @param caller the memory of the calling process, which is uncharged if containers belong to no process; null for
     *     the host itself
     */
    void detach(IommuGroup group, @Nullable Mm caller) {
        if (caller != null && mm != null) {
            boundMemory(caller);
        }
        Pe pe = group.pe();
        boolean last = groups.size() == 1;
        for (int number = 0; number < tables.length; number++) {
            TceTable table = tables[number];
            if (table == null) {
                continue;
            }
            if (mm != null && (version.clearsTablesOnDetach() || last)) {
                clear(mm, table, 0, table.entries());
            }
            pe.calls().unsetWindow(pe, number);
        }
        groups.remove(group);
        if (!version.takesOwnershipAtSetContainer()) {
            pe.calls().releaseOwnership(pe);
        }
    }

    /** {@code tce_iommu_release}: releases tables, registrations and charges. */
    void release() {
        Mm owner = mm;
        if (owner == null) {
            return;
        }
        free(owner, 0);
        free(owner, 1);
        for (RegisteredRegion region : registrations) {
            if (owner.unuse(region) != 0) {
                // Another container of the process still maps it.
                host.meet(Hazard.REGISTRATION_LEAK);
            }
        }
        registrations.clear();
        disable(owner);
        letProcessGo();
    }
}
