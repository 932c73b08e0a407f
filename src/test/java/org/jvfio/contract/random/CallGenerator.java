package org.jvfio.contract.random;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Predicate;
import java.util.function.Supplier;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.jvfio.contract.host.ContractHost;
import org.jvfio.contract.host.PciDevice;
import org.jvfio.contract.host.VfioProcess;
import org.jvfio.contract.random.CallNotation.Kind;
import org.jvfio.contract.random.DeviceCalls.OpenDevice;
import org.jvfio.emulator.EmulatedKernel;
import org.jvfio.emulator.EmulatedMachine;
import org.jvfio.kernel.CallScript;
import org.jvfio.uapi.vfio_h;

/**
 * Random sequences of VFIO calls in the notation of {@link CallScript}: right ones most of the time, as far as they can
 * be told from what was called before, and wrong ones. A seed has one sequence on a machine.
 */
public final class CallGenerator {
    private static final long KIB = 1L << 10;
    private static final long MIB = 1L << 20;
    private static final long GIB = 1L << 30;
    private static final long DYNAMIC_WINDOW = 1L << 59;
    /** The operations of EEH_PE_OP that reset. */
    private static final List<String> RESETS = List.of("6", "7");

    private static final int IOCTL_BASE = vfio_h.VFIO_GET_API_VERSION;
    private static final int SHIFT_4K = 12;
    private static final int V1 = 2;
    private static final int V2 = 7;
    private static final int MAX_CONTAINERS = 3;
    private static final int MAX_MEMORIES = 6;
    private static final long MAX_HUGE_BYTES = 32 * MIB;

    private final ContractHost host;
    private final EmulatedMachine machine;
    private final List<PciDevice> devices;
    private final List<Integer> hugePageShifts;
    private final Draw draw;
    private final long systemPage;
    private final List<Integer> pageShifts;
    private final List<ContainerModel> containers = new ArrayList<>();
    private final List<GroupModel> groups = new ArrayList<>();
    private final List<Memory> memories = new ArrayList<>();
    private final DeviceCalls deviceCalls;
    private final List<OpenDevice> openDevices = new ArrayList<>();
    private final List<String> events = new ArrayList<>();
    /** All names of files that were given, closed ones too. */
    private final List<String> fileNames = new ArrayList<>();
    /** The files that the second process was given. */
    private final List<String> passed = new ArrayList<>();
    /** Whether this sequence is about devices: opening and closing one costs a reset. */
    private final boolean withDevices;
    /** Whether this sequence has calls in a second process. */
    private final boolean withSecond;
    /** What comes next, whatever is drawn. */
    private final ArrayDeque<String> following = new ArrayDeque<>();

    private int names;

    /** A container as it should be. */
    private static final class ContainerModel {
        private final String name;
        private final List<GroupModel> groups = new ArrayList<>();
        private final List<Range> registered = new ArrayList<>();
        private final List<Window> windows = new ArrayList<>();
        private final List<Mapping> mappings = new ArrayList<>();
        private int type;
        private final boolean second;
        private boolean defaultPending;
        private boolean enabled;

        /** A container, and whether it is one for the second process. */
        private ContainerModel(String name, boolean second) {
            this.name = name;
            this.second = second;
        }

        private void reset() {
            registered.clear();
            windows.clear();
            mappings.clear();
            type = 0;
            enabled = false;
        }
    }

    private static final class GroupModel {
        private final PciDevice device;
        private final DeviceCalls.Kind kind;
        private @Nullable String name;
        private @Nullable ContainerModel container;
        private int openDevices;

        private GroupModel(PciDevice device, DeviceCalls.Kind kind) {
            this.device = device;
            this.kind = kind;
        }

        private boolean isOpen() {
            return name != null;
        }

        /** Whether its device can be opened. */
        private boolean isUsable() {
            return isOpen() && container != null && container.type != 0;
        }
    }

    private record Memory(String name, long bytes, int pageShift, boolean second) {}

