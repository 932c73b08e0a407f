package org.jvfio.emulator;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.Set;
import java.util.regex.Pattern;
import org.jvfio.emulator.device.BarKind;
import org.jvfio.emulator.device.MachineOptions;
import org.jvfio.kernel.FileErrors;

/** Reads the options of a PCI function in a machine file, as {@link EmulatedMachine#read} documents them. */
final class FunctionFile {
    private static final Pattern OFFSET = Pattern.compile("0x[0-9a-fA-F]{1,4}");
    private static final Pattern BYTES = Pattern.compile("[0-9a-fA-F]{2}( ?[0-9a-fA-F]{2})*");
    /** The largest expansion ROM. */
    private static final long MAX_BYTES = 16 << 20;

    private static final Set<String> BAR_OPTIONS = Set.of("index", "kind", "size", "wide");

    private final MachineOptions device;
    private final FunctionOptions.Builder options = FunctionOptions.builder();

    private FunctionFile(MachineOptions device) {
        this.device = device;
    }

    static FunctionOptions read(MachineOptions device) {
        return new FunctionFile(device).read();
    }

    private FunctionOptions read() {
        if (device.has("vpd")) {
            byte[] data = vitalProductData();
            valid(device, "vpd", () -> options.vitalProductData(data));
        }
        device.object("config", "'config'")
                .ifPresent(config -> readBytes("configuration space", config, options::configBytes));
        if (device.has("bars")) {
            device.objects("bars", "a BAR").forEach(this::readBar);
        }
        if (device.has("silentMicros")) {
            options.silentAfterBind(device.micros("silentMicros"));
        }
        if (device.has("windowsFailed")) {
            options.windowsFailed(device.flag("windowsFailed"));
        }
        if (device.has("extendedConfig")) {
            options.extendedConfig(device.flag("extendedConfig"));
        }
        return options.build();
    }

    /** The contents of a file, or bytes at their addresses with zeros between them. */
    private byte[] vitalProductData() {
        if (device.value("vpd").orElseThrow() instanceof String) {
            return bytes(device, "vpd");
        }
        byte[] data = new byte[VitalProductData.MAX_BYTES];
        int[] end = {0};
        readBytes("vital product data", device.object("vpd"), (offset, bytes) -> {
            if (offset + bytes.length > VitalProductData.MAX_BYTES) {
                throw new IllegalArgumentException("vital product data up to 0x%x: the maximum is 0x%x"
                        .formatted(offset + bytes.length, VitalProductData.MAX_BYTES));
            }
            System.arraycopy(bytes, 0, data, offset, bytes.length);
            end[0] = Math.max(end[0], offset + bytes.length);
        });
        return Arrays.copyOf(data, end[0]);
    }

    /** Where the bytes of a part of the file go. */
    private interface ByteSink {
        void put(int offset, byte[] bytes);
    }

    /** Reads an object of bytes in hexadecimal by their offsets. */
    private static void readBytes(String what, MachineOptions parts, ByteSink sink) {
        for (String offset : parts.names()) {
            String bytes = parts.string(offset);
            if (!OFFSET.matcher(offset).matches()) {
                throw parts.wrong(offset, "has %s at '%s'; write the offset like 0x41".formatted(what, offset));
            }
            if (!BYTES.matcher(bytes).matches()) {
                throw parts.wrong(
                        offset,
                        "has %s of '%s' at %s; write bytes in hexadecimal, like 40 or 00 ff"
                                .formatted(what, bytes, offset));
            }
            byte[] parsed = HexFormat.of().parseHex(bytes.replace(" ", ""));
            valid(parts, offset, () -> sink.put(Integer.decode(offset), parsed));
        }
    }

    private void readBar(MachineOptions bar) {
        bar.requireKnown("a BAR", BAR_OPTIONS);
        int index = bar.integer("index");
        BarKind kind = bar.constant("kind", BarKind.values());
        long bytes = bar.size("size");
        boolean wide = bar.has("wide") && bar.flag("wide");
        if (options.build().bars().containsKey(index)) {
            throw bar.wrong("index", "has two BARs " + index + "; give each its own index");
        }
        valid(bar, "index", () -> options.bar(index, kind, bytes, wide));
    }

    private static void valid(MachineOptions object, String name, Runnable step) {
        try {
            step.run();
        } catch (IllegalArgumentException invalid) {
            throw object.wrong(name, "is invalid: " + invalid.getMessage());
        }
    }

    /** The contents of a file that an option names. */
    static byte[] bytes(MachineOptions device, String name) {
        Path file = device.path(name);
        try {
            BasicFileAttributes attributes = Files.readAttributes(file, BasicFileAttributes.class);
            if (attributes.isOther()) {
                // A pipe or a device may have no end.
                throw device.wrong(name, "has the '" + name + "' " + file + ", which is no regular file");
            }
            if (attributes.size() > MAX_BYTES) {
                throw device.wrong(
                        name,
                        "has the '%s' %s of %s; the maximum is %s"
                                .formatted(
                                        name,
                                        file,
                                        MachineOptions.sizeText(attributes.size()),
                                        MachineOptions.sizeText(MAX_BYTES)));
            }
            return Files.readAllBytes(file);
        } catch (IOException e) {
            throw device.wrong(
                    name, "has the '" + name + "' " + file + ", which cannot be read: " + FileErrors.reason(e));
        }
    }
}
