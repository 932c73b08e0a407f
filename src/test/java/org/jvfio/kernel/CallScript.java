package org.jvfio.kernel;

import java.lang.foreign.Arena;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.IntSupplier;
import java.util.regex.Pattern;
import org.jvfio.ioctl.EehPeOp;
import org.jvfio.ioctl.Feature;
import org.jvfio.ioctl.GetDeviceFd;
import org.jvfio.ioctl.GetDeviceInfo;
import org.jvfio.ioctl.GetGroupStatus;
import org.jvfio.ioctl.GetHotResetInfo;
import org.jvfio.ioctl.GetIrqInfo;
import org.jvfio.ioctl.GetRegionInfo;
import org.jvfio.ioctl.GetTceInfo;
import org.jvfio.ioctl.IoEventFd;
import org.jvfio.ioctl.Ioctl;
import org.jvfio.ioctl.IoctlFile;
import org.jvfio.ioctl.MapDma;
import org.jvfio.ioctl.PciHotReset;
import org.jvfio.ioctl.RegisterMemory;
import org.jvfio.ioctl.SetContainer;
import org.jvfio.ioctl.SetIrqs;
import org.jvfio.ioctl.TceCreate;
import org.jvfio.ioctl.TceRemove;
import org.jvfio.ioctl.UnmapDma;
import org.jvfio.ioctl.UnregisterMemory;
import org.jvfio.ioctl.ValueIoctl;
import org.jvfio.uapi.rlimit;
import org.jvfio.uapi.vfio_device_feature;
import org.jvfio.uapi.vfio_device_info;
import org.jvfio.uapi.vfio_h;
import org.jvfio.uapi.vfio_iommu_spapr_register_memory;
import org.jvfio.uapi.vfio_iommu_type1_dma_unmap;
import org.jvfio.uapi.vfio_irq_set;
import org.jvfio.uapi.vfio_pci_hot_reset;
import org.jvfio.uapi.vfio_region_info;

/**
 * Raw VFIO calls written as text, one a line, run on any kernel, in the notation of the answers recorded from real
 * ones, {@code measured/README.txt}. These calls are more than are recorded there:
 *
 * <pre>
 * huge NAME SHIFT SIZE (shared memory in huge pages) | none NAME SIZE (memory without access)
 * maylock BYTES (a RLIMIT_MEMLOCK of so much more than is locked)
 * full CALL (of those that make a descriptor, when the process may have no more)
 * devinfo D [ARGSZ] | regioninfo D INDEX [ARGSZ] | irqinfo D INDEX [ARGSZ] | reset D
 * setirqs D FLAGS INDEX START COUNT [ARGSZ LIST] (bytes for DATA_BOOL, else ints or the names of eventfds)
 * hotinfo D [ARGSZ FLAGS] | hotreset D LIST [ARGSZ FLAGS] | feature D FLAGS [ARGSZ LIST] (of ints or names)
 * ioevent D OFFSET DATA WIDTH EVENT [ARGSZ]
 * event NAME (eventfd, which does not block) | signal EVENT | take EVENT (its counter)
 * </pre>
 *
 * A LIST has commas in it, and {@code -} is an empty one. In the name of a device, {@code ~} stands for a space and
 * {@code a*3} for {@code aaa}.
 *
 * <p>One instance is one process, and knows files and memory by name. Nothing that is mapped touches the memory that a
 * script names. A name that no file has is a bad descriptor, and one that no memory has is address 0.
 */
public final class CallScript implements AutoCloseable {
    private static final long MEMORY_ALIGNMENT = 1L << 16;
    private static final long HUGE_ALIGNMENT = 1 << 21;
    private static final int IOCTL_BASE = vfio_h.VFIO_GET_API_VERSION;
    private static final int SC_PAGESIZE = 30;
    private static final Pattern NAME = Pattern.compile("[a-z][0-9]+");
    private static final Pattern REPEATED = Pattern.compile("(.)\\*([0-9]+)");
    private static final Set<String> OPENING = Set.of("open", "getdev", "event");
    private static final int CAPABILITY_BYTES = 256;
    private static final int MAX_IRQS = 128;
    private static final long REGISTRATION_BYTES = vfio_iommu_spapr_register_memory.sizeof();
    private static final int MAX_DEVICES = 32;
    private static final int FEATURE_DATA_BYTES = 56;
    /** The flags for mapping, which not every kernel of this project supports for a BAR. */
    private static final int MAPPING_FLAGS = vfio_h.VFIO_REGION_INFO_FLAG_MMAP | vfio_h.VFIO_REGION_INFO_FLAG_CAPS;
    /** More than a process may have descriptors: what the name of a closed file stands for. */
    private static final int CLOSED = 1 << 20;

