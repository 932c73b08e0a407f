package org.jvfio.contract;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.function.Predicate;
import java.util.function.Supplier;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.jvfio.contract.CallNotation.Kind;
import org.jvfio.emulator.EmulatedMachine;
import org.jvfio.kernel.CallScript;

/**
 * Random sequences of VFIO calls in the notation of {@link CallScript}: right ones most of the time, as far as they can
 * be told from what was called before, and wrong ones. A seed has one sequence on a machine.
 */
final class CallGenerator {
    private static final long KIB = 1L << 10;
    private static final long MIB = 1L << 20;
    private static final long GIB = 1L << 30;
    private static final long DYNAMIC_WINDOW = 1L << 59;
    /** The operations of EEH_PE_OP that reset. */
    private static final List<String> RESETS = List.of("6", "7");

    private static final int SHIFT_4K = 12;
    private static final int V1 = 2;
    private static final int V2 = 7;
    private static final int MOST_CONTAINERS = 3;
    private static final int MOST_MEMORIES = 6;
    private static final long MOST_HUGE_BYTES = 32 * MIB;

    private final EmulatedMachine machine;
    private final List<PciDevice> devices;
    private final List<Integer> hugePageShifts;
    private final Random random;
    private final long systemPage;
    private final List<Integer> pageShifts;
    private final List<ContainerModel> containers = new ArrayList<>();
    private final List<GroupModel> groups = new ArrayList<>();
    private final List<Memory> memories = new ArrayList<>();
    private final List<String> deviceFiles = new ArrayList<>();
    /** All names of containers and groups that were given, closed ones too. */
    private final List<String> fileNames = new ArrayList<>();

    private int names;
    private @Nullable String next;

    /** A container as it should be. */
    private static final class ContainerModel {
        private final String name;
        private final List<GroupModel> groups = new ArrayList<>();
        private final List<Range> registered = new ArrayList<>();
        private final List<Window> windows = new ArrayList<>();
        private final List<Mapping> mappings = new ArrayList<>();
        private int type;
        private boolean defaultPending;
        private boolean enabled;

        private ContainerModel(String name) {
            this.name = name;
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
        private @Nullable String name;
        private @Nullable ContainerModel container;

        private GroupModel(PciDevice device) {
            this.device = device;
        }

        private boolean isOpen() {
            return name != null;
        }
    }

    private record Memory(String name, long bytes, int pageShift) {}

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
     * @param machine what the calls are for
     * @param devices the devices that vfio-pci has, each alone in its group
     */
    CallGenerator(EmulatedMachine machine, List<PciDevice> devices, long seed) {
        this.machine = machine;
        this.devices = devices;
        this.hugePageShifts = List.copyOf(machine.hugePages().keySet());
        this.random = new Random(seed * 0x9e3779b97f4a7c15L);
        this.systemPage = 1L << machine.pageShift();
        this.pageShifts = IntStream.range(0, Long.SIZE)
                .filter(shift -> (machine.platform().pageSizes() >>> shift & 1) != 0)
                .boxed()
                .toList();
        devices.forEach(device -> groups.add(new GroupModel(device)));
    }

    List<String> sequence(int steps) {
        List<String> calls = new ArrayList<>();
        while (calls.size() < steps) {
            calls.add(next());
        }
        return calls;
    }

    private String next() {
        String call = next;
        next = null;
        return call != null ? call : draw();
    }

