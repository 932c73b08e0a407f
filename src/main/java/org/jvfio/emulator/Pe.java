package org.jvfio.emulator;

import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.time.temporal.ChronoUnit;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.EnumMap;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * A partitionable endpoint: the DMA windows of its devices in the host bridge, and its EEH state. It is the platform's
 * side of an IOMMU group ({@code struct iommu_table_group}).
 */
final class Pe {
    static final int WINDOWS = 2;

    private static final long BYPASS_SELECT = 1L << 59;
    private static final long HOUR_MICROS = TimeUnit.HOURS.toMicros(1);

    private final PeName name;
    private final EmulatedMachine machine;
    private final HostBridge bridge;
    private final TableGroupCalls calls;
    private final DmaLog dmaLog;
    private final KernelLog log;
    private final UnmapHistory unmapped = new UnmapHistory();
    private final PhysicalMemory memory;
    private final @Nullable TceTable[] windows = new @Nullable TceTable[WINDOWS];
    private boolean bypass;
    private boolean hostOwned = true;
    private long hostMappings;
    private boolean registersFrozen;
    private boolean dmaFrozen;
    private boolean resetAsserted;
    private boolean configBlocked;
    private boolean recoveredByHost;
    private boolean disabled;
    private boolean everFroze;
    private long countedSince;
    private int recoveries;
    private @Nullable InjectedError injected;
    private final Map<PlatformStep, Deque<Integer>> failures = new EnumMap<>(PlatformStep.class);

    Pe(
            PeName name,
            EmulatedMachine machine,
            HostBridge bridge,
            TableGroupCalls calls,
            DmaLog dmaLog,
            PhysicalMemory memory) {
        this.name = name;
        this.machine = machine;
        this.bridge = bridge;
        this.calls = calls;
        this.dmaLog = dmaLog;
        this.log = dmaLog.kernelLog();
        this.memory = memory;
    }

    TableGroupCalls calls() {
        return calls;
    }

    EmulatedMachine machine() {
        return machine;
    }

    /** Its host bridge. */
    HostBridge bridge() {
        return bridge;
    }

    void log(String message) {
        log.add(name.prefix() + message);
    }

    KernelLog kernelLog() {
        return log;
    }

    @Nullable
    TceTable window(int number) {
        return windows[number];
    }

    void window(int number, @Nullable TceTable table) {
        windows[number] = table;
    }

    boolean bypass() {
        return bypass;
    }

    void bypass(boolean enabled) {
        bypass = enabled;
    }

    /** {@code pnv_pci_ioda2_set_bypass}, which also logs the change. */
    void setBypass(boolean enable) {
        log((enable ? "En" : "Dis") + "abling 64-bit DMA bypass");
        bypass = enable;
    }

    boolean hostOwned() {
        return hostOwned;
    }

    void hostOwned(boolean owned) {
        hostOwned = owned;
    }

    /** How many entries of its table the host itself uses. */
    long hostMappings() {
        return hostMappings;
    }

    void hostMappings(long count) {
        hostMappings = count;
    }

    boolean registersFrozen() {
        return registersFrozen;
    }

    boolean dmaFrozen() {
        return dmaFrozen;
    }

    boolean configBlocked() {
        return configBlocked;
    }

    void configBlocked(boolean blocked) {
        configBlocked = blocked;
    }

    void resetAsserted(boolean asserted) {
        resetAsserted = asserted;
    }

    /** Injects an error, in place of an earlier one that no access has met. */
    void inject(InjectedError error) {
        injected = error;
    }

    /** Makes the platform's next execution of a step fail with this value. */
    void failNext(PlatformStep step, int answer) {
        failures.computeIfAbsent(step, _ -> new ArrayDeque<>()).add(answer);
    }

    /** The error that a step must fail with, returned once; 0 for none. */
    int failure(PlatformStep step) {
        Deque<Integer> planned = failures.get(step);
        return planned == null || planned.isEmpty() ? 0 : planned.remove();
    }

    /** Freezes the endpoint, if the machine's bridges freeze at all; QEMU's bridges only drop the access. */
    void freeze() {
        if (machine.freezes()) {
            registersFrozen = true;
            dmaFrozen = true;
        }
    }

    /**
     * Freezes the endpoint for an error, and reports it as Linux reports an endpoint of its own drivers: {@code
     * eeh_dev_check_failure} and {@code pnv_eeh_get_phb_diag}.
     *
     * @param translation whether a DMA could not be translated
     */
    void freezeForError(boolean translation) {
        boolean reports = machine.freezes() && machine.eeh() && !(registersFrozen && dmaFrozen);
        freeze();
        if (reports) {
            log.add("EEH: Frozen " + name + " detected");
            log.add("EEH: PE location: N/A, PHB location: N/A");
            DiagnosticData.lines(bridge.platform(), name, translation).forEach(log::add);
        }
    }

