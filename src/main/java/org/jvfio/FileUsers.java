package org.jvfio;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Supplier;
import org.jvfio.kernel.Kernel;

/**
 * The processes that have a file open, as procfs lists them; those of other users are visible to root only.
 *
 * @param own whether this process is one of them
 * @param others the other ones, as in {@code java (pid 123)}
 */
record FileUsers(boolean own, List<String> others) {
    private static final String PROC = "/proc/";

    static FileUsers of(Kernel kernel, String path) {
        String self = ifAllowed(() -> Sysfs.linkName(kernel, PROC + "self")).orElse("");
        boolean own = false;
        List<String> others = new ArrayList<>();
        for (String pid : ifAllowed(() -> Sysfs.list(kernel, PROC)).orElse(List.of())) {
            if (!pid.matches("[0-9]+") || !hasOpen(kernel, PROC + pid + "/fd/", path)) {
                continue;
            }
            if (pid.equals(self)) {
                own = true;
            } else {
                String name = ifAllowed(() -> Optional.of(Sysfs.read(kernel, PROC + pid + "/comm")))
                        .orElse("a process");
                others.add("%s (pid %s)".formatted(name, pid));
            }
        }
        return new FileUsers(own, others);
    }

    private static boolean hasOpen(Kernel kernel, String descriptors, String path) {
        return ifAllowed(() -> Sysfs.list(kernel, descriptors)).orElse(List.of()).stream()
                .anyMatch(fd -> ifAllowed(() -> Sysfs.link(kernel, descriptors + fd))
                        .filter(path::equals)
                        .isPresent());
    }

    /** Treats a process of another user, or one that has just ended, as absent. */
    private static <T> Optional<T> ifAllowed(Supplier<Optional<T>> read) {
        try {
            return read.get();
        } catch (VfioException _) {
            return Optional.empty();
        }
    }
}
