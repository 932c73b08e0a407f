package org.jvfio.cli.host;

import java.io.FileInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Names of vendors, devices and classes, from the system's {@code pci.ids}. Its lines that are not indented are sorted:
 * vendors, then classes. So they are found by looking at a few KB of its 1.4 MB, which matters as a short command ends
 * before this is compiled.
 */
public final class PciIds {
    private static final List<Path> PLACES = List.of(
            Path.of("/usr/share/misc/pci.ids"),
            Path.of("/usr/share/hwdata/pci.ids"),
            Path.of("/var/lib/pciutils/pci.ids"),
            Path.of("/usr/share/pci.ids"));
    private static final int ID = 4;
    private static final int CLASS = 2;
    private static final String CLASSES = "C ";
    /** Bytes that are looked through line by line. */
    private static final int FAR = 4096;

    private static final int MAX_PARTS = 16;
    /** What a read of {@code FileInputStream} copies without allocating memory. */
    private static final int AT_ONCE = 8192;

    private static final int MAX_BYTES = 64 << 20;
    private static final HexFormat HEX = HexFormat.of();

    private final byte[] bytes;
    private final int length;
    /** What was searched for before. */
    private final Map<String, Integer> topLines = new HashMap<>();

    private PciIds(byte[] bytes) {
        this.bytes = bytes;
        this.length = bytes.length;
    }

    /** A list without names. */
    public static PciIds none() {
        return new PciIds(new byte[0]);
    }

