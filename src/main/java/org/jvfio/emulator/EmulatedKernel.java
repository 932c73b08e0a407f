package org.jvfio.emulator;

import static org.jvfio.uapi.vfio_h.EFD_NONBLOCK;
import static org.jvfio.uapi.vfio_h.EFD_SEMAPHORE;
import static org.jvfio.uapi.vfio_h.MAP_ANONYMOUS;
import static org.jvfio.uapi.vfio_h.MAP_HUGETLB;
import static org.jvfio.uapi.vfio_h.MAP_HUGE_MASK;
import static org.jvfio.uapi.vfio_h.MAP_HUGE_SHIFT;
import static org.jvfio.uapi.vfio_h.MAP_PRIVATE;
import static org.jvfio.uapi.vfio_h.MAP_SHARED;
import static org.jvfio.uapi.vfio_h.O_ACCMODE;
import static org.jvfio.uapi.vfio_h.O_NONBLOCK;
import static org.jvfio.uapi.vfio_h.O_RDONLY;
import static org.jvfio.uapi.vfio_h.PROT_READ;
import static org.jvfio.uapi.vfio_h.PROT_WRITE;
import static org.jvfio.uapi.vfio_h.RLIMIT_MEMLOCK;
import static org.jvfio.uapi.vfio_h.RLIMIT_NOFILE;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.function.IntSupplier;
import java.util.function.LongSupplier;
import java.util.function.ToLongFunction;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jvfio.emulator.device.DeviceWrapper;
import org.jvfio.kernel.Errno;
import org.jvfio.kernel.Kernel;
import org.jvfio.uapi.pollfd;
import org.jvfio.uapi.rlimit;
import org.jvfio.uapi.vfio_h;

/**
 * The system calls of one process on an emulated host. {@link #boot} starts a host with its first process, {@link
 * #fork} and {@link #newProcess} make others on it, {@link #exit} ends one as the kernel ends a killed process: it
 * closes the descriptors, the last one first, and frees the memory.
 *
 * <p>The files of sysfs and procfs are read by {@link #open} and {@link #readFile}, with the permissions and errors of
 * a real host. Of those that can be written, only the files that bind drivers do what they do on a real host, and
 * {@code rom}; all others, such as {@code reset} and {@code remove}, refuse it.
 */
public final class EmulatedKernel implements Kernel {
    private static final Pattern GROUP_NODE = Pattern.compile("/dev/vfio/(0|[1-9][0-9]{0,8})");
    private static final int SC_PAGESIZE = 30;
    private static final long INFINITY = -1;
    private static final int RESOURCES = 16;

    private final EmulatedHost host;
    private final Task task;
    private final Sysfs sysfs;
    private final boolean root;
    private final Argument argument;
    private boolean exited;

    private EmulatedKernel(EmulatedHost host, Task task, boolean root) {
        this.host = host;
        this.task = task;
        host.started(task);
        this.sysfs = new Sysfs(host, task, root);
        this.root = root;
        this.argument = new Argument(task);
    }

    /** Boots a host and starts its first process. */
    public static EmulatedKernel boot(EmulatedMachine machine) {
        return boot(machine, DeviceWrapper.NONE);
    }

    /**
     * Boots a host with something put around each of its devices, and starts its first process.
     *
     * @param wrapper called once for each device, before it is plugged in
     */
    public static EmulatedKernel boot(EmulatedMachine machine, DeviceWrapper wrapper) {
        EmulatedHost host = new EmulatedHost(machine, wrapper);
        return new EmulatedKernel(host, new Task(newMemory(host), 1024), machine.groupsAccessible());
    }

    private static Mm newMemory(EmulatedHost host) {
        EmulatedMachine machine = host.machine();
        return new Mm(machine, host.kernelLog());
    }

    /** The host that the process runs on. */
    public EmulatedHost host() {
        return host;
    }

    /** Starts another process of the same user on the host, with no open files; an ordinary user's has its limits. */
    public EmulatedKernel newProcess() {
        return host.locked(() -> {
            Mm memory = newMemory(host);
            if (!root) {
                memory.inherit(task.mm());
            }
            return new EmulatedKernel(host, new Task(memory, 1024), root);
        });
    }