    /** Gives the process CAP_IPC_LOCK or takes it, which is no call of the seam. */
    @FunctionalInterface
    public interface Lockable {
        void set(boolean capable);
    }

    private final Kernel kernel;
    private final Lockable lockable;
    private final Arena arena = Arena.ofConfined();
    private final Map<String, Integer> files = new LinkedHashMap<>();
    private final Map<String, Long> memory = new HashMap<>();
    private String written = "";

    public CallScript(Kernel kernel, Lockable lockable) {
        this.kernel = kernel;
        this.lockable = lockable;
    }

    /** Runs one call and answers what stands behind its equals sign: the value or -1 and an errno, and fields. */
    public String run(String call) {
        written = "";
        List<String> words = Pattern.compile(" +").splitAsStream(call.strip()).toList();
        boolean full = words.getFirst().equals("full");
        int name = full ? 1 : 0;
        return new Call(full, words.get(name), words.subList(name + 1, words.size())).run();
    }

    /** What the last call changed in its struct: runs of bytes in hexadecimal, each behind its offset. */
    public String written() {
        return written;
    }

    /** The descriptor of a file, or one that is bad. */
    public int descriptor(String file) {
        return files.getOrDefault(file, CLOSED);
    }

    /**
     * Names what was opened elsewhere: a descriptor, or a negated errno. What it answers is what opening would answer.
     */
    public String opened(String file, int descriptor) {
        files.put(file, descriptor);
        return descriptor < 0 ? answer(descriptor) : "0";
    }

    /** The names of the files that are open, in the order of opening. */
    public List<String> openFiles() {
        return files.entrySet().stream()
                .filter(file -> file.getValue() >= 0 && file.getValue() != CLOSED)
                .map(Map.Entry::getKey)
                .toList();
    }

    @Override
    public void close() {
        arena.close();
    }

    /** VmLck: the bytes of memory that are charged to the process as locked. */
    public long lockedBytes() {
        return ProcessStatus.lockedBytes(kernel);
    }

    /** RLIMIT_MEMLOCK of the process, in bytes. */
    public long memlock() {
        MemorySegment limit = rlimit.allocate(arena);
        int answer = kernel.getrlimit(vfio_h.RLIMIT_MEMLOCK, limit);
        if (answer != 0) {
            throw new IllegalStateException("getrlimit: " + answer);
        }
        return rlimit.rlim_cur(limit);
    }

    private static String answer(long value) {
        if (Errno.isError(value)) {
            int number = (int) -value;
            return "-1 " + Errno.of(number).map(Errno::name).orElse("errno" + number);
        }
        return Long.toString(value);
    }

    private static String answer(long value, String fields) {
        return Errno.isError(value) ? answer(value) : answer(value) + " " + fields;
    }

    private final class Call {
        private final boolean full;
        private final String name;
        private final List<String> arguments;

        private Call(boolean full, String name, List<String> arguments) {
            if (full && !OPENING.contains(name)) {
                throw new IllegalArgumentException("'" + name + "' makes no descriptor");
            }
            this.full = full;
            this.name = name;
            this.arguments = arguments;
        }

