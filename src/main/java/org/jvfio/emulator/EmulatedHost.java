package org.jvfio.emulator;

import java.nio.file.Path;
import java.time.Duration;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.IdentityHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.NoSuchElementException;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.jvfio.emulator.device.DeviceWrapper;
import org.jvfio.emulator.device.EmulatedDevice;
import org.jvfio.kernel.Errno;

/**
 * An emulated POWER host, as a test sees it: the kernel log, the state of its groups, and fault injection. Programs use
 * it through {@link EmulatedKernel}.
 */
public final class EmulatedHost {
    private static final long IDLE_MILLIS = 100;
    private static final int INIT = 1;
    /** The characters of domain and bus in an address. */
    private static final int BUS_LENGTH = "0000:00:".length();

    /** The first failures tell the cause; a device that fails in a loop must not fill the heap. */
    private static final int MAX_DEVICE_FAILURES = 100;

    private final EmulatedMachine machine;
    private final DeviceWrapper wrapper;
    private final HostLock lock = new HostLock();
    private boolean openToUsers;
    private final KernelLog log = new KernelLog();
    private final DmaLog failedDma = new DmaLog(log);
    private final List<DeviceFailure> deviceFailures = new ArrayList<>();
    private boolean failureUnread;
    private final PhysicalMemory memory;
    private final Map<Integer, IommuGroup> groups = new TreeMap<>();
    private final NavigableMap<String, PciFunction> functions = new TreeMap<>();
    private final IdentityHashMap<PciFunction, IommuGroup> groupOfFunction = new IdentityHashMap<>();
    private final NavigableMap<Integer, Task> tasks = new TreeMap<>();
    private int lastPid = INIT;
    private final List<Hazard> hazards = new ArrayList<>();
    /** The functions of which a process maps a BAR. */
    private final Set<PciFunction> mapped = new LinkedHashSet<>();

    private final ScheduledThreadPoolExecutor clock;

    EmulatedHost(EmulatedMachine machine, DeviceWrapper wrapper) {
        this.machine = machine;
        this.wrapper = wrapper;
        memory = new PhysicalMemory(machine.memoryBytes(), machine.hugePages());
        clock = new ScheduledThreadPoolExecutor(
                1, Thread.ofPlatform().name("jvfio-emulated-devices").daemon().factory());
        clock.setKeepAliveTime(IDLE_MILLIS, TimeUnit.MILLISECONDS);
        clock.allowCoreThreadTimeOut(true);
        for (Slot slot : machine.slots()) {
            IommuGroup group = groups.computeIfAbsent(slot.group(), number -> new IommuGroup(number, makePe(slot)));
            PciFunction function = new PciFunction(this, slot, group.pe());
            group.functions().add(function);
            functions.put(slot.address(), function);
            groupOfFunction.put(function, group);
        }
    }

    /** Sets whether ordinary users may open group files: what a udev rule of theirs does. Not at first. */
    public void usersMayOpenGroups(boolean accessible) {
        locked(() -> {
            openToUsers = accessible;
            return accessible;
        });
    }

    boolean isOpenToUsers() {
        return openToUsers;
    }

    /** What is put around its devices. */
    DeviceWrapper wrapper() {
        return wrapper;
    }

    /** The processes by process id. */
    NavigableMap<Integer, Task> tasks() {
        return tasks;
    }

    /** A process begins. */
    void started(Task task) {
        tasks.put(++lastPid, task);
        task.mm().process(lastPid);
    }

    private Pe makePe(Slot slot) {
        HostBridge bridge = machine.bridge(slot.domain());
        TableGroupCalls calls;
        if (bridge.lendsTables(machine.kernel())) {
            calls = new LentTableCalls();
        } else {
            boolean failed = machine.slots().stream()
                    .anyMatch(each ->
                            each.group() == slot.group() && each.options().windowsFailed());
            calls = bridge.platform() == Platform.PSERIES ? new PseriesCalls(failed) : new Ioda2Calls();
        }
        Platform platform = bridge.platform();
        PeName name = new PeName(logPrefix(slot, platform), slot.domain(), platform.eehEndpoint(slot.domain()));
        Pe pe = new Pe(name, machine, bridge, calls, failedDma, memory);
        calls.start(pe);
        return pe;
    }