    /**
     * Starts a process of an ordinary user, with no open files: it has no capabilities, may not write to sysfs, and may
     * open group files only if {@link EmulatedHost#usersMayOpenGroups} says so.
     *
     * @param memlockBytes its RLIMIT_MEMLOCK in bytes
     */
    public EmulatedKernel newUserProcess(long memlockBytes) {
        return host.locked(() -> {
            Mm memory = newMemory(host);
            memory.memlock(memlockBytes, memlockBytes);
            memory.mayLock(false);
            return new EmulatedKernel(host, new Task(memory, 1024), false);
        });
    }

    /**
     * Starts a child process, with the same open files, limits and capabilities, and memory of its own.
     *
     * @throws IllegalStateException if this process has ended
     */
    public EmulatedKernel fork() {
        return host.locked(() -> {
            if (exited) {
                throw new IllegalStateException("the process has ended and cannot fork");
            }
            Mm memory = newMemory(host);
            memory.inherit(task.mm());
            return new EmulatedKernel(host, task.fork(memory), root);
        });
    }

    /**
     * Duplicates a descriptor of another process of this host, as {@code pidfd_getfd(2)} or a message with {@code
     * SCM_RIGHTS} does: both descriptors refer to the same open file.
     *
     * @param other the other process
     * @param fd a descriptor of that process
     * @return the descriptor in this process, or a negated errno: EBADF if the other process has no such descriptor,
     *     EMFILE at the limit of this process
     * @throws IllegalArgumentException if the other process runs on another host
     */
    public int receive(EmulatedKernel other, int fd) {
        if (other.host != host) {
            throw new IllegalArgumentException("a descriptor can be received only from a process of the same host");
        }
        return opening(() -> {
            OpenFile file = other.task.file(fd);
            return file == null ? Errno.EBADF.negated() : task.add(other.task.path(fd), file);
        });
    }

    /**
     * Ends the process: closes its files and frees its memory. Calls that block return, and later calls fail, with
     * EBADF, {@code mmap} with ENOMEM.
     *
     * @throws IllegalStateException after ending the last process of the host, if a device model has thrown an
     *     exception in an action that it had scheduled, and {@link EmulatedHost#deviceFailures} was not called since
     */
    public void exit() {
        host.locked(() -> {
            if (!exited) {
                exited = true;
                task.mm().end();
                task.descriptors().reversed().forEach(task::close);
                task.mm().addresses().unmapAll();
                task.mm().drop();
                host.ended(task);
            }
            return true;
        });
    }

    /** How many descriptors the process has open. */
    public int openDescriptors() {
        return host.locked(() -> task.descriptors().size());
    }

    /** The locked memory charged to the process in bytes, including what the kernel leaked. */
    public long lockedBytes() {
        return host.locked(() -> task.mm().lockedPages() << host.machine().pageShift());
    }

    /** The number of regions registered for DMA, including those that the kernel leaked. */
    public int registeredRegions() {
        return host.locked(() -> task.mm().regions().size());
    }

    /** Grants or revokes CAP_IPC_LOCK. */
    public void capIpcLock(boolean capable) {
        host.locked(() -> {
            task.mm().mayLock(capable);
            return true;
        });
    }

    @Override
    public int open(String path, int flags) {
        return opening(() -> {
            if (!task.hasFreeDescriptor()) {
                return Errno.EMFILE.negated();
            }
            boolean blocks = (flags & O_NONBLOCK) == 0;
            return switch (path) {
                case "/dev/null" -> task.add(path, new NullFile());
                case "/dev", "/dev/vfio" ->
                    (flags & O_ACCMODE) == O_RDONLY ? task.add(path, new Directory()) : Errno.EISDIR.negated();
                case "/dev/kmsg" -> task.add(path, new KernelLogFile(host.kernelLog(), blocks));
                case "/dev/vfio/vfio" ->
                    host.machine().vfioModule()
                            ? task.add(path, new ContainerFile(new VfioContainer(host)))
                            : Errno.ENOENT.negated();
                default ->
                    path.startsWith("/sys/") || path.startsWith("/proc/") ? sysfs.open(path, flags) : openGroup(path);
            };
        });
    }

