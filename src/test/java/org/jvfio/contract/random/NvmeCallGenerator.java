package org.jvfio.contract.random;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.stream.IntStream;
import org.jvfio.fixture.nvme.Opcodes;

/**
 * Random lines for an {@link NvmeSession}: commands that are valid, and such as a controller answers with an error.
 * What {@link #neverSent} names is not among them.
 */
final class NvmeCallGenerator {
    private static final int PAGE = 4096;
    private static final long LISTS = NvmeSession.AREA + 0x80000;
    private static final long METADATA = NvmeSession.AREA + 0x90000;
    private static final long DATA_BYTES = 0x80000;
    private static final int MAX_BLOCKS = 256;
    private static final int LAST_BLOCKS = 64;
    static final int ENABLED = 0x460001;
    /** The number of a format with blocks of 4096 bytes. */
    static final int LARGE_BLOCKS = 4;

    private static final int DEALLOCATE = 4;

    /** The metadata of QEMU's formats, for blocks of 512 and then of 4096 bytes. */
    private static final int[] METADATA_BYTES = {0, 8, 16, 64};

    private final Draw draw;
    private final long mediumBytes;
    private final List<String> lines = new ArrayList<>();
    private Format format;
    private long pageBytes = PAGE;
    private boolean attached = true;
    private int requests;
    private int commands;

    /**
     * The format of the namespace.
     *
     * @param index its number among QEMU's formats
     */
    record Format(int index, boolean extended) {
        int shift() {
            return index < METADATA_BYTES.length ? 9 : 12;
        }

        int metadata() {
            return METADATA_BYTES[index % METADATA_BYTES.length];
        }

        long blocks(long mediumBytes) {
            return mediumBytes / ((1L << shift()) + metadata());
        }

        long transferBytes(long count) {
            return (count << shift()) + (extended ? count * metadata() : 0);
        }

        /** Command dword 10 of Format NVM. */
        int dword() {
            return index | (extended ? 1 << 4 : 0);
        }
    }

    /**
     * A generator for a namespace 1.
     *
     * @param mediumBytes the size of the namespace, with metadata
     * @param first its format at the beginning
     */
    NvmeCallGenerator(long seed, long mediumBytes, Format first) {
        draw = new Draw(seed);
        this.mediumBytes = mediumBytes;
        format = first;
    }

    /** What is not sent, with the reason. */
    static List<String> neverSent() {
        return List.of(
                "SGLs in I/O commands (PSDT 1 to 3) and Doorbell Buffer Config: the emulated controller has neither",
                "addresses that are not mapped: QEMU's host bridges lose the data, and its controller does not notice",
                "Format NVM with protection information that would succeed: the emulated controller has none",
                "DULBE in Set Features: QEMU's answer to a read then depends on the file system of the image",
                "deallocation in formats with metadata: QEMU clears the metadata where the image has a hole",
                "Copy of formats 2 and 3, and host behavior that enables them: between namespaces, not emulated",
                "log pages of endurance groups and of flexible data placement, and its events in Set Features",
                "Compare without a metadata pointer: QEMU then compares with whatever is at address 0",
                "entry sizes in CC other than 64 and 16 bytes, commands with an identifier that is in use");
    }

    /** Lines after which the controller is as at the beginning, whatever was done before; they are not compared. */
    List<String> beginning() {
        return List.of(
                "enable %x".formatted(ENABLED),
                "fill %x %x 0".formatted(NvmeSession.AREA, NvmeSession.AREA_BYTES),
                "admin 9 d10=4 d11=157",
                "admin 9 d10=4 d11=100000",
                "admin 9 nsid=ffffffff d10=5",
                "admin 9 d10=6 d11=1",
                "admin 9 d10=b",
                "admin 9 d10=16 prp1=%x".formatted(NvmeSession.AREA),
                "admin 2 d10=3ff0004 prp1=%x".formatted(NvmeSession.AREA));
    }

    /** A sequence with so many commands; the lines that only prepare memory do not count. */
    List<String> sequence(int steps) {
        while (commands < steps) {
            step();
        }
        return List.copyOf(lines);
    }

    private void add(String line) {
        lines.add(line);
        if (isCommand(line)) {
            commands++;
        }
    }

    /** Whether a line is for the drive. */
    static boolean isCommand(String line) {
        return !line.startsWith("poke") && !line.startsWith("fill");
    }

    private void step() {
        int kind = draw.below(100);
        if (kind < 2) {
            enable();
        } else if (kind < 3) {
            add("shutdown");
        } else if (kind < 7) {
            event();
        } else if (kind < 45) {
            admin();
        } else {
            io();
        }
    }

