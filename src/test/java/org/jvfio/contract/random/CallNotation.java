package org.jvfio.contract.random;

import static java.util.Map.entry;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jvfio.kernel.CallScript;

/** What the words of a call are in the notation of {@link CallScript}, for those who change a call that is right. */
public final class CallNotation {
    /** What a word means. */
    public enum Kind {
        /** The name of a container, a group, or any other file; or the number of a descriptor. */
        FILE,
        /** A name that the call gives. */
        NEW_NAME,
        /** An address of the process: a memory's name, with an offset or without, or a number. */
        VADDR,
        /** An address on the bus. */
        IOVA,
        /** A number of bytes. */
        BYTES,
        FLAGS,
        ARGSZ,
        PAGE_SHIFT,
        LEVELS,
        WINDOW_BYTES,
        /** A small number: a type, an extension, an operation, a function. */
        NUMBER,
        /** A path, an address of a device, a request: not changed. */
        OTHER
    }

    /**
     * A call's words behind its name.
     *
     * @param optional what the last words stand for when they are left out
     */
    public record Words(List<Kind> kinds, List<String> optional) {
        int required() {
            return kinds.size() - optional.size();
        }
    }

    /** Before a call: it is made in the second process. */
    public static final String IN_SECOND = "other ";
    /** Before a call that makes a descriptor: it is made when the process may have no more. */
    public static final String WITHOUT_DESCRIPTORS = "full ";
    /** Gives the second process a file of the first one, and its name. */
    public static final String PASS = "pass";

    private static final Pattern PREFIXES = Pattern.compile("(" + IN_SECOND + ")?(" + WITHOUT_DESCRIPTORS + ")?");