    private record Range(Memory memory, long offset, long bytes) {
        private String vaddr() {
            return vaddr(0);
        }

        private boolean overlaps(Range other) {
            return memory.equals(other.memory) && offset < other.offset + other.bytes && other.offset < offset + bytes;
        }

        private String vaddr(long more) {
            return memory.name() + "+" + hex(offset + more);
        }
    }

    private record Window(int slot, long start, int pageShift, long bytes) {}

    private record Mapping(long iova, long bytes) {}

    private record Choice(int weight, Supplier<String> call) {}

    /**
     * A generator of one sequence.
     *
     * @param host what the calls are for
     */
    public CallGenerator(ContractHost host, long seed) {
        this.host = host;
        this.machine = host.mirror();
        this.devices = host.devices();
        this.hugePageShifts = List.copyOf(machine.hugePages().keySet());
        this.draw = new Draw(seed);
        this.systemPage = 1L << machine.pageShift();
        this.pageShifts = IntStream.range(0, Long.SIZE)
                .filter(shift -> (machine.platform().pageSizes() >>> shift & 1) != 0)
                .boxed()
                .toList();
        deviceCalls = new DeviceCalls(host, draw);
        withDevices = draw.oneIn(host.isPowernv() ? 4 : 2);
        withSecond = draw.oneIn(3);
        EmulatedKernel kernel = EmulatedKernel.boot(machine);
        List<PciDevice> nvmes = VfioProcess.boundDevices(kernel, device -> VfioProcess.isNvme(kernel, device));
        devices.forEach(device -> groups.add(
                new GroupModel(device, nvmes.contains(device) ? DeviceCalls.Kind.NVME : DeviceCalls.Kind.EDU)));
    }

    public List<String> sequence(int steps) {
        List<String> calls = new ArrayList<>();
        while (calls.size() < steps) {
            calls.add(following.isEmpty() ? choose() : following.remove());
        }
        return calls;
    }

