package org.jvfio.observe;

import java.lang.foreign.MemorySegment;
import java.util.HexFormat;
import java.util.Locale;
import java.util.Optional;
import java.util.StringJoiner;
import org.jvfio.ioctl.Ioctl;
import org.jvfio.kernel.Errno;
import org.jvfio.uapi.pollfd;
import org.jvfio.uapi.vfio_h;

/** Calls as text, in the manner of strace. */
final class CallPrinter {
    private static final int SHOWN_BYTES = 16;
    private static final int REGION_SHIFT = 40;

    private CallPrinter() {}

    /** Time, thread, call, result and duration in one line. */
    static String line(RecordedCall call) {
        return "%s [%s] %s"
                .formatted(seconds(call.beginNanos()), call.caller().name(), withResult(call))
                .concat(call.hasEnded() ? " <" + seconds(call.endNanos() - call.beginNanos()) + ">" : "");
    }

    /** Call and result, such as {@code close(5</dev/vfio/1>) = 0}. */
    static String withResult(RecordedCall call) {
        return call(call) + " = " + result(call);
    }

    private static String seconds(long nanos) {
        return String.format(Locale.ROOT, "%d.%06d", nanos / 1_000_000_000, nanos % 1_000_000_000 / 1000);
    }

    /** The call with its arguments. */
    static String call(RecordedCall call) {
        String arguments = switch (call.kind()) {
            case OPEN -> "%s, %s".formatted(quoted(call.text()), Flags.open(call.number(0)));
            case CLOSE -> file(call);
            case IOCTL_VALUE, IOCTL -> file(call) + ", " + request(call);
            case MMAP ->
                "0x%x, %s, %s, %s, 0x%x"
                        .formatted(
                                call.number(0),
                                Flags.protection(call.number(1)),
                                Flags.map(call.number(2)),
                                file(call),
                                call.number(4));
            case MUNMAP, ADOPT, DISOWN -> "0x%x, 0x%x".formatted(call.number(0), call.number(1));
            case PREAD -> "%s, %s, %d".formatted(file(call), place(call), call.number(1));
            case PWRITE -> "%s, %s, %s".formatted(file(call), place(call), value(call.given(), call.number(1)));
            case READ -> "%s, %d".formatted(file(call), call.number(1));
            case WRITE -> "%s, %s".formatted(file(call), value(call.given(), call.number(1)));
            case EVENTFD -> "%d, %s".formatted(call.number(0), Flags.eventfd(call.number(1)));
            case POLL -> "%s, %d".formatted(pollfds(call.given(), false), call.number(0));
            case GETRLIMIT -> resource(call.number(0));
            case SETRLIMIT -> "%s, %s".formatted(resource(call.number(0)), limits(call.given()));
            case SYSCONF -> call.number(0) == vfio_h._SC_PAGESIZE ? "_SC_PAGESIZE" : Long.toString(call.number(0));
            case READ_FILE, READ_LINK, LIST -> quoted(call.text());
        };
        return call.kind().call() + "(" + arguments + ")";
    }

    private static String file(RecordedCall call) {
        return call.file().isEmpty()
                ? Integer.toString(call.descriptor())
                : "%d<%s>".formatted(call.descriptor(), call.file());
    }

    private static String quoted(String text) {
        return '"' + text.replace("\\", "\\\\").replace("\"", "\\\"").replace("\n", "\\n") + '"';
    }

    private static String request(RecordedCall call) {
        Optional<Ioctl> known = ioctl(call, call.given());
        if (known.isPresent()) {
            return known.get().toString();
        }
        String argument = call.kind() == CallKind.IOCTL
                ? "%d bytes".formatted(call.given().length)
                : "0x" + Long.toHexString(call.number(2));
        return "0x%x, %s".formatted(call.request(), argument);
    }

    /** The call of a request with these bytes in its struct. */
    static Optional<Ioctl> ioctl(RecordedCall call, byte[] struct) {
        return call.kind() == CallKind.IOCTL
                ? IoctlDecoder.decode(call.fileKind(), (int) call.request(), struct)
                : IoctlDecoder.decode(call.fileKind(), (int) call.request(), call.number(2));
    }

    /** Where a device is accessed: a region and an offset there; elsewhere an offset. */
    static String place(RecordedCall call) {
        return place(call.fileKind(), call.number(2));
    }

