package org.jvfio.cli;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import org.jvfio.ByteSize;
import org.jvfio.Container;
import org.jvfio.Device;
import org.jvfio.DmaConstraints;
import org.jvfio.DmaDirection;
import org.jvfio.DmaMapping;
import org.jvfio.DmaMemory;
import org.jvfio.InterruptType;
import org.jvfio.Interrupts;
import org.jvfio.PciAddress;
import org.jvfio.Region;
import org.jvfio.kernel.Kernel;

/**
 * A device that a user works with by hand, step by step: registers, configuration space, one piece of DMA memory,
 * interrupts. Closing it gives the device back.
 */
final class DeviceSession implements AutoCloseable {
    static final String STEPS = "peek REGISTER; poke REGISTER VALUE; config read OFFSET; config write OFFSET VALUE;"
            + " dma alloc SIZE; dma fill OFFSET SIZE BYTE; dma dump OFFSET SIZE; irq enable TYPE; irq wait SECONDS;"
            + " sleep MILLISECONDS; reset";

    private static final Pattern VALUE = Pattern.compile("iova(?:\\+(0x[0-9a-fA-F]+|[0-9]+))?");
    private static final Pattern NUMBER = Pattern.compile("0x[0-9a-fA-F]{1,16}|[0-9]{1,20}");
    private static final int ROW = 16;
    private static final long MAX_DUMP = 1 << 20;
    private static final long MAX_SECONDS = 3600;
    private static final long MAX_MILLIS = 3_600_000;

    private final Device device;
    private final ByteOrder order;
    private final int maskBits;
    private final List<Map<String, Object>> results = new ArrayList<>();
    private final List<String> lines = new ArrayList<>();
    private @Nullable DmaMapping mapping;
    private @Nullable Interrupts interrupts;

    private DeviceSession(Device device, ByteOrder order, int maskBits) {
        this.device = device;
        this.order = order;
        this.maskBits = maskBits;
    }

    /** Adds the options that every session has. */
    static CommandSyntax addTo(CommandSyntax syntax) {
        return HostChoice.addTo(syntax)
                .choice(
                        "order",
                        "ORDER",
                        List.of("little", "big"),
                        "use this byte order of the registers (default: little)")
                .option("mask", "BITS", "map DMA memory for a device with this many address bits (default: 64)")
                .option("then", "STEPS", "go on with these steps, separated by ';', while the device is open: " + STEPS)
                .about(
                        "The device is taken from the host, and reset, when the command begins, and given back when it ends:"
                                + " its registers do not keep what a former command wrote. Steps of one command share the"
                                + " device. In values, iova is the bus address of the memory of 'dma alloc', as in iova+0x100.")
                .json(JsonShape.object("what the steps have found")
                        .with("device", JsonShape.string("PCI address"))
                        .with(
                                "steps",
                                JsonShape.list(
                                        "in their order",
                                        JsonShape.object("a step")
                                                .with("step", JsonShape.string("as it was given"))
                                                .withOptional("value", JsonShape.address("what was read"))
                                                .withOptional("iova", JsonShape.address("bus address of the memory"))
                                                .withOptional("bytes", JsonShape.integer("bytes of the memory"))
                                                .withOptional("data", JsonShape.strings("memory in hexadecimal"))
                                                .withOptional("vector", JsonShape.integer("vector that was signalled"))
                                                .withOptional(
                                                        "signalled", JsonShape.bool("whether an interrupt came")))));
    }

    /** What runs in a session. */
    interface Work {
        void in(DeviceSession session) throws Failure;
    }

    /** Opens the device, does the work and the steps of {@code --then}, and prints what they found. */
    static int run(Invocation in, String address, Work work) throws Failure {
        return run(in, address, work, session -> {});
    }

    /** As {@link #run(Invocation, String, Work)}, with work before and after the steps. */
    static int run(Invocation in, String address, Work before, Work after) throws Failure {
        ByteOrder order = in.word("order", "little", List.of("little", "big")).equals("big")
                ? ByteOrder.BIG_ENDIAN
                : ByteOrder.LITTLE_ENDIAN;
        int mask = (int) in.number("mask", Long.SIZE, 1, Long.SIZE);
        PciAddress at = Devices.address(address);
        List<String> steps =
                in.value("then").map(text -> List.of(text.split(";", -1))).orElse(List.of());
        Kernel kernel = HostChoice.of(in).open(in);
        try (DeviceSession session = new DeviceSession(Device.open(kernel, at), order, mask)) {
            before.in(session);
            for (String step : steps) {
                if (!step.isBlank()) {
                    session.step(step.strip());
                }
            }
            after.in(session);
            if (in.json()) {
                in.out().println(Json.text(Json.object("device", at.toString(), "steps", session.results)));
            } else {
                session.lines.forEach(in.out()::println);
            }
        } catch (IndexOutOfBoundsException | IllegalArgumentException e) {
            throw Failure.failed("cannot do this with %s: %s".formatted(at, e.getMessage()));
        }
        return 0;
    }