    /** The name of a partitionable endpoint in the kernel log: on powernv bus and number, in an LPAR the device. */
    private static String logPrefix(Slot slot, Platform platform) {
        if (!platform.isPowernv()) {
            return "vfio-pci " + slot.address() + ": ";
        }
        return "pci " + slot.address().substring(0, 7) + "     : [PE# " + platform.endpoint(slot.domain()) + "] ";
    }

    /** The description that the host was booted from. */
    public EmulatedMachine machine() {
        return machine;
    }

    /** The last 4096 messages of the kernel log since boot. */
    public List<String> log() {
        return locked(log::messages);
    }

    /**
     * The hazards that have happened: in calls that the kernel {@linkplain HazardPolicy#AS_LINUX executes as Linux
     * does}, and in the close of a container whose memory another one still maps, which cannot be refused.
     */
    public List<Hazard> hazards() {
        return locked(() -> List.copyOf(hazards));
    }

    /**
     * The newest 1024 DMAs that failed since boot, the oldest first: the device, the address and why. The kernel log
     * has a line for each, at most 10 in 5 seconds for those that do not freeze the PE, and after that of a frozen PE
     * the lines that Linux logs. DMA of a device whose PE is frozen already is not recorded.
     */
    public List<FailedDma> failedDma() {
        return locked(failedDma::records);
    }

    /**
     * The first 100 exceptions of device models since boot. One that a model throws in an access to its registers is
     * also thrown to the caller of the access; one in an action that it has {@linkplain
     * org.jvfio.emulator.device.DeviceBus#after scheduled} also goes to the uncaught exception handler of the thread of
     * the devices, and, if nobody calls this method afterwards, {@link EmulatedKernel#exit} of the last process throws
     * it. The kernel log has a line for each.
     */
    public List<DeviceFailure> deviceFailures() {
        return locked(() -> {
            failureUnread = false;
            return List.copyOf(deviceFailures);
        });
    }

    /** A device model has thrown an exception. */
    void deviceFailed(String device, String during, Throwable cause) {
        if (cause instanceof HostHazard) {
            return;
        }
        log.add("vfio-pci %s: device model failed in %s: %s".formatted(device, during, cause));
        if (deviceFailures.size() < MAX_DEVICE_FAILURES) {
            deviceFailures.add(new DeviceFailure(device, during, cause, Duration.of(log.micros(), ChronoUnit.MICROS)));
        }
        failureUnread |= during.equals(PciFunction.AFTER);
    }

    /**
     * A process has ended.
     *
     * @throws IllegalStateException if it was the last, and nobody has seen the failure of an action that a device
     *     scheduled
     */
    void ended(Task task) {
        tasks.values().remove(task);
        lock.signalChange();
        if (tasks.isEmpty() && failureUnread) {
            failureUnread = false;
            DeviceFailure first = deviceFailures.getFirst();
            IllegalStateException failure = new IllegalStateException(
                    "the model of the device at %s failed in %s: %s; EmulatedHost.deviceFailures() has all failures"
                            .formatted(first.device(), first.during(), first.cause()),
                    first.cause());
            deviceFailures.stream().skip(1).map(DeviceFailure::cause).forEach(failure::addSuppressed);
            throw failure;
        }
    }

    /**
     * The present state of a group.
     *
     * @throws NoSuchElementException if there is no group of this number
     */
    public GroupView group(int number) {
        return locked(() -> view(existing(number)));
    }

    /** The numbers of all groups. */
    public List<Integer> groups() {
        return List.copyOf(groups.keySet());
    }

    /** The files on this computer that back its devices: {@link EmulatedDevice#files} of each. */
    public List<Path> deviceFiles() {
        return functions.values().stream()
                .flatMap(function -> function.files().stream())
                .toList();
    }

    /** The memory of user programs in bytes, including pinned memory of programs that have ended. */
    public long userMemoryBytes() {
        return locked(memory::bytes);
    }

    /**
     * Sets how many pages the host's own driver has mapped in the group; a table can be lent only while this is 0.
     *
     * @throws NoSuchElementException if there is no group of this number
     */
    public void hostMappings(int number, long pages) {
        locked(() -> {
            existing(number).pe().hostMappings(pages);
            return pages;
        });
    }

