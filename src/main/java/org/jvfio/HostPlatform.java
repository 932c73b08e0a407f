package org.jvfio;

import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jvfio.kernel.Kernel;

/** The platform that Linux runs on, as {@code show_cpuinfo} of {@code arch/powerpc/kernel/setup-common.c} names it. */
enum HostPlatform {
    /** Without a hypervisor: Linux makes the TCE tables itself. */
    POWERNV,
    /** In an LPAR: the hypervisor makes the TCE tables. */
    PSERIES,
    /** The file is missing, as where {@code /proc} is not mounted, or names another platform or none. */
    UNKNOWN;

    private static final String FILE = "/proc/cpuinfo";
    private static final Pattern PLATFORM = Pattern.compile("(?m)^platform[ \\t]*:[ \\t]*(PowerNV|pSeries)[ \\t]*$");

    /** @throws VfioException if the file exists and cannot be read */
    static HostPlatform of(Kernel kernel) {
        return Sysfs.find(kernel, FILE).map(HostPlatform::named).orElse(UNKNOWN);
    }

    private static HostPlatform named(String cpuinfo) {
        Matcher matcher = PLATFORM.matcher(cpuinfo);
        if (!matcher.find()) {
            return UNKNOWN;
        }
        return "PowerNV".equals(matcher.group(1)) ? POWERNV : PSERIES;
    }

    /**
     * Whether this is powernv.
     *
     * @param maxLevels how many levels a TCE table may have, which decides for {@link #UNKNOWN}: RTAS has one level
     *     only
     */
    boolean isPowernv(int maxLevels) {
        return switch (this) {
            case POWERNV -> true;
            case PSERIES -> false;
            case UNKNOWN -> maxLevels > 1;
        };
    }
}