    private String choose() {
        List<Choice> choices = new ArrayList<>();
        boolean anyContainer = !containers.isEmpty();
        boolean anyGroup = groups.stream().anyMatch(GroupModel::isOpen);
        add(choices, containers.size() < MAX_CONTAINERS ? (anyContainer ? 3 : 60) : 0, this::openContainer);
        boolean wanted = groups.stream().noneMatch(GroupModel::isOpen)
                || (withDevices && groups.stream().noneMatch(each -> each.isOpen() && isQuickToReset(each)));
        int group = groups.stream().allMatch(GroupModel::isOpen) ? 1 : 5;
        add(choices, wanted ? 60 : group, this::openGroup);
        add(choices, memories.isEmpty() ? 40 : memories.size() < MAX_MEMORIES ? 5 : 0, this::makeMemory);
        add(choices, 2, this::openOther);
        add(choices, 4, this::raw);
        add(choices, 2, this::limit);
        add(choices, memories.isEmpty() ? 0 : 2, this::freeMemory);
        if (anyContainer) {
            add(choices, anyGroup ? (freeGroups().isEmpty() ? 2 : 40) : 0, this::setContainer);
            add(choices, anyContainer(CallGenerator::settable) ? 60 : 1, this::setIommu);
            add(choices, 2, () -> "ext " + container() + " " + draw.pick(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 99));
            add(choices, 1, () -> "api " + container());
            add(choices, 3, () -> "info " + container());
            add(choices, anyContainer(container -> container.type == V1 && !container.enabled) ? 20 : 1, this::enable);
            add(choices, 2, this::disable);
            add(choices, 3, this::eeh);
            add(choices, 1, this::closeContainer);
        }
        if (anyContainer && !memories.isEmpty()) {
            boolean v2 = anyContainer(container -> container.type == V2);
            add(choices, v2 ? 14 : 1, this::register);
            add(choices, v2 ? 6 : 1, this::unregister);
            add(choices, v2 ? 8 : 1, this::createWindow);
            add(choices, v2 ? 4 : 1, this::removeWindow);
            add(choices, anyContainer(this::mappable) ? 30 : 2, this::map);
            add(choices, anyContainer(this::mappable) ? 14 : 1, this::unmap);
        }
        if (anyGroup) {
            add(choices, 2, () -> "status " + group());
            add(choices, 1, this::unsetContainer);
            add(choices, 1, this::closeGroup);
            boolean quick = withDevices && groups.stream().anyMatch(this::isQuick);
            // A device is reset when it is opened and closed, and firmware takes seconds for it.
            int weight = quick ? (openDevices.isEmpty() ? 60 : openDevices.size() < 3 ? 6 : 0) : draw.oneIn(6) ? 1 : 0;
            add(choices, weight, this::getDevice);
        }
        if (!openDevices.isEmpty()) {
            add(choices, withDevices ? 100 : 20, this::deviceCall);
            add(choices, withDevices ? 2 : 1, () -> deviceCalls.reset(draw.pick(openDevices)));
            add(choices, 2, this::closeDevice);
        }
        add(choices, withDevices ? (events.isEmpty() ? 20 : events.size() < 3 ? 4 : 0) : 0, this::makeEvent);
        add(choices, events.isEmpty() ? 0 : 10, () -> "take " + draw.pick(events));
        add(choices, events.isEmpty() ? 0 : 5, () -> "signal " + draw.pick(events));
        add(choices, withSecond && !fileNames.isEmpty() ? 3 : 0, () -> pass(draw.pick(fileNames)));
        int drawn = draw.below(choices.stream().mapToInt(Choice::weight).sum());
        for (Choice choice : choices) {
            drawn -= choice.weight();
            if (drawn < 0) {
                String call = inItsProcess(choice.call().get());
                String spoiled = draw.oneIn(5) ? spoil(call) : call;
                if (!spoiled.equals(call)) {
                    // The right one comes next, since what follows counts on it.
                    following.addFirst(call);
                }
                return spoiled;
            }
        }
        throw new IllegalStateException("no choice");
    }

    private static void add(List<Choice> choices, int weight, Supplier<String> call) {
        choices.add(new Choice(weight, call));
    }

    private String newName(String prefix) {
        names++;
        return prefix + names;
    }

    private String openContainer() {
        ContainerModel container = new ContainerModel(newName("c"), withSecond && draw.oneIn(2));
        containers.add(container);
        fileNames.add(container.name);
        if (container.second) {
            following.add(pass(container.name));
        }
        return "open " + container.name + " /dev/vfio/vfio";
    }

    private String openGroup() {
        List<GroupModel> wanted = groups.stream()
                .filter(each -> withDevices && !each.isOpen() && isQuickToReset(each))
                .toList();
        GroupModel group = draw.pick(wanted.isEmpty() ? groups : wanted);
        String name = newName("g");
        if (!group.isOpen()) {
            group.name = name;
        }
        fileNames.add(name);
        return "open " + name + " /dev/vfio/" + group.device.group();
    }

    private String pass(String file) {
        passed.add(file);
        return CallNotation.PASS + " " + file;
    }

    /** A call in the process whose container or memory it is about; some of the others in the second one, too. */
    private String inItsProcess(String call) {
        if (!withSecond || call.startsWith(CallNotation.PASS)) {
            return call;
        }
        List<String> arguments = CallNotation.arguments(call);
        String name = arguments.getFirst().replaceAll("\\+.*", "");
        Optional<Boolean> ofMemory = memories.stream()
                .filter(memory -> memory.name().equals(name))
                .map(Memory::second)
                .findFirst();
        Optional<Boolean> ofContainer = containers.stream()
                .filter(container -> container.name.equals(name))
                // Before that, the first call in the wrong process would make the container that one's.
                .map(container -> container.second != (container.enabled && draw.oneIn(10)))
                .findFirst();
        boolean isLimit = call.startsWith("maylock") || call.startsWith("lockable");
        boolean other = isLimit ? draw.oneIn(2) : passed.contains(name) && !call.startsWith("open") && draw.oneIn(4);
        boolean second = ofMemory.or(() -> ofContainer).orElse(other);
        return second && !call.startsWith("open") ? CallNotation.IN_SECOND + call : call;
    }