    private int openGroup(String path) {
        Matcher node = GROUP_NODE.matcher(path);
        IommuGroup group = node.matches() ? host.iommuGroup(Integer.parseInt(node.group(1))) : null;
        EmulatedMachine machine = host.machine();
        if (group == null || !machine.vfioModule() || !machine.kernel().bindsDevices() || !group.hasNode()) {
            return Errno.ENOENT.negated();
        }
        if (!root && !host.isOpenToUsers()) {
            return Errno.EACCES.negated();
        }
        if (group.isOpen()) {
            return Errno.EBUSY.negated();
        }
        return task.add(path, new GroupFile(host, group));
    }

    @Override
    public int close(int fd) {
        return call(() -> {
            int answer = task.close(fd);
            host.lock().signalChange();
            return answer;
        });
    }

    @Override
    public int ioctl(int fd, int request, long number) {
        host.lock().lock();
        try {
            return ioctl(fd, request, argument.set(number));
        } finally {
            host.unlock();
        }
    }

    @Override
    public int ioctl(int fd, int request, MemorySegment struct) {
        requireNative(struct);
        int answer = SpaprTce.isQuick(request) ? quickly(fd, request, struct) : SpaprTce.NOT_QUICK;
        if (answer != SpaprTce.NOT_QUICK) {
            return answer;
        }
        host.lock().lock();
        try {
            return ioctl(fd, request, argument.set(struct));
        } finally {
            host.unlock();
        }
    }

    /** Makes a call without the host's lock, if it is of an IOMMU and needs nothing else. */
    private int quickly(int fd, int request, MemorySegment struct) {
        OpenFile file = task.file(fd);
        SpaprTce iommu = file instanceof ContainerFile open ? open.container().iommu() : null;
        // A device that calls while the host calls it holds the IOMMU's lock already.
        return iommu == null || host.lock().isHeld() ? SpaprTce.NOT_QUICK : iommu.quickIoctl(task, fd, request, struct);
    }

    private int ioctl(int fd, int request, Argument set) {
        OpenFile file = task.file(fd);
        return file == null ? Errno.EBADF.negated() : file.ioctl(request, set);
    }

    @Override
    public long mmap(long length, int protection, int flags, int fd, long offset) {
        return callLong(() -> {
            if ((flags & MAP_ANONYMOUS) == 0) {
                OpenFile file = task.file(fd);
                return file == null ? Errno.EBADF.negated() : file.mmap(task.mm(), length, protection, flags, offset);
            }
            int type = flags & (MAP_PRIVATE | MAP_SHARED);
            if (length <= 0 || type == 0) {
                return (length < 0 ? Errno.ENOMEM : Errno.EINVAL).negated();
            }
            boolean huge = (flags & MAP_HUGETLB) != 0;
            int shift = huge ? hugePageShift(flags) : host.machine().pageShift();
            if (huge && !host.machine().platform().hugePageShifts().contains(shift)) {
                return Errno.EINVAL.negated();
            }
            long page = 1L << shift;
            long rounded = (length + page - 1) & -page;
            Backing backing = null;
            if (!exited && rounded > 0) {
                backing = huge
                        ? host.memory().allocateHuge(rounded, shift)
                        : host.memory().allocate(rounded, shift);
            }
            return backing == null
                    ? Errno.ENOMEM.negated()
                    : task.mm().addresses().map(backing, protection, (flags & MAP_SHARED) != 0);
        });
    }

    private int hugePageShift(int flags) {
        int asked = (flags >>> MAP_HUGE_SHIFT) & MAP_HUGE_MASK;
        return asked == 0 ? host.machine().platform().hugePageShifts().getFirst() : asked;
    }

    @Override
    public int munmap(long address, long length) {
        return call(() -> {
            long page = 1L << host.machine().pageShift();
            long end = address + ((length + page - 1) & -page);
            if (!task.mm().addresses().isAligned(address, page)
                    || length <= 0
                    || Long.compareUnsigned(end, address) <= 0
                    || task.mm().addresses().splitsHugePage(address, end)) {
                return Errno.EINVAL.negated();
            }
            task.mm().addresses().unmap(address, end);
            return 0;
        });
    }