    private void enable() {
        int configuration = draw.oneIn(4)
                ? draw.pick(ENABLED | 5 << 7, ENABLED | 1 << 4, ENABLED | 7 << 4, ENABLED | 1 << 11)
                : ENABLED | draw.below(5) << 7 | (draw.oneIn(3) ? 6 << 4 : 0);
        add("enable %x".formatted(configuration));
        boolean starts = (configuration >>> 7 & 0xf) <= 4 && (configuration >>> 4 & 7) % 6 == 0;
        if (!starts) {
            add("enable %x".formatted(ENABLED));
            configuration = ENABLED;
        }
        pageBytes = 1L << (12 + (configuration >>> 7 & 0xf));
        attached = true;
        requests = 0;
    }

    private void event() {
        switch (draw.below(5)) {
            case 0, 1 -> {
                add("event");
                requests++;
            }
            case 2 -> add("abort %x".formatted(draw.below(requests + 2)));
            case 3 ->
                add("doorbell %x %x".formatted(0x1000 + 4 * draw.pick(4, 5, 20, 21, 129), draw.pick(0, 1, 0xffff)));
            default -> add("doorbell %x %x".formatted(0x1000 + 4 * draw.below(4), draw.pick(32, 33, 0xffff)));
        }
    }

    private int namespace() {
        return draw.oneIn(4) ? draw.pick(0, 2, 256, 257, -1, -2) : 1;
    }

    /** Pointers to data of up to 4096 bytes, in one page or two. */
    private String pointers() {
        long page = NvmeSession.AREA + draw.below((int) (DATA_BYTES / pageBytes) - 1) * pageBytes;
        long offset = draw.oneIn(2) ? 0 : 4L * draw.below((int) (pageBytes / 4));
        if (draw.oneIn(12)) {
            offset |= draw.below(4);
        }
        long second = page + pageBytes + (draw.oneIn(20) ? 8 : 0);
        return " prp1=%x prp2=%x".formatted(page + offset, second);
    }

    private void admin() {
        switch (draw.below(20)) {
            case 0, 1, 2, 3 -> identify();
            case 4, 5, 6 -> log();
            case 7, 8, 9, 10 -> getFeatures();
            case 11, 12, 13 -> setFeatures();
            case 14, 15 -> queues();
            case 16 -> attachment();
            case 17 -> directive();
            case 18 -> {
                if (draw.oneIn(2)) {
                    format();
                } else {
                    add("admin 8 d10=%x".formatted(draw.pick(0, 1, 2, 64, 65, 0x1ffff)));
                }
            }
            default -> unknown();
        }
    }

    private void identify() {
        int structure = draw.oneIn(8)
                ? draw.below(256)
                : draw.pick(
                        0, 0, 1, 2, 3, 5, 6, 7, 8, 0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x19, 0x1a, 0x1b, 0x1c, 0x1f);
        int controller = draw.oneIn(5) ? draw.pick(1, 32, 0xffff) : 0;
        int set = draw.oneIn(4) ? draw.pick(1, 2, 3, 255) : 0;
        add("admin %x nsid=%x d10=%x d11=%x%s%s"
                .formatted(
                        Opcodes.IDENTIFY, namespace(), controller << 16 | structure, set << 24, pointers(), flags()));
    }

    private String flags() {
        return draw.oneIn(40) ? " flags=%x".formatted(draw.pick(1, 2, 3, 0x40, 0x80, 0xc0, 0x41)) : "";
    }

    private void log() {
        int page = draw.oneIn(6) ? draw.below(256) : draw.pick(1, 2, 3, 4, 5);
        int dwords = draw.oneIn(8) ? draw.pick(0xffff, 0x1fff) : draw.pick(1, 2, 16, 128, 1023, 1024) - 1;
        long offset = draw.oneIn(3) ? draw.pick(4L, 8L, 60L, 64L, 508L, 512L, 2L, 4092L, 4096L, 1L << 32) : 0;
        add("admin %x nsid=%x d10=%x d12=%x d13=%x%s"
                .formatted(
                        Opcodes.GET_LOG_PAGE,
                        namespace(),
                        dwords << 16 | draw.below(2) << 15 | page,
                        (int) offset,
                        offset >>> 32,
                        pointers()));
    }

    private int feature() {
        return draw.oneIn(6)
                ? draw.below(256)
                : draw.pick(1, 2, 4, 5, 6, 7, 8, 9, 0xa, 0xb, 0xe, 0x16, 0x19, 0x1d, 0x1e);
    }