    private String openOther() {
        String name = newName("n");
        fileNames.add(name);
        return "open " + name + " " + draw.pick("/dev/null", "/dev/vfio/77", "/dev/vfio", "/dev/vfio/00");
    }

    private String makeMemory() {
        if (draw.oneIn(6) && !hugePageShifts.isEmpty()) {
            int shift = draw.pick(hugePageShifts);
            long page = 1L << shift;
            long bytes = Math.min(page << draw.below(2), MAX_HUGE_BYTES);
            Memory memory = new Memory(newName("h"), bytes, shift, withSecond && draw.oneIn(2));
            memories.add(memory);
            return "huge " + memory.name() + " " + shift + " " + hex(bytes);
        }
        long bytes = 64 * KIB * draw.pick(1, 2, 4, 16, 64);
        Memory memory = new Memory(newName("m"), bytes, machine.pageShift(), withSecond && draw.oneIn(2));
        memories.add(memory);
        return draw.pick("mem", "mem", "mem", "mem", "mem", "mem", "mem", "mem", "mem", "rom", "none")
                + " "
                + memory.name()
                + " "
                + hex(bytes);
    }

    /** Makes a hole in memory, or unmaps all of it. Its addresses are used on. */
    private String freeMemory() {
        List<Memory> ordinary = ordinaryMemories();
        if (ordinary.isEmpty()) {
            return makeMemory();
        }
        Memory memory = draw.pick(ordinary);
        long pages = memory.bytes() / systemPage;
        long first = draw.oneIn(2) ? 0 : draw.below(pages);
        long count = first == 0 && draw.oneIn(2) ? pages : 1 + draw.below(pages - first);
        return "free " + memory.name() + "+" + hex(first * systemPage) + " " + hex(count * systemPage);
    }

    private String setContainer() {
        List<GroupModel> free = freeGroups();
        if (free.isEmpty()) {
            return "setcont " + group() + " " + container();
        }
        GroupModel group = draw.pick(free);
        ContainerModel container = draw.pick(containers);
        group.container = container;
        container.groups.add(group);
        return "setcont " + group.name + " " + container.name;
    }

    private List<GroupModel> freeGroups() {
        return groups.stream()
                .filter(group -> group.isOpen() && group.container == null)
                .toList();
    }

    private static boolean settable(ContainerModel container) {
        return container.type == 0 && !container.groups.isEmpty();
    }

    private String setIommu() {
        ContainerModel container = prefer(CallGenerator::settable);
        int type = draw.oneIn(12) ? draw.pick(0, 1, 3, 5, 6, 8, 99) : draw.oneIn(4) ? V1 : V2;
        if (settable(container) && (type == V1 || type == V2)) {
            container.type = type;
            container.defaultPending = true;
        }
        return "setiommu " + container.name + " " + type;
    }

    private String enable() {
        ContainerModel container = prefer(each -> each.type == V1);
        container.enabled |= container.type == V1;
        return "enable " + container.name;
    }

    private String disable() {
        ContainerModel container = prefer(each -> each.type == V1);
        container.enabled &= container.type != V1;
        return "disable " + container.name;
    }

    private String eeh() {
        int operation = draw.pick(0, 1, 2, 3, 4, 4, 4, 4, 4, 8, 9, 9, 10);
        String call = "eeh " + container() + " " + operation;
        return operation == 9 ? call + " 0 40 " + draw.below(3) + " " + draw.below(22) : call;
    }