    @Override
    public MemorySegment memory(long address, long length) {
        return host.locked(() -> {
            MemorySegment segment = task.mm().addresses().segment(address, length);
            if (segment == null) {
                throw new IllegalArgumentException(
                        "0x%x bytes at 0x%x are not inside one mapping of this process".formatted(length, address));
            }
            return segment;
        });
    }

    @Override
    public void adopt(MemorySegment memory) {
        requireNative(memory);
        host.locked(() -> {
            if (!exited && task.mm().addresses().find(memory.address()) == null) {
                Backing backing = host.memory().adopt(memory, host.machine().pageShift());
                int protection = memory.isReadOnly() ? PROT_READ : PROT_READ | PROT_WRITE;
                task.mm().addresses().map(backing, protection, false);
            }
            return true;
        });
    }

    @Override
    public void disown(MemorySegment memory) {
        host.locked(() -> {
            AddressSpace.Area area = task.mm().addresses().find(memory.address());
            if (area != null && area.backing().isAdopted()) {
                task.mm().addresses().unmap(memory.address(), memory.address() + memory.byteSize());
            }
            return true;
        });
    }

    @Override
    public long pread(int fd, MemorySegment buffer, long offset) {
        return access(fd, buffer, offset, false);
    }

    @Override
    public long pwrite(int fd, MemorySegment buffer, long offset) {
        return access(fd, buffer, offset, true);
    }

    /** Registers are accessed so: without an object for each call. */
    private long access(int fd, MemorySegment buffer, long offset, boolean write) {
        requireNative(buffer);
        if (offset < 0) {
            return Errno.EINVAL.negated();
        }
        host.lock().lock();
        try {
            OpenFile file = task.file(fd);
            if (file == null) {
                return Errno.EBADF.negated();
            }
            return write ? file.pwrite(buffer, offset) : file.pread(buffer, offset);
        } finally {
            host.unlock();
        }
    }

    @Override
    public long read(int fd, MemorySegment buffer) {
        requireNative(buffer);
        return withFile(fd, file -> blocking(file, () -> file.read(buffer)));
    }

    @Override
    public long write(int fd, MemorySegment buffer) {
        requireNative(buffer);
        return withFile(fd, file -> {
            long answer = blocking(file, () -> file.write(buffer));
            host.lock().signalChange();
            return answer;
        });
    }

    /**
     * Repeats a call that would block until it succeeds; returns EINTR if interrupted, EBADF if the process has ended.
     */
    private long blocking(OpenFile file, LongSupplier action) {
        long answer = action.getAsLong();
        while (answer == Errno.EAGAIN.negated() && file.blocks()) {
            try {
                host.lock().awaitChange();
            } catch (InterruptedException interrupted) {
                Thread.currentThread().interrupt();
                return Errno.EINTR.negated();
            }
            if (exited) {
                return Errno.EBADF.negated();
            }
            answer = action.getAsLong();
        }
        return answer;
    }

    @Override
    public int eventfd(int initialValue, int flags) {
        return opening(() -> {
            if ((flags & ~(EFD_SEMAPHORE | EFD_NONBLOCK | vfio_h.EFD_CLOEXEC)) != 0) {
                return Errno.EINVAL.negated();
            }
            return task.add(
                    "anon_inode:[eventfd]",
                    new EventFile(host, initialValue, (flags & EFD_SEMAPHORE) != 0, (flags & EFD_NONBLOCK) == 0));
        });
    }

    @Override
    public int poll(MemorySegment pollfds, int timeoutMillis) {
        requireNative(pollfds);
        return call(() -> {
            long left = TimeUnit.MILLISECONDS.toNanos(timeoutMillis);
            int ready = readyOf(pollfds);
            while (ready == 0 && !exited && (timeoutMillis < 0 || left > 0)) {
                try {
                    if (timeoutMillis < 0) {
                        host.lock().awaitChange();
                    } else {
                        left = host.lock().awaitChange(left);
                    }
                } catch (InterruptedException interrupted) {
                    Thread.currentThread().interrupt();
                    return Errno.EINTR.negated();
                }
                ready = readyOf(pollfds);
            }
            return exited ? Errno.EBADF.negated() : ready;
        });
    }