    private void getFeatures() {
        int feature = feature();
        int value = feature == 4
                ? draw.below(4) << 20 | (draw.oneIn(3) ? draw.below(16) << 16 : 0)
                : draw.pick(0, 1, 2, 64, 65, 0xffff);
        add("admin %x nsid=%x d10=%x d11=%x%s"
                .formatted(
                        Opcodes.GET_FEATURES,
                        draw.oneIn(3) ? namespace() : feature == 5 || feature == 0x1e ? 1 : 0,
                        (draw.oneIn(2) ? draw.below(8) << 8 : 0) | feature,
                        value,
                        pointers()));
    }

    private void setFeatures() {
        int feature = feature();
        if (feature == 0x1e) {
            return;
        }
        int value = switch (feature) {
            case 4 ->
                draw.below(4) << 20
                        | (draw.oneIn(4) ? draw.below(16) << 16 : 0)
                        | draw.pick(0, 0x100, 0x143, 0x144, 0x157, 0xffff);
            case 5 -> draw.below(1 << 16);
            case 0xb -> draw.pick(0, 0x1ff, 2, 0x100, 0x80000000);
            default -> draw.pick(0, 1, 3, 0x30003, 0xffff, 0xffff0000);
        };
        if (feature == 0x16) {
            add("fill %x 200 0".formatted(NvmeSession.AREA));
        }
        add("admin %x nsid=%x d10=%x d11=%x%s"
                .formatted(
                        Opcodes.SET_FEATURES,
                        draw.oneIn(4) ? namespace() : feature == 5 ? 1 : 0,
                        (draw.oneIn(10) ? 1 << 31 : 0) | feature,
                        value,
                        feature == 0x16 ? " prp1=%x".formatted(NvmeSession.AREA) : pointers()));
    }

    /** Only queues that nobody uses; number 1 is that of the I/O commands. */
    private void queues() {
        int id = draw.pick(0, 2, 3, 4, 64, 65, 0xffff);
        int size = draw.oneIn(4) ? draw.pick(0, 2048, 0xffff) : draw.pick(1, 7, 31, 2047);
        long address = (LISTS & -pageBytes) + (draw.oneIn(6) ? 0x100 : 0);
        int flags = draw.oneIn(6) ? draw.pick(0, 2) : 1;
        switch (draw.below(4)) {
            case 0 ->
                add("admin %x prp1=%x d10=%x d11=%x"
                        .formatted(
                                Opcodes.CREATE_CQ,
                                address,
                                size << 16 | (draw.oneIn(8) ? 1 : id),
                                (draw.oneIn(5) ? draw.pick(1, 64, 65, 0xffff) : 0) << 16 | flags));
            case 1 ->
                add("admin %x prp1=%x d10=%x d11=%x"
                        .formatted(
                                Opcodes.CREATE_SQ,
                                address,
                                size << 16 | (draw.oneIn(8) ? 1 : id),
                                draw.pick(0, 1, 2, 2, 3, 3, 4, 65, 0xffff) << 16 | flags));
            case 2 -> add("admin %x d10=%x".formatted(Opcodes.DELETE_SQ, id));
            default -> add("admin %x d10=%x".formatted(Opcodes.DELETE_CQ, draw.oneIn(8) ? 1 : id));
        }
    }

    private void attachment() {
        int count = draw.oneIn(6) ? 0 : 1;
        int controller = draw.oneIn(6) ? draw.pick(1, 31, 32, 0xffff) : 0;
        int selection = draw.oneIn(6) ? 2 : draw.below(2);
        int namespace = namespace();
        add("poke %x %x".formatted(LISTS, (long) controller << 16 | count));
        add("admin 15 nsid=%x d10=%x prp1=%x".formatted(namespace, selection, LISTS));
        if (namespace == 1 && count == 1 && controller == 0 && selection < 2) {
            attached = selection == 0;
        }
    }

    private void directive() {
        if (draw.oneIn(3)) {
            add("admin 19 nsid=%x d11=%x%s".formatted(namespace(), draw.pick(0, 1, 0x101), pointers()));
        } else {
            int kind = draw.oneIn(3) ? draw.pick(0, 2, 0x101) : 1;
            add("admin 1a nsid=%x d10=%x d11=%x%s"
                    .formatted(namespace(), draw.pick(0, 7, 1023, 5000), kind, pointers()));
        }
    }

