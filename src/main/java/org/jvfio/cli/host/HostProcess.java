package org.jvfio.cli.host;

/** A process. */
public record HostProcess(String name, int pid) {
    /** As in {@code java (pid 123)}. */
    @Override
    public String toString() {
        return "%s (pid %d)".formatted(name, pid);
    }
}
