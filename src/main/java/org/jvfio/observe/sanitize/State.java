package org.jvfio.observe.sanitize;

import java.util.function.Consumer;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import org.jvfio.kernel.MemoryUse;
import org.jvfio.observe.sanitize.Resources.Descriptor;

/**
 * What is known of a program, under one lock. Devices change it with the emulated host's lock held, so no call to the
 * kernel is made while this lock is held.
 */
final class State {
    private final Findings findings = new Findings();
    private final Resources resources = new Resources();
    private final InterruptUse interrupts = new InterruptUse(findings);
    private final Buffers buffers = new Buffers(findings);

    Findings findings() {
        return findings;
    }

    synchronized void change(Consumer<Resources> change) {
        change.accept(resources);
    }

    synchronized <T extends @Nullable Object> T resources(Function<Resources, T> look) {
        return look.apply(resources);
    }

    /** Reports interrupts that are enabled, where the driver still has their eventfds. */
    synchronized void reportEnabled() {
        interrupts.reportEnabled(eventfd -> resources.get(eventfd) != null);
    }

    /** Changes what a container has, if the descriptor is of one. */
    synchronized void container(int fd, Consumer<Descriptor> change) {
        Descriptor container = resources.get(fd);
        if (container != null) {
            change.accept(container);
        }
    }

    synchronized void interrupts(Consumer<InterruptUse> change) {
        change.accept(interrupts);
    }

    synchronized void buffers(Consumer<Buffers> change) {
        change.accept(buffers);
    }

    /** Whether an announcement needs to know what is in the memory. */
    synchronized boolean needsContents(long address, long length, MemoryUse use) {
        return buffers.needsContents(address, length, use);
    }
}
