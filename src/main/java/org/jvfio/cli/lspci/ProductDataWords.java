package org.jvfio.cli.lspci;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** Vital product data in words: tags and fields as the PCI Local Bus Specification 3.0, appendix I, has them. */
final class ProductDataWords {
    private static final int MAX_BYTES = 1 << 15;
    private static final int LARGE = 0x80;
    private static final int LARGE_HEADER = 3;
    private static final int SMALL_SIZE = 7;
    private static final int FIELD_HEADER = 3;
    private static final int END = 0x0f;
    private static final int NAME = 0x82;
    private static final int READ_ONLY = 0x90;
    private static final int READ_WRITE = 0x91;
    // By the key of a field; a single letter stands for all keys that begin with it.
    private static final Map<String, String> TEXTS = Map.ofEntries(
            Map.entry("CC", "CCIN"),
            Map.entry("EC", "Engineering changes"),
            Map.entry("FC", "Feature code"),
            Map.entry("FN", "FRU"),
            Map.entry("MN", "Manufacture ID"),
            Map.entry("NA", "Network address"),
            Map.entry("PN", "Part number"),
            Map.entry("RM", "Firmware version"),
            Map.entry("SN", "Serial number"),
            Map.entry("V", "Vendor specific"),
            Map.entry("Y", "System specific"),
            Map.entry("YA", "Asset tag"),
            Map.entry("Z", "Product specific"));

    private final byte[] data;
    private final List<String> lines = new ArrayList<>();

    private ProductDataWords(byte[] data) {
        this.data = data;
    }

    /** @param data as many of the bytes as can be read */
    static List<String> of(byte[] data) {
        ProductDataWords words = new ProductDataWords(data);
        words.readTags();
        return words.lines;
    }

    private void readTags() {
        int at = 0;
        while (has(at, 1)) {
            boolean large = (get(at) & LARGE) != 0;
            int header = large ? LARGE_HEADER : 1;
            if (!has(at, header)) {
                break;
            }
            int tag = large ? get(at) : get(at) >> 3;
            int size = large ? get(at + 1) | get(at + 2) << Byte.SIZE : get(at) & SMALL_SIZE;
            at += header;
            if (size > MAX_BYTES - at) {
                break;
            }
            switch (tag) {
                case END -> {
                    lines.add("\t\tEnd");
                    return;
                }
                case NAME -> lines.add("\t\tProduct Name: " + text(at, Math.min(size, data.length - at)));
                case READ_ONLY -> readFields("Read-only", at, size);
                case READ_WRITE -> readFields("Read/write", at, size);
                default -> {
                    lines.add("\t\tUnknown %s resource type %02x, will not decode more."
                            .formatted(large ? "large" : "small", tag & ~LARGE));
                    return;
                }
            }
            at += size;
        }
        lines.add(at == 0 ? "\t\tNot readable" : "\t\tNo end tag found");
    }

    private void readFields(String kind, int start, int size) {
        lines.add("\t\t" + kind + " fields:");
        int end = start + Math.min(size, data.length - start);
        for (int at = start; at + FIELD_HEADER <= end; ) {
            int bytes = get(at + 2);
            int value = at + FIELD_HEADER;
            if (value + bytes > end) {
                return;
            }
            lines.add("\t\t\t[%s] %s".formatted(text(at, 2), field(text(at, 2), value, bytes)));
            at = value + bytes;
        }
    }

    private String field(String key, int value, int bytes) {
        String name = TEXTS.getOrDefault(key, TEXTS.get(key.substring(0, 1)));
        return switch (key) {
            case "RV" ->
                bytes == 0
                        ? "Reserved: no checksum"
                        : "Reserved: checksum %s, %d byte(s) reserved"
                                .formatted(sum(value) == 0 ? "good" : "bad", bytes - 1);
            case "RW" -> "Read-write area: " + bytes + " byte(s) free";
            case "CP" -> "Extended capability: " + hex(value, bytes);
            default -> name == null ? "Unknown: " + hex(value, bytes) : name + ": " + text(value, bytes);
        };
    }

    /** The sum of all bytes up to this one, which makes it 0. */
    private byte sum(int last) {
        byte sum = 0;
        for (int at = 0; at <= last; at++) {
            sum += data[at];
        }
        return sum;
    }

    private String hex(int at, int bytes) {
        StringBuilder hex = new StringBuilder();
        for (int each = at; each < at + bytes; each++) {
            hex.append(each == at ? "" : " ").append("%02x".formatted(get(each)));
        }
        return hex.toString();
    }

    /** ASCII, with everything else escaped: a device cannot send a terminal commands. */
    private String text(int at, int bytes) {
        StringBuilder text = new StringBuilder();
        for (int each = at; each < at + bytes; each++) {
            int value = get(each);
            if (value == '\\') {
                text.append("\\\\");
            } else if (value < ' ' || value > '~') {
                text.append("\\x%02x".formatted(value));
            } else {
                text.append((char) value);
            }
        }
        return text.toString();
    }

    private boolean has(int at, int bytes) {
        return at + bytes <= data.length;
    }

    private int get(int at) {
        return Byte.toUnsignedInt(data[at]);
    }
}