    private String register() {
        ContainerModel container = prefer(each -> each.type == V2);
        Range range = range(container);
        // Most of what is tried overlaps nothing.
        for (int attempt = 0; attempt < 6 && !draw.oneIn(8) && isRegistered(range); attempt++) {
            range = range(container);
        }
        if (isRegistered(range) && memories.size() < MAX_MEMORIES && !draw.oneIn(4)) {
            return makeMemory();
        }
        container.registered.add(range);
        container.enabled |= container.type == V2;
        return "reg " + container.name + " " + range.vaddr() + " " + hex(range.bytes());
    }

    private boolean isRegistered(Range range) {
        return containers.stream()
                .flatMap(container -> container.registered.stream())
                .anyMatch(registered -> registered.overlaps(range));
    }

    /** A part of some memory, in whole pages of the system. */
    private Range range(ContainerModel container) {
        List<Memory> own = memories.stream()
                .filter(each -> each.second() == container.second)
                .toList();
        Memory memory = draw.pick(own.isEmpty() || draw.oneIn(20) ? memories : own);
        if (!draw.oneIn(3)) {
            return new Range(memory, 0, memory.bytes());
        }
        long pages = memory.bytes() / systemPage;
        long first = draw.below(pages);
        return new Range(memory, first * systemPage, systemPage * (1 + draw.below(pages - first)));
    }

    private String unregister() {
        ContainerModel container = prefer(each -> !each.registered.isEmpty());
        Range range = container.registered.isEmpty() || draw.oneIn(10)
                ? range(container)
                : container.registered.remove(draw.below(container.registered.size()));
        return "unreg " + container.name + " " + range.vaddr() + " " + hex(range.bytes());
    }

    private String createWindow() {
        ContainerModel container = prefer(each -> each.type == V2 && each.windows.size() < 2);
        makeDefaultWindow(container);
        int shift = draw.oneIn(3) ? draw.pick(pageShifts) : draw.pick(SHIFT_4K, 16);
        int windowShift = Math.min(shift + 1 + draw.below(draw.oneIn(8) ? 21 : 15), 50);
        int levels = machine.platform().isPowernv() ? 1 + draw.below(draw.oneIn(3) ? 5 : 2) : 1;
        int slot = container.windows.stream().anyMatch(window -> window.slot() == 0) ? 1 : 0;
        boolean low = slot == 0 && (machine.platform().isPowernv() || shift == SHIFT_4K);
        if (container.windows.size() < 2) {
            container.windows.add(new Window(slot, low ? 0 : DYNAMIC_WINDOW, shift, 1L << windowShift));
        }
        return "create %s %d %s %d".formatted(container.name, shift, hex(1L << windowShift), levels);
    }

    private void makeDefaultWindow(ContainerModel container) {
        if (container.defaultPending) {
            container.defaultPending = false;
            container.windows.add(new Window(0, 0, SHIFT_4K, machine.dma32Bytes()));
        }
    }

    private String removeWindow() {
        ContainerModel container = prefer(each -> each.type == V2 && (each.defaultPending || !each.windows.isEmpty()));
        if (container.windows.isEmpty() || container.defaultPending) {
            container.defaultPending = false;
            return "remove " + container.name + " 0x0";
        }
        Window window = container.windows.remove(draw.below(container.windows.size()));
        long inside = draw.oneIn(4) ? draw.below(window.bytes()) : 0;
        return "remove " + container.name + " " + hex(window.start() + inside);
    }

    private boolean mappable(ContainerModel container) {
        return container.enabled && (container.defaultPending || !container.windows.isEmpty());
    }

    private String map() {
        ContainerModel container = prefer(this::mappable);
        makeDefaultWindow(container);
        Range range =
                container.registered.isEmpty() || draw.oneIn(8) ? range(container) : draw.pick(container.registered);
        int flags = 1 + draw.below(3);
        if (container.windows.isEmpty()) {
            return "map %s %s 0x100000 0x10000 %d".formatted(container.name, range.vaddr(), flags);
        }
        Window window = draw.pick(container.windows);
        long page = 1L << window.pageShift();
        long available = Math.max(1, range.bytes() / page);
        long first = draw.oneIn(3) ? draw.below(available) : 0;
        long count = Math.min(available - first, 1 + draw.below(draw.oneIn(4) ? 64 : 4));
        long iova = iova(window, count * page);
        container.mappings.add(new Mapping(iova, count * page));
        return "map %s %s %s %s %d"
                .formatted(container.name, range.vaddr(first * page), hex(iova), hex(count * page), flags);
    }