    private static final Map<String, Words> CALLS = Map.ofEntries(
            entry("open", words(List.of(), Kind.NEW_NAME, Kind.OTHER)),
            entry("close", words(List.of(), Kind.FILE)),
            entry("api", words(List.of(), Kind.FILE)),
            entry("ext", words(List.of(), Kind.FILE, Kind.NUMBER)),
            entry("setiommu", words(List.of(), Kind.FILE, Kind.NUMBER)),
            entry("status", words(List.of("8"), Kind.FILE, Kind.ARGSZ)),
            entry("setcont", words(List.of(), Kind.FILE, Kind.FILE)),
            entry("unset", words(List.of(), Kind.FILE)),
            entry("getdev", words(List.of(), Kind.NEW_NAME, Kind.FILE, Kind.OTHER)),
            entry("info", words(List.of("32", "0"), Kind.FILE, Kind.ARGSZ, Kind.FLAGS)),
            entry("enable", words(List.of(), Kind.FILE)),
            entry("disable", words(List.of(), Kind.FILE)),
            entry("mem", words(List.of(), Kind.NEW_NAME, Kind.OTHER)),
            entry("rom", words(List.of(), Kind.NEW_NAME, Kind.OTHER)),
            entry("none", words(List.of(), Kind.NEW_NAME, Kind.OTHER)),
            entry("huge", words(List.of(), Kind.NEW_NAME, Kind.OTHER, Kind.OTHER)),
            entry("free", words(List.of(), Kind.OTHER, Kind.OTHER)),
            entry("reg", words(List.of("24", "0"), Kind.FILE, Kind.VADDR, Kind.BYTES, Kind.ARGSZ, Kind.FLAGS)),
            entry("unreg", words(List.of("24", "0"), Kind.FILE, Kind.VADDR, Kind.BYTES, Kind.ARGSZ, Kind.FLAGS)),
            entry(
                    "create",
                    words(
                            List.of("40", "0"),
                            Kind.FILE,
                            Kind.PAGE_SHIFT,
                            Kind.WINDOW_BYTES,
                            Kind.LEVELS,
                            Kind.ARGSZ,
                            Kind.FLAGS)),
            entry("remove", words(List.of("16", "0"), Kind.FILE, Kind.IOVA, Kind.ARGSZ, Kind.FLAGS)),
            entry(
                    "map",
                    words(List.of("3", "32"), Kind.FILE, Kind.VADDR, Kind.IOVA, Kind.BYTES, Kind.FLAGS, Kind.ARGSZ)),
            entry("unmap", words(List.of("0", "24"), Kind.FILE, Kind.IOVA, Kind.BYTES, Kind.FLAGS, Kind.ARGSZ)),
            entry(
                    "eeh",
                    words(
                            List.of("0", "40", "0", "0"),
                            Kind.FILE,
                            Kind.NUMBER,
                            Kind.FLAGS,
                            Kind.ARGSZ,
                            Kind.NUMBER,
                            Kind.NUMBER)),
            entry("vfio", words(List.of(), Kind.FILE, Kind.OTHER, Kind.OTHER)),
            entry("ioctl", words(List.of(), Kind.FILE, Kind.OTHER, Kind.OTHER)),
            entry("maylock", words(List.of(), Kind.OTHER)),
            entry("lockable", words(List.of(), Kind.OTHER)),
            entry(PASS, words(List.of(), Kind.FILE)),
            entry("event", words(List.of(), Kind.NEW_NAME)),
            entry("signal", words(List.of(), Kind.FILE)),
            entry("take", words(List.of(), Kind.FILE)),
            entry("devinfo", words(List.of("16"), Kind.FILE, Kind.ARGSZ)),
            entry("regioninfo", words(List.of("32"), Kind.FILE, Kind.NUMBER, Kind.ARGSZ)),
            entry("irqinfo", words(List.of("16"), Kind.FILE, Kind.NUMBER, Kind.ARGSZ)),
            entry(
                    "setirqs",
                    words(
                            List.of(),
                            Kind.FILE,
                            Kind.FLAGS,
                            Kind.NUMBER,
                            Kind.NUMBER,
                            Kind.NUMBER,
                            Kind.ARGSZ,
                            Kind.OTHER)),
            entry("hotinfo", words(List.of("268", "0"), Kind.FILE, Kind.ARGSZ, Kind.FLAGS)),
            entry("hotreset", words(List.of(), Kind.OTHER, Kind.OTHER, Kind.ARGSZ, Kind.FLAGS)),
            entry("reset", words(List.of(), Kind.OTHER)),
            entry("feature", words(List.of("8", "-"), Kind.FILE, Kind.OTHER, Kind.ARGSZ, Kind.OTHER)),
            entry(
                    "ioevent",
                    words(List.of("32"), Kind.FILE, Kind.OTHER, Kind.NUMBER, Kind.OTHER, Kind.FILE, Kind.ARGSZ)),
            entry("pread", words(List.of(), Kind.FILE, Kind.OTHER, Kind.OTHER)),
            entry("pwrite", words(List.of(), Kind.FILE, Kind.OTHER, Kind.OTHER, Kind.OTHER)));

    private CallNotation() {}

    private static Words words(List<String> optional, Kind... kinds) {
        return new Words(List.of(kinds), optional);
    }

    public static Words of(String call) {
        String name = name(call);
        Words words = CALLS.get(name.substring(name.lastIndexOf(' ') + 1));
        if (words == null) {
            throw new IllegalArgumentException("there is no call '" + name + "'");
        }
        return words;
    }

    /** The names of all calls. */
    public static Set<String> names() {
        return CALLS.keySet();
    }

    /** The name, with what is before it. */
    public static String name(String call) {
        Matcher prefixes = PREFIXES.matcher(call);
        int start = prefixes.lookingAt() ? prefixes.end() : 0;
        return call.substring(0, (call + " ").indexOf(' ', start));
    }

    /** The words behind the name. */
    public static List<String> arguments(String call) {
        return List.of(call.substring(name(call).length()).strip().split(" "));
    }

    /** The words behind the name, with those that were left out. */
    public static List<String> allArguments(String call) {
        Words words = of(call);
        List<String> given = new ArrayList<>(arguments(call));
        given.addAll(words.optional()
                .subList(given.size() - words.required(), words.optional().size()));
        return given;
    }

    public static String call(String name, List<String> arguments) {
        return name + " " + String.join(" ", arguments);
    }
}
