package org.jvfio.cli.host;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/**
 * Names of vendors, devices and classes, from the system's {@code pci.ids}. Vendors are sorted there, so that they are
 * found without reading all of it.
 */
public final class PciIds {
    private static final List<Path> PLACES = List.of(
            Path.of("/usr/share/misc/pci.ids"),
            Path.of("/usr/share/hwdata/pci.ids"),
            Path.of("/var/lib/pciutils/pci.ids"),
            Path.of("/usr/share/pci.ids"));
    private static final int ID = 4;
    private static final int CLASS = 2;

    private final String text;
    private final int classes;

    private PciIds(String text) {
        this.text = text;
        int found = text.indexOf("\nC ");
        this.classes = found < 0 ? text.length() : found + 1;
    }

    /** A list without names. */
    public static PciIds none() {
        return new PciIds("");
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
        // Names are in UTF-8; offsets are those of bytes, so that what is searched is not decoded.
        return new PciIds(Files.readString(file, StandardCharsets.ISO_8859_1));
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
            String wanted = "\t\t%04x %04x ".formatted(subsystemVendor, subsystem);
            for (int at = next(line); at < classes && text.startsWith("\t\t", at); at = next(at)) {
                if (text.startsWith(wanted, at)) {
                    return Optional.of(name(at + 2, 2 * ID + 1));
                }
            }
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
        String wanted = "\t\t%02x  ".formatted(classCode & 0xff);
        for (int at = next(subclass.get()); at < text.length() && text.startsWith("\t\t", at); at = next(at)) {
            if (text.startsWith(wanted, at)) {
                return Optional.of(name(at + 2, CLASS));
            }
        }
        return Optional.empty();
    }

    private Optional<Integer> baseClass(int classCode) {
        int line = text.indexOf("\nC %02x  ".formatted(classCode >> 16), Math.max(0, classes - 1));
        return line < 0 ? Optional.empty() : Optional.of(line + 1);
    }

    private Optional<Integer> find(int classCode) {
        String wanted = "\t%02x  ".formatted(classCode >> 8 & 0xff);
        return baseClass(classCode).map(line -> lineBelow(line, wanted, text.length()));
    }

    private int deviceLine(int vendor, int device) {
        int line = vendorLine(vendor);
        return line < 0 ? -1 : lineBelow(line, "\t%04x  ".formatted(device), classes);
    }

    /** The line that begins so, of those below a line that is not indented; -1 if there is none. */
    private int lineBelow(int line, String wanted, int end) {
        for (int at = next(line); at < end && (text.charAt(at) == '\t' || text.charAt(at) == '#'); at = next(at)) {
            if (text.startsWith(wanted, at)) {
                return at;
            }
        }
        return -1;
    }

    private int next(int at) {
        int end = text.indexOf('\n', at);
        return end < 0 ? text.length() : end + 1;
    }

    /** Searches by halves: where a vendor's line begins, or -1. */
    private int vendorLine(int vendor) {
        String wanted = "%04x".formatted(vendor);
        int low = 0;
        int high = classes;
        while (low < high) {
            int middle = (low + high) >>> 1;
            int line = vendorAtOrAfter(middle == low ? low : text.lastIndexOf('\n', middle - 1) + 1, high);
            if (line >= high) {
                high = middle;
                continue;
            }
            int order = text.substring(line, Math.min(text.length(), line + ID)).compareTo(wanted);
            if (order == 0) {
                return line;
            }
            if (order < 0) {
                low = next(line);
            } else {
                high = middle;
            }
        }
        return -1;
    }

    private int vendorAtOrAfter(int from, int end) {
        int at = from;
        while (at < end && "\t#\n".indexOf(text.charAt(at)) >= 0) {
            at = next(at);
        }
        return at;
    }

    private String name(int line, int idLength) {
        int end = text.indexOf('\n', line);
        String name =
                text.substring(line + idLength, end < 0 ? text.length() : end).strip();
        return new String(name.getBytes(StandardCharsets.ISO_8859_1), StandardCharsets.UTF_8);
    }
}
