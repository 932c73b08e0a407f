package org.jvfio;

import java.util.ArrayList;
import java.util.List;

/** Configuration spaces with regular and odd capability lists, as devices show them. */
final class ConfigDumps {
    private static final int SPACE = 256;

    private final List<ConfigDump> dumps = new ArrayList<>();

    private ConfigDumps() {
        regular();
        nulls();
        loops();
        invalidPointers();
        extended();
        oddExtended();
        truncated();
    }

    /** All dumps, with different names. */
    static List<ConfigDump> all() {
        return List.copyOf(new ConfigDumps().dumps);
    }

    private ConfigDump dump(String name, int size) {
        return add(new ConfigDump(name, size));
    }

    private ConfigDump express(String name) {
        return add(ConfigDump.express(name));
    }

    private ConfigDump add(ConfigDump dump) {
        dumps.add(dump);
        return dump;
    }

    private void regular() {
        dump("no-list", SPACE).put16(0x06, 0).first(0x40).standard(0x40, 0x01, 0);
        dump("empty-list", SPACE);
        dump("power", SPACE).first(0x40).standard(0x40, 0x01, 0).put16(0x42, 0x0003);
        dump("power-messages", SPACE)
                .first(0x40)
                .standard(0x40, 0x01, 0x50)
                .standard(0x50, 0x05, 0x70)
                .put16(0x52, 0x0186)
                .standard(0x70, 0x11, 0)
                .put16(0x72, 64)
                .put32(0x74, 0x2004)
                .put32(0x78, 0x3004);
        dump("downwards", SPACE)
                .first(0xf0)
                .standard(0xf0, 0x01, 0x80)
                .standard(0x80, 0x05, 0x40)
                .standard(0x40, 0x09, 0)
                .put8(0x42, 0x10);
        dump("last-word", SPACE).first(0x40).standard(0x40, 0x0d, 0xfc).standard(0xfc, 0x0c, 0);
        dump("power-in-last-word", SPACE).first(0xfc).standard(0xfc, 0x01, 0);
        dump("vital-product-data", SPACE).first(0x48).standard(0x48, 0x03, 0x50).standard(0x50, 0x13, 0);
        dump("vital-product-data-in-last-word", SPACE).first(0xfc).standard(0xfc, 0x03, 0);
        dump("same-id-twice", SPACE)
                .first(0x40)
                .standard(0x40, 0x09, 0x60)
                .put8(0x42, 0x14)
                .standard(0x60, 0x09, 0)
                .put8(0x62, 0x10);
        dump("unknown-ids", SPACE).first(0x40).standard(0x40, 0x7e, 0x44).standard(0x44, 0xfe, 0);
        dump("unaligned-pointers", SPACE).first(0x41).standard(0x40, 0x01, 0x53).standard(0x50, 0x05, 0x02);
        ConfigDump full = dump("word-by-word", SPACE).first(0x40);
        for (int at = 0x40; at < SPACE; at += 4) {
            full.standard(at, 0x0d, (at + 4) & 0xff);
        }
    }

    private void nulls() {
        dump("null", SPACE).first(0x40).standard(0x40, 0x00, 0);
        dump("null-first", SPACE).first(0x40).standard(0x40, 0x00, 0x50).standard(0x50, 0x01, 0);
        dump("null-between", SPACE)
                .first(0x40)
                .standard(0x40, 0x01, 0x50)
                .standard(0x50, 0x00, 0x60)
                .standard(0x60, 0x05, 0);
        dump("nulls-last", SPACE)
                .first(0x40)
                .standard(0x40, 0x01, 0x50)
                .standard(0x50, 0x00, 0x54)
                .standard(0x54, 0x00, 0x58)
                .standard(0x58, 0x00, 0);
        dump("pointer-to-zeros", SPACE).first(0x40).standard(0x40, 0x01, 0xc0);
    }

    private void loops() {
        dump("loop-to-itself", SPACE).first(0x40).standard(0x40, 0x01, 0x40);
        dump("loop-to-first", SPACE).first(0x40).standard(0x40, 0x01, 0x50).standard(0x50, 0x05, 0x40);
        dump("loop-behind-first", SPACE)
                .first(0x40)
                .standard(0x40, 0x01, 0x50)
                .standard(0x50, 0x05, 0x70)
                .standard(0x70, 0x0d, 0x50);
        dump("loop-by-unaligned-pointer", SPACE)
                .first(0x40)
                .standard(0x40, 0x01, 0x50)
                .standard(0x50, 0x0d, 0x42);
        dump("loop-of-nulls", SPACE).first(0x40).standard(0x40, 0x00, 0x44).standard(0x44, 0x00, 0x40);
        express("loop-with-extended")
                .standard(0x40, 0x10, 0x80)
                .standard(0x80, 0x01, 0x40)
                .extended(0x100, 0x03, 1, 0);
    }