    /** Near the beginning of the window, at its end, or anywhere. */
    private long iova(Window window, long bytes) {
        long page = 1L << window.pageShift();
        long places = Math.max(1, (window.bytes() - bytes) / page + 1);
        long place = switch (draw.below(4)) {
            case 0 -> places - 1;
            case 1 -> draw.below(places);
            default -> draw.below(Math.min(places, 24));
        };
        return window.start() + place * page;
    }

    private String unmap() {
        ContainerModel container = prefer(each -> !each.mappings.isEmpty());
        if (container.mappings.isEmpty() || draw.oneIn(6)) {
            if (container.windows.isEmpty()) {
                return "unmap " + container.name + " 0x100000 0x10000";
            }
            Window window = draw.pick(container.windows);
            long bytes = (1L << window.pageShift()) * (1 + draw.below(40));
            return "unmap %s %s %s".formatted(container.name, hex(iova(window, bytes)), hex(bytes));
        }
        Mapping mapping = container.mappings.remove(draw.below(container.mappings.size()));
        return "unmap %s %s %s".formatted(container.name, hex(mapping.iova()), hex(mapping.bytes()));
    }

    private String unsetContainer() {
        GroupModel group = openGroupModel();
        if (group.openDevices == 0) {
            leave(group);
        }
        return "unset " + group.name;
    }

    private void leave(GroupModel group) {
        ContainerModel container = group.container;
        group.container = null;
        if (container != null) {
            container.groups.remove(group);
            if (container.groups.isEmpty()) {
                container.reset();
            }
        }
    }

    private String closeGroup() {
        GroupModel group = openGroupModel();
        if (group.openDevices == 0) {
            leave(group);
        }
        String call = "close " + group.name;
        group.name = null;
        return call;
    }

    private String closeContainer() {
        ContainerModel container = draw.pick(containers);
        containers.remove(container);
        return "close " + container.name;
    }

    /** Whether its device can be opened, and is reset in little time. */
    private boolean isQuick(GroupModel group) {
        return group.isUsable() && isQuickToReset(group);
    }

    /** Firmware takes seconds to reset a bus. */
    private boolean isQuickToReset(GroupModel group) {
        return group.kind == DeviceCalls.Kind.NVME || !host.isPowernv();
    }

    private String getDevice() {
        List<GroupModel> quick = groups.stream().filter(this::isQuick).toList();
        GroupModel group = quick.isEmpty() || draw.oneIn(20) ? openGroupModel() : draw.pick(quick);
        String name = newName("d");
        fileNames.add(name);
        if (draw.oneIn(5)) {
            return "getdev " + name + " " + group.name + " " + wrongAddress(group.device.address());
        }
        if (group.isUsable()) {
            openDevices.add(new OpenDevice(name, group.kind, group.device.group()));
            group.openDevices++;
        }
        return "getdev " + name + " " + group.name + " " + group.device.address();
    }

    private String wrongAddress(String address) {
        return draw.pick(
                "0000:01:00.1",
                "01:00.0",
                "x",
                draw.pick(devices).address() + "0",
                address.substring(0, address.length() - 1),
                address + "~x",
                address + "~vf_token=2ab74924-c335-45f4-9b16-8569e5b08258",
                address + "~*" + (systemPage - address.length() - draw.below(3)),
                "x*" + (systemPage - draw.below(3)),
                "x*" + (systemPage + 1));
    }

    private String deviceCall() {
        List<String> calls = deviceCalls.calls(draw.pick(openDevices), events, fileNames);
        following.addAll(calls.subList(1, calls.size()));
        return calls.getFirst();
    }

