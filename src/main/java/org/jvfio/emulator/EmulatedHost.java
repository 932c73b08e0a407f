package org.jvfio.emulator;

import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.NoSuchElementException;
import java.util.TreeMap;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.jvfio.emulator.device.EmulatedDevice;
import org.jvfio.kernel.Errno;

/**
 * An emulated POWER host, seen from outside: its kernel's log, and what state its groups are in. Programs run on it
 * through {@link EmulatedKernel}.
 */
public final class EmulatedHost {
    private static final long IDLE_MILLIS = 100;
    private static final int INIT = 1;

    private final EmulatedMachine machine;
    private final ReentrantLock lock = new ReentrantLock();
    private final Condition changed = lock.newCondition();
    private final KernelLog log = new KernelLog();
    private final PhysicalMemory memory;
    private final Map<Integer, IommuGroup> groups = new TreeMap<>();
    private final Map<String, PciFunction> functions = new TreeMap<>();
    private final NavigableMap<Integer, Task> tasks = new TreeMap<>();
    private int lastPid = INIT;
    private final List<Hazard> hazards = new ArrayList<>();
    private final ScheduledThreadPoolExecutor clock;

    EmulatedHost(EmulatedMachine machine) {
        this.machine = machine;
        memory = new PhysicalMemory(machine.hugePages());
        clock = new ScheduledThreadPoolExecutor(
                1, Thread.ofPlatform().name("jvfio-emulated-devices").daemon().factory());
        clock.setKeepAliveTime(IDLE_MILLIS, TimeUnit.MILLISECONDS);
        clock.allowCoreThreadTimeOut(true);
        for (EmulatedMachine.Slot slot : machine.slots()) {
            IommuGroup group = groups.computeIfAbsent(slot.group(), number -> new IommuGroup(number, makePe(slot)));
            PciFunction function = new PciFunction(this, slot, group.pe());
            group.functions().add(function);
            functions.put(slot.address(), function);
        }
    }

    /** The processes by their number. */
    NavigableMap<Integer, Task> tasks() {
        return tasks;
    }

    /** A process begins. */
    void started(Task task) {
        tasks.put(++lastPid, task);
    }

    private Pe makePe(EmulatedMachine.Slot slot) {
        HostBridge bridge = machine.bridge(slot.domain());
        TableGroupCalls calls;
        if (bridge.lendsTables(machine.kernel())) {
            calls = new LentTableCalls();
        } else {
            calls = bridge.platform() == Platform.PSERIES ? new PseriesCalls() : new Ioda2Calls();
        }
        Pe pe = new Pe(logPrefix(slot, bridge.platform()), machine, bridge, calls, log, memory);
        calls.start(pe);
        return pe;
    }

    /** How Linux names a partitionable endpoint in its log: on powernv by bus and number, in an LPAR by device. */
    private static String logPrefix(EmulatedMachine.Slot slot, Platform platform) {
        if (!platform.isPowernv()) {
            return "vfio-pci " + slot.address() + ": ";
        }
        return "pci %s     : [PE# %s] ".formatted(slot.address().substring(0, 7), platform.endpoint(slot.domain()));
    }

    /** What the host is made of. */
    public EmulatedMachine machine() {
        return machine;
    }

    /** The messages of the kernel's log since boot, of which it keeps the last 4096. */
    public List<String> log() {
        return locked(log::messages);
    }

    /**
     * The hazards that the kernel was led into: by calls that it {@linkplain HazardPolicy#AS_LINUX answers as Linux does},
     * and by the closing of a container whose memory another one still maps, which nothing can refuse.
     */
    public List<Hazard> hazards() {
        return locked(() -> List.copyOf(hazards));
    }

    /**
     * A group as it is now.
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

    /** The files of this computer that its devices keep their contents in: {@link EmulatedDevice#files} of each. */
    public List<Path> deviceFiles() {
        return functions.values().stream()
                .flatMap(function -> function.files().stream())
                .toList();
    }

    /** How many bytes of memory user programs have, pinned memory of ended ones included. */
    public long userMemoryBytes() {
        return locked(memory::bytes);
    }

    /**
     * The host's own driver has this many pages of the group mapped; a lent table must be empty.
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
     * Makes the platform fail the next time that it comes to a step for a group.
     *
     * @param errno what the step fails with
     * @throws NoSuchElementException if there is no group of this number
     * @throws IllegalArgumentException if the group's platform never comes to the step: an LPAR does not make the host's
     *     table anew, and a table that is lent is neither made nor set
     */
    public void failNext(int number, PlatformStep step, Errno errno) {
        locked(() -> {
            Pe pe = existing(number).pe();
            if (!pe.calls().steps().contains(step)) {
                throw new IllegalArgumentException(
                        "the platform of group %d never comes to %s, only to %s; make it fail at one of these"
                                .formatted(number, step, pe.calls().steps()));
            }
            pe.failNext(step, errno.negated());
            return step;
        });
    }

    /**
     * A device reports an error that it cannot correct (AER), which the host tells its user by the eventfd of interrupt
     * index {@code VFIO_PCI_ERR_IRQ_INDEX}.
     *
     * @param address domain, bus, device and function
     * @return whether there was one
     * @throws NoSuchElementException if there is no device at this address
     */
    public boolean reportError(String address) {
        return locked(() -> {
            PciFunction function = functions.get(address);
            if (function == null) {
                throw new NoSuchElementException(
                        "there is no device at " + address + ", only at " + functions.keySet());
            }
            return function.interrupts().reportError();
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
            lock.unlock();
        }
    }

    ReentrantLock lock() {
        return lock;
    }

    /** Wakes those that wait for a descriptor to become ready. */
    Condition changed() {
        return changed;
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
        return groups.values().stream()
                .filter(group -> group.functions().contains(function))
                .findFirst()
                .orElseThrow();
    }

    /** The functions on the bus of one, itself among them. */
    List<PciFunction> onBusOf(PciFunction function) {
        return functions.values().stream()
                .filter(each -> each.domain() == function.domain() && each.bus() == function.bus())
                .toList();
    }

    Map<String, PciFunction> functions() {
        return functions;
    }

    /** A call is about to do what would harm a real host. */
    void hazard(Hazard hazard, Supplier<String> call) {
        if (hazard.neverAnswers() || machine.policy(hazard) == HazardPolicy.STOP) {
            throw new HostHazard(hazard, call.get());
        }
        meet(hazard);
    }

    /** What a close does to a host: it cannot be stopped. */
    void meet(Hazard hazard) {
        hazards.add(hazard);
    }

    /** How many hazards the kernel was led into. */
    int hazardsMet() {
        return hazards.size();
    }

    /** Forgets all hazards but the first ones: those of a call that was stopped by another one. */
    void rewindHazards(int count) {
        hazards.subList(count, hazards.size()).clear();
    }

    /** Runs what a device does later, with the host's lock held. A device that throws is reported as its thread's. */
    void after(Duration delay, Runnable action) {
        Runnable reported = () -> {
            try {
                locked(() -> {
                    action.run();
                    changed.signalAll();
                    return true;
                });
            } catch (RuntimeException failure) {
                Thread thread = Thread.currentThread();
                thread.getUncaughtExceptionHandler().uncaughtException(thread, failure);
            }
        };
        var _ = clock.schedule(reported, delay.toNanos(), TimeUnit.NANOSECONDS);
    }
}