    private int readyOf(MemorySegment pollfds) {
        long size = pollfd.sizeof();
        int ready = 0;
        for (long at = 0; at + size <= pollfds.byteSize(); at += size) {
            MemorySegment each = pollfds.asSlice(at, size);
            int fd = pollfd.fd(each);
            OpenFile file = task.file(fd);
            int found = 0;
            if (fd >= 0) {
                found = file == null
                        ? vfio_h.POLLNVAL
                        : file.ready() & (pollfd.events(each) | vfio_h.POLLERR | vfio_h.POLLHUP);
            }
            pollfd.revents(each, (short) found);
            ready += found != 0 ? 1 : 0;
        }
        return ready;
    }

    @Override
    public int getrlimit(int resource, MemorySegment limit) {
        requireNative(limit);
        return call(() -> {
            if (resource < 0 || resource >= RESOURCES) {
                return Errno.EINVAL.negated();
            }
            Mm mm = task.mm();
            rlimit.rlim_cur(
                    limit,
                    switch (resource) {
                        case RLIMIT_MEMLOCK -> mm.memlockSoft();
                        case RLIMIT_NOFILE -> task.maxDescriptors();
                        default -> INFINITY;
                    });
            rlimit.rlim_max(
                    limit,
                    switch (resource) {
                        case RLIMIT_MEMLOCK -> mm.memlockHard();
                        case RLIMIT_NOFILE -> task.hardDescriptors();
                        default -> INFINITY;
                    });
            return 0;
        });
    }

    @Override
    public int setrlimit(int resource, MemorySegment limit) {
        requireNative(limit);
        return call(() -> {
            long soft = rlimit.rlim_cur(limit);
            long hard = rlimit.rlim_max(limit);
            if (resource < 0 || resource >= RESOURCES || Long.compareUnsigned(soft, hard) > 0) {
                return Errno.EINVAL.negated();
            }
            if (resource == RLIMIT_MEMLOCK) {
                task.mm().memlock(soft, hard);
            } else if (resource == RLIMIT_NOFILE) {
                task.descriptorLimits(soft, hard);
            }
            return 0;
        });
    }

    @Override
    public long sysconf(int name) {
        return name == SC_PAGESIZE ? 1L << host.machine().pageShift() : Errno.EINVAL.negated();
    }

    @Override
    public String readFile(String path) throws IOException {
        host.lock().lock();
        try {
            return sysfs.readFile(path);
        } finally {
            host.unlock();
        }
    }

    @Override
    public String readLink(String path) throws IOException {
        host.lock().lock();
        try {
            return sysfs.readLink(path);
        } finally {
            host.unlock();
        }
    }

    @Override
    public List<String> list(String directory) throws IOException {
        host.lock().lock();
        try {
            return sysfs.list(directory);
        } finally {
            host.unlock();
        }
    }

    private long withFile(int fd, ToLongFunction<OpenFile> action) {
        return callLong(() -> {
            OpenFile file = task.file(fd);
            return file == null ? Errno.EBADF.negated() : action.applyAsLong(file);
        });
    }

    /** Runs a call that creates a descriptor, unless the process has ended. */
    private int opening(IntSupplier action) {
        return call(() -> exited ? Errno.EBADF.negated() : action.getAsInt());
    }

    private int call(IntSupplier action) {
        host.lock().lock();
        try {
            return action.getAsInt();
        } finally {
            host.unlock();
        }
    }

    private long callLong(LongSupplier action) {
        host.lock().lock();
        try {
            return action.getAsLong();
        } finally {
            host.unlock();
        }
    }

    private static MemorySegment requireNative(MemorySegment segment) {
        if (!segment.isNative()) {
            throw new IllegalArgumentException(
                    "a system call needs off-heap memory; allocate the segment from an Arena");
        }
        return segment;
    }
}