        private String run() {
            return switch (name) {
                case "page" -> "0 " + kernel.sysconf(SC_PAGESIZE);
                case "open" -> open();
                case "close" -> close();
                case "api" -> answer(call(ValueIoctl.getApiVersion()));
                case "ext" -> answer(call(ValueIoctl.checkExtension(number(1))));
                case "setiommu" -> answer(call(ValueIoctl.setIommu(number(1))));
                case "status" -> status();
                case "setcont" -> setContainer();
                case "unset" -> answer(call(ValueIoctl.unsetContainer()));
                case "getdev" -> getDevice();
                case "devinfo" -> deviceInfo();
                case "info" -> info();
                case "enable" -> answer(call(ValueIoctl.enable()));
                case "disable" -> answer(call(ValueIoctl.disable()));
                case "mem" -> map(vfio_h.PROT_READ | vfio_h.PROT_WRITE);
                case "rom" -> map(vfio_h.PROT_READ);
                case "none" -> map(vfio_h.PROT_NONE);
                case "huge" -> huge();
                case "free" -> answer(kernel.munmap(number(0), number(1)));
                case "reg" -> register();
                case "unreg" -> unregister();
                case "create" -> create();
                case "remove" -> remove();
                case "map" -> mapDma();
                case "unmap" -> unmapDma();
                case "eeh" -> eeh();
                case "vfio" -> answer(ioctl(IOCTL_BASE + (int) number(1), number(2)));
                case "ioctl" -> answer(ioctl((int) number(1), number(2)));
                case "locked" -> locked();
                case "memlock" -> memlock(number(0));
                case "maylock" -> mayLock();
                case "lockable" -> {
                    lockable.set(number(0) != 0);
                    yield "0";
                }
                case "regioninfo" -> regionInfo();
                case "irqinfo" -> irqInfo();
                case "setirqs" -> setIrqs();
                case "hotinfo" -> hotResetInfo();
                case "hotreset" -> hotReset();
                case "reset" -> answer(call(ValueIoctl.reset()));
                case "feature" -> feature();
                case "ioevent" -> ioEvent();
                case "pread" -> pread();
                case "pwrite" -> pwrite();
                case "event" -> opening(() -> kernel.eventfd(0, vfio_h.EFD_NONBLOCK));
                case "signal" -> signal();
                case "take" -> take();
                default -> throw new IllegalArgumentException("there is no call '" + name + "'");
            };
        }

        /** A number, or an address like {@code m+0x1000}. */
        private long number(int position) {
            String text = arguments.get(position);
            int plus = text.indexOf('+');
            String first = plus < 0 ? text : text.substring(0, plus);
            Long known = memory.get(first);
            long value = known != null ? known : NAME.matcher(first).matches() ? 0 : parse(first);
            return plus < 0 ? value : value + parse(text.substring(plus + 1));
        }

        private long number(int position, long otherwise) {
            return position < arguments.size() ? number(position) : otherwise;
        }

        private static long parse(String text) {
            return text.startsWith("0x") ? Long.parseUnsignedLong(text.substring(2), 16) : Long.parseLong(text);
        }

        private int file(int position) {
            return descriptor(arguments.get(position));
        }

        private int descriptor(String file) {
            return NAME.matcher(file).matches() || files.containsKey(file)
                    ? CallScript.this.descriptor(file)
                    : (int) parse(file);
        }

        /** What opens something answers 0, because the descriptor's number is of no interest. */
        private String opening(IntSupplier call) {
            return opened(arguments.getFirst(), full ? withoutDescriptors(call) : call.getAsInt());
        }

        private int withoutDescriptors(IntSupplier call) {
            MemorySegment limit = rlimit.allocate(arena);
            require(kernel.getrlimit(vfio_h.RLIMIT_NOFILE, limit));
            long most = rlimit.rlim_cur(limit);
            rlimit.rlim_cur(limit, 0);
            require(kernel.setrlimit(vfio_h.RLIMIT_NOFILE, limit));
            try {
                return call.getAsInt();
            } finally {
                rlimit.rlim_cur(limit, most);
                require(kernel.setrlimit(vfio_h.RLIMIT_NOFILE, limit));
            }
        }

        private static void require(int answer) {
            if (answer != 0) {
                throw new IllegalStateException("getrlimit or setrlimit: " + answer);
            }
        }

        private int ioctl(int request, long argument) {
            return kernel.ioctl(file(0), request, argument);
        }