    private void step(String step) throws Failure {
        List<String> words = Arrays.asList(step.split("\\s+", -1));
        String verb = words.getFirst();
        String two = words.size() > 1 ? verb + " " + words.get(1) : verb;
        int count = words.size();
        if (verb.equals("peek") && count == 2) {
            peek(Register.ofBar(words.get(1)));
        } else if (verb.equals("poke") && count == 3) {
            poke(Register.ofBar(words.get(1)), words.get(2));
        } else if (two.equals("config read") && count == 3) {
            peek(Register.ofConfig(words.get(2)));
        } else if (two.equals("config write") && count == 4) {
            poke(Register.ofConfig(words.get(2)), words.get(3));
        } else if (two.equals("dma alloc") && count == 3) {
            allocate(Invocation.bytes("dma alloc", words.get(2)));
        } else if (two.equals("dma fill") && count == 5) {
            fill(number(words.get(2)), Invocation.bytes("dma fill", words.get(3)), number(words.get(4)));
        } else if (two.equals("dma dump") && count == 4) {
            dump(number(words.get(2)), Invocation.bytes("dma dump", words.get(3)));
        } else if (two.equals("irq enable") && count == 3) {
            enable(words.get(2));
        } else if (two.equals("irq wait") && count == 3) {
            await(Invocation.number("irq wait", words.get(2), 0, MAX_SECONDS));
        } else if (verb.equals("sleep") && count == 2) {
            sleep(Invocation.number("sleep", words.get(1), 0, MAX_MILLIS));
        } else if (verb.equals("reset") && count == 1) {
            device.reset();
            add("reset", "reset " + device.address());
        } else {
            throw Failure.usage("there is no step '" + step + "'; the steps are: " + STEPS);
        }
    }

    private Map<String, Object> add(String step, String line) {
        Map<String, Object> result = Json.object("step", step);
        results.add(result);
        lines.add(line);
        return result;
    }

    private Region region(Register register) {
        return register.bar() == Register.CONFIG
                ? device.config()
                : device.bar(register.bar()).withOrder(order);
    }

    void peek(Register register) {
        Region region = region(register);
        long value = switch (register.width()) {
            case 1 -> Byte.toUnsignedLong(region.readByte(register.offset()));
            case 2 -> Short.toUnsignedLong(region.readShort(register.offset()));
            case 4 -> Integer.toUnsignedLong(region.readInt(register.offset()));
            default -> region.readLong(register.offset());
        };
        String text = "0x" + String.format(Locale.ROOT, "%0" + 2 * register.width() + "x", value);
        add("peek " + register, register + " = " + text).put("value", text);
    }

    void poke(Register register, String text) throws Failure {
        long value = value(text);
        int bits = register.width() * Byte.SIZE;
        if (bits < Long.SIZE && value >>> bits != 0) {
            throw Failure.usage("%s has more than %s, the width of %s"
                    .formatted(text, Words.count(register.width(), "byte"), register));
        }
        Region region = region(register);
        switch (register.width()) {
            case 1 -> region.writeByte(register.offset(), (byte) value);
            case 2 -> region.writeShort(register.offset(), (short) value);
            case 4 -> region.writeInt(register.offset(), (int) value);
            default -> region.writeLong(register.offset(), value);
        }
        add("poke %s %s".formatted(register, text), "%s <- %s".formatted(register, Json.hex(value)))
                .put("value", Json.hex(value));
    }

    private long value(String text) throws Failure {
        Matcher matcher = VALUE.matcher(text);
        if (matcher.matches()) {
            long offset = matcher.group(1) == null ? 0 : number(matcher.group(1));
            return memory("use iova").iova() + offset;
        }
        return number(text);
    }

    /**
     * A number, such as 16 or 0x10.
     *
     * @throws Failure if it is none, or has more than 8 bytes
     */
    static long number(String text) throws Failure {
        if (NUMBER.matcher(text).matches()) {
            try {
                return text.startsWith("0x")
                        ? Long.parseUnsignedLong(text.substring(2), 16)
                        : Long.parseUnsignedLong(text);
            } catch (NumberFormatException _) {
                throw Failure.usage("'" + text + "' is too large for 8 bytes");
            }
        }
        throw Failure.usage("'" + text + "' is not a number such as 16 or 0x10");
    }

    private DmaMapping memory(String asked) throws Failure {
        DmaMapping current = mapping;
        if (current == null) {
            throw Failure.usage("cannot %s: there is no DMA memory; begin with dma alloc SIZE".formatted(asked));
        }
        return current;
    }

