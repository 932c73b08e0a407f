package org.jvfio.cli;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.function.Consumer;
import org.jvfio.ByteSize;
import org.jvfio.Container;
import org.jvfio.Device;
import org.jvfio.DmaDirection;
import org.jvfio.DmaMapping;
import org.jvfio.DmaMemory;
import org.jvfio.DmaWindow;
import org.jvfio.Eeh;
import org.jvfio.IommuGroup;
import org.jvfio.LockedMemory;
import org.jvfio.PageSize;
import org.jvfio.PciFunction;
import org.jvfio.PeState;
import org.jvfio.SpaprTceVersion;
import org.jvfio.TceInfo;
import org.jvfio.VfioException;
import org.jvfio.driver.edu.EduDevice;
import org.jvfio.kernel.Kernel;

/**
 * The story of a driver: take a group from the host, make a window, register and map memory, copy through edu, do DMA
 * where nothing is mapped, and give everything back. It is told step by step, as things happen.
 */
final class Demo {
    private static final long WINDOW_BYTES = 1L << 30;
    private static final int COPIED = EduDevice.BUFFER_BYTES;
    private static final int FACTORIAL_OF = 10;
    // QEMU's edu waits 100 ms before each transfer, of a clock that a busy host may slow down.
    private static final Duration TIMEOUT = Duration.ofSeconds(5);

    private final Kernel kernel;
    private final String kernelTitle;
    private final PciFunction function;
    private final IommuGroup iommuGroup;
    private final PeLog log;
    private final Consumer<Step> audience;
    private final LockedMemory before;

    /** What {@link DemoCommand} prints as JSON: an object of chapters. */
    static JsonShape shape() {
        JsonShape pe = JsonShape.object("the PE as the kernel log shows it")
                .withOptional("bypass", JsonShape.bool("whether 64-bit bypass is on"))
                .with(
                        "windows",
                        JsonShape.list(
                                "its windows",
                                JsonShape.object("a window")
                                        .with("number", JsonShape.integer("0 or 1"))
                                        .with("start", JsonShape.address("first bus address"))
                                        .with("size", JsonShape.integer("bytes"))
                                        .with("pageSize", JsonShape.integer("bytes of an IOMMU page"))));
        JsonShape log = JsonShape.strings("messages of the kernel about the PE");
        JsonShape locked = JsonShape.integer("locked memory that the demo has added, in bytes");
        return JsonShape.object("the story, chapter by chapter")
                .with(
                        "host",
                        JsonShape.object("the host owns the device")
                                .with("kernel", JsonShape.string("release and host"))
                                .with(
                                        "device",
                                        JsonShape.object("the device")
                                                .with("address", JsonShape.string("PCI address"))
                                                .with("id", JsonShape.string("vendor:device")))
                                .with(
                                        "group",
                                        JsonShape.object("its IOMMU group")
                                                .with("number", JsonShape.integer("N of /dev/vfio/N"))
                                                .with("name", JsonShape.string("name of the platform"))
                                                .with("devices", JsonShape.strings("its functions")))
                                .with("pe", pe))
                .with(
                        "take",
                        JsonShape.object("the group is taken from the host")
                                .with(
                                        "platform",
                                        JsonShape.object("what the IOMMU offers")
                                                .with("maxWindows", JsonShape.integer("windows at a time"))
                                                .with(
                                                        "pageSizes",
                                                        JsonShape.list("IOMMU page sizes", JsonShape.integer("bytes")))
                                                .with("maxLevels", JsonShape.integer("levels of a TCE table")))
                                .with("kernelLog", log)
                                .with("pe", pe))
                .with(
                        "windows",
                        JsonShape.object("a window is created")
                                .with(
                                        "windows",
                                        JsonShape.list(
                                                "the windows",
                                                JsonShape.object("a window")
                                                        .with("start", JsonShape.address("first bus address"))
                                                        .with("size", JsonShape.integer("bytes"))
                                                        .with("pageSize", JsonShape.integer("bytes of an IOMMU page"))
                                                        .with("levels", JsonShape.integer("levels of its TCE table"))
                                                        .with(
                                                                "tableBytes",
                                                                JsonShape.integer("bytes of its TCE table"))))
                                .with("lockedBytes", locked)
                                .with("kernelLog", log)
                                .with("pe", pe))
                .with(
                        "map",
                        JsonShape.object("memory is registered and mapped")
                                .with("memoryBytes", JsonShape.integer("bytes of DMA memory"))
                                .with("lockedBytes", locked)
                                .with(
                                        "mappings",
                                        JsonShape.list(
                                                "the mappings",
                                                JsonShape.object("a mapping")
                                                        .with("iova", JsonShape.address("its bus address"))
                                                        .with("size", JsonShape.integer("bytes"))
                                                        .with("offset", JsonShape.integer("bytes into the memory"))
                                                        .with(
                                                                "direction",
                                                                JsonShape.word(
                                                                        "of the DMA",
                                                                        List.of(
                                                                                "to_device",
                                                                                "from_device",
                                                                                "bidirectional"))))))
                .with(
                        "copy",
                        JsonShape.object("the device copies and the copy is verified")
                                .with(
                                        "edu",
                                        JsonShape.object("the device")
                                                .with("version", JsonShape.string("of its registers"))
                                                .with("byteOrder", JsonShape.string("of its registers"))
                                                .with("alive", JsonShape.bool("whether its liveness check passes")))
                                .with("from", JsonShape.address("bus address that was read"))
                                .with("to", JsonShape.address("bus address that was written"))
                                .with("verifiedBytes", JsonShape.integer("bytes found equal")))
                .with(
                        "fault",
                        JsonShape.object("DMA where nothing is mapped is stopped")
                                .with("iova", JsonShape.address("bus address of the DMA"))
                                .with("driverSees", JsonShape.string("what the registers show"))
                                .with("memoryUntouched", JsonShape.bool("whether memory is as before"))
                                .with("eeh", JsonShape.bool("whether the kernel reports the state of PEs"))
                                .withOptional("peState", JsonShape.integer("EEH state of the PE"))
                                .withOptional("recoveredPeState", JsonShape.integer("EEH state after its reset"))
                                .with("kernelLog", log))
                .with(
                        "return",
                        JsonShape.object("everything is given back")
                                .with("lockedBytes", locked)
                                .with("kernelLog", log)
                                .with("pe", pe));
    }

