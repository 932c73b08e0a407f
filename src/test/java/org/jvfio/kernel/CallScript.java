package org.jvfio.kernel;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.IntSupplier;
import java.util.regex.Pattern;
import org.jvfio.uapi.rlimit;
import org.jvfio.uapi.vfio_device_feature;
import org.jvfio.uapi.vfio_device_info;
import org.jvfio.uapi.vfio_device_ioeventfd;
import org.jvfio.uapi.vfio_eeh_pe_err;
import org.jvfio.uapi.vfio_eeh_pe_op;
import org.jvfio.uapi.vfio_group_status;
import org.jvfio.uapi.vfio_h;
import org.jvfio.uapi.vfio_iommu_spapr_register_memory;
import org.jvfio.uapi.vfio_iommu_spapr_tce_create;
import org.jvfio.uapi.vfio_iommu_spapr_tce_ddw_info;
import org.jvfio.uapi.vfio_iommu_spapr_tce_info;
import org.jvfio.uapi.vfio_iommu_spapr_tce_remove;
import org.jvfio.uapi.vfio_iommu_type1_dma_map;
import org.jvfio.uapi.vfio_iommu_type1_dma_unmap;
import org.jvfio.uapi.vfio_irq_info;
import org.jvfio.uapi.vfio_irq_set;
import org.jvfio.uapi.vfio_pci_hot_reset;
import org.jvfio.uapi.vfio_pci_hot_reset_info;
import org.jvfio.uapi.vfio_region_info;

