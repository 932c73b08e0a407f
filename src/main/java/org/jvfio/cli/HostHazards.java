package org.jvfio.cli;

import java.util.List;
import java.util.function.Predicate;
import org.jvfio.cli.host.Host;

/**
 * Calls that the kernel of a host does not refuse, though they harm the host or the process. {@code
 * org.jvfio.emulator.Hazard} has the functions of the kernel.
 */
final class HostHazards {
    private static final long SMALL_PAGE = 4096;

    /**
     * A hazard.
     *
     * @param since the first version that has it, as {@link Host#version} counts
     * @param until the first version that no longer has it
     */
    private record Known(String what, int since, int until, Predicate<Host> where) {
        boolean isOf(Host host) {
            int version = host.version();
            return version >= since && version < until && where.test(host);
        }
    }

    private static final int ALWAYS = 0;
    private static final int STILL = Integer.MAX_VALUE;

    private static final List<Known> ALL = List.of(
            new Known(
                    "on PHB3 (POWER8), a map or unmap call that fails at its first page never returns, and the machine is"
                            + " lost",
                    5004,
                    STILL,
                    host -> host.isPowernv() && isProcessor(host, "POWER8")),
            new Known(
                    "a mapping that passes the end of its window overwrites host memory",
                    ALWAYS,
                    STILL,
                    Host::isPowernv),
            new Known(
                    "an unmap call that passes the end of its window overwrites host memory",
                    4012,
                    7002,
                    Host::isPowernv),
            new Known("a mapping that passes the end of its window overwrites host memory", 6011, STILL, Host::isLpar),
            new Known(
                    "an unmap call that passes the end of its window calls the hypervisor for each page and cannot be"
                            + " interrupted",
                    4012,
                    7002,
                    Host::isLpar),
            new Known(
                    "a window that the hypervisor refuses is the last that the device may ask for until it is booted"
                            + " again",
                    6011,
                    STILL,
                    Host::isLpar),
            new Known(
                    "registering private huge pages never returns",
                    6011,
                    STILL,
                    host -> isProcessor(host, "POWER[78]") && host.pageSize().bytes() == SMALL_PAGE),
            new Known("memory that is unregistered while it is mapped stays locked", 5000, STILL, HostHazards::isPower),
            new Known(
                    "the table of a window that cannot be created stays charged to locked memory",
                    5000,
                    STILL,
                    HostHazards::isPower));

    private HostHazards() {}

    private static boolean isProcessor(Host host, String names) {
        return host.processor().filter(name -> name.matches(names)).isPresent();
    }

    private static boolean isPower(Host host) {
        return host.platform().isPresent();
    }

    /** The hazards of a host, each as a clause. */
    static List<String> of(Host host) {
        return ALL.stream().filter(hazard -> hazard.isOf(host)).map(Known::what).toList();
    }
}
