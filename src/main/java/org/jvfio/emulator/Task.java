package org.jvfio.emulator;

import java.util.List;
import java.util.Objects;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import org.jvfio.kernel.Errno;

/** A process of the emulated host: its memory and its descriptors. */
final class Task {
    private static final int FIRST_DESCRIPTOR = 3;

    /** What a descriptor refers to, and its path in procfs. */
    private record Opened(String path, OpenFile file) {}

    private final Mm mm;
    private final TreeMap<Integer, Opened> files = new TreeMap<>();
    private long maxDescriptors;
    private long hardDescriptors;

    Task(Mm mm, long maxDescriptors) {
        this.mm = mm;
        this.maxDescriptors = maxDescriptors;
        this.hardDescriptors = maxDescriptors;
    }

    Mm mm() {
        return mm;
    }

    long maxDescriptors() {
        return maxDescriptors;
    }

    long hardDescriptors() {
        return hardDescriptors;
    }

    void descriptorLimits(long soft, long hard) {
        maxDescriptors = soft;
        hardDescriptors = hard;
    }

    @Nullable
    OpenFile file(int descriptor) {
        Opened opened = files.get(descriptor);
        return opened == null ? null : opened.file();
    }

    boolean hasFreeDescriptor() {
        return Long.compareUnsigned(freeDescriptor(), maxDescriptors) < 0;
    }

    private int freeDescriptor() {
        int descriptor = FIRST_DESCRIPTOR;
        while (files.containsKey(descriptor)) {
            descriptor++;
        }
        return descriptor;
    }

    /**
     * Assigns the lowest free descriptor to a file, or returns EMFILE.
     *
     * @param path the target in {@code /proc/PID/fd}
     */
    int add(String path, OpenFile file) {
        file.refer();
        if (!hasFreeDescriptor()) {
            file.drop(mm);
            return Errno.EMFILE.negated();
        }
        int descriptor = freeDescriptor();
        files.put(descriptor, new Opened(path, file));
        return descriptor;
    }

    int close(int descriptor) {
        Opened opened = files.remove(descriptor);
        if (opened == null) {
            return Errno.EBADF.negated();
        }
        opened.file().drop(mm);
        return 0;
    }

    /** A child with the same descriptors and memory of its own. */
    Task fork(Mm childMemory) {
        Task child = new Task(childMemory, maxDescriptors);
        child.hardDescriptors = hardDescriptors;
        files.forEach((descriptor, opened) -> {
            opened.file().refer();
            child.files.put(descriptor, opened);
        });
        return child;
    }

    /** The path of a descriptor in procfs. */
    String path(int descriptor) {
        return Objects.requireNonNull(files.get(descriptor)).path();
    }

    List<Integer> descriptors() {
        return List.copyOf(files.keySet());
    }
}