        /** Makes a call of the file that is the first argument, and notes what it writes into its struct. */
        private int call(Ioctl call) {
            int descriptor = file(0);
            return call.call(new IoctlFile() {
                @Override
                public int ioctl(int request, long argument) {
                    return kernel.ioctl(descriptor, request, argument);
                }

                @Override
                public int ioctl(int request, MemorySegment struct) {
                    byte[] before = struct.toArray(ValueLayout.JAVA_BYTE);
                    int answer = kernel.ioctl(descriptor, request, struct);
                    written = changes(before, struct.toArray(ValueLayout.JAVA_BYTE));
                    return answer;
                }
            });
        }

        private static String changes(byte[] before, byte[] after) {
            StringBuilder changes = new StringBuilder();
            for (int at = 0; at < after.length; at++) {
                if (before[at] != after[at]) {
                    boolean goesOn = at > 0 && before[at - 1] != after[at - 1];
                    changes.append(goesOn ? "" : (at == 0 ? "" : " ") + at + ":")
                            .append("%02x".formatted(after[at]));
                }
            }
            return changes.toString().strip();
        }

        private String open() {
            String path = arguments.get(1);
            return opening(() -> kernel.open(path, vfio_h.O_RDWR));
        }

        private String close() {
            int answer = kernel.close(file(0));
            files.replace(arguments.get(0), CLOSED);
            return answer(answer);
        }

        private String status() {
            GetGroupStatus status = GetGroupStatus.of(arena);
            int answer = call(status.argsz((int) number(1, status.struct().byteSize())));
            return answer(answer, "flags=%x".formatted(status.flags()));
        }

        /**
         * A struct with room behind it, for the capabilities that the kernel writes there if argsz says that it is
         * there.
         */
        private MemorySegment withRoom(MemoryLayout layout) {
            return arena.allocate(layout.byteSize() + CAPABILITY_BYTES, layout.byteAlignment());
        }

        private String setContainer() {
            return answer(call(SetContainer.of(arena, file(1))));
        }

        private String getDevice() {
            // Spaces part the words of a call, so a tilde stands for one; and a*3 for aaa.
            String address = REPEATED.matcher(arguments.get(2).replace('~', ' '))
                    .replaceAll(match -> match.group(1).repeat(Integer.parseInt(match.group(2))));
            int group = file(1);
            GetDeviceFd getDevice = GetDeviceFd.of(arena, address);
            return opening(() -> kernel.ioctl(group, getDevice.request(), getDevice.struct()));
        }

        private String deviceInfo() {
            GetDeviceInfo info = new GetDeviceInfo(withRoom(vfio_device_info.layout())).fill();
            int answer = call(info.argsz((int) number(1, vfio_device_info.pad$offset())));
            return answer(
                    answer,
                    "argsz=%d flags=%x regions=%d irqs=%d cap=%d"
                            .formatted(
                                    vfio_device_info.argsz(info.struct()),
                                    info.flags(),
                                    info.regions(),
                                    info.irqs(),
                                    info.capOffset()));
        }

        private String info() {
            GetTceInfo info = GetTceInfo.of(arena);
            info.argsz((int) number(1, info.struct().byteSize())).flags((int) number(2, 0));
            int answer = call(info);
            return answer(
                    answer,
                    "argsz=%d flags=%x start=%x size=%x pgsizes=%x max=%d levels=%d"
                            .formatted(
                                    info.argsz(),
                                    info.flags(),
                                    info.defaultWindowStart(),
                                    info.defaultWindowSize(),
                                    info.pageSizes(),
                                    info.maxWindows(),
                                    info.levels()));
        }

        private String map(int protection) {
            long size = number(1);
            long all = size + HUGE_ALIGNMENT + 2 * MEMORY_ALIGNMENT;
            long address = kernel.mmap(all, protection, vfio_h.MAP_PRIVATE | vfio_h.MAP_ANONYMOUS, -1, 0);
            if (Errno.isError(address)) {
                return answer(address);
            }
            // What is left over on either side goes, so that the memory begins and ends where it is said to.
            // It begins at no multiple of a huge page, so that every process answers alike to windows of large pages.
            long aligned = ((address + HUGE_ALIGNMENT - 1) & -HUGE_ALIGNMENT) + MEMORY_ALIGNMENT;
            long end = aligned + size;
            kernel.munmap(address, aligned - address);
            kernel.munmap(end, address + all - end);
            memory.put(arguments.get(0), aligned);
            return "0";
        }

