package org.jvfio.kernel;

import java.io.IOException;
import java.io.UncheckedIOException;

/** What {@code /proc/self/status} says of a process. */
public final class ProcessStatus {
    private ProcessStatus() {}

    /** VmLck: the bytes of memory that are charged to the process as locked. */
    public static long lockedBytes(Kernel kernel) {
        try {
            return kernel.readFile("/proc/self/status")
                    .lines()
                    .filter(line -> line.startsWith("VmLck:"))
                    .mapToLong(line -> 1024 * Long.parseLong(line.replaceAll("[^0-9]", "")))
                    .findFirst()
                    .orElseThrow();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