    private Demo(
            Kernel kernel,
            String kernelTitle,
            PciFunction function,
            IommuGroup iommuGroup,
            PeLog log,
            Consumer<Step> audience) {
        this.kernel = kernel;
        this.kernelTitle = kernelTitle;
        this.function = function;
        this.iommuGroup = iommuGroup;
        this.log = log;
        this.audience = audience;
        this.before = LockedMemory.of(kernel);
    }

    /**
     * Tells the story with an edu device.
     *
     * @throws VfioException if something cannot be done, or the copy is not right; all is given back then too
     */
    static void tell(Kernel kernel, String kernelTitle, PciFunction function, Consumer<Step> audience) {
        IommuGroup group = IommuGroup.of(kernel, function.address());
        try (PeLog log = PeLog.open(kernel, group, function.address())) {
            new Demo(kernel, kernelTitle, function, group, log, audience).tell();
        }
    }

    private void tell() {
        Step host = host();
        try (Container container = Container.open(kernel)) {
            Device device = container.attach(function.address()).openDevice(function.address());
            audience.accept(host);
            tellTaken(container);
            DmaWindow low = container.defaultWindow();
            boolean createsWindows = container.iommuVersion() != SpaprTceVersion.V1;
            DmaWindow high = createsWindows
                    ? HighWindow.create(container, "run the demo", WINDOW_BYTES, Demo::memoryBytes)
                    : low;
            tellWindows(container, createsWindows);
            DmaMemory memory = container.allocate(memoryBytes(high.pageSize()));
            long half = memory.size() / 2;
            EduDevice edu = EduDevice.of(device);
            DmaWindow reached = edu.reaches(high.range().start()) ? high : low;
            DmaMapping source = low.map(memory.range(0, half), DmaDirection.TO_DEVICE);
            DmaMapping destination = reached.map(memory.range(half, half), DmaDirection.FROM_DEVICE);
            tellMapped(memory, List.of(source, destination));
            copy(edu, source, destination);
            tellCopied(edu, source, destination);
            tellFault(container.eeh(), device, edu, source, destination);
        }
        tellReturned();
    }

    /** A page for the source of the copy, and one for its destination. */
    private static long memoryBytes(PageSize page) {
        return 2 * page.bytes();
    }

    /** Who has the device before it is taken. Told only once it is: a device that cannot be had is no story. */
    private Step host() {
        List<String> functions =
                iommuGroup.functions().stream().map(PciFunction::toString).toList();
        String pe = iommuGroup.pe().isPresent()
                ? "PE %x of domain %04x"
                        .formatted(
                                iommuGroup.pe().getAsInt(), function.address().domain())
                : iommuGroup.name();
        return new Step("host", "1. The host owns the device")
                .fact("kernel", kernelTitle, "kernel", kernelTitle)
                .fact(
                        "device",
                        Json.object("address", function.address().toString(), "id", function.id()),
                        "device",
                        "%s, edu (%s)".formatted(function.address(), function.id()))
                .fact(
                        "group",
                        Json.object("number", iommuGroup.number(), "name", iommuGroup.name(), "devices", functions),
                        "group",
                        "%s, %s: %s".formatted(iommuGroup.number(), pe, String.join(", ", functions)))
                .fact("pe", log.data(), "owner", log.describe("the host"));
    }

