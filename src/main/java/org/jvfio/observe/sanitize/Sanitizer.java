package org.jvfio.observe.sanitize;

import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.jvfio.emulator.EmulatedHost;
import org.jvfio.emulator.EmulatedKernel;
import org.jvfio.emulator.EmulatedMachine;
import org.jvfio.emulator.device.DeviceWrapper;
import org.jvfio.kernel.Kernel;
import org.jvfio.observe.sanitize.Finding.Kind;

/**
 * Watches one program on an emulated host, and reports its mistakes with the places in the program where they were
 * made:
 *
 * <pre>{@code
 * Sanitizer sanitizer = Sanitizer.boot(EmulatedMachine.power8());
 * runMyDriver(sanitizer.kernel());
 * sanitizer.requireClean();
 * }</pre>
 *
 * The mistakes are the {@linkplain Finding.Kind kinds of findings}. A driver that announces who accesses its memory, by
 * {@link org.jvfio.MemoryRange#giveToDevice} and its like, has its DMA checked against that: what a device writes
 * elsewhere, what the program writes while the device owns it (found when it is taken back, in parts of up to 16 MiB),
 * and what the program takes back that the device has not written. A read by the program while the device owns the
 * memory passes no call, so nobody can see it; nor are locks seen that are shared, or held by virtual threads, or
 * across waiting in Java. Of the calls at one place in the program, four are checked for locks in each run: to find
 * them, the JVM stops all threads and goes through its heap. A place where four calls held none is not checked again,
 * in later runs of the same JVM either.
 *
 * <p>It costs the time of a stack walk for each call that acquires something, and nothing to programs that do not use
 * it.
 */
public final class Sanitizer {
    private final State state = new State();
    private volatile @Nullable EmulatedHost host;
    private volatile @Nullable SanitizingKernel watched;
    private @Nullable Kernel kernel;
    private boolean finished;

    /** A sanitizer that watches nothing yet. */
    public Sanitizer() {}

    /** Boots a host, and watches its first process. */
    public static Sanitizer boot(EmulatedMachine machine) {
        Sanitizer sanitizer = new Sanitizer();
        EmulatedKernel process = EmulatedKernel.boot(machine, sanitizer.devices());
        sanitizer.kernel = sanitizer.around(process, process.host());
        return sanitizer;
    }

    /**
     * The kernel that the program uses.
     *
     * @throws IllegalStateException unless {@link #boot} made this
     */
    public Kernel kernel() {
        Kernel booted = kernel;
        if (booted == null) {
            throw new IllegalStateException("no host was booted: call around() with a kernel");
        }
        return booted;
    }

    /**
     * The host of the program.
     *
     * @throws IllegalStateException before {@link #around} has been called
     */
    public EmulatedHost host() {
        EmulatedHost known = host;
        if (known == null) {
            throw new IllegalStateException("no kernel is watched yet: call around() with one");
        }
        return known;
    }

    /** Watches devices, for {@link EmulatedKernel#boot(EmulatedMachine, DeviceWrapper)}. */
    public DeviceWrapper devices() {
        return (address, device) -> new SanitizingDevice(device, address, state, () -> host);
    }

    /**
     * Watches a process of a host that was booted with {@link #devices}.
     *
     * @param process the process, or a kernel that makes its calls by one
     * @param emulated the host
     * @return what the program is to use
     * @throws IllegalStateException if it watches a process already
     */
    public Kernel around(Kernel process, EmulatedHost emulated) {
        if (host != null) {
            throw new IllegalStateException("it watches a process already; make a sanitizer for each");
        }
        host = emulated;
        SanitizingKernel watching = new SanitizingKernel(process, emulated, state);
        watched = watching;
        return watching;
    }

    /** Whether a descriptor is of a device. */
    boolean isDevice(int fd) {
        return state.resources(resources -> {
            Resources.Descriptor descriptor = resources.get(fd);
            return descriptor != null && descriptor.isDevice();
        });
    }

    /** What has been found so far, without what is still open, mapped, registered or allocated. */
    public List<Finding> findings() {
        return state.findings().all();
    }

    /**
     * Reports what a driver has left in devices that it was lent, and in their container, before the lender closes
     * them: mappings, windows beside the default one, registered and allocated memory, enabled interrupts, bus
     * mastering, and other groups and devices that are open. The interrupt by which the kernel requests a device is the
     * lender's.
     *
     * @param lent the paths of the groups that were lent, such as {@code /dev/vfio/0}, and the addresses of the devices
     */
    public synchronized void driverEnded(Set<String> lent) {
        SanitizingKernel watching = watched;
        if (watching == null) {
            return;
        }
        state.change(resources -> resources.reportHeld(state.findings(), lent));
        state.reportEnabled();
        watching.reportBusMasters();
    }

    /**
     * Ends the watch: the program has given back everything that it is going to.
     *
     * @return all findings, with what is left; the oldest first
     */
    public synchronized List<Finding> finish() {
        if (!finished) {
            finished = true;
            state.interrupts(InterruptUse::endAll);
            state.change(resources -> resources.report(state.findings()));
        }
        return findings();
    }

    /**
     * Ends the watch, and requires that nothing was found.
     *
     * @param allowed kinds that may be found
     * @throws AssertionError if anything else was found; its message has all findings with their places
     */
    public void requireClean(Kind... allowed) {
        Set<Kind> ignored = EnumSet.noneOf(Kind.class);
        ignored.addAll(List.of(allowed));
        List<Finding> found = new ArrayList<>(finish());
        found.removeIf(finding -> ignored.contains(finding.kind()));
        if (!found.isEmpty()) {
            throw new AssertionError("the sanitizer has %d finding%s:%n%s"
                    .formatted(
                            found.size(),
                            found.size() == 1 ? "" : "s",
                            found.stream().map(Finding::toString).collect(Collectors.joining(System.lineSeparator()))));
        }
    }
}