    /** An error that no access has caused, or DMA alone freezes; an error of an access is injected. */
    void strike(PeError error) {
        switch (error) {
            case AT_ONCE -> freezeForError(false);
            case DMA_ONLY -> dmaFrozen |= machine.freezes();
            case LOAD -> inject(InjectedError.anywhere(InjectedError.Kind.REGISTER, false));
            case STORE -> inject(InjectedError.anywhere(InjectedError.Kind.REGISTER, true));
            case DMA_READ -> inject(InjectedError.anywhere(InjectedError.Kind.DMA, false));
            case DMA_WRITE -> inject(InjectedError.anywhere(InjectedError.Kind.DMA, true));
        }
    }

    /** A range of bus addresses is no longer mapped. */
    void unmapped(long busAddress, long size, long user, int process) {
        unmapped.add(busAddress, size, user, log.micros(), process);
    }

    /** Records a DMA that its device may not start, which does not freeze the endpoint. */
    void refuse(String device, long busAddress, long size, boolean toMemory, FailedDma.Reason reason) {
        record(device, busAddress, size, busAddress, toMemory, reason);
    }

    /** Records a failed DMA and freezes the endpoint. */
    private boolean fail(
            String device, long busAddress, long size, long failedAt, boolean toMemory, FailedDma.Reason reason) {
        record(device, busAddress, size, failedAt, toMemory, reason);
        freezeForError(reason != FailedDma.Reason.INJECTED);
        return false;
    }

    private void record(
            String device, long busAddress, long size, long failedAt, boolean toMemory, FailedDma.Reason reason) {
        Optional<FailedDma.Unmapped> last = switch (reason) {
            case NO_ENTRY, NO_WINDOW, NO_MEMORY -> unmapped.find(failedAt);
            default -> Optional.empty();
        };
        boolean stops = switch (reason) {
            case BUS_MASTERING_OFF, LOW_POWER, MEMORY_FREED -> false;
            default -> machine.freezes();
        };
        FailedDma.Direction direction = toMemory ? FailedDma.Direction.WRITE : FailedDma.Direction.READ;
        Duration now = Duration.of(log.micros(), ChronoUnit.MICROS);
        dmaLog.add(new FailedDma(device, direction, busAddress, size, failedAt, reason, now, last), !stops);
    }

    /** Enables the registers; false if firmware cannot. */
    boolean thawRegisters() {
        registersFrozen &= isOutOfReach();
        return !registersFrozen;
    }

    /** Enables DMA; false if firmware cannot. */
    boolean thawDma() {
        dmaFrozen &= isOutOfReach();
        return !dmaFrozen;
    }

    /** Whether the user cannot recover it: the host does at present, or has given up. */
    boolean isOutOfReach() {
        return recoveredByHost || disabled;
    }

    /**
     * The host begins to recover it: {@code eeh_handle_normal_event}. After too many recoveries in an hour it disables
     * the endpoint instead.
     *
     * @param micros the time since boot
     */
    void beginHostRecovery(long micros) {
        if (disabled) {
            return;
        }
        registersFrozen = true;
        dmaFrozen = true;
        if (micros - countedSince > HOUR_MICROS || !everFroze) {
            everFroze = true;
            countedSince = micros;
            recoveries = 0;
        }
        recoveries++;
        log.add("EEH: Recovering " + name);
        log.add("EEH: PE location: N/A, PHB location: N/A");
        if (recoveries > machine.maxFreezes()) {
            log.add("EEH: %s has failed %d times in the last hour and has been permanently disabled."
                    .formatted(name, recoveries));
            disable();
            return;
        }
        log.add(("EEH: This PCI device has failed %d times in the last hour and will be permanently disabled after %d"
                        + " failures.")
                .formatted(recoveries, machine.maxFreezes()));
        recoveredByHost = true;
        configBlocked = true;
    }

    /** The host has recovered it; false if the host was not recovering it. */
    boolean endHostRecovery() {
        if (!recoveredByHost) {
            return false;
        }
        recoveredByHost = false;
        configBlocked = false;
        resetAsserted = false;
        thawRegisters();
        thawDma();
        log.add("EEH: Recovery successful.");
        return true;
    }