    /**
     * Makes the platform fail the next time that it performs a step for a group.
     *
     * @param errno the error of the step
     * @throws NoSuchElementException if there is no group of this number
     * @throws IllegalArgumentException if the group's platform never performs the step: an LPAR does not recreate the
     *     host's table, and a lent table is neither created nor set
     */
    public void failNext(int number, PlatformStep step, Errno errno) {
        locked(() -> {
            Pe pe = existing(number).pe();
            if (!pe.calls().steps().contains(step)) {
                throw new IllegalArgumentException(
                        "the platform of group %d never performs %s, only %s; make it fail at one of these"
                                .formatted(number, step, pe.calls().steps()));
            }
            pe.failNext(step, errno.negated());
            return step;
        });
    }

    /**
     * A device reports an uncorrectable error (AER), and the host signals the eventfd of interrupt index {@code
     * VFIO_PCI_ERR_IRQ_INDEX}, if the user has set one.
     *
     * @param address domain, bus, device and function
     * @return whether there was one to signal
     * @throws NoSuchElementException if there is no device at this address
     */
    public boolean reportError(String address) {
        return locked(() -> {
            return existing(address).interrupts().reportError();
        });
    }

    private PciFunction existing(String address) {
        PciFunction function = functions.get(address);
        if (function == null) {
            throw new NoSuchElementException("there is no device at " + address + ", only at " + functions.keySet());
        }
        return function;
    }

    /**
     * Freezes the PE of a group as an error on the bus does, such as one of a device that wakes from D3hot right after
     * it was bound. Does nothing on a {@linkplain EmulatedMachine.Builder#freezes machine that freezes nothing}.
     *
     * @throws NoSuchElementException if there is no group of this number
     */
    public void freezePe(int number) {
        locked(() -> {
            existing(number).pe().freezeForError(false);
            return number;
        });
    }

    /**
     * The number of the group of a device.
     *
     * @param address domain, bus, device and function
     * @throws NoSuchElementException if there is no device at this address
     */
    public int groupOf(String address) {
        return locked(() -> groupOf(existing(address)).number());
    }

    /**
     * The host begins to recover the PE of a group, as it does for a PE above it or one of its own drivers. Until
     * {@link #endHostRecovery} the PE's registers and DMA are frozen, its configuration space cannot be accessed, its
     * state is {@link EehState#UNAVAILABLE}, and operations that would change it return EIO. If it was recovered {@link
     * EmulatedMachine.Builder#maxFreezes} times in this hour, the host disables it for good instead, as {@link
     * #disablePe} does.
     *
     * @throws NoSuchElementException if there is no group of this number
     */
    public void beginHostRecovery(int number) {
        locked(() -> {
            existing(number).pe().beginHostRecovery(log.micros());
            return number;
        });
    }

    /**
     * The host has recovered the PE of a group: its devices are reset and configured as after boot, and the PE is not
     * frozen. Does nothing if the host is not recovering it.
     *
     * @throws NoSuchElementException if there is no group of this number
     */
    public void endHostRecovery(int number) {
        locked(() -> {
            IommuGroup group = existing(number);
            if (group.pe().endHostRecovery()) {
                group.functions().forEach(PciFunction::recoveredByHost);
            }
            return number;
        });
    }

    /**
     * The host disables the PE of a group for good: it stays {@link EehState#STOPPED}, and operations that would change
     * it return EIO, until the host boots again.
     *
     * @throws NoSuchElementException if there is no group of this number
     */
    public void disablePe(int number) {
        locked(() -> {
            existing(number).pe().disable();
            return number;
        });
    }

    /**
     * The PE of a group meets an error, at once or at the next access of a kind; an error that no access has met is
     * replaced.
     *
     * @throws NoSuchElementException if there is no group of this number
     */
    public void strike(int number, PeError error) {
        locked(() -> {
            existing(number).pe().strike(error);
            return error;
        });
    }

    private IommuGroup existing(int number) {
        IommuGroup group = groups.get(number);
        if (group == null) {
            throw new NoSuchElementException("there is no IOMMU group " + number + ", only " + groups.keySet());
        }
        return group;
    }

    private static GroupView view(IommuGroup group) {
        Pe pe = group.pe();
        List<WindowView> windows = new ArrayList<>();
        for (int number = 0; number < Pe.WINDOWS; number++) {
            TceTable table = pe.window(number);
            if (table != null) {
                windows.add(new WindowView(
                        number,
                        table.start(),
                        table.windowBytes(),
                        table.pageShift(),
                        table.levels(),
                        table.allocatedBytes(),
                        table.mappedEntries()));
            }
        }
        List<String> devices =
                group.functions().stream().map(PciFunction::address).toList();
        return new GroupView(group.number(), devices, pe.hostOwned(), pe.bypass(), windows, pe.state(), group.isOpen());
    }