    /** The system's list; one without names if there is none. */
    public static PciIds ofSystem() {
        Optional<Path> list = PLACES.stream().filter(Files::isReadable).findFirst();
        try {
            return list.isPresent() ? read(list.get()) : none();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /**
     * A list in a file.
     *
     * @throws IOException if it cannot be read
     */
    public static PciIds read(Path file) throws IOException {
        if (Files.isDirectory(file)) {
            throw new FileSystemException(file.toString(), null, "it is a directory");
        }
        long size = Files.size(file);
        if (!Files.isReadable(file)) {
            throw new AccessDeniedException(file.toString());
        }
        try (InputStream in = new FileInputStream(file.toFile())) {
            // A pipe tells no size.
            byte[] bytes = size == 0 ? in.readNBytes(MAX_BYTES) : read(in, (int) Math.min(size, MAX_BYTES));
            if (bytes.length == MAX_BYTES) {
                throw new FileSystemException(file.toString(), null, "it is too large for a list of names");
            }
            return new PciIds(bytes);
        }
    }

    /** Reads piece by piece: what reads more at once copies it once more, in memory that is new. */
    private static byte[] read(InputStream in, int size) throws IOException {
        byte[] bytes = new byte[size];
        int done = 0;
        while (done < size) {
            int count = in.read(bytes, done, Math.min(AT_ONCE, size - done));
            if (count < 0) {
                return Arrays.copyOf(bytes, done);
            }
            done += count;
        }
        return bytes;
    }

    public Optional<String> vendor(int vendor) {
        int line = vendorLine(vendor);
        return line < 0 ? Optional.empty() : Optional.of(name(line, ID));
    }

    public Optional<String> device(int vendor, int device) {
        int line = deviceLine(vendor, device);
        return line < 0 ? Optional.empty() : Optional.of(name(line + 1, ID));
    }

    /** A board or system, of a device of any vendor. */
    public Optional<String> subsystem(int vendor, int device, int subsystemVendor, int subsystem) {
        int line = deviceLine(vendor, device);
        if (line >= 0) {
            String wanted = "\t\t" + id(subsystemVendor) + " " + id(subsystem) + " ";
            int board = lineFarBelow(line, wanted);
            return board < 0 ? Optional.empty() : Optional.of(name(board + 2, 2 * ID + 1));
        }
        return Optional.empty();
    }

    /** A class and subclass, or the class alone if the subclass has no name. */
    public Optional<String> deviceClass(int classCode) {
        Optional<String> subclass = find(classCode).filter(line -> line >= 0).map(line -> name(line + 1, CLASS));
        return subclass.isPresent() ? subclass : baseClass(classCode).map(line -> name(line + 2, CLASS));
    }

    /** Whether the subclass has a name of its own. */
    public boolean isSubclass(int classCode) {
        return find(classCode).filter(line -> line >= 0).isPresent();
    }

    /** A programming interface. */
    public Optional<String> programmingInterface(int classCode) {
        Optional<Integer> subclass = find(classCode).filter(line -> line >= 0);
        if (subclass.isEmpty()) {
            return Optional.empty();
        }
        String wanted = "\t\t" + HEX.toHexDigits((byte) classCode) + "  ";
        int line = lineFarBelow(subclass.get(), wanted);
        return line < 0 ? Optional.empty() : Optional.of(name(line + 2, CLASS));
    }

    private Optional<Integer> baseClass(int classCode) {
        int line = topLine(CLASSES + HEX.toHexDigits((byte) (classCode >> 16)));
        return line < 0 ? Optional.empty() : Optional.of(line);
    }

    private Optional<Integer> find(int classCode) {
        String wanted = "\t" + HEX.toHexDigits((byte) (classCode >> 8)) + "  ";
        return baseClass(classCode).map(line -> lineBelow(line, wanted));
    }

    private static String id(int id) {
        return HEX.toHexDigits((short) id);
    }

    private int vendorLine(int vendor) {
        return topLine(id(vendor));
    }

    /** Where the line that is not indented and begins so is, or -1. */
    private int topLine(String wanted) {
        return topLines.computeIfAbsent(wanted, this::findTopLine);
    }

    private int deviceLine(int vendor, int device) {
        int line = vendorLine(vendor);
        return line < 0 ? -1 : lineBelow(line, "\t" + id(device) + "  ");
    }

    /** The line that begins so, of those below a line that is not indented; -1 if there is none. */
    private int lineBelow(int line, String wanted) {
        for (int at = next(line); at < length && (bytes[at] == '\t' || bytes[at] == '#'); at = next(at)) {
            if (startsWith(wanted, at)) {
                return at;
            }
        }
        return -1;
    }

    /** Where the first line begins that begins at an offset or after it. */
    private int lineFrom(int offset) {
        return offset == 0 ? 0 : next(offset - 1);
    }

    /** The line that begins so, of those indented twice below a line that is indented once; -1 if there is none. */
    private int lineFarBelow(int line, String wanted) {
        for (int at = next(line); at < length && (bytes[at] == '#' || startsWith("\t\t", at)); at = next(at)) {
            if (startsWith(wanted, at)) {
                return at;
            }
        }
        return -1;
    }

    private boolean startsWith(String wanted, int at) {
        return at + wanted.length() <= length && compare(at, wanted) == 0;
    }

    /** The difference between what begins at an offset and a text; what ends before is less. */
    private int compare(int at, String text) {
        for (int i = 0; i < text.length(); i++) {
            int difference = at + i < length ? bytes[at + i] - text.charAt(i) : -1;
            if (difference != 0) {
                return difference;
            }
        }
        return 0;
    }

    /** Where the line after an offset begins. */
    private int next(int at) {
        int end = at;
        while (end < length && bytes[end++] != '\n') {
            // on to the end of the line
        }
        return end;
    }

    /** Searches by halves, or at another place where no line that is not indented is near. */
    private int findTopLine(String wanted) {
        int low = 0;
        int high = length;
        while (low < high) {
            int from = low;
            int line = -1;
            for (int parts = 2; parts <= MAX_PARTS && line < 0; parts *= 2) {
                for (int part = 1; part < parts && line < 0; part += 2) {
                    from = low + (int) ((long) (high - low) * part / parts);
                    line = topLineNear(from, high);
                }
            }
            if (line < 0) {
                from = low;
                line = topLineFrom(lineFrom(low), high);
            }
            int order = line >= high ? 1 : order(line, wanted);
            if (order == 0) {
                return line;
            }
            if (order < 0) {
                low = next(line);
            } else {
                high = from;
            }
        }
        return -1;
    }

    /** The first line that is not indented, from an offset to an end; -1 if there is none near, as far as that is. */
    private int topLineNear(int from, int end) {
        int near = Math.min(end, from + FAR);
        int line = topLineFrom(lineFrom(from), near);
        return line < near || near == end ? line : -1;
    }

    /** Classes come after all vendors. */
    private int order(int line, String wanted) {
        boolean isClass = startsWith(CLASSES, line);
        return isClass == wanted.startsWith(CLASSES) ? compare(line, wanted) : isClass ? 1 : -1;
    }

    private int topLineFrom(int from, int end) {
        int at = from;
        while (at < end && (bytes[at] == '\t' || bytes[at] == '#' || bytes[at] == '\n')) {
            at = next(at);
        }
        return at;
    }

    private String name(int line, int idLength) {
        int start = line + idLength;
        int end = next(start);
        return new String(bytes, start, Math.max(0, end - start), StandardCharsets.UTF_8).strip();
    }
}