    void allocate(long bytes) throws Failure {
        if (mapping != null) {
            throw Failure.usage("dma alloc: there is DMA memory already; a session has one piece");
        }
        if (bytes < 1) {
            throw Failure.usage("DMA memory has at least 1 byte");
        }
        Container container = device.container();
        DmaMemory memory = container.allocate(bytes);
        DmaMapping mapped =
                container.map(memory.range(), DmaDirection.BIDIRECTIONAL, DmaConstraints.ofMaskBits(maskBits));
        mapping = mapped;
        device.enableBusMastering();
        Map<String, Object> result = add(
                "dma alloc " + ByteSize.format(bytes),
                "DMA memory of %s at IOVA %s, in pages of %s"
                        .formatted(
                                ByteSize.format(mapped.size()),
                                mapped.range(),
                                mapped.window().pageSize()));
        result.put("iova", Json.hex(mapped.iova()));
        result.put("bytes", mapped.size());
    }

    private MemorySegment part(String asked, long offset, long bytes) throws Failure {
        DmaMapping current = memory(asked);
        if (offset < 0 || bytes < 0 || offset > current.size() || bytes > current.size() - offset) {
            throw Failure.usage("cannot %s: the DMA memory has %s".formatted(asked, ByteSize.format(current.size())));
        }
        return current.memory().segment().asSlice(offset, bytes);
    }

    void fill(long offset, long bytes, long value) throws Failure {
        if (value < 0 || value > 0xff) {
            throw Failure.usage("dma fill: a byte is from 0 to 0xff");
        }
        String asked = "fill %s at %s".formatted(ByteSize.format(bytes), Json.hex(offset));
        part(asked, offset, bytes).fill((byte) value);
        add(
                "dma " + asked,
                "filled %s at %s with %s".formatted(ByteSize.format(bytes), Json.hex(offset), Json.hex(value)));
    }

    void dump(long offset, long bytes) throws Failure {
        if (bytes > MAX_DUMP) {
            throw Failure.usage("dma dump: at most " + ByteSize.format(MAX_DUMP));
        }
        String asked = "dump %s at %s".formatted(ByteSize.format(bytes), Json.hex(offset));
        byte[] data = part(asked, offset, bytes).toArray(ValueLayout.JAVA_BYTE);
        List<String> rows = new ArrayList<>();
        for (int row = 0; row < data.length; row += ROW) {
            StringBuilder text = new StringBuilder("%08x:".formatted(offset + row));
            for (int each = row; each < Math.min(data.length, row + ROW); each++) {
                text.append(" %02x".formatted(data[each] & 0xff));
            }
            rows.add(text.toString());
        }
        add("dma " + asked, String.join(System.lineSeparator(), rows)).put("data", rows);
    }

    /** Enables all vectors of a type, or of the best type that the device has. */
    void enable(String name) throws Failure {
        List<String> names = List.of("msix", "msi", "intx");
        if (!names.contains(name)) {
            throw Failure.usage(
                    "irq: '%s' is not %s%s".formatted(name, Words.oneOf(names), Suggestion.of(name, names)));
        }
        Interrupts former = interrupts;
        if (former != null) {
            former.close();
        }
        InterruptType type = InterruptType.valueOf(name.toUpperCase(Locale.ROOT));
        int count = Math.max(1, device.interruptInfo(type).count());
        interrupts = device.enableInterrupts(type, 1, count);
        if (type != InterruptType.INTX) {
            device.enableBusMastering();
        }
        add("irq enable " + name, "%s enabled, %s".formatted(type, Words.count(count, "vector")));
    }

    /** Enables the best type of interrupts that the device has. */
    void enableBest() throws Failure {
        Optional<InterruptType> best = List.of(InterruptType.MSIX, InterruptType.MSI, InterruptType.INTX).stream()
                .filter(type -> device.interruptInfo(type).count() > 0)
                .findFirst();
        if (best.isEmpty()) {
            throw Failure.failed("cannot wait for an interrupt of %s: it has none".formatted(device.address()));
        }
        enable(best.get().name().toLowerCase(Locale.ROOT));
    }

    /** Waits for any vector, and tells whether one was signalled. */
    boolean await(long seconds) throws Failure {
        Interrupts enabled = interrupts;
        if (enabled == null) {
            throw Failure.usage("irq wait: no interrupts are enabled; begin with irq enable TYPE");
        }
        try {
            int vector = enabled.awaitAny(Duration.ofSeconds(seconds));
            Map<String, Object> result = add(
                    "irq wait " + seconds,
                    vector < 0
                            ? "no interrupt within " + Words.count(seconds, "second")
                            : "interrupt of vector " + vector);
            result.put("signalled", vector >= 0);
            if (vector >= 0) {
                result.put("vector", vector);
            }
            return vector >= 0;
        } catch (InterruptedException _) {
            Thread.currentThread().interrupt();
            throw Failure.failed("interrupted while waiting for an interrupt");
        }
    }

    private void sleep(long millis) throws Failure {
        try {
            Thread.sleep(millis);
        } catch (InterruptedException _) {
            Thread.currentThread().interrupt();
            throw Failure.failed("interrupted while sleeping");
        }
        add("sleep " + millis, "slept " + Words.count(millis, "millisecond"));
    }

    @Override
    public void close() {
        device.close();
    }
}