    /** The host gives it up: it stays frozen until the next boot. */
    void disable() {
        registersFrozen = true;
        dmaFrozen = true;
        recoveredByHost = false;
        configBlocked = false;
        disabled = true;
        log.add("EEH: Unable to recover from failure from " + name + ".");
        log.add("Please try reseating or replacing it");
    }

    EehState state() {
        if (recoveredByHost) {
            return EehState.UNAVAILABLE;
        }
        if (resetAsserted && !machine.platform().isPowernv()) {
            return EehState.RESET;
        }
        if (dmaFrozen) {
            return registersFrozen ? EehState.STOPPED : EehState.STOPPED_DMA;
        }
        return registersFrozen ? EehState.UNAVAILABLE : EehState.NORMAL;
    }

    /** Whether an access to a BAR reaches the device; not if the endpoint is frozen. */
    boolean registerAccess(long busAddress, boolean write) {
        InjectedError error = injected;
        return access(error != null && error.meetsRegister(busAddress, write));
    }

    /** Whether an access to configuration space reaches the device; not if the endpoint is frozen. */
    boolean configAccess(long configAddress, boolean write) {
        InjectedError error = injected;
        return access(error != null && error.meetsConfig(configAddress, write));
    }

    private boolean access(boolean meetsError) {
        if (meetsError && !registersFrozen) {
            injected = null;
            freezeForError(false);
        }
        return !registersFrozen;
    }

    /**
     * A device reads or writes memory at a bus address.
     *
     * @param device the address of the device
     * @param offset where in {@code data}, in bytes
     * @param size bytes
     * @param toMemory whether {@code data} is written to memory
     * @return false if a translation failed: the data before it was transferred, and the endpoint is frozen
     */
    boolean transfer(String device, long busAddress, MemorySegment data, long offset, long size, boolean toMemory) {
        if (dmaFrozen) {
            return false;
        }
        InjectedError error = injected;
        if (error != null && error.meetsDma(selectWindow(busAddress), busAddress, toMemory)) {
            injected = null;
            return fail(device, busAddress, size, busAddress, toMemory, FailedDma.Reason.INJECTED);
        }
        long done = 0;
        boolean freed = false;
        while (done < size) {
            long at = busAddress + done;
            int select = selectWindow(at);
            TceTable table = windows[select];
            if (table == null && select == 1 && bypass) {
                return intoHost(at & ~BYPASS_SELECT, size - done)
                        || fail(device, busAddress, size, at, toMemory, FailedDma.Reason.NO_MEMORY);
            }
            long index = table == null ? -1 : table.index(at);
            long entry = index < 0 || table == null ? 0 : table.entry(index);
            if (table == null || (entry & (toMemory ? TceTable.WRITE : TceTable.READ)) == 0) {
                FailedDma.Reason outside = index < 0 ? FailedDma.Reason.NO_WINDOW : FailedDma.Reason.NO_ENTRY;
                FailedDma.Reason reason = entry == 0 ? outside : FailedDma.Reason.NO_PERMISSION;
                return fail(device, busAddress, size, at, toMemory, reason);
            }
            long pageBytes = 1L << table.pageShift();
            long inPage = at & (pageBytes - 1);
            long length = Math.min(pageBytes - inPage, size - done);
            boolean reachesFreed = copy((entry & -pageBytes) + inPage, data, offset + done, length, toMemory);
            if (reachesFreed && !freed) {
                freed = true;
                record(device, busAddress, size, at, toMemory, FailedDma.Reason.MEMORY_FREED);
            }
            done += length;
        }
        return true;
    }

    /** Copies between memory and a device; true if the process has freed some of the memory. */
    private boolean copy(long physical, MemorySegment data, long from, long length, boolean toMemory) {
        long done = 0;
        boolean freed = false;
        while (done < length) {
            Backing backing = memory.at(physical + done);
            if (backing == null) {
                // The table lent by the host maps the host's own memory, which is not emulated.
                return freed;
            }
            long offset = physical + done - backing.physical();
            long run = Math.min(backing.size() - offset, length - done);
            backing.transfer(offset, data, from + done, run, toMemory);
            freed |= backing.isFreed();
            done += run;
        }
        return freed;
    }

    /** Whether the host has memory at a range of physical addresses. */
    private boolean intoHost(long physical, long length) {
        long end = machine.memoryBytes() - length;
        return end >= 0 && Long.compareUnsigned(physical, end) <= 0;
    }

    private int selectWindow(long busAddress) {
        if (machine.platform().isPowernv()) {
            return (busAddress & BYPASS_SELECT) == 0 ? 0 : 1;
        }
        TceTable first = windows[0];
        return first != null && first.index(busAddress) >= 0 ? 0 : 1;
    }
}