    private String draw() {
        List<Choice> choices = new ArrayList<>();
        boolean anyContainer = !containers.isEmpty();
        boolean anyGroup = groups.stream().anyMatch(GroupModel::isOpen);
        add(choices, containers.size() < MOST_CONTAINERS ? (anyContainer ? 3 : 60) : 0, this::openContainer);
        add(choices, groups.stream().allMatch(GroupModel::isOpen) ? 1 : anyGroup ? 5 : 60, this::openGroup);
        add(choices, memories.isEmpty() ? 40 : memories.size() < MOST_MEMORIES ? 5 : 0, this::makeMemory);
        add(choices, 2, this::openOther);
        add(choices, 4, this::raw);
        add(choices, 2, this::limit);
        add(choices, memories.isEmpty() ? 0 : 2, this::freeMemory);
        if (anyContainer) {
            add(choices, anyGroup ? (freeGroups().isEmpty() ? 2 : 40) : 0, this::setContainer);
            add(choices, anyContainer(CallGenerator::settable) ? 60 : 1, this::setIommu);
            add(choices, 2, () -> "ext " + container() + " " + pick(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 99));
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
            // A device is reset when it is opened and closed, and firmware takes seconds for it.
            add(choices, random.nextInt(6) == 0 ? 1 : 0, this::getDevice);
        }
        add(choices, deviceFiles.isEmpty() ? 0 : 4, this::closeDevice);
        int drawn = random.nextInt(choices.stream().mapToInt(Choice::weight).sum());
        for (Choice choice : choices) {
            drawn -= choice.weight();
            if (drawn < 0) {
                String call = choice.call().get();
                String spoiled = random.nextInt(5) == 0 ? spoil(call) : call;
                // The right one comes next, since what follows counts on it.
                next = spoiled.equals(call) ? null : call;
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
        ContainerModel container = new ContainerModel(newName("c"));
        containers.add(container);
        fileNames.add(container.name);
        return "open " + container.name + " /dev/vfio/vfio";
    }

    private String openGroup() {
        GroupModel group = pick(groups);
        String name = newName("g");
        if (!group.isOpen()) {
            group.name = name;
        }
        fileNames.add(name);
        return "open " + name + " /dev/vfio/" + group.device.group();
    }

    private String openOther() {
        String name = newName("n");
        fileNames.add(name);
        return "open " + name + " " + pick("/dev/null", "/dev/vfio/77", "/dev/vfio", "/dev/vfio/00");
    }

    private String makeMemory() {
        if (random.nextInt(6) == 0 && !hugePageShifts.isEmpty()) {
            int shift = pick(hugePageShifts);
            long page = 1L << shift;
            long bytes = Math.min(page << random.nextInt(2), MOST_HUGE_BYTES);
            Memory memory = new Memory(newName("h"), bytes, shift);
            memories.add(memory);
            return "huge " + memory.name() + " " + shift + " " + hex(bytes);
        }
        long bytes = 64 * KIB * pick(1, 2, 4, 16, 64);
        Memory memory = new Memory(newName("m"), bytes, machine.pageShift());
        memories.add(memory);
        return pick("mem", "mem", "mem", "mem", "mem", "mem", "mem", "mem", "mem", "rom", "none")
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
        Memory memory = pick(ordinary);
        long pages = memory.bytes() / systemPage;
        long first = random.nextBoolean() ? 0 : random.nextLong(pages);
        long count = first == 0 && random.nextBoolean() ? pages : 1 + random.nextLong(pages - first);
        return "free " + memory.name() + "+" + hex(first * systemPage) + " " + hex(count * systemPage);
    }

    private String setContainer() {
        List<GroupModel> free = freeGroups();
        if (free.isEmpty()) {
            return "setcont " + group() + " " + container();
        }
        GroupModel group = pick(free);
        ContainerModel container = pick(containers);
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
        int type = random.nextInt(12) == 0 ? pick(0, 1, 3, 5, 6, 8, 99) : random.nextInt(4) == 0 ? V1 : V2;
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
        int operation = pick(0, 1, 2, 3, 4, 4, 4, 4, 4, 8, 9, 9, 10);
        String call = "eeh " + container() + " " + operation;
        return operation == 9 ? call + " 0 40 " + random.nextInt(3) + " " + random.nextInt(22) : call;
    }

    private String register() {
        ContainerModel container = prefer(each -> each.type == V2);
        Range range = range();
        // Most of what is tried overlaps nothing.
        for (int attempt = 0; attempt < 6 && random.nextInt(8) != 0 && isRegistered(range); attempt++) {
            range = range();
        }
        if (isRegistered(range) && memories.size() < MOST_MEMORIES && random.nextInt(4) != 0) {
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
    private Range range() {
        Memory memory = pick(memories);
        if (random.nextInt(3) != 0) {
            return new Range(memory, 0, memory.bytes());
        }
        long pages = memory.bytes() / systemPage;
        long first = random.nextLong(pages);
        return new Range(memory, first * systemPage, systemPage * (1 + random.nextLong(pages - first)));
    }

    private String unregister() {
        ContainerModel container = prefer(each -> !each.registered.isEmpty());
        Range range = container.registered.isEmpty() || random.nextInt(10) == 0
                ? range()
                : container.registered.remove(random.nextInt(container.registered.size()));
        return "unreg " + container.name + " " + range.vaddr() + " " + hex(range.bytes());
    }

    private String createWindow() {
        ContainerModel container = prefer(each -> each.type == V2 && each.windows.size() < 2);
        makeDefaultWindow(container);
        int shift = random.nextInt(3) == 0 ? pick(pageShifts) : pick(SHIFT_4K, 16);
        int windowShift = Math.min(shift + 1 + random.nextInt(random.nextInt(8) == 0 ? 21 : 15), 50);
        int levels = machine.platform().isPowernv() ? 1 + random.nextInt(random.nextInt(3) == 0 ? 5 : 2) : 1;
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
        Window window = container.windows.remove(random.nextInt(container.windows.size()));
        long inside = random.nextInt(4) == 0 ? random.nextLong(window.bytes()) : 0;
        return "remove " + container.name + " " + hex(window.start() + inside);
    }

    private boolean mappable(ContainerModel container) {
        return container.enabled && (container.defaultPending || !container.windows.isEmpty());
    }

    private String map() {
        ContainerModel container = prefer(this::mappable);
        makeDefaultWindow(container);
        Range range = container.registered.isEmpty() || random.nextInt(8) == 0 ? range() : pick(container.registered);
        int flags = 1 + random.nextInt(3);
        if (container.windows.isEmpty()) {
            return "map %s %s 0x100000 0x10000 %d".formatted(container.name, range.vaddr(), flags);
        }
        Window window = pick(container.windows);
        long page = 1L << window.pageShift();
        long available = Math.max(1, range.bytes() / page);
        long first = random.nextInt(3) == 0 ? random.nextLong(available) : 0;
        long count = Math.min(available - first, 1 + random.nextInt(random.nextInt(4) == 0 ? 64 : 4));
        long iova = iova(window, count * page);
        container.mappings.add(new Mapping(iova, count * page));
        return "map %s %s %s %s %d"
                .formatted(container.name, range.vaddr(first * page), hex(iova), hex(count * page), flags);
    }

    /** Near the beginning of the window, at its end, or anywhere. */
    private long iova(Window window, long bytes) {
        long page = 1L << window.pageShift();
        long places = Math.max(1, (window.bytes() - bytes) / page + 1);
        long place = switch (random.nextInt(4)) {
            case 0 -> places - 1;
            case 1 -> random.nextLong(places);
            default -> random.nextLong(Math.min(places, 24));
        };
        return window.start() + place * page;
    }

    private String unmap() {
        ContainerModel container = prefer(each -> !each.mappings.isEmpty());
        if (container.mappings.isEmpty() || random.nextInt(6) == 0) {
            if (container.windows.isEmpty()) {
                return "unmap " + container.name + " 0x100000 0x10000";
            }
            Window window = pick(container.windows);
            long bytes = (1L << window.pageShift()) * (1 + random.nextInt(40));
            return "unmap %s %s %s".formatted(container.name, hex(iova(window, bytes)), hex(bytes));
        }
        Mapping mapping = container.mappings.remove(random.nextInt(container.mappings.size()));
        return "unmap %s %s %s".formatted(container.name, hex(mapping.iova()), hex(mapping.bytes()));
    }

    private String unsetContainer() {
        GroupModel group = openGroupModel();
        leave(group);
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
        leave(group);
        String call = "close " + group.name;
        group.name = null;
        return call;
    }

    private String closeContainer() {
        ContainerModel container = pick(containers);
        containers.remove(container);
        return "close " + container.name;
    }

    private String getDevice() {
        GroupModel group = openGroupModel();
        String name = newName("d");
        String address = random.nextInt(5) == 0
                ? pick(List.of("0000:01:00.1", "01:00.0", "x", pick(devices).address()))
                : group.device.address();
        deviceFiles.add(name);
        return "getdev " + name + " " + group.name + " " + address;
    }

    private String closeDevice() {
        return "close " + deviceFiles.remove(random.nextInt(deviceFiles.size()));
    }

    private String limit() {
        return switch (random.nextInt(4)) {
            case 0 -> "lockable 0";
            case 1 -> "lockable 1";
            default ->
                "maylock " + hex(pick(List.of(0L, systemPage, 16 * systemPage, 8 * MIB, 64 * MIB, 2 * GIB, 4 * GIB)));
        };
    }

    /** Requests by number: unknown ones, those of other architectures, and known ones with pointers that are bad. */
    private String raw() {
        String file = anyFile();
        String pointer = badPointer();
        return random.nextInt(5) == 0
                ? "ioctl " + file + " " + pick("0x3b64", "0x3b71", "0x3b75", "0x20003b63", "0x20003b90") + " " + pointer
                : "vfio " + file + " " + random.nextInt(32) + " " + pointer;
    }

    private String badPointer() {
        return switch (random.nextInt(4)) {
            case 0 -> beyondMemory();
            case 1 -> "0xc000000000000000";
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
        Memory memory = pick(known);
        return memory.name() + "+" + hex(memory.bytes() - pick(0, 2));
    }

    private List<Memory> ordinaryMemories() {
        return memories.stream()
                .filter(memory -> memory.pageShift() == machine.pageShift())
                .toList();
    }

    private String container() {
        return (random.nextInt(4) == 0 ? pick(containers) : prefer(container -> container.type != 0)).name;
    }

    private String group() {
        return String.valueOf(openGroupModel().name);
    }

    private GroupModel openGroupModel() {
        return pick(groups.stream().filter(GroupModel::isOpen).toList());
    }

    private boolean anyContainer(Predicate<ContainerModel> condition) {
        return containers.stream().anyMatch(condition);
    }

    /** A container, if there are some then one of those that meet the condition. */
    private ContainerModel prefer(Predicate<ContainerModel> condition) {
        List<ContainerModel> preferred = containers.stream().filter(condition).toList();
        return pick(preferred.isEmpty() ? containers : preferred);
    }

    /** Another call, one word of which is likely to be wrong. */
    private String spoil(String call) {
        List<Kind> kinds = CallNotation.of(call).kinds();
        List<Integer> places = IntStream.range(0, kinds.size())
                .filter(place -> kinds.get(place) != Kind.OTHER && kinds.get(place) != Kind.NEW_NAME)
                .boxed()
                .toList();
        boolean closes = call.startsWith("close");
        boolean huge = CallNotation.arguments(call).stream().anyMatch(word -> word.startsWith("h"));
        if (places.isEmpty() || closes || huge) {
            return call;
        }
        List<String> arguments = new ArrayList<>(CallNotation.allArguments(call));
        int place = pick(places);
        arguments.set(place, spoil(kinds.get(place), arguments.get(place)));
        // A reset is nothing for random sequences: see ContractHost.neverSent.
        boolean resets = call.startsWith("eeh ") && RESETS.contains(arguments.get(1));
        return resets ? call : CallNotation.call(CallNotation.name(call), arguments);
    }

    private String spoil(Kind kind, String word) {
        return switch (kind) {
            case FILE -> anyFile();
            case VADDR -> spoilAddress(word);
            case IOVA -> spoilIova(Long.decode(word));
            case BYTES -> spoilBytes(Long.decode(word));
            case FLAGS -> pick("0", "1", "2", "3", "4", "7", "8", "0x80000000", "0xffffffff");
            case ARGSZ ->
                pick(
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
                pick("0", "1", "11", "12", "13", "16", "21", "24", "28", "30", "34", "63", "64", "0xffffffff");
            case LEVELS -> pick("0", "1", "2", "3", "4", "5", "6", "64", "0xffffffff");
            case WINDOW_BYTES ->
                pick("0", "1", "0x800", "0x1000", "0x18000", "0x10000", "0x30000000", "0x8000000000000000");
            case NUMBER -> pick("0", "1", "2", "3", "5", "7", "8", "10", "19", "20", "99", "0x80000000", "0xffffffff");
            case NEW_NAME, OTHER -> word;
        };
    }

    /** Any container or group, open or closed, or a number that is no descriptor. */
    private String anyFile() {
        return random.nextInt(5) == 0 || fileNames.isEmpty() ? pick("-1", "999999", "2000000000") : pick(fileNames);
    }

    private String spoilAddress(String word) {
        int plus = word.indexOf('+');
        if (random.nextInt(3) == 0 || plus < 0) {
            return pick(
                    "0",
                    "0x1000",
                    "0x10000",
                    "0xc000000000000000",
                    "0xffffffffffff0000",
                    pick(memories).name());
        }
        long offset = Long.decode(word.substring(plus + 1));
        long changed = offset + pick(List.of(1L, -1L, 2 * KIB, 4 * KIB, -4 * KIB, systemPage, -systemPage));
        return word.substring(0, plus + 1) + hex(changed);
    }

    private String spoilIova(long iova) {
        return hex(pick(List.of(
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
        return hex(pick(List.of(
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

    @SafeVarargs
    private <T> T pick(T... choices) {
        return choices[random.nextInt(choices.length)];
    }

    private <T> T pick(List<T> choices) {
        return choices.get(random.nextInt(choices.size()));
    }

    private static String hex(long value) {
        return "0x" + Long.toHexString(value);
    }
}