/**
 * Raw VFIO calls written as text, one a line, run on any kernel, in the notation of the answers recorded from real ones,
 * {@code measured/README.txt}. These calls are more than are recorded there:
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
    private static final int IRQ_SET_BYTES = 20;
    private static final int MAX_IRQS = 128;
    private static final int HOT_RESET_BYTES = 12;
    private static final int MAX_DEVICES = 32;
    private static final int FEATURE_BYTES = 8;
    private static final int FEATURE_DATA_BYTES = 56;
    /** What tells of mapping, which not every kernel of this project lets a BAR have. */
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

    /** Names what was opened elsewhere: a descriptor, or a negated errno. What it answers is what opening would answer. */
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
        try {
            return kernel.readFile("/proc/self/status")
                    .lines()
                    .filter(line -> line.startsWith("VmLck:"))
                    .mapToLong(line -> 1024 * Long.parseLong(line.replaceAll("[^0-9]", "")))
                    .findFirst()
                    .orElseThrow();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
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
                case "api" -> answer(ioctl(vfio_h.VFIO_GET_API_VERSION, 0));
                case "ext" -> answer(ioctl(vfio_h.VFIO_CHECK_EXTENSION, number(1)));
                case "setiommu" -> answer(ioctl(vfio_h.VFIO_SET_IOMMU, number(1)));
                case "status" -> status();
                case "setcont" -> setContainer();
                case "unset" -> answer(ioctl(vfio_h.VFIO_GROUP_UNSET_CONTAINER, 0));
                case "getdev" -> getDevice();
                case "devinfo" -> deviceInfo();
                case "info" -> info();
                case "enable" -> answer(ioctl(vfio_h.VFIO_IOMMU_ENABLE, 0));
                case "disable" -> answer(ioctl(vfio_h.VFIO_IOMMU_DISABLE, 0));
                case "mem" -> map(vfio_h.PROT_READ | vfio_h.PROT_WRITE);
                case "rom" -> map(vfio_h.PROT_READ);
                case "none" -> map(vfio_h.PROT_NONE);
                case "huge" -> huge();
                case "free" -> answer(kernel.munmap(number(0), number(1)));
                case "reg" -> answer(registration(vfio_h.VFIO_IOMMU_SPAPR_REGISTER_MEMORY));
                case "unreg" -> answer(registration(vfio_h.VFIO_IOMMU_SPAPR_UNREGISTER_MEMORY));
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
                case "reset" -> answer(ioctl(vfio_h.VFIO_DEVICE_RESET, 0));
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

        private int ioctl(int request, MemorySegment struct) {
            byte[] before = struct.toArray(ValueLayout.JAVA_BYTE);
            int answer = kernel.ioctl(file(0), request, struct);
            written = changes(before, struct.toArray(ValueLayout.JAVA_BYTE));
            return answer;
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
            MemorySegment status = vfio_group_status.allocate(arena);
            vfio_group_status.argsz(status, (int) number(1, vfio_group_status.sizeof()));
            int answer = ioctl(vfio_h.VFIO_GROUP_GET_STATUS, status);
            return answer(answer, "flags=%x".formatted(vfio_group_status.flags(status)));
        }

        /** A struct with room behind it, for the capabilities that the kernel writes there if argsz says that it is there. */
        private MemorySegment withRoom(MemoryLayout layout) {
            return arena.allocate(layout.byteSize() + CAPABILITY_BYTES, layout.byteAlignment());
        }

        private String setContainer() {
            MemorySegment descriptor = arena.allocateFrom(ValueLayout.JAVA_INT, file(1));
            return answer(ioctl(vfio_h.VFIO_GROUP_SET_CONTAINER, descriptor));
        }

        private String getDevice() {
            // Spaces part the words of a call, so a tilde stands for one; and a*3 for aaa.
            String address = REPEATED.matcher(arguments.get(2).replace('~', ' '))
                    .replaceAll(match -> match.group(1).repeat(Integer.parseInt(match.group(2))));
            int group = file(1);
            MemorySegment name = arena.allocateFrom(address);
            return opening(() -> kernel.ioctl(group, vfio_h.VFIO_GROUP_GET_DEVICE_FD, name));
        }

        private String deviceInfo() {
            MemorySegment info = withRoom(vfio_device_info.layout());
            vfio_device_info.argsz(info, (int) number(1, vfio_device_info.pad$offset()));
            int answer = ioctl(vfio_h.VFIO_DEVICE_GET_INFO, info);
            return answer(
                    answer,
                    "argsz=%d flags=%x regions=%d irqs=%d cap=%d"
                            .formatted(
                                    vfio_device_info.argsz(info),
                                    vfio_device_info.flags(info),
                                    vfio_device_info.num_regions(info),
                                    vfio_device_info.num_irqs(info),
                                    vfio_device_info.cap_offset(info)));
        }

        private String info() {
            MemorySegment info = vfio_iommu_spapr_tce_info.allocate(arena);
            vfio_iommu_spapr_tce_info.argsz(info, (int) number(1, vfio_iommu_spapr_tce_info.sizeof()));
            vfio_iommu_spapr_tce_info.flags(info, (int) number(2, 0));
            int answer = ioctl(vfio_h.VFIO_IOMMU_SPAPR_TCE_GET_INFO, info);
            MemorySegment ddw = vfio_iommu_spapr_tce_info.ddw(info);
            return answer(
                    answer,
                    "argsz=%d flags=%x start=%x size=%x pgsizes=%x max=%d levels=%d"
                            .formatted(
                                    vfio_iommu_spapr_tce_info.argsz(info),
                                    vfio_iommu_spapr_tce_info.flags(info),
                                    vfio_iommu_spapr_tce_info.dma32_window_start(info),
                                    vfio_iommu_spapr_tce_info.dma32_window_size(info),
                                    vfio_iommu_spapr_tce_ddw_info.pgsizes(ddw),
                                    vfio_iommu_spapr_tce_ddw_info.max_dynamic_windows_supported(ddw),
                                    vfio_iommu_spapr_tce_ddw_info.levels(ddw)));
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

        private int registration(int request) {
            MemorySegment struct = vfio_iommu_spapr_register_memory.allocate(arena);
            vfio_iommu_spapr_register_memory.argsz(struct, (int) number(3, vfio_iommu_spapr_register_memory.sizeof()));
            vfio_iommu_spapr_register_memory.flags(struct, (int) number(4, 0));
            vfio_iommu_spapr_register_memory.vaddr(struct, number(1));
            vfio_iommu_spapr_register_memory.size(struct, number(2));
            return ioctl(request, struct);
        }

        private String create() {
            MemorySegment create = vfio_iommu_spapr_tce_create.allocate(arena);
            vfio_iommu_spapr_tce_create.argsz(create, (int) number(4, vfio_iommu_spapr_tce_create.sizeof()));
            vfio_iommu_spapr_tce_create.flags(create, (int) number(5, 0));
            vfio_iommu_spapr_tce_create.page_shift(create, (int) number(1));
            vfio_iommu_spapr_tce_create.window_size(create, number(2));
            vfio_iommu_spapr_tce_create.levels(create, (int) number(3));
            int answer = ioctl(vfio_h.VFIO_IOMMU_SPAPR_TCE_CREATE, create);
            return answer(answer, "start=%x".formatted(vfio_iommu_spapr_tce_create.start_addr(create)));
        }

        private String remove() {
            MemorySegment remove = vfio_iommu_spapr_tce_remove.allocate(arena);
            vfio_iommu_spapr_tce_remove.argsz(remove, (int) number(2, vfio_iommu_spapr_tce_remove.sizeof()));
            vfio_iommu_spapr_tce_remove.flags(remove, (int) number(3, 0));
            vfio_iommu_spapr_tce_remove.start_addr(remove, number(1));
            return answer(ioctl(vfio_h.VFIO_IOMMU_SPAPR_TCE_REMOVE, remove));
        }

        private String mapDma() {
            MemorySegment map = vfio_iommu_type1_dma_map.allocate(arena);
            vfio_iommu_type1_dma_map.argsz(map, (int) number(5, vfio_iommu_type1_dma_map.sizeof()));
            vfio_iommu_type1_dma_map.flags(
                    map, (int) number(4, vfio_h.VFIO_DMA_MAP_FLAG_READ | vfio_h.VFIO_DMA_MAP_FLAG_WRITE));
            vfio_iommu_type1_dma_map.vaddr(map, number(1));
            vfio_iommu_type1_dma_map.iova(map, number(2));
            vfio_iommu_type1_dma_map.size(map, number(3));
            return answer(ioctl(vfio_h.VFIO_IOMMU_MAP_DMA, map));
        }

        private String unmapDma() {
            MemorySegment unmap = vfio_iommu_type1_dma_unmap.allocate(arena);
            vfio_iommu_type1_dma_unmap.argsz(unmap, (int) number(4, vfio_iommu_type1_dma_unmap.sizeof()));
            vfio_iommu_type1_dma_unmap.flags(unmap, (int) number(3, 0));
            vfio_iommu_type1_dma_unmap.iova(unmap, number(1));
            vfio_iommu_type1_dma_unmap.size(unmap, number(2));
            int answer = ioctl(vfio_h.VFIO_IOMMU_UNMAP_DMA, unmap);
            return answer(answer, "size=%x".formatted(vfio_iommu_type1_dma_unmap.size(unmap)));
        }

        private String eeh() {
            MemorySegment op = vfio_eeh_pe_op.allocate(arena);
            vfio_eeh_pe_op.op(op, (int) number(1));
            vfio_eeh_pe_op.flags(op, (int) number(2, 0));
            vfio_eeh_pe_op.argsz(op, (int) number(3, vfio_eeh_pe_op.sizeof()));
            MemorySegment error = vfio_eeh_pe_op.err(op);
            vfio_eeh_pe_err.type(error, (int) number(4, 0));
            vfio_eeh_pe_err.func(error, (int) number(5, 0));
            vfio_eeh_pe_err.addr(error, number(6, 0));
            vfio_eeh_pe_err.mask(error, number(7, 0));
            return answer(ioctl(vfio_h.VFIO_EEH_PE_OP, op));
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
            MemorySegment info = withRoom(vfio_region_info.layout());
            vfio_region_info.index(info, (int) number(1));
            vfio_region_info.argsz(info, (int) number(2, vfio_region_info.sizeof()));
            int answer = ioctl(vfio_h.VFIO_DEVICE_GET_REGION_INFO, info);
            // What is written tells of mapping, too.
            written = "";
            return answer(
                    answer,
                    "flags=%x size=%x offset=%x"
                            .formatted(
                                    vfio_region_info.flags(info) & ~MAPPING_FLAGS,
                                    vfio_region_info.size(info),
                                    vfio_region_info.offset(info)));
        }

        private String irqInfo() {
            MemorySegment info = vfio_irq_info.allocate(arena);
            vfio_irq_info.index(info, (int) number(1));
            vfio_irq_info.argsz(info, (int) number(2, vfio_irq_info.sizeof()));
            int answer = ioctl(vfio_h.VFIO_DEVICE_GET_IRQ_INFO, info);
            return answer(answer, "flags=%x count=%d".formatted(vfio_irq_info.flags(info), vfio_irq_info.count(info)));
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
            int[] values = list(6);
            boolean bytes = (flags & vfio_h.VFIO_IRQ_SET_DATA_BOOL) != 0;
            MemorySegment set = arena.allocate(IRQ_SET_BYTES + MAX_IRQS * Integer.BYTES, Integer.BYTES);
            // What the list does not say: yes, or no descriptor.
            set.asSlice(IRQ_SET_BYTES).fill((byte) -1);
            for (int each = 0; each < values.length; each++) {
                if (bytes) {
                    set.set(ValueLayout.JAVA_BYTE, IRQ_SET_BYTES + each, (byte) values[each]);
                } else {
                    set.set(ValueLayout.JAVA_INT, IRQ_SET_BYTES + each * Integer.BYTES, values[each]);
                }
            }
            long needed = IRQ_SET_BYTES + number(4) * (bytes ? Byte.BYTES : Integer.BYTES);
            vfio_irq_set.flags(set, flags);
            vfio_irq_set.index(set, (int) number(2));
            vfio_irq_set.start(set, (int) number(3));
            vfio_irq_set.count(set, (int) number(4));
            vfio_irq_set.argsz(set, (int) number(5, needed));
            return answer(ioctl(vfio_h.VFIO_DEVICE_SET_IRQS, set));
        }

        private String hotResetInfo() {
            MemorySegment info = arena.allocate(HOT_RESET_BYTES + MAX_DEVICES * Long.BYTES, Integer.BYTES);
            vfio_pci_hot_reset_info.argsz(info, (int) number(1, info.byteSize()));
            vfio_pci_hot_reset_info.flags(info, (int) number(2, 0));
            return answer(ioctl(vfio_h.VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, info));
        }

        private String hotReset() {
            int[] groups = list(1);
            MemorySegment reset = arena.allocate(HOT_RESET_BYTES + MAX_DEVICES * Integer.BYTES, Integer.BYTES);
            for (int each = 0; each < groups.length; each++) {
                reset.set(ValueLayout.JAVA_INT, HOT_RESET_BYTES + each * Integer.BYTES, groups[each]);
            }
            vfio_pci_hot_reset.count(reset, groups.length);
            vfio_pci_hot_reset.argsz(reset, (int) number(2, HOT_RESET_BYTES + (long) groups.length * Integer.BYTES));
            vfio_pci_hot_reset.flags(reset, (int) number(3, 0));
            return answer(ioctl(vfio_h.VFIO_DEVICE_PCI_HOT_RESET, reset));
        }

        private String feature() {
            MemorySegment feature = arena.allocate(FEATURE_BYTES + FEATURE_DATA_BYTES, Long.BYTES);
            vfio_device_feature.flags(feature, (int) number(1));
            vfio_device_feature.argsz(feature, (int) number(2, FEATURE_BYTES));
            int[] data = list(3);
            for (int each = 0; each < data.length; each++) {
                // As in vfio_device_low_power_entry_with_wakeup.
                feature.set(ValueLayout.JAVA_INT, FEATURE_BYTES + each * Integer.BYTES, data[each]);
            }
            return answer(ioctl(vfio_h.VFIO_DEVICE_FEATURE, feature));
        }

        private String ioEvent() {
            MemorySegment event = vfio_device_ioeventfd.allocate(arena);
            vfio_device_ioeventfd.offset(event, number(1));
            vfio_device_ioeventfd.data(event, number(2));
            vfio_device_ioeventfd.flags(event, (int) number(3));
            vfio_device_ioeventfd.fd(event, file(4));
            vfio_device_ioeventfd.argsz(event, (int) number(5, vfio_device_ioeventfd.sizeof()));
            return answer(ioctl(vfio_h.VFIO_DEVICE_IOEVENTFD, event));
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