    private void format() {
        int index = draw.oneIn(5) ? draw.pick(8, 15) : draw.below(8);
        boolean extended = draw.oneIn(2);
        boolean protects = draw.oneIn(5);
        boolean hasMetadata = index < 8 && METADATA_BYTES[index % METADATA_BYTES.length] > 0;
        int protection = !protects ? 0 : hasMetadata ? 4 + draw.below(4) : 1 + draw.below(7);
        int namespace = namespace();
        add("admin 80 nsid=%x d10=%x".formatted(namespace, protection << 5 | (extended ? 1 << 4 : 0) | index));
        if ((namespace == 1 || namespace == -1) && attached && index < 8 && protection == 0) {
            format = new Format(index, extended && hasMetadata);
        }
    }

    private void unknown() {
        int opcode = draw.below(256);
        boolean isKnown = IntStream.of(0, 1, 2, 4, 5, 6, 8, 9, 0xa, 0xc, 0x15, 0x19, 0x1a, 0x7c, 0x80)
                .anyMatch(each -> each == opcode);
        if (!isKnown) {
            add("admin %x nsid=%x%s".formatted(opcode, namespace(), pointers()));
        }
    }

    private void io() {
        switch (draw.below(20)) {
            case 0, 1, 2, 3, 4 -> transfer(Opcodes.READ);
            case 5, 6, 7, 8, 9 -> transfer(Opcodes.WRITE);
            case 10, 11 -> compare();
            case 12 ->
                add("io 8 nsid=%x%s".formatted(namespace(), blocks(draw.oneIn(9) ? 0x10000 : 1 + draw.below(64))));
            case 13, 14 -> datasetManagement();
            case 15 ->
                add("io c nsid=%x%s".formatted(namespace(), blocks(draw.oneIn(9) ? 0x10000 : 1 + draw.below(64))));
            case 16, 17 -> copy();
            case 18 -> add("io 0 nsid=%x%s".formatted(namespace(), draw.oneIn(9) ? " flags=1" : ""));
            default -> ioOpcode();
        }
    }

    private void ioOpcode() {
        if (draw.oneIn(2)) {
            add("io %x nsid=%x d10=%x%s"
                    .formatted(draw.pick(0x12, 0x1d), namespace(), draw.pick(0, 1, 2, 255), pointers()));
            return;
        }
        int opcode = draw.below(256);
        if (opcode > 2 && opcode != 5 && opcode != 8 && opcode != 9 && opcode != 0xc && opcode != 0x19) {
            add("io %x nsid=%x%s".formatted(opcode, draw.oneIn(2) ? 1 : namespace(), pointers()));
        }
    }

    /** Blocks at the beginning of the namespace, at its end, or beyond. */
    private long firstBlock(long count) {
        long last = format.blocks(mediumBytes);
        return switch (draw.below(12)) {
            case 0 -> last - count;
            case 1 -> last - Math.min(count, LAST_BLOCKS) + 1;
            case 2 -> draw.pick(last, last + 5, -1L, 1L << 55);
            default -> draw.below((int) Math.max(1, MAX_BLOCKS - Math.min(count, MAX_BLOCKS)));
        };
    }

    private String blocks(long count) {
        long block = firstBlock(count);
        return " d10=%x d11=%x d12=%x".formatted((int) block, block >>> 32, (draw.below(2) << 30) | (count - 1));
    }

    private void transfer(int opcode) {
        if (draw.oneIn(20)) {
            add("io %x nsid=%x%s%s".formatted(opcode, namespace(), blocks(0x10000), pointers()));
            return;
        }
        long most = Math.min(MAX_BLOCKS, (DATA_BYTES - 2 * pageBytes) / format.transferBytes(1));
        long count = 1L + draw.below((int) (draw.oneIn(4) ? most : Math.min(most, 16)));
        if (opcode == Opcodes.WRITE) {
            add("fill %x %x %x".formatted(NvmeSession.AREA, DATA_BYTES, 1 + draw.below(1 << 20)));
            if (format.metadata() > 0) {
                add("fill %x %x %x".formatted(METADATA, 0x8000, 1 + draw.below(1 << 20)));
            }
        }
        String flags = draw.oneIn(30) ? " flags=%x".formatted(draw.pick(1, 2, 3)) : "";
        add("io %x nsid=%x%s%s%s%s"
                .formatted(opcode, namespace(), blocks(count), data(format.transferBytes(count)), metadata(), flags));
    }