        private String huge() {
            int flags = vfio_h.MAP_SHARED
                    | vfio_h.MAP_ANONYMOUS
                    | vfio_h.MAP_HUGETLB
                    | (int) number(1) << vfio_h.MAP_HUGE_SHIFT;
            long address = kernel.mmap(number(2), vfio_h.PROT_READ | vfio_h.PROT_WRITE, flags, -1, 0);
            // Where there is nothing, the calls that name it find nothing.
            memory.put(arguments.get(0), Errno.isError(address) ? 0 : address);
            return Errno.isError(address) ? answer(address) : "0";
        }

        private String register() {
            RegisterMemory register = RegisterMemory.of(arena, number(1), number(2));
            return answer(
                    call(register.argsz((int) number(3, REGISTRATION_BYTES)).flags((int) number(4, 0))));
        }

        private String unregister() {
            UnregisterMemory unregister = UnregisterMemory.of(arena, number(1), number(2));
            return answer(
                    call(unregister.argsz((int) number(3, REGISTRATION_BYTES)).flags((int) number(4, 0))));
        }

        private String create() {
            TceCreate create = TceCreate.of(arena, (int) number(1), number(2), (int) number(3));
            create.argsz((int) number(4, create.struct().byteSize())).flags((int) number(5, 0));
            int answer = call(create);
            return answer(answer, "start=%x".formatted(create.startAddress()));
        }

        private String remove() {
            TceRemove remove = TceRemove.of(arena, number(1));
            return answer(call(
                    remove.argsz((int) number(2, remove.struct().byteSize())).flags((int) number(3, 0))));
        }

        private String mapDma() {
            int flags = (int) number(4, vfio_h.VFIO_DMA_MAP_FLAG_READ | vfio_h.VFIO_DMA_MAP_FLAG_WRITE);
            MapDma map = MapDma.of(arena, flags, number(1), number(2), number(3));
            return answer(call(map.argsz((int) number(5, map.struct().byteSize()))));
        }

        private String unmapDma() {
            UnmapDma unmap = UnmapDma.of(arena, number(1), number(2));
            unmap.argsz((int) number(4, unmap.struct().byteSize())).flags((int) number(3, 0));
            int answer = call(unmap);
            return answer(answer, "size=%x".formatted(vfio_iommu_type1_dma_unmap.size(unmap.struct())));
        }

        private String eeh() {
            EehPeOp op = EehPeOp.of(arena, (int) number(1)).flags((int) number(2, 0));
            op.error((int) number(4, 0), (int) number(5, 0), number(6, 0), number(7, 0));
            return answer(call(op.argsz((int) number(3, op.struct().byteSize()))));
        }

        private String locked() {
            return "0 " + lockedBytes() / 1024;
        }

        private String mayLock() {
            return memlock(lockedBytes() + number(0));
        }

        private String memlock(long bytes) {
            MemorySegment limit = rlimit.allocate(arena);
            int answer = kernel.getrlimit(vfio_h.RLIMIT_MEMLOCK, limit);
            if (answer == 0) {
                rlimit.rlim_cur(limit, bytes);
                if (Long.compareUnsigned(rlimit.rlim_max(limit), bytes) < 0) {
                    rlimit.rlim_max(limit, bytes);
                }
                answer = kernel.setrlimit(vfio_h.RLIMIT_MEMLOCK, limit);
            }
            return answer(answer);
        }

        private String pread() {
            MemorySegment buffer = arena.allocate(number(2));
            long answer = kernel.pread(file(0), buffer, number(1));
            return answer(
                    answer,
                    "%s"
                            .formatted(HexFormat.of()
                                    .formatHex(buffer.asSlice(0, Math.max(0, answer))
                                            .toArray(ValueLayout.JAVA_BYTE))));
        }

        private String pwrite() {
            MemorySegment buffer = arena.allocate(Long.BYTES, Long.BYTES);
            buffer.set(ValueLayout.JAVA_LONG, 0, number(3));
            return answer(kernel.pwrite(file(0), buffer.asSlice(0, number(2)), number(1)));
        }

