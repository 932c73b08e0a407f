package org.jvfio.emulator;

import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicReferenceArray;
import org.jspecify.annotations.Nullable;
import org.jvfio.kernel.Errno;

/** A process of the emulated host: its memory and its descriptors. */
final class Task {
    private static final int FIRST_DESCRIPTOR = 3;
    private static final int FIRST_DESCRIPTORS = 32;

    /** What a descriptor refers to, and its path in procfs. */
    private record Opened(String path, OpenFile file) {}

    private final Mm mm;
    // Changed with the host's lock held; read without it, too.
    private volatile AtomicReferenceArray<@Nullable Opened> files = new AtomicReferenceArray<>(FIRST_DESCRIPTORS);
    // No descriptor below it is free.
    private int lowestFree = FIRST_DESCRIPTOR;
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

    /** What a descriptor refers to; takes no lock. */
    @Nullable
    OpenFile file(int descriptor) {
        Opened opened = opened(descriptor);
        return opened == null ? null : opened.file();
    }

    private @Nullable Opened opened(int descriptor) {
        AtomicReferenceArray<@Nullable Opened> known = files;
        return descriptor < 0 || descriptor >= known.length() ? null : known.get(descriptor);
    }

    private void set(int descriptor, @Nullable Opened opened) {
        AtomicReferenceArray<@Nullable Opened> known = files;
        if (descriptor >= known.length()) {
            known = new AtomicReferenceArray<>(2 * descriptor);
            for (int each = 0; each < files.length(); each++) {
                known.set(each, files.get(each));
            }
        }
        known.set(descriptor, opened);
        files = known;
    }

    boolean hasFreeDescriptor() {
        return Long.compareUnsigned(freeDescriptor(), maxDescriptors) < 0;
    }

    private int freeDescriptor() {
        while (opened(lowestFree) != null) {
            lowestFree++;
        }
        return lowestFree;
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
        set(descriptor, new Opened(path, file));
        return descriptor;
    }

    int close(int descriptor) {
        Opened opened = opened(descriptor);
        if (opened == null) {
            return Errno.EBADF.negated();
        }
        set(descriptor, null);
        lowestFree = Math.min(lowestFree, descriptor);
        opened.file().drop(mm);
        return 0;
    }

    /** A child with the same descriptors and memory of its own. */
    Task fork(Mm childMemory) {
        Task child = new Task(childMemory, maxDescriptors);
        child.hardDescriptors = hardDescriptors;
        for (int descriptor : descriptors()) {
            Opened opened = Objects.requireNonNull(opened(descriptor));
            opened.file().refer();
            child.set(descriptor, opened);
        }
        return child;
    }

    /** The path of a descriptor in procfs. */
    String path(int descriptor) {
        return Objects.requireNonNull(opened(descriptor)).path();
    }

    List<Integer> descriptors() {
        List<Integer> open = new ArrayList<>();
        for (int descriptor = FIRST_DESCRIPTOR; descriptor < files.length(); descriptor++) {
            if (opened(descriptor) != null) {
                open.add(descriptor);
            }
        }
        return List.copyOf(open);
    }
}