    private void invalidPointers() {
        dump("ends-in-ff", SPACE).first(0x40).standard(0x40, 0x01, 0xff).fill(0xfc, 0x100, 0xff);
        dump("pointer-ff-to-zeros", SPACE).first(0x40).standard(0x40, 0x01, 0xff);
        dump("begins-with-ff", SPACE).first(0xff).fill(0xf0, 0x100, 0xff);
        dump("all-ones-behind-header", SPACE).first(0x40).fill(0x40, 0x100, 0xff);
        dump("all-ones-in-the-middle", SPACE)
                .first(0x40)
                .standard(0x40, 0x05, 0x80)
                .fill(0x80, 0xa0, 0xff);
        dump("begins-in-header", SPACE).first(0x08);
        dump("leads-into-header", SPACE).first(0x40).standard(0x40, 0x01, 0x10).put32(0x10, 0x0000_0005);
        dump("leads-to-its-beginning", SPACE).first(0x40).standard(0x40, 0x01, 0x34);
        express("express-behind-ff")
                .first(0x80)
                .standard(0x80, 0x01, 0xa0)
                .fill(0xa0, 0xa4, 0xff)
                .extended(0x100, 0x03, 1, 0);
    }

    private void extended() {
        express("extended-none");
        express("extended-all-ones").fill(0x100, 0x1000, 0xff);
        express("extended-one").extended(0x100, 0x03, 1, 0);
        express("extended-several")
                .standard(0x40, 0x10, 0x80)
                .standard(0x80, 0x11, 0)
                .extended(0x100, 0x01, 2, 0x148)
                .extended(0x148, 0x03, 1, 0x158)
                .extended(0x158, 0x0b, 1, 0x170)
                .put32(0x15c, 0x0180_0042)
                .extended(0x170, 0x23, 1, 0x190)
                .put32(0x174, 0x00c0_1e98)
                .extended(0x190, 0x19, 1, 0);
        express("extended-downwards")
                .extended(0x100, 0x03, 1, 0xf00)
                .extended(0xf00, 0x0b, 1, 0x200)
                .put32(0xf04, 0x0100_0001)
                .extended(0x200, 0x19, 1, 0);
        express("extended-last-word").extended(0x100, 0x03, 1, 0xffc).extended(0xffc, 0x0e, 1, 0);
        express("extended-unaligned-pointers")
                .extended(0x100, 0x03, 1, 0x141)
                .extended(0x140, 0x0e, 1, 0x153)
                .extended(0x150, 0x19, 1, 0);
        ConfigDump full = express("extended-word-by-word");
        for (int at = 0x100; at < 0x1000; at += 4) {
            full.extended(at, 0x7e00, 1, (at + 4) & 0xfff);
        }
        dump("extended-of-pci-x", 4096).first(0x50).standard(0x50, 0x07, 0).extended(0x100, 0x03, 1, 0);
        dump("extended-without-express", 4096)
                .first(0x50)
                .standard(0x50, 0x05, 0)
                .extended(0x100, 0x03, 1, 0);
        dump("extended-without-list", 4096).put16(0x06, 0).extended(0x100, 0x03, 1, 0);
    }

    private void oddExtended() {
        express("extended-version-0").extended(0x100, 0x03, 0, 0x140).extended(0x140, 0x0e, 0, 0);
        express("extended-null").extended(0x100, 0x00, 1, 0);
        express("extended-null-first").extended(0x100, 0x00, 1, 0x140).extended(0x140, 0x03, 1, 0);
        express("extended-null-version-0").extended(0x100, 0x00, 0, 0x140).extended(0x140, 0x03, 1, 0);
        express("extended-null-between")
                .extended(0x100, 0x03, 1, 0x140)
                .extended(0x140, 0x00, 0, 0x180)
                .extended(0x180, 0x0e, 1, 0);
        express("extended-loop-to-itself").extended(0x100, 0x03, 1, 0x100);
        express("extended-loop-to-first").extended(0x100, 0x03, 1, 0x200).extended(0x200, 0x0e, 1, 0x100);
        express("extended-loop-by-unaligned-pointer")
                .extended(0x100, 0x03, 1, 0x200)
                .extended(0x200, 0x0e, 1, 0x202);
        express("extended-loop-of-nulls").extended(0x100, 0x00, 1, 0x104).extended(0x104, 0x00, 1, 0x100);
        express("extended-leads-to-zeros").extended(0x100, 0x03, 1, 0x200);
        express("extended-leads-to-all-ones").extended(0x100, 0x03, 1, 0x200).put32(0x200, -1);
        express("extended-all-ones-but-version").extended(0x100, 0xffff, 0xe, 0xffc);
        express("extended-leads-to-standard").extended(0x100, 0x03, 1, 0x40);
        express("extended-leads-into-header").extended(0x100, 0x03, 1, 0x08);
    }

    private void truncated() {
        dump("header-only", 64).first(0x40);
        dump("header-only-without-list", 64).put16(0x06, 0);
        dump("half", 128).first(0x40).standard(0x40, 0x01, 0x60).standard(0x60, 0x0d, 0x80);
        dump("half-with-straddling-capability", 128)
                .first(0x40)
                .standard(0x40, 0x05, 0x7c)
                .standard(0x7c, 0x11, 0);
        dump("express-of-256-bytes", SPACE).first(0x40).standard(0x40, 0x10, 0).put16(0x42, 2);
        dump("extended-of-512-bytes", 512)
                .first(0x40)
                .standard(0x40, 0x10, 0)
                .put16(0x42, 2)
                .extended(0x100, 0x03, 1, 0x1fc)
                .extended(0x1fc, 0x01, 2, 0x200);
    }
}