    static String place(FileKind file, long offset) {
        if (file != FileKind.DEVICE || offset < 0) {
            return "0x" + Long.toHexString(offset);
        }
        long index = offset >>> REGION_SHIFT;
        String region;
        if (index <= vfio_h.VFIO_PCI_BAR5_REGION_INDEX) {
            region = "BAR" + index;
        } else if (index == vfio_h.VFIO_PCI_CONFIG_REGION_INDEX) {
            region = "config";
        } else {
            region = index == vfio_h.VFIO_PCI_ROM_REGION_INDEX ? "ROM" : "region" + index;
        }
        return "%s+0x%x".formatted(region, offset & (1L << REGION_SHIFT) - 1);
    }

    /** Bytes as a little-endian number, or the first of them. */
    private static String value(byte[] bytes, long size) {
        if (bytes.length == size && (size == 1 || size == 2 || size == 4 || size == 8)) {
            long value = 0;
            for (int each = bytes.length - 1; each >= 0; each--) {
                value = value << Byte.SIZE | Byte.toUnsignedLong(bytes[each]);
            }
            return "0x" + HexFormat.of().toHexDigits(value, 2 * bytes.length);
        }
        int shown = Math.min(bytes.length, SHOWN_BYTES);
        return "%s%s (%d bytes)".formatted(HexFormat.of().formatHex(bytes, 0, shown), shown < size ? "..." : "", size);
    }

    private static String pollfds(byte[] array, boolean results) {
        StringJoiner all = new StringJoiner(", ", "[", "]");
        MemorySegment pollfds = MemorySegment.ofArray(new long[(array.length + 7) / Long.BYTES])
                .asSlice(0, array.length)
                .copyFrom(MemorySegment.ofArray(array));
        for (long at = 0; at + pollfd.sizeof() <= array.length; at += pollfd.sizeof()) {
            MemorySegment each = pollfds.asSlice(at, pollfd.sizeof());
            int events = results ? pollfd.revents(each) : pollfd.events(each);
            if (!results || events != 0) {
                all.add("%d:%s".formatted(pollfd.fd(each), Flags.poll(events)));
            }
        }
        return all.toString();
    }

    private static String resource(long resource) {
        if (resource == vfio_h.RLIMIT_MEMLOCK) {
            return "RLIMIT_MEMLOCK";
        }
        return resource == vfio_h.RLIMIT_NOFILE ? "RLIMIT_NOFILE" : Long.toString(resource);
    }

    private static String limits(byte[] limits) {
        if (limits.length < 2 * Long.BYTES) {
            return value(limits, limits.length);
        }
        return "{soft %s, hard %s}".formatted(limit(limits, 0), limit(limits, Long.BYTES));
    }

    private static String limit(byte[] limits, int at) {
        long value = MemorySegment.ofArray(limits).get(RecordFormat.LONG, at);
        return value == -1 ? "unlimited" : Long.toUnsignedString(value);
    }

    /** The result with what the kernel has written, or the name of the errno. */
    static String result(RecordedCall call) {
        if (!call.hasEnded()) {
            return "? (has not returned)";
        }
        if (call.outcome() == Outcome.THREW) {
            return "threw " + call.answer();
        }
        if (call.outcome() != Outcome.RETURNED) {
            String name = call.outcome().name().toLowerCase(Locale.ROOT).replace('_', ' ');
            return call.answer().isEmpty() ? name : name + ": " + call.answer();
        }
        if (Errno.isError(call.result())) {
            return errno(call.result());
        }
        return switch (call.kind()) {
            case READ_FILE, READ_LINK -> quoted(call.answer());
            case LIST -> "[" + String.join(", ", call.names()) + "]";
            case MMAP -> "0x" + Long.toHexString(call.result());
            case PREAD, READ ->
                call.result() > 0
                        ? call.result() + " " + value(call.after(), call.result())
                        : Long.toString(call.result());
            case POLL -> call.result() > 0 ? call.result() + " " + pollfds(call.after(), true) : "0";
            case GETRLIMIT -> call.result() + " " + limits(call.after());
            case IOCTL -> {
                String written = ioctl(call, call.after()).map(Ioctl::written).orElse("");
                yield written.isEmpty() ? Long.toString(call.result()) : call.result() + " {" + written + "}";
            }
            default -> Long.toString(call.result());
        };
    }

    /** As strace has it, such as {@code -1 EBUSY (Device or resource busy)}. */
    static String errno(long answer) {
        return Errno.of((int) -answer)
                .map(errno -> "-1 %s (%s)".formatted(errno, errno.text()))
                .orElse(Long.toString(answer));
    }
}