    private void tellTaken(Container container) {
        TceInfo info = container.iommuInfo();
        List<String> pages = info.pageSizes().stream().map(PageSize::toString).toList();
        String platform = "%s, pages of %s, up to %s"
                .formatted(windows(info.maxWindows()), String.join(" ", pages), levels(info.maxLevels()));
        Step step = new Step("take", "2. JVFIO takes its group from the host")
                .fact(
                        "platform",
                        Json.object(
                                "maxWindows",
                                info.maxWindows(),
                                "pageSizes",
                                info.pageSizes().stream().map(PageSize::bytes).toList(),
                                "maxLevels",
                                info.maxLevels()),
                        "platform",
                        platform);
        audience.accept(addLog(step).fact("pe", log.data(), "owner", log.describe("this process")));
    }

    private static String windows(int windows) {
        return windows + (windows == 1 ? " window" : " windows");
    }

    private static String levels(int levels) {
        return levels + (levels == 1 ? " level" : " levels");
    }

    private void tellWindows(Container container, boolean created) {
        List<DmaWindow> windows = container.windows();
        String title = created
                ? "3. It makes a DMA window beside the default one"
                : "3. It uses the default DMA window, as this platform makes no other";
        Step step = new Step("windows", title)
                .fact(
                        "windows",
                        windows.stream().map(Demo::data).toList(),
                        "windows",
                        windows.stream().map(Demo::describe).toList())
                .fact("lockedBytes", locked(), "locked memory", ByteSize.format(locked()));
        audience.accept(addLog(step).fact("pe", log.data(), ""));
    }

    private static Map<String, Object> data(DmaWindow window) {
        return Json.object(
                "start",
                hex(window.range().start()),
                "size",
                window.range().size(),
                "pageSize",
                window.pageSize().bytes(),
                "levels",
                window.levels(),
                "tableBytes",
                window.tableBytes());
    }

    private static String describe(DmaWindow window) {
        return "%-38s %4s pages  %4s  %s  tables %s"
                .formatted(
                        window.range(),
                        window.pageSize(),
                        ByteSize.format(window.range().size()),
                        levels(window.levels()),
                        ByteSize.format(window.tableBytes()));
    }

    private void tellMapped(DmaMemory memory, List<DmaMapping> mappings) {
        audience.accept(new Step("map", "4. It registers memory, and maps it twice")
                .fact("memoryBytes", memory.size(), "memory", memory.toString())
                .fact("lockedBytes", locked(), "locked memory", ByteSize.format(locked()))
                .fact(
                        "mappings",
                        mappings.stream().map(Demo::data).toList(),
                        "mappings",
                        mappings.stream().map(Demo::describe).toList()));
    }

    private static Map<String, Object> data(DmaMapping mapping) {
        return Json.object(
                "iova",
                hex(mapping.iova()),
                "size",
                mapping.range().size(),
                "offset",
                mapping.offset(),
                "direction",
                mapping.direction().name().toLowerCase(Locale.ROOT));
    }

    private static String describe(DmaMapping mapping) {
        return "%s at offset 0x%05x -> IOVA %s, %s"
                .formatted(
                        ByteSize.format(mapping.range().size()),
                        mapping.offset(),
                        mapping.range(),
                        words(mapping.direction()));
    }

    private static String words(DmaDirection direction) {
        return switch (direction) {
            case TO_DEVICE -> "to device";
            case FROM_DEVICE -> "from device";
            case BIDIRECTIONAL -> "both ways";
        };
    }

    /** Copies through the device, and compares byte for byte. */
    private static void copy(EduDevice edu, DmaMapping source, DmaMapping destination) {
        MemorySegment from = source.memory().segment().asSlice(source.offset(), COPIED);
        MemorySegment to = destination.memory().segment().asSlice(destination.offset(), COPIED);
        byte[] pattern = new byte[COPIED];
        // The same each time: a program that is replayed has to write what it wrote.
        new SplittableRandom(COPIED).nextBytes(pattern);
        MemorySegment.copy(pattern, 0, from, JAVA_BYTE, 0, COPIED);
        to.fill((byte) 0);
        edu.readMemory(source.iova(), 0, COPIED, TIMEOUT);
        edu.writeMemory(destination.iova(), 0, COPIED, TIMEOUT);
        long difference = MemorySegment.ofArray(pattern).mismatch(to);
        if (difference >= 0) {
            throw new VfioException(
                    VfioException.Kind.DEVICE_ERROR,
                    "copy from IOVA 0x%x to IOVA 0x%x".formatted(source.iova(), destination.iova()),
                    "byte %d came back wrong".formatted(difference),
                    "let the device reach those addresses (QEMU: -device edu,dma_mask=0xffffffffffffffff)");
        }
    }

