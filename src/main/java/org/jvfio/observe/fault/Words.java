package org.jvfio.observe.fault;

import java.util.Locale;

/** How constants are written in plans and messages. */
final class Words {
    private Words() {}

    /** In lower case with hyphens; an ioctl as in {@code linux/vfio.h}. */
    static String of(Enum<?> constant) {
        return constant instanceof VfioRequest
                ? constant.name()
                : constant.name().toLowerCase(Locale.ROOT).replace('_', '-');
    }
}