    private String closeDevice() {
        OpenDevice device = openDevices.remove(draw.below(openDevices.size()));
        for (GroupModel group : groups) {
            if (group.device.group() == device.group() && --group.openDevices == 0 && !group.isOpen()) {
                leave(group);
            }
        }
        return "close " + device.name();
    }

    private String makeEvent() {
        String name = newName("e");
        events.add(name);
        fileNames.add(name);
        return "event " + name;
    }

    private String limit() {
        return switch (draw.below(4)) {
            case 0 -> "lockable 0";
            case 1 -> "lockable 1";
            default ->
                "maylock "
                        + hex(draw.pick(List.of(0L, systemPage, 16 * systemPage, 8 * MIB, 64 * MIB, 2 * GIB, 4 * GIB)));
        };
    }

    /** Requests by number: unknown ones, those of other architectures, and known ones with pointers that are bad. */
    private String raw() {
        String file = anyFile();
        String pointer = badPointer();
        return draw.oneIn(5)
                ? "ioctl " + file + " " + draw.pick("0x3b64", "0x3b71", "0x3b75", "0x20003b63", "0x20003b90") + " "
                        + pointer
                : "vfio " + file + " " + request(file) + " " + pointer;
    }

    /** The number of a request, but for the reset of a device, which takes no pointer. */
    private int request(String file) {
        int number = draw.below(32);
        boolean resets = file.startsWith("d") && IOCTL_BASE + number == vfio_h.VFIO_DEVICE_RESET;
        return resets ? number + 1 : number;
    }

    private String badPointer() {
        return switch (draw.below(4)) {
            case 0 -> beyondMemory();
            case 1 -> host.readsKernelAddresses() ? "0x4000000000000000" : "0xc000000000000000";
            case 2 -> "0x10";
            default -> "0";
        };
    }

    /** Past the end of memory, or so close to it that no struct has room. What is behind huge pages is not known. */
    private String beyondMemory() {
        List<Memory> known = ordinaryMemories();
        if (known.isEmpty()) {
            return "0";
        }
        Memory memory = draw.pick(known);
        return memory.name() + "+" + hex(memory.bytes() - draw.pick(0, 2));
    }

    private List<Memory> ordinaryMemories() {
        return memories.stream()
                .filter(memory -> memory.pageShift() == machine.pageShift())
                .toList();
    }

    private String container() {
        return (draw.oneIn(4) ? draw.pick(containers) : prefer(container -> container.type != 0)).name;
    }

    private String group() {
        return String.valueOf(openGroupModel().name);
    }

    private GroupModel openGroupModel() {
        return draw.pick(groups.stream().filter(GroupModel::isOpen).toList());
    }

    private boolean anyContainer(Predicate<ContainerModel> condition) {
        return containers.stream().anyMatch(condition);
    }

    /** A container, if there are some then one of those that meet the condition. */
    private ContainerModel prefer(Predicate<ContainerModel> condition) {
        List<ContainerModel> preferred = containers.stream().filter(condition).toList();
        return draw.pick(preferred.isEmpty() ? containers : preferred);
    }

    /** Another call, one word of which is likely to be wrong. */
    private String spoil(String call) {
        boolean opens = call.startsWith("open") || call.startsWith("getdev") || call.startsWith("event");
        if (opens && draw.oneIn(3)) {
            return CallNotation.WITHOUT_DESCRIPTORS + call;
        }
        List<Kind> kinds = CallNotation.of(call).kinds();
        List<Integer> places = IntStream.range(0, kinds.size())
                .filter(place -> kinds.get(place) != Kind.OTHER && kinds.get(place) != Kind.NEW_NAME)
                .boxed()
                .toList();
        boolean closes = call.contains("close ");
        boolean huge = CallNotation.arguments(call).stream().anyMatch(word -> word.startsWith("h"));
        if (places.isEmpty() || closes || huge) {
            return call;
        }
        List<String> arguments = new ArrayList<>(CallNotation.allArguments(call));
        int place = draw.pick(places);
        arguments.set(place, spoil(kinds.get(place), arguments.get(place)));
        // A reset is nothing for random sequences: see ContractHost.neverSent.
        boolean resets = call.contains("eeh ") && RESETS.contains(arguments.get(1));
        // So is a read of a device without an offset, which goes through its registers one by one.
        boolean reads = (call.contains("take ") || call.contains("signal "))
                && arguments.getFirst().startsWith("d");
        // And so is what tells the size of a configuration space of which this host has less.
        boolean sizes = !host.hasExtendedConfig() && (call.contains("regioninfo ") || call.contains("pread "));
        return resets || reads || sizes ? call : CallNotation.call(CallNotation.name(call), arguments);
    }