    private void tellCopied(EduDevice edu, DmaMapping source, DmaMapping destination) {
        int factorial = edu.factorial(FACTORIAL_OF, TIMEOUT);
        String order = edu.order().toString().toLowerCase(Locale.ROOT).replace('_', '-');
        audience.accept(new Step("copy", "5. The device copies, from memory to its buffer to memory elsewhere")
                .fact(
                        "edu",
                        Json.object("version", edu.version(), "byteOrder", order, "alive", edu.isAlive()),
                        "edu",
                        "version %s, %s registers, %s, %s! = %s"
                                .formatted(
                                        edu.version(),
                                        order,
                                        edu.isAlive() ? "alive" : "not alive",
                                        FACTORIAL_OF,
                                        factorial))
                .fact("from", hex(source.iova()), "read", COPIED + " bytes from IOVA " + hex(source.iova()))
                .fact("to", hex(destination.iova()), "written", COPIED + " bytes to IOVA " + hex(destination.iova()))
                .fact("verifiedBytes", COPIED, "verified", "%s of %s bytes are equal".formatted(COPIED, COPIED)));
    }

    private void tellFault(Optional<Eeh> eeh, Device device, EduDevice edu, DmaMapping source, DmaMapping destination) {
        destination.close();
        Step step = new Step("fault", "6. It writes there again, after the mapping is closed")
                .fact("iova", hex(destination.iova()), "written", COPIED + " bytes to IOVA " + hex(destination.iova()));
        String seen = writeInVain(edu, destination);
        step.fact("driverSees", seen, "driver sees", seen.split("; ", -1))
                .fact("memoryUntouched", true, "memory", "untouched");
        if (eeh.isPresent()) {
            tellState(step, eeh.get(), device, source, destination);
        } else {
            step.fact("eeh", false, "PE", "this kernel does not tell (no EEH)");
        }
        audience.accept(addLog(step));
    }

    /** Has the device write where nothing is mapped; what the driver sees of it. */
    private static String writeInVain(EduDevice edu, DmaMapping closed) {
        MemorySegment lost = closed.memory().segment().asSlice(closed.offset(), COPIED);
        lost.fill((byte) 0);
        String seen = "the device says that it is done";
        try {
            edu.writeMemory(closed.iova(), 0, COPIED, TIMEOUT);
        } catch (VfioException e) {
            seen = e.reason();
        }
        if (lost.mismatch(MemorySegment.ofArray(new byte[COPIED])) >= 0) {
            throw new VfioException(
                    VfioException.Kind.UNSUPPORTED,
                    "keep the device from memory that is not mapped",
                    "it wrote to IOVA %s after the mapping was closed".formatted(hex(closed.iova())),
                    "report this: the IOMMU does not protect this host");
        }
        return seen;
    }

    /** Tells the state of the PE, and brings it back if it is not what it should be. */
    private static void tellState(Step step, Eeh eeh, Device device, DmaMapping source, DmaMapping destination) {
        PeState state = eeh.state();
        String dropped = state == PeState.NORMAL ? ": the platform dropped the write, and froze nothing" : "";
        step.fact("eeh", true, "")
                .fact("peState", state.number(), "PE", "%s (EEH state %s)%s".formatted(state, state.number(), dropped));
        if (state == PeState.NORMAL) {
            return;
        }
        device.recover();
        EduDevice edu = EduDevice.of(device);
        DmaMapping again = destination
                .window()
                .map(destination.memory().range(destination.offset(), destination.size()), DmaDirection.FROM_DEVICE);
        copy(edu, source, again);
        PeState recovered = eeh.state();
        step.fact(
                "recoveredPeState",
                recovered.number(),
                "recovery",
                "PE reset: %s; mapped, copied and verified again".formatted(recovered));
    }

    private void tellReturned() {
        Step step = new Step("return", "7. JVFIO gives everything back")
                .fact("lockedBytes", locked(), "locked memory", ByteSize.format(locked()));
        audience.accept(addLog(step).fact("pe", log.data(), "owner", log.describe("the host")));
    }

    /** Adds what came in the kernel's log. */
    private Step addLog(Step step) {
        List<String> news = log.read();
        return step.fact("kernelLog", news, "kernel log", news);
    }

    private long locked() {
        return LockedMemory.of(kernel).locked() - before.locked();
    }

    private static String hex(long address) {
        return "0x%x".formatted(address);
    }
}
