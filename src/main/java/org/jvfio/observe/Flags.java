package org.jvfio.observe;

import java.util.List;
import java.util.StringJoiner;
import org.jvfio.uapi.vfio_h;

/** Flags by name. */
final class Flags {
    /** A flag of one bit or more. */
    private record Flag(int value, String name) {}

    private static final List<Flag> OPEN =
            List.of(new Flag(vfio_h.O_NONBLOCK, "O_NONBLOCK"), new Flag(vfio_h.O_CLOEXEC, "O_CLOEXEC"));
    private static final List<Flag> EVENTFD = List.of(
            new Flag(vfio_h.EFD_SEMAPHORE, "EFD_SEMAPHORE"),
            new Flag(vfio_h.EFD_NONBLOCK, "EFD_NONBLOCK"),
            new Flag(vfio_h.EFD_CLOEXEC, "EFD_CLOEXEC"));
    private static final List<Flag> PROTECTION =
            List.of(new Flag(vfio_h.PROT_READ, "PROT_READ"), new Flag(vfio_h.PROT_WRITE, "PROT_WRITE"));
    private static final List<Flag> MAP = List.of(
            new Flag(vfio_h.MAP_SHARED, "MAP_SHARED"),
            new Flag(vfio_h.MAP_PRIVATE, "MAP_PRIVATE"),
            new Flag(vfio_h.MAP_ANONYMOUS, "MAP_ANONYMOUS"),
            new Flag(vfio_h.MAP_HUGETLB, "MAP_HUGETLB"));
    private static final List<Flag> POLL = List.of(
            new Flag(vfio_h.POLLIN, "POLLIN"),
            new Flag(vfio_h.POLLERR, "POLLERR"),
            new Flag(vfio_h.POLLHUP, "POLLHUP"),
            new Flag(vfio_h.POLLNVAL, "POLLNVAL"));

    private Flags() {}

    /** The flags of {@code open(2)}. */
    static String open(long flags) {
        String access = switch ((int) flags & vfio_h.O_ACCMODE) {
            case vfio_h.O_RDONLY -> "O_RDONLY";
            case vfio_h.O_RDWR -> "O_RDWR";
            default -> "O_WRONLY";
        };
        String others = names(flags & ~vfio_h.O_ACCMODE, OPEN);
        return others.equals("0") ? access : access + "|" + others;
    }

    static String eventfd(long flags) {
        return names(flags, EVENTFD);
    }

    static String protection(long flags) {
        return flags == 0 ? "PROT_NONE" : names(flags, PROTECTION);
    }

    static String map(long flags) {
        return names(flags, MAP);
    }

    static String poll(int events) {
        return names(events, POLL);
    }

    private static String names(long flags, List<Flag> known) {
        StringJoiner names = new StringJoiner("|").setEmptyValue("0");
        int left = (int) flags;
        for (Flag flag : known) {
            if ((left & flag.value) == flag.value) {
                names.add(flag.name);
                left &= ~flag.value;
            }
        }
        if (left != 0) {
            names.add("0x" + Integer.toHexString(left));
        }
        return names.toString();
    }
}