    private String spoil(Kind kind, String word) {
        return switch (kind) {
            case FILE -> anyFile();
            case VADDR -> spoilAddress(word);
            case IOVA -> spoilIova(Long.decode(word));
            case BYTES -> spoilBytes(Long.decode(word));
            case FLAGS -> draw.pick("0", "1", "2", "3", "4", "7", "8", "0x80000000", "0xffffffff");
            case ARGSZ ->
                draw.pick(
                        "0",
                        "4",
                        "7",
                        "8",
                        "11",
                        "12",
                        "15",
                        "16",
                        "23",
                        "24",
                        "31",
                        "32",
                        "39",
                        "40",
                        "64",
                        "0xffffffff");
            case PAGE_SHIFT ->
                draw.pick("0", "1", "11", "12", "13", "16", "21", "24", "28", "30", "34", "63", "64", "0xffffffff");
            case LEVELS -> draw.pick("0", "1", "2", "3", "4", "5", "6", "64", "0xffffffff");
            case WINDOW_BYTES ->
                draw.pick("0", "1", "0x800", "0x1000", "0x18000", "0x10000", "0x30000000", "0x8000000000000000");
            case NUMBER ->
                draw.pick("0", "1", "2", "3", "5", "7", "8", "10", "19", "20", "99", "0x80000000", "0xffffffff");
            case NEW_NAME, OTHER -> word;
        };
    }

    /** Any container or group, open or closed, or a number that is no descriptor. */
    private String anyFile() {
        return draw.oneIn(5) || fileNames.isEmpty() ? draw.pick("-1", "999999", "2000000000") : draw.pick(fileNames);
    }

    private String spoilAddress(String word) {
        int plus = word.indexOf('+');
        if (draw.oneIn(3) || plus < 0) {
            return draw.pick(
                    "0",
                    "0x1000",
                    "0x10000",
                    "0xc000000000000000",
                    "0xffffffffffff0000",
                    draw.pick(memories).name());
        }
        long offset = Long.decode(word.substring(plus + 1));
        long changed = offset + draw.pick(List.of(1L, -1L, 2 * KIB, 4 * KIB, -4 * KIB, systemPage, -systemPage));
        return word.substring(0, plus + 1) + hex(changed);
    }

    private String spoilIova(long iova) {
        return hex(draw.pick(List.of(
                0L,
                iova + 1,
                iova + 2 * KIB,
                iova + 4 * KIB,
                iova - systemPage,
                iova ^ DYNAMIC_WINDOW,
                machine.dma32Bytes(),
                machine.dma32Bytes() - 4 * KIB,
                DYNAMIC_WINDOW,
                1L << 60,
                -systemPage)));
    }

    private String spoilBytes(long bytes) {
        return hex(draw.pick(List.of(
                0L,
                1L,
                bytes + 1,
                bytes + 2 * KIB,
                bytes + 4 * KIB,
                bytes + systemPage,
                bytes - systemPage,
                2 * bytes,
                GIB,
                systemPage << 24,
                1L << 63,
                -systemPage)));
    }

    private static String hex(long value) {
        return "0x" + Long.toHexString(value);
    }
}