    <T> T locked(Supplier<T> action) {
        lock.lock();
        try {
            return action.get();
        } finally {
            unlock();
        }
    }

    /** Ends a call: mapped BARs show what the call has made of their devices. */
    void unlock() {
        if (!mapped.isEmpty() && lock.isHeldOnce()) {
            mapped.forEach(function -> function.bars().show(function.reachesMappings()));
        }
        lock.unlock();
    }

    /** A process has mapped a BAR. */
    void mapped(PciFunction function) {
        mapped.add(function);
    }

    /** A process has unmapped a BAR. */
    void unmapped(PciFunction function) {
        if (!function.bars().isMapped()) {
            mapped.remove(function);
        }
    }

    /**
     * Pulls a device out of its slot while a program may use it, as {@code vfio_pci_core_request} and {@code
     * vfio_unregister_group_dev} see it: the host signals the device request event of its user, every 10 seconds until
     * the device is closed. Its registers and configuration space read all ones at once, it makes no DMA and sends no
     * interrupts, and it cannot be reset. When it is closed, or at once if it is not open, it is gone from the host,
     * and with the last device its group.
     *
     * @param address domain, bus, device and function
     * @throws NoSuchElementException if there is no device at this address
     */
    public void unplug(String address) {
        locked(() -> {
            PciFunction function = existing(address);
            function.remove();
            function.wanted(true);
            if (function.isOpen()) {
                request(function, 0);
            } else {
                removed(function);
            }
            lock.signalChange();
            return address;
        });
    }

    private void request(PciFunction function, int times) {
        function.request(times);
        after(DriverFile.BETWEEN_REQUESTS, () -> {
            if (function.isOpen()) {
                request(function, times + 1);
            }
        });
    }

    /** Nobody uses a function any more that was pulled out of its slot. */
    void removed(PciFunction function) {
        IommuGroup group = groupOf(function);
        functions.remove(function.address());
        groupOfFunction.remove(function);
        group.functions().remove(function);
        if (!group.hasNode()) {
            group.leave(null);
        }
        if (group.functions().isEmpty()) {
            groups.remove(group.number());
        }
    }

    HostLock lock() {
        return lock;
    }

    KernelLog kernelLog() {
        return log;
    }

    PhysicalMemory memory() {
        return memory;
    }

    @Nullable
    IommuGroup iommuGroup(int number) {
        return groups.get(number);
    }

    Map<Integer, IommuGroup> iommuGroups() {
        return groups;
    }

    IommuGroup groupOf(PciFunction function) {
        return Objects.requireNonNull(groupOfFunction.get(function));
    }

    /** The functions on the bus of one, including itself. */
    List<PciFunction> onBusOf(PciFunction function) {
        String bus = function.address().substring(0, BUS_LENGTH);
        return List.copyOf(functions.subMap(bus, bus + Character.MAX_VALUE).values());
    }

    Map<String, PciFunction> functions() {
        return functions;
    }

    /** Reports a call that would harm a real host. */
    void hazard(Hazard hazard, Supplier<String> call) {
        if (hazard.neverAnswers() || machine.policy(hazard) == HazardPolicy.STOP) {
            throw new HostHazard(hazard, call.get());
        }
        meet(hazard);
    }

    /** Reports harm done by a close, which cannot be refused. */
    void meet(Hazard hazard) {
        hazards.add(hazard);
    }

    /** How many hazards have happened. */
    int hazardsMet() {
        return hazards.size();
    }

    /** Removes all hazards but the first {@code count}: those of a call that a later hazard stopped. */
    void rewindHazards(int count) {
        hazards.subList(count, hazards.size()).clear();
    }

    /**
     * Runs a delayed action with the host's lock held. What it throws goes to the thread's uncaught exception handler.
     */
    void after(Duration delay, Runnable action) {
        Runnable reported = () -> {
            try {
                locked(() -> {
                    action.run();
                    lock.signalChange();
                    return true;
                });
            } catch (RuntimeException | Error failure) {
                // The executor would keep it in a future that nobody reads.
                Thread thread = Thread.currentThread();
                thread.getUncaughtExceptionHandler().uncaughtException(thread, failure);
            }
        };
        var _ = clock.schedule(reported, delay.toNanos(), TimeUnit.NANOSECONDS);
    }
}
