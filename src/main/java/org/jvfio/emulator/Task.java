package org.jvfio.emulator;

import java.util.List;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import org.jvfio.kernel.Errno;

/** A process of the emulated host: its memory and its descriptors. */
final class Task {
    private static final int FIRST_DESCRIPTOR = 3;

    private final Mm mm;
    private final TreeMap<Integer, OpenFile> files = new TreeMap<>();
    private long mostDescriptors;
    private long hardDescriptors;

    Task(Mm mm, long mostDescriptors) {
        this.mm = mm;
        this.mostDescriptors = mostDescriptors;
        this.hardDescriptors = mostDescriptors;
    }

    Mm mm() {
        return mm;
    }

    long mostDescriptors() {
        return mostDescriptors;
    }

    long hardDescriptors() {
        return hardDescriptors;
    }

    void descriptorLimits(long soft, long hard) {
        mostDescriptors = soft;
        hardDescriptors = hard;
    }

    @Nullable
    OpenFile file(int descriptor) {
        return files.get(descriptor);
    }

    boolean hasFreeDescriptor() {
        return Long.compareUnsigned(freeDescriptor(), mostDescriptors) < 0;
    }

    private int freeDescriptor() {
        int descriptor = FIRST_DESCRIPTOR;
        while (files.containsKey(descriptor)) {
            descriptor++;
        }
        return descriptor;
    }

    /** The lowest free descriptor for a file, or EMFILE. */
    int add(OpenFile file) {
        file.refer();
        if (!hasFreeDescriptor()) {
            file.drop();
            return Errno.EMFILE.negated();
        }
        int descriptor = freeDescriptor();
        files.put(descriptor, file);
        return descriptor;
    }

    int close(int descriptor) {
        OpenFile file = files.remove(descriptor);
        if (file == null) {
            return Errno.EBADF.negated();
        }
        file.drop();
        return 0;
    }

    /** A child with the same descriptors and memory of its own. */
    Task fork(Mm childMemory) {
        Task child = new Task(childMemory, mostDescriptors);
        child.hardDescriptors = hardDescriptors;
        files.forEach((descriptor, file) -> {
            file.refer();
            child.files.put(descriptor, file);
        });
        return child;
    }

    List<Integer> descriptors() {
        return List.copyOf(files.keySet());
    }
}