    /** Compares what was just read to the same memory, or what is there. */
    private void compare() {
        long count = 1L + draw.below((int) Math.min(8, (DATA_BYTES - 2 * pageBytes) / format.transferBytes(1)));
        String pointers = data(format.transferBytes(count)) + " mptr=%x".formatted(METADATA);
        String blocks = blocks(count);
        if (draw.oneIn(2)) {
            add("io 2 nsid=1%s%s".formatted(blocks, pointers));
        }
        if (draw.oneIn(3)) {
            add("poke %x %x".formatted(draw.oneIn(2) ? METADATA : NvmeSession.AREA, draw.below(1L << 60)));
        }
        add("io 5 nsid=%x%s%s".formatted(namespace(), blocks, pointers));
    }

    private String metadata() {
        if (format.metadata() == 0) {
            return "";
        }
        return draw.oneIn(6) ? "" : " mptr=%x".formatted(METADATA + draw.pick(0, 0, 0, 4, 1, 100));
    }

    /** Pointers to data: a page, two, or a list of pages in any order, which may be chained or have a wrong entry. */
    private String data(long bytes) {
        List<Long> pages = new ArrayList<>();
        for (long page = 0; page < DATA_BYTES; page += pageBytes) {
            pages.add(NvmeSession.AREA + page);
        }
        for (int index = pages.size() - 1; index > 0; index--) {
            Collections.swap(pages, index, draw.below(index + 1));
        }
        long offset = draw.oneIn(2) ? 0 : 4L * draw.below((int) (pageBytes / 4));
        if (draw.oneIn(12)) {
            offset |= draw.below(4);
        }
        long first = pages.removeFirst() + offset;
        long left = bytes - (pageBytes - offset);
        if (left <= 0) {
            return " prp1=%x prp2=%x".formatted(first, draw.oneIn(4) ? 3 : 0);
        }
        if (left <= pageBytes) {
            return " prp1=%x prp2=%x".formatted(first, pages.getFirst() + (draw.oneIn(20) ? 16 : 0));
        }
        int count = (int) Math.ceilDiv(left, pageBytes);
        return " prp1=%x prp2=%x".formatted(first, list(pages.subList(0, count)));
    }

    /** Lists of pages are in two pages of 4 KiB; larger ones than those do not fit, and are not chained. */
    private long list(List<Long> pages) {
        long list = LISTS;
        if (pageBytes == PAGE && draw.oneIn(2)) {
            int inFirst = 1 + draw.below(Math.min(pages.size(), 16));
            list = LISTS + PAGE - 8L * inFirst;
        } else if (draw.oneIn(3)) {
            list = LISTS + 8L * draw.below(64) + (draw.oneIn(6) ? 4 : 0);
        }
        int wrong = draw.oneIn(15) ? draw.below(pages.size()) : -1;
        long at = list;
        for (int index = 0; index < pages.size(); index++) {
            boolean isLast = index == pages.size() - 1;
            if ((at & (pageBytes - 1)) == pageBytes - 8 && !isLast) {
                long next = LISTS + 2 * PAGE;
                add("poke %x %x".formatted(at, next + (draw.oneIn(20) ? 8 : 0)));
                at = next;
            }
            add("poke %x %x".formatted(at, pages.get(index) + (index == wrong ? 32 : 0)));
            at += 8;
        }
        return list;
    }

    private void datasetManagement() {
        int count = 1 + draw.below(4);
        for (int range = 0; range < count; range++) {
            long blocks = draw.below(32);
            add("poke %x %x".formatted(LISTS + 16L * range, blocks << 32 | draw.below(16)));
            add("poke %x %x".formatted(LISTS + 16L * range + 8, firstBlock(Math.max(1, blocks))));
        }
        int attributes = draw.below(4) | (format.metadata() == 0 && draw.oneIn(2) ? DEALLOCATE : 0);
        add("io 9 nsid=%x d10=%x d11=%x prp1=%x".formatted(namespace(), count - 1, attributes, LISTS));
    }

    private void copy() {
        int count = draw.oneIn(8) ? 200 : 1 + draw.below(3);
        for (int range = 0; range < Math.min(count, 4); range++) {
            long blocks = draw.oneIn(8) ? 200 : draw.below(12);
            add("poke %x %x".formatted(LISTS + 32L * range + 8, firstBlock(blocks + 1)));
            add("poke %x %x".formatted(LISTS + 32L * range + 16, blocks));
        }
        int format = draw.oneIn(6) ? draw.pick(1, 4, 15) : 0;
        long to = firstBlock(16);
        add("io 19 nsid=%x d10=%x d11=%x d12=%x prp1=%x"
                .formatted(namespace(), (int) to, to >>> 32, format << 8 | (count - 1), LISTS));
    }
}