        private String regionInfo() {
            GetRegionInfo info = new GetRegionInfo(withRoom(vfio_region_info.layout())).fill((int) number(1));
            int answer = call(info.argsz((int) number(2, vfio_region_info.sizeof())));
            // The written fields describe mapping, too.
            written = "";
            return answer(
                    answer,
                    "flags=%x size=%x offset=%x".formatted(info.flags() & ~MAPPING_FLAGS, info.size(), info.offset()));
        }

        private String irqInfo() {
            GetIrqInfo info = GetIrqInfo.of(arena, (int) number(1));
            int answer = call(info.argsz((int) number(2, info.struct().byteSize())));
            return answer(answer, "flags=%x count=%d".formatted(info.flags(), info.count()));
        }

        /** Words behind a position, each of them a number or the name of a file, parted by commas; a dash is none. */
        private int[] list(int position) {
            String words = position < arguments.size() ? arguments.get(position) : "-";
            return words.equals("-")
                    ? new int[0]
                    : Pattern.compile(",")
                            .splitAsStream(words)
                            .mapToInt(this::descriptor)
                            .toArray();
        }

        private String setIrqs() {
            int flags = (int) number(1);
            int index = (int) number(2);
            int start = (int) number(3);
            int count = (int) number(4);
            int[] listed = list(6);
            boolean bytes = (flags & vfio_h.VFIO_IRQ_SET_DATA_BOOL) != 0;
            // What the list does not say: yes, or no descriptor.
            SetIrqs set;
            if (bytes) {
                byte[] chosen = new byte[MAX_IRQS * Integer.BYTES];
                Arrays.fill(chosen, (byte) -1);
                for (int each = 0; each < listed.length; each++) {
                    chosen[each] = (byte) listed[each];
                }
                set = SetIrqs.ofBools(arena, flags, index, start, count, chosen);
            } else {
                int[] descriptors = Arrays.copyOf(listed, MAX_IRQS);
                Arrays.fill(descriptors, listed.length, MAX_IRQS, -1);
                set = SetIrqs.of(arena, flags, index, start, count, descriptors);
            }
            long needed = vfio_irq_set.sizeof() + number(4) * (bytes ? Byte.BYTES : Integer.BYTES);
            return answer(call(set.argsz((int) number(5, needed))));
        }

        private String hotResetInfo() {
            GetHotResetInfo info = GetHotResetInfo.of(arena, MAX_DEVICES);
            info.argsz((int) number(1, info.struct().byteSize())).flags((int) number(2, 0));
            return answer(call(info));
        }

        private String hotReset() {
            int[] groups = list(1);
            PciHotReset reset = PciHotReset.of(arena, Arrays.copyOf(groups, Math.max(MAX_DEVICES, groups.length)))
                    .count(groups.length);
            long bytes = vfio_pci_hot_reset.sizeof() + (long) groups.length * Integer.BYTES;
            return answer(call(reset.argsz((int) number(2, bytes)).flags((int) number(3, 0))));
        }

        private String feature() {
            MemorySegment data = arena.allocate(FEATURE_DATA_BYTES, Long.BYTES);
            int[] listed = list(3);
            // As in vfio_device_low_power_entry_with_wakeup.
            MemorySegment.copy(listed, 0, data, ValueLayout.JAVA_INT, 0, listed.length);
            Feature feature = Feature.of(arena, (int) number(1), data);
            return answer(call(feature.argsz((int) number(2, vfio_device_feature.sizeof()))));
        }

        private String ioEvent() {
            IoEventFd event = IoEventFd.of(arena, (int) number(3), number(1), number(2), file(4));
            return answer(call(event.argsz((int) number(5, event.struct().byteSize()))));
        }

        private String signal() {
            return answer(kernel.write(file(0), arena.allocateFrom(ValueLayout.JAVA_LONG, 1)));
        }

        /** The counter of an eventfd. */
        private String take() {
            MemorySegment counter = arena.allocate(ValueLayout.JAVA_LONG);
            long answer = kernel.read(file(0), counter);
            return answer(answer, "counter=%d".formatted(counter.get(ValueLayout.JAVA_LONG, 0)));
        }
    }
}
